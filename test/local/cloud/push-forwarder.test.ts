import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, it } from "node:test";
import { PushForwarder, type PushTarget } from "../../../local/cloud/push-forwarder.ts";
import { eventually } from "../../support/eventually.ts";
import { ask } from "./support.ts";

/** The forwarder before a door of the test's own. */
describe("the push forwarder", () => {
  let door: Server;
  let port: number;
  let forwarder: PushForwarder;
  let notes: string[];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const name = "projects/p/subscriptions/s";

  beforeEach(async () => {
    door = createServer((request, response) => {
      answer(request, response);
    }).listen(0, "127.0.0.1");
    await once(door, "listening");
    ({ port } = door.address() as AddressInfo);
    notes = [];
    answer = (_request, response) => response.writeHead(200).end();
    forwarder = new PushForwarder({
      frontDoorPort: () => port,
      sign: (account, audience) => Promise.resolve(`token of ${account} for ${audience}`),
      note: (line) => notes.push(line),
    });
  });
  afterEach(async () => {
    await forwarder.stop();
    door.closeAllConnections();
    await new Promise((resolve) => door.close(resolve));
  });

  const target = (more: Partial<PushTarget> = {}): PushTarget => ({
    endpoint: `https://0-dot-v1-dot-m-dot-appengine.localhost:${port}/push?x=1`,
    ...{ account: "m-push@p", audience: undefined, deadlineMs: 10_000 },
    ...more,
  });
  const send = (url: string, headers: Record<string, string> = {}, body = "{}") => {
    const { port: to, pathname } = new URL(url);
    return ask(Number(to), pathname, { method: "POST", headers, body });
  };

  it("sends the body as it is to the declared host and path, with the account's token", async () => {
    const body = JSON.stringify({ message: { data: "ä\u0000" } });
    let seen: { request: IncomingMessage; body: string } | undefined;
    answer = (request, response) => {
      void text(request).then((whole) => {
        seen = { request, body: whole };
        response.writeHead(200, { "X-App": "1" }).end("not for Pub/Sub");
      });
    };
    const url = await forwarder.put(name, target());
    const headers = {
      ...{ "Content-Type": "application/json", "X-Goog-Pubsub-Message-Id": "7" },
      ...{ Authorization: "Bearer forged", Connection: "X-Hop, keep-alive", "X-Hop": "1" },
    };
    const { status, body: answered } = await send(url, headers, body);
    assert.deepEqual([status, answered], [200, ""]);
    assert.equal(seen?.body, body);
    const { request } = seen;
    assert.equal(request.url, "/push?x=1");
    assert.equal(request.headers.host, `0-dot-v1-dot-m-dot-appengine.localhost:${port}`);
    assert.equal(request.headers["content-type"], "application/json");
    assert.equal(request.headers["x-goog-pubsub-message-id"], "7");
    assert.equal(request.headers["content-length"], String(Buffer.byteLength(body)));
    assert.equal(request.headers["x-hop"], undefined);
    assert.equal(
      request.headers.authorization,
      `Bearer token of m-push@p for ${target().endpoint}`,
      "without an audience it is the endpoint",
    );
    await forwarder.put(name, target({ audience: "m" }));
    await send(url);
    assert.equal(seen.request.headers.authorization, "Bearer token of m-push@p for m");
    await forwarder.put(name, target({ account: undefined }));
    await send(url, { Authorization: "Bearer forged" });
    assert.equal(seen.request.headers.authorization, undefined);
  });

  it("hands every status back, but 202, which the emulator would not understand", async () => {
    const url = await forwarder.put(name, target());
    for (const [said, handed] of [
      ...[200, 201, 204, 302, 404, 429, 500, 503].map((same) => [same, same] as const),
      [202, 204] as const,
    ]) {
      answer = (_request, response) => response.writeHead(said, { Location: "/" }).end();
      const { status, headers } = await send(url);
      assert.equal(status, handed);
      assert.equal(headers.location, undefined);
    }
  });

  it("acknowledges nothing when the answer breaks off, or nobody answers", async () => {
    const url = await forwarder.put(name, target());
    answer = (_request, response) => {
      response.writeHead(200, { "Content-Length": "10" }).write("half");
      setTimeout(() => response.destroy(), 20);
    };
    assert.equal((await send(url)).status, 502);
    const gone = port;
    port = 1;
    assert.equal((await send(url)).status, 502);
    port = gone;
  });

  it("cuts a push at the deadline and says so", async () => {
    let closed = false;
    answer = (_request, response) => {
      response.writeHead(200).write("never the end");
      response.once("close", () => (closed = true));
    };
    const url = await forwarder.put(name, target({ deadlineMs: 100 }));
    assert.equal((await send(url)).status, 504);
    await eventually("the endpoint sees it", () => closed);
    assert.deepEqual(notes, [`${name}: a push was cut after 0.1 s without an answer`]);
  });

  it("is for the emulator alone: no other path or method gets through, nor a subscription that is gone", async () => {
    let requests = 0;
    answer = (_request, response) => {
      requests++;
      response.end();
    };
    const url = await forwarder.put(name, target());
    assert.match(new URL(url).pathname, /^\/[\w-]{32}$/);
    assert.notEqual(url, await forwarder.put("projects/p/subscriptions/t", target()));
    const to = Number(new URL(url).port);
    for (const path of ["/", `/${name}`, `${new URL(url).pathname}/`, "/push?x=1"]) {
      assert.equal((await ask(to, path, { method: "POST", body: "{}" })).status, 404, path);
    }
    assert.equal((await ask(to, new URL(url).pathname)).status, 404);
    const host = `localhost:${to}`;
    const { pathname } = new URL(url);
    assert.equal((await ask(to, pathname, { method: "POST", host, body: "{}" })).status, 403);
    forwarder.remove(name);
    assert.equal((await send(url)).status, 404);
    assert.equal(requests, 0);
  });

  it("keeps its address for a subscription while what is behind it changes", async () => {
    const url = await forwarder.put(name, target());
    const paths: (string | undefined)[] = [];
    answer = (request, response) => {
      paths.push(request.url);
      response.end();
    };
    await send(url);
    assert.equal(
      await forwarder.put(name, target({ endpoint: `https://localhost:${port}/b` })),
      url,
    );
    await send(url);
    assert.deepEqual(paths, ["/push?x=1", "/b"]);
  });

  it("takes nothing new once it closes, lets what is under way end, and breaks it off when it stops", async () => {
    const waiting: ServerResponse[] = [];
    answer = (_request, response) => waiting.push(response);
    const url = await forwarder.put(name, target());
    const [first, second] = [send(url), send(url)];
    second.catch(() => undefined);
    await eventually("both are under way", () => waiting.length === 2);
    await forwarder.close();
    await assert.rejects(send(url), /ECONNREFUSED/);
    waiting[0]?.writeHead(200).end();
    waiting[1]?.once("close", () => waiting.pop());
    assert.equal((await Promise.race([first, second])).status, 200);
    await forwarder.stop();
    await eventually("the other sees the end", () => waiting.length === 1);
    await Promise.allSettled([first, second]);
  });
});
