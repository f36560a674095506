import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, describe as suite, it } from "node:test";
import { WebSocket } from "ws";
import { eventually } from "../../support/eventually.ts";
import { ask, deploy, describe, open, raw, rules, startCloud, type TestCloud } from "./support.ts";

let test: TestCloud;
before(async () => {
  test = await startCloud();
  await deploy(test, "w1");
  await deploy(test, "s1", { service: "ws", flexible: true });
  await rules(test, [{ path: "/ws*", service: "ws" }]);
});
after(() => test.cloud.stop());

const active = (service: string, version: string): number | undefined =>
  test.cloud.services.version(service, version)?.active;

suite("requests", () => {
  it("carry method, target, body and headers as they came, with the platform's own beside them", async () => {
    const got = await describe(test.port, "/a%2Fb?x=%20", {
      method: "PUT",
      body: "hello",
      headers: { "X-Own": "1", "X-AppEngine-User-Email": "forged" },
    });
    assert.equal(got.method, "PUT");
    assert.equal(got.url, "/a%2Fb?x=%20");
    assert.equal(got.body, "hello");
    assert.equal(got.headers["x-own"], "1");
    assert.equal(got.headers["host"], `127.0.0.1:${test.port}`);
    assert.equal(got.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(got.headers["x-forwarded-proto"], "http");
    assert.equal(got.headers["x-appengine-user-email"], undefined);
    const hostname = got.headers["x-appengine-default-version-hostname"];
    assert.equal(hostname, `appengine.localhost:${test.port}`);
  });

  it("keep repeated response headers and lose those of the instance's connection", async () => {
    const answer = await ask(test.port, "/cookies");
    assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(answer.headers["x-secret"], undefined);
  });

  it("stream both ways: each chunk comes back before the next is sent", async () => {
    const { request } = open(test.port, "/echo");
    const [response] = (await once(request, "response")) as [IncomingMessage];
    for (const part of ["one", "two", "three"]) {
      request.write(part);
      const [chunk] = (await once(response, "data")) as [Buffer];
      assert.equal(chunk.toString(), part);
    }
    request.end();
    await once(response, "end");
  });

  it("get headers at once, though no byte of the body follows", async () => {
    const request = get({
      port: test.port,
      host: "127.0.0.1",
      path: "/headers-only",
      agent: false,
    });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(response.headers["content-type"], "text/event-stream");
    request.destroy();
    await eventually("it is over", () => active("default", "w1") === 0);
  });

  it("that the client gives up end at the instance too", async () => {
    const before = test.lines.filter((line) => line.includes("events closed")).length;
    const request = get({ port: test.port, host: "127.0.0.1", path: "/events", agent: false });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await once(response, "data");
    request.destroy();
    await eventually(
      "the instance sees the end",
      () => test.lines.filter((line) => line.includes("events closed")).length > before,
    );
    await eventually("it is not counted any more", () => active("default", "w1") === 0);
  });

  it("that the client gives up before any answer end at the instance too", async () => {
    const { request } = open(test.port, "/never");
    await eventually("it is asked", () => test.lines.some((line) => line.includes("never asked")));
    request.destroy();
    await eventually("it sees the end", () =>
      test.lines.some((line) => line.includes("never closed")),
    );
  });

  it("that the client gives up while sending end too", async () => {
    const { request } = open(test.port, "/echo");
    request.write("part");
    await once(request, "response");
    request.destroy();
    await eventually("it is over", () => active("default", "w1") === 0);
  });

  it("that the instance breaks off are cut, never ended as if complete", async () => {
    await assert.rejects(ask(test.port, "/break"), /aborted|ECONNRESET|socket hang up/);
    const bytes = await raw(test.port, "GET /break HTTP/1.0\r\n\r\n");
    assert.match(bytes, /content-length: 1000/i);
  });

  it("are not read faster than the client takes the answer", async () => {
    const socket = connect({ port: test.port, host: "127.0.0.1" });
    socket.write("GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.pause();
    const flooded = async (): Promise<number> => Number((await ask(test.port, "/flooded")).body);
    let last = -1;
    const stood = await eventually("the instance is held back", async () => {
      const now = await flooded();
      if (now === last && now > 0) return now;
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return undefined;
    });
    // What the kernel and the streams between hold; an unbounded buffer would take gigabytes.
    assert.ok(stood < 64 * 1024 * 1024, `${stood} bytes`);
    socket.destroy();
    await eventually("it is over", () => active("default", "w1") === 0);
  });

  it("with an answer before the whole body leave nothing behind", async () => {
    const { request } = open(test.port, "/early");
    request.on("error", () => undefined);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(response.statusCode, 413);
    request.destroy();
    await eventually("it is over", () => active("default", "w1") === 0);
  });

  it("reach no path by which only the platform speaks to an instance", async () => {
    for (const path of ["/_ah/start", "/_AH/stop/", "/_ah/%73tart?x", "//_ah/warmup"]) {
      assert.equal((await ask(test.port, path)).status, 403, path);
    }
    assert.equal((await ask(test.port, "/_ah/push-handlers/x")).status, 200);
  });

  it("in absolute form go by the host in it", async () => {
    const bytes = await raw(
      test.port,
      "GET http://s1-dot-ws-dot-p.localhost/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert.match(bytes, /"GAE_SERVICE":"ws"/);
    assert.match(bytes, /"host":"s1-dot-ws-dot-p.localhost"/);
    assert.match(bytes, /"url":"\/x"/);
  });
});

suite("requests that could hide another", () => {
  const hidden = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const refused: Readonly<Record<string, string>> = {
    "two lengths": `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    "a length and chunks": `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${hidden.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    "chunks of another name": `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
    "chunks inside gzip": `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${hidden}`,
    "chunks twice": `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    "a space before the colon": `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
    "a folded header": `POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 5\r\n\r\n${hidden}`,
    "a length that is none": `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n${hidden}`,
    "a bad chunk size": `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n${hidden}`,
    "bare line feeds": `POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n${hidden}`,
    "two hosts": `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
    "no host": `GET / HTTP/1.1\r\n\r\n`,
    "a host that is none": `GET / HTTP/1.1\r\nHost: a b\r\n\r\n`,
    "a target that is no path": `GET foo HTTP/1.1\r\nHost: a\r\n\r\n`,
    "an upgrade with a body": `GET /ws/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  };
  for (const [why, bytes] of Object.entries(refused)) {
    it(`are refused: ${why}`, async () => {
      const answer = await raw(test.port, bytes);
      assert.match(answer, /^HTTP\/1\.1 (400|501) /);
      assert.ok(!answer.includes("/hidden"), answer);
      assert.equal(answer.split("HTTP/1.1 ").length, 2, "one answer and no more");
    });
  }

  it("a body of a GET stays its body, though Connection names its length", async () => {
    const answer = await raw(
      test.port,
      `GET /shown HTTP/1.1\r\nHost: a\r\nConnection: close, Content-Length, Transfer-Encoding\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    );
    assert.match(answer, /"url":"\/shown"/);
    assert.ok(answer.includes(JSON.stringify(hidden).slice(1, -1)), "it arrives as body");
    assert.equal(answer.split("HTTP/1.1 200").length, 2, "one answer and no more");
  });

  it("a body in chunks stays the body of a GET", async () => {
    const chunk = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`;
    const answer = await raw(
      test.port,
      `GET /shown HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`,
    );
    assert.match(answer, /"url":"\/shown"/);
    assert.ok(answer.includes(JSON.stringify(hidden).slice(1, -1)), "it arrives as body");
    assert.equal(answer.split("HTTP/1.1 200").length, 2, "one answer and no more");
  });

  it("another upgrade than to a websocket is an ordinary request", async () => {
    const answer = await raw(
      test.port,
      "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.ok(!/"upgrade"/i.test(answer));
  });

  it("behind a refused upgrade nothing reaches the instance", async () => {
    const answer = await raw(
      test.port,
      `GET /ws/refused HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n${hidden}`,
    );
    assert.match(answer, /^HTTP\/1\.1 404 Not Here\r\n[^]*nope$/, "in the instance's own words");
    assert.ok(!test.lines.some((line) => line.includes("leaked")));
  });
});

suite("refused upgrades", () => {
  const refusals = {
    "a service without websockets": "/none",
    "an instance that says no": "/ws/refused",
  };
  for (const [whose, path] of Object.entries(refusals)) {
    it(`of ${whose} let go of a connection whose client goes on sending and never closes`, async () => {
      const client = connect({ port: test.port, host: "127.0.0.1", allowHalfOpen: true });
      let cut = false;
      client.on("error", () => (cut = true)).on("close", () => (cut = true));
      client.resume();
      client.write(
        `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n${"x".repeat(100_000)}`,
      );
      await once(client, "end");
      // Only a connection that is closed on the other side answers what comes late with a reset.
      await eventually("the connection is cut", () => cut || (client.write("late"), false));
      client.destroy();
    });
  }
});

suite("websockets", () => {
  it("carry messages both ways and the platform's headers", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${test.port}/ws/x`, {
      headers: { "X-Appengine-User-Email": "forged" },
    });
    const [first] = (await once(socket, "message")) as [Buffer];
    const headers = JSON.parse(first.toString()) as Record<string, string>;
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-appengine-user-email"], undefined);
    assert.equal(active("ws", "s1"), 1);
    for (const text of ["a", "b".repeat(200_000)]) {
      socket.send(text);
      const [back] = (await once(socket, "message")) as [Buffer];
      assert.equal(back.toString(), text);
    }
    socket.close(1000);
    const [code] = (await once(socket, "close")) as [number];
    assert.equal(code, 1000);
    await eventually("it is over", () => active("ws", "s1") === 0);
  });

  it("that the client cuts end at the instance", async () => {
    const before = test.lines.filter((line) => line.includes("socket closed")).length;
    const socket = new WebSocket(`ws://127.0.0.1:${test.port}/ws/x`);
    await once(socket, "open");
    socket.terminate();
    await eventually(
      "the instance sees it",
      () => test.lines.filter((line) => line.includes("socket closed")).length > before,
    );
  });

  it("end when the instance dies", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${test.port}/ws/x`);
    await once(socket, "open");
    const instance = test.cloud.services.version("ws", "s1")?.instances[0];
    const pid = instance?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    const [code] = (await once(socket, "close")) as [number];
    assert.equal(code, 1006);
    await eventually("it lives again", () => instance?.live === true && instance.pid !== pid);
  });

  it("get 501 on a standard service, which has none on the platform", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${test.port}/`);
    const [error] = (await once(socket, "error")) as [Error];
    assert.match(error.message, /501/);
  });

  it("end after the platform's limit", async () => {
    await using own = await startCloud({ limits: { frontDoor: { websocketMs: 100 } } });
    await deploy(own, "w1", { flexible: true });
    const socket = new WebSocket(`ws://127.0.0.1:${own.port}/ws/x`);
    await once(socket, "open");
    await once(socket, "close");
  });
});
