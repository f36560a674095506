import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { type RunningGateway, startGateway } from "../../support/gateway.ts";
import { RawSocket } from "../../support/raw-socket.ts";
import { type Answer, ask, emulate, StreamClient } from "../../support/stream-client.ts";

const page = "https://shop.example";
const transports = { http_stream: { enabled: true }, sse: { enabled: true } };
const insecure = { insecure: true, allowed_origins: [page] };
const metrics = { prometheus: { enabled: true } };

function codeOf({ body }: Answer): string {
  return (JSON.parse(body) as { error: { code: string } }).error.code;
}

/** The sum of what a counter has for these labels. */
async function counter(
  { port }: RunningGateway,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<number> {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const lines = (await ask(port, "/metrics")).body.split("\n");
  return lines
    .filter((line) => line.startsWith(`${name}{`) && wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

describe("clients without websockets", { concurrency: 4 }, () => {
  let running: RunningGateway;

  before(async () => {
    const channel = { without_namespace: { presence: true } };
    running = await startGateway({
      gateway: { client: insecure, channel, ...transports, ...metrics },
    });
  });
  after(async () => {
    await running[Symbol.asyncDispose]();
    assert.ok(!running.lines.some((line) => line.includes("bug")), running.lines.join(""));
  });

  for (const transport of ["http_stream", "sse"] as const) {
    describe(`by ${transport}`, { concurrency: 4 }, () => {
      it("get a head that lets no proxy keep anything back, and every message at once", async () => {
        using client = await StreamClient.connect(running.port, { transport });
        const { statusCode, headers } = client.response;
        assert.equal(statusCode, 200);
        assert.equal(headers["x-accel-buffering"], "no");
        assert.match(headers["cache-control"] ?? "", /no-cache.*no-transform/);
        assert.equal(headers["x-content-type-options"], "nosniff");
        assert.equal(headers["content-encoding"], undefined);
        const type = transport === "sse" ? "text/event-stream; charset=utf-8" : "application/json";
        assert.equal(headers["content-type"], type);
        assert.match(client.session, /^[\w-]{32}$/);
        assert.match(client.node, /^[0-9a-f-]{36}$/);
        const { connect } = client.messages[0] as { connect: { client: string } };
        assert.notEqual(client.session, connect.client);
        if (transport === "sse") assert.match(client.text, /^\r\ndata: \{"id":1,.*\}\n\n$/);
        else assert.match(client.text, /^\{"id":1,.*\}\n$/);

        const channel = `once-${transport}`;
        await client.command({ subscribe: { channel } });
        for (const n of [1, 2, 3]) {
          await client.command({ publish: { channel, data: { n } } });
          await eventually("it arrives", () => client.pushes.length === n);
          assert.partialDeepStrictEqual(client.pushes.at(-1), { pub: { data: { n } } });
        }
        assert.equal(client.ended, false);
      });

      it("are told why they are closed, and then their stream ends", async () => {
        using client = await StreamClient.connect(running.port, { transport });
        const { status } = await client.send("nonsense");
        assert.equal(status, 204);
        assert.equal(await client.closing(), 3501);
        const last = client.messages.at(-1);
        assert.deepEqual(last, { push: { disconnect: { code: 3501, reason: "bad request" } } });
        // What was under way then is no failure: the client would miss why it was closed.
        assert.equal((await client.send({})).status, 204);
      });

      it("that begin with something else than to connect are closed", async () => {
        for (const body of ['{"id":1,"subscribe":{"channel":"a"}}', "{", "", "[]"]) {
          using client = await StreamClient.begin(running.port, { transport, body });
          assert.equal(client.response.statusCode, 200);
          assert.equal(await client.closing(), 3501);
        }
      });

      it("are not there any more, for others, as soon as their request is aborted", async () => {
        const channel = `left-${transport}`;
        using witness = await StreamClient.connect(running.port);
        const present = async (): Promise<number> => {
          const reply = await witness.command({ presence_stats: { channel } });
          return (reply["presence_stats"] as { num_clients: number }).num_clients;
        };
        using client = await StreamClient.connect(running.port, { transport });
        await client.command({ subscribe: { channel } });
        assert.equal(await present(), 1);
        client.request.destroy();
        const began = performance.now();
        await eventually("it is not present", async () => (await present()) === 0);
        const tookMs = performance.now() - began;
        assert.ok(tookMs < 2_000, `after ${tookMs} ms`);
      });

      it("may be pages of allowed origins, and no others", async () => {
        using client = await StreamClient.connect(running.port, {
          transport,
          headers: { origin: page },
        });
        assert.equal(client.response.headers["access-control-allow-origin"], page);
        const other = { origin: "https://elsewhere.example", "content-type": "text/plain" };
        using refused = await StreamClient.begin(running.port, { transport, headers: other });
        assert.equal(refused.response.statusCode, 403);
        assert.equal(refused.response.headers["access-control-allow-origin"], undefined);
      });

      it("are served by this method only", async () => {
        for (const method of ["HEAD", "PUT", "DELETE", transport === "sse" ? "POST" : "GET"]) {
          const { status, headers } = await ask(running.port, `/connection/${transport}`, {
            method,
          });
          assert.equal(status, 405, method);
          assert.match(headers["allow"] ?? "", transport === "sse" ? /^GET/ : /^POST/);
        }
      });
    });
  }

  it("send commands, in their order, to an endpoint that answers when they are taken", async () => {
    using client = await StreamClient.connect(running.port);
    const channel = "in-order";
    await client.send({ id: 2, subscribe: { channel } });
    const publish = (n: number): object => ({ id: 100 + n, publish: { channel, data: n } });
    const requests = Array.from({ length: 20 }, (_, index) =>
      Array.from({ length: 50 }, (_each, n) => publish(index * 50 + n)),
    );
    for (const commands of requests) {
      const { status, body } = await client.send(...commands);
      assert.deepEqual([status, body], [204, ""]);
    }
    await eventually("all are published", () => client.pushes.length === 1_000);
    const numbers = client.pushes.map(({ pub }) => (pub as { data: number }).data);
    assert.deepEqual(
      numbers,
      Array.from({ length: 1_000 }, (_, n) => n),
    );
  });

  it("are told what is wrong with what they send", async () => {
    using client = await StreamClient.connect(running.port, { headers: { origin: page } });
    const { session, node } = client;
    const whole = { session, node, data: "{}" };
    const text = (change: object): string => JSON.stringify({ ...whole, ...change });
    const unknown = "00000000-0000-4000-8000-000000000000";
    const expected: [number, string, string | Uint8Array, Record<string, string>?][] = [
      [400, "invalid_request", ""],
      [400, "invalid_request", "{"],
      [400, "invalid_request", text({ data: undefined })],
      [400, "invalid_request", text({ data: { id: 2 } })],
      [400, "invalid_request", Buffer.from([0xff]), { "content-type": "application/octet-stream" }],
      [404, "unknown_node", text({ node: unknown })],
      [404, "unknown_node", text({ node: "unknown", session: "unknown" })],
      [404, "unknown_node", text({ node: "*" })],
      [413, "too_large", text({ data: "x".repeat(65_536) })],
      [415, "unsupported_media_type", text({}), { "content-encoding": "gzip" }],
      [403, "forbidden_origin", text({}), { origin: "https://elsewhere.example" }],
    ];
    for (const [status, code, body, headers] of expected) {
      const answer = await emulate(running.port, body, { origin: page, ...headers });
      assert.deepEqual([answer.status, codeOf(answer)], [status, code]);
      // Without it a page would see a failure of the network.
      if (status !== 403) assert.equal(answer.headers["access-control-allow-origin"], page);
    }
    assert.equal((await ask(running.port, "/emulation")).status, 405);
    assert.equal((await ask(running.port, "/emulation", { method: "OPTIONS" })).status, 204);
    // Somebody else's session is nobody's.
    assert.equal((await emulate(running.port, text({ session: "x".repeat(32) }))).status, 204);
    assert.equal(client.ended, false);
    const { body } = await ask(running.port, "/metrics");
    assert.match(body, /gateway_refusals_total\{transport="emulation",status="413"\} [1-9]/);
  });

  it("need a connect command in the query of an event stream, and nothing else", async () => {
    const two = encodeURIComponent('{"id":1,"connect":{}}\n{"id":2,"rpc":{"method":"pay"}}');
    for (const query of ["", "?cf_connect=a&cf_connect=b", "?connect=a", `?cf_connect=${two}`]) {
      const answer = await ask(running.port, `/connection/sse${query}`);
      assert.deepEqual([answer.status, codeOf(answer)], [400, "no_connect"]);
    }
  });

  it("may not ask for a stream before the answer to another request is out", async () => {
    await using raw = await RawSocket.connect(running.port);
    const connect = '{"id":1,"connect":{}}';
    const stream = `POST /connection/http_stream HTTP/1.1\r\nHost: a\r\nContent-Length: ${connect.length}\r\n\r\n${connect}`;
    const { connections } = running.gateway.counts;
    raw.socket.write(stream + stream);
    await eventually("the first is served", () => raw.received.includes('"session"'));
    assert.equal(raw.received.toString().match(/HTTP\/1\.1/g)?.length, 1);
    raw.socket.destroy();
    await eventually("it has gone", () => running.gateway.counts.connections <= connections);
  });

  it("count as websockets do, by their transport", async () => {
    const opened = (): Promise<number> =>
      counter(running, "gateway_connects_total", { transport: "sse" });
    const before = await opened();
    using client = await StreamClient.connect(running.port, { transport: "sse" });
    assert.ok((await opened()) > before);
    await client.send("nonsense");
    await client.closing();
    const labels = { transport: "sse", code: "3501" };
    assert.ok((await counter(running, "gateway_disconnects_total", labels)) > 0);
  });
});

describe("limits of clients without websockets", { concurrency: 4 }, () => {
  it("are those of the configuration, and refusals are what a page can read", async () => {
    await using running = await startGateway({
      gateway: { client: { ...insecure, connection_limit: 2 }, ...transports },
    });
    using one = await StreamClient.connect(running.port);
    using two = await StreamClient.connect(running.port, { transport: "sse" });
    for (const transport of ["http_stream", "sse"] as const) {
      const headers = { origin: page };
      using third = await StreamClient.begin(running.port, { transport, headers });
      assert.equal(third.response.statusCode, 503);
      assert.equal(third.response.headers["retry-after"], "1");
      assert.equal(third.response.headers["access-control-allow-origin"], page);
    }
    assert.ok(!one.ended && !two.ended);
    // Refusals are counted; a line for each would fill the log of a gateway that is full.
    assert.ok(!running.lines.some((line) => line.includes("refused")), running.lines.join(""));
  });

  it("end a stream that nobody reads, with the reason if it is read again, and hold nobody up", async () => {
    await using running = await startGateway({
      gateway: { client: insecure, ...transports, ...metrics },
      limits: { slowGraceMs: 60_000 },
    });
    const data = "x".repeat(200_000);
    using quick = await StreamClient.connect(running.port);
    await quick.command({ subscribe: { channel: "a" } });
    for (const transport of ["http_stream", "sse"] as const) {
      using slow = await StreamClient.connect(running.port, { transport });
      await slow.command({ subscribe: { channel: "a" } });
      slow.response.pause();
      const { connections } = running.gateway.counts;
      let most = 0;
      for (let n = 0; n < 60; n += 1) {
        const count = quick.pushes.length;
        running.publisher.publish("t.a", JSON.stringify(data));
        if (n % 10 === 0) await eventually("it arrives", () => quick.pushes.length > count);
        most = Math.max(most, running.gateway.backlogBytes);
      }
      assert.ok(most > 0 && most < 2 * 1_048_576, `${most} bytes waited`);
      slow.response.resume();
      assert.equal(await slow.closing(), 3008);
      await eventually("it has gone", () => running.gateway.counts.connections < connections);
      assert.equal(running.gateway.backlogBytes, 0);
      assert.equal(await counter(running, "gateway_slow_closes_total", { transport }), 1);
    }
    assert.ok(!quick.ended);
  });

  it("ask clients to come anew when they have been here for long", async () => {
    await using running = await startGateway({
      gateway: { client: { ...insecure, max_connection_age: "1s" }, ...transports },
    });
    using client = await StreamClient.connect(running.port);
    assert.equal(await client.closing(), 3011);
  });

  it("close who does not answer pings, and keep who does", async () => {
    await using running = await startGateway({
      gateway: {
        client: { ...insecure, ping_interval: "2s", pong_timeout: "1900ms" },
        ...transports,
      },
    });
    using good = await StreamClient.connect(running.port);
    using other = await StreamClient.connect(running.port, { transport: "sse" });
    using bad = await StreamClient.connect(running.port);
    bad.pongs = false;
    assert.equal(await bad.closing(), 3012);
    const pings = ({ messages }: StreamClient): number =>
      messages.filter((message) => Object.keys(message).length === 0).length;
    await eventually("others are asked again", () => pings(good) >= 2 && pings(other) >= 2);
    assert.ok(!good.ended && !other.ended);
  });

  it("let nobody keep others out with bodies that never come whole", async () => {
    await using running = await startGateway({
      gateway: { client: insecure, ...transports },
      limits: { maxTotalBodyBytes: 105_000, bodyMs: 600_000 },
    });
    using client = await StreamClient.connect(running.port);
    const raws = await Promise.all(
      ["/emulation", "/connection/http_stream"].map(async (path) => {
        const raw = await RawSocket.connect(running.port);
        const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n`;
        raw.socket.write(head + "x".repeat(49_000));
        return raw;
      }),
    );
    let id = 1;
    // When both are there, this has no room until one of them has made it.
    await eventually("one of them gives way", async () => {
      const { status } = await client.send({ id: ++id, rpc: { method: "x".repeat(6_000) } });
      assert.equal(status, 204);
      return raws.some(({ received }) => received.length > 0);
    });
    const answers = raws.map(({ received }) => received.toString("latin1").slice(0, 12));
    assert.deepEqual(answers.sort(), ["", "HTTP/1.1 503"]);
    for (const raw of raws) await raw[Symbol.asyncDispose]();
    using another = await StreamClient.connect(running.port);
    assert.ok(!client.ended && !another.ended);
  });

  it("are no matter while these transports are switched off, as they are by default", async () => {
    await using running = await startGateway();
    const paths = ["/connection/http_stream", "/connection/sse?cf_connect={}", "/emulation"];
    for (const path of paths) {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        assert.equal((await ask(running.port, path, { method })).status, 404);
      }
    }
    assert.ok(!(await running.nats.subjects()).some((subject) => subject.startsWith("g.emulate")));
  });

  it("hold without NATS, too: nobody new is taken, and who is there is told to come back", async () => {
    await using running = await startGateway({
      gateway: { client: insecure, ...transports },
      limits: { brokerGraceMs: 500 },
    });
    using client = await StreamClient.connect(running.port);
    await running.nats.signal("SIGKILL");
    await eventually("nobody new is taken", async () => {
      using late = await StreamClient.begin(running.port);
      return late.response.statusCode === 503;
    });
    assert.equal(await client.closing(), 3004);
  });

  it("let everybody go, with the reason, when the gateway stops", async () => {
    await using running = await startGateway({ gateway: { client: insecure, ...transports } });
    using one = await StreamClient.connect(running.port);
    using two = await StreamClient.connect(running.port, { transport: "sse" });
    await running.gateway.stop(100);
    assert.deepEqual([await one.closing(), await two.closing()], [3001, 3001]);
    assert.equal(running.gateway.counts.connections, 0);
  });
});
