import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { FrontDoor } from "../../../local/cloud/front-door.ts";
import { clientKinds } from "../../support/client-kind.ts";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { emulate, StreamClient } from "../../support/stream-client.ts";
import { open } from "./config.ts";

const config = {
  ...open,
  http_stream: { enabled: true },
  sse: { enabled: true },
  // Longer than a service leaves to requests that do not end.
  shutdown: { timeout: "4s" },
};
const kinds = [clientKinds.jsonHttpStream, clientKinds.protobufHttpStream, clientKinds.jsonSse];

/** The front door of a local stack, which knows nothing of clients: each request goes to another gateway. */
class AnyDoor implements AsyncDisposable {
  /** Where requests go, in turn. */
  ports: readonly number[];
  /** The paths that were asked for, with the port that each was led to. */
  readonly asked: { readonly path: string; readonly port: number }[] = [];
  readonly #door: FrontDoor;

  private constructor(ports: readonly number[]) {
    this.ports = ports;
    this.#door = new FrontDoor({
      find: (_host, path) => {
        const port = this.ports[this.asked.length % this.ports.length] ?? 0;
        this.asked.push({ path, port });
        return { service: "ws", kind: "flexible", ports: [port], enter: () => () => undefined };
      },
    });
  }

  static async open(ports: readonly number[]): Promise<AnyDoor> {
    const door = new AnyDoor(ports);
    await door.#door.listen(0);
    return door;
  }

  get port(): number {
    return this.#door.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#door.stop();
  }
}

describe("clients without websockets, behind the front door of two gateways", () => {
  let pair: GatewayPair;

  before(async () => {
    pair = await GatewayPair.start(config);
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
  });

  describe("while both are there", { concurrency: 8 }, () => {
    for (const kind of kinds) {
      it(`do by ${kind.name} what others do, whichever gateway each command comes to`, async () => {
        await using door = await AnyDoor.open(pair.ports);
        using client = await NpmClient.connect(door.port, { kind });
        using other = await NpmClient.connect(pair.port(1));
        const channel = pair.channel();
        const subscription = await client.subscribe(channel);
        const last = await other.subscribe(channel);
        for (let n = 1; n <= 10; n += 1) {
          // The reply is awaited, so that each command has a request of its own.
          await (n % 2 === 0 ? client : other).publish(channel, { n });
        }
        const expected = Array.from({ length: 10 }, (_, n) => ({ n: n + 1 }));
        assert.deepEqual(await subscription.received(10), expected);
        assert.deepEqual(await last.received(10), expected);
        assert.equal((await client.presenceStats(channel)).numClients, 2);
        const { publications } = await client.history(channel, { limit: 100 });
        assert.equal(publications.length, 10);
        // As much as fits into a body.
        await client.publish(channel, "x".repeat(60_000));
        await last.received(11);
        const ports = door.asked.filter(({ path }) => path === "/emulation");
        for (const each of pair.ports) {
          assert.ok(ports.filter(({ port }) => port === each).length >= 3);
        }
        assert.deepEqual(client.connection, ["connecting 0", "connected"]);
      });
    }

    for (const transport of ["http_stream", "sse"] as const) {
      it(`get each message by ${transport} while the answer goes on, and none is held back`, async () => {
        await using door = await AnyDoor.open(pair.ports);
        using client = await StreamClient.connect(door.port, { transport });
        assert.equal(client.response.headers["x-accel-buffering"], "no");
        const channel = pair.channel("plain");
        await client.command({ subscribe: { channel } });
        for (let n = 1; n <= 5; n += 1) {
          pair.publisher.publish(subjectOf(channel), String(n));
          // The next is not sent before this one has arrived.
          await eventually("it arrives", () => client.pushes.length === n, { everyMs: 1 });
        }
        assert.deepEqual(client.pushes.at(-1), { channel, pub: { data: 5 } });
        assert.equal(client.ended, false);
      });

      it(`are gone for others within two seconds when the request of ${transport} is aborted`, async () => {
        await using door = await AnyDoor.open(pair.ports);
        const channel = pair.channel();
        using witness = await NpmClient.connect(pair.port(1));
        const events = await witness.subscribe(channel);
        using client = await StreamClient.connect(door.port, { transport });
        await client.command({ subscribe: { channel } });
        await events.happens("join ", 2);
        client.request.destroy();
        const began = performance.now();
        await events.happens("leave ");
        assert.equal((await witness.presenceStats(channel)).numClients, 1);
        const tookMs = performance.now() - began;
        assert.ok(tookMs < 2_000, `after ${tookMs} ms`);
      });
    }

    it("know no stranger's session: whoever guesses finds nobody, and harms nobody", async (t) => {
      using victim = await StreamClient.connect(pair.port(0), { emulationPort: pair.port(1) });
      const { session, node } = victim;
      const someText = fc.oneof(
        fc.string({ unit: "binary", maxLength: 40 }),
        fc.constantFrom("", node, "*", ">", "a.b", "\r\nX: y", "__proto__", node.toUpperCase()),
      );
      const almost = fc.record(
        { node: someText, session: someText, data: fc.oneof(someText, fc.jsonValue()) },
        { requiredKeys: [] },
      );
      const json = fc.oneof(fc.jsonValue(), almost).map((value) => JSON.stringify(value));
      const bytes = fc.oneof(
        json.map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
        // A valid message of protobuf, damaged.
        fc.tuple(fc.nat(90), fc.nat(255)).map(([at, value]) => {
          const message = Buffer.concat([
            ...[node, "x".repeat(32), "{}"].map((text, index) =>
              Buffer.concat([
                Buffer.from([((index + 1) << 3) | 2, text.length]),
                Buffer.from(text),
              ]),
            ),
          ]);
          message[at % message.length] = value;
          return message;
        }),
      );
      const types = fc.constantFrom(
        "application/json",
        "application/octet-stream",
        "text/plain",
        "",
      );
      const statuses = new Map<number, number>();
      await fc.assert(
        fc.asyncProperty(bytes, types, fc.constantFrom<0 | 1>(0, 1), async (body, type, index) => {
          if (body.includes(session)) return;
          const { status } = await emulate(pair.port(index), body, {
            "content-type": type,
          });
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          assert.ok([204, 400, 404].includes(status), `answered with ${status}`);
        }),
        { numRuns: 500 },
      );
      t.diagnostic([...statuses].map(([status, n]) => `${n}x ${status}`).join(", "));
      await victim.command({ subscribe: { channel: pair.channel() } });
      // Broken commands for a session that there is end that one alone, as a broken frame would.
      using other = await StreamClient.connect(pair.port(0), { emulationPort: pair.port(1) });
      for (const data of ["[".repeat(30_000), "\0", "{}\n\n{}", '{"id":1e999}']) {
        await other.send(data);
      }
      assert.equal(await other.closing(), 3501);
      assert.equal(victim.ended, false);
      const bad = pair.gateways
        .flatMap(({ logs }) => logs)
        .filter(({ severity, message }) => severity === "ERROR" || String(message).includes("bug"));
      assert.deepEqual(bad, []);
    });
  });

  it("come back to another gateway when theirs hangs, is killed or stops, and miss nothing", async () => {
    await using door = await AnyDoor.open([pair.port(0)]);
    using owned = new DisposableStack();
    const clients = await Promise.all(kinds.map((kind) => NpmClient.connect(door.port, { kind })));
    for (const client of clients) owned.use(client);
    const channel = pair.channel();
    const subscriptions = await Promise.all(clients.map((client) => client.subscribe(channel)));
    using other = await NpmClient.connect(pair.port(1));
    let sent = 0;
    const allReceive = async (): Promise<void> => {
      await other.publish(channel, ++sent);
      const expected = Array.from({ length: sent }, (_, n) => n + 1);
      for (const each of subscriptions) assert.deepEqual(await each.received(sent), expected);
    };
    await allReceive();

    // It holds the streams and answers nobody: whoever sends a command through another learns of it.
    door.ports = [pair.port(1)];
    pair.gateway(0).signal("SIGSTOP");
    const began = performance.now();
    await Promise.all(
      clients.map(async (client) => {
        await assert.rejects(client.publish(channel, "lost"));
        await client.happens("connected", 2);
      }),
    );
    const tookMs = performance.now() - began;
    assert.ok(tookMs < 20_000, `after ${tookMs} ms`);
    await allReceive();
    for (const each of subscriptions) assert.ok(each.events.includes("subscribed, recovered"));

    // What nobody holds any more is told so at once.
    pair.gateway(0).signal("SIGCONT");
    using stream = await StreamClient.connect(pair.port(0), { emulationPort: pair.port(1) });
    pair.gateway(0).signal("SIGKILL");
    await stream.closing();
    await eventually(
      "it is not known any more",
      async () => (await stream.send({})).status === 404,
    );

    // One that stops lets them go one after the other, and each is told why.
    await pair.restart(0);
    const leavers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        StreamClient.connect(pair.port(0), { transport: n % 2 === 0 ? "sse" : "http_stream" }),
      ),
    );
    const ends = Promise.all(
      leavers.map(async (leaver) => [await leaver.closing(), performance.now()] as const),
    );
    const { code } = await pair.gateway(0).end("SIGTERM");
    assert.equal(code, 0);
    const closed = await ends;
    assert.deepEqual(
      closed.map(([reason]) => reason),
      closed.map(() => 3001),
    );
    const times = closed.map(([, ms]) => ms);
    const spreadMs = Math.max(...times) - Math.min(...times);
    assert.ok(spreadMs > 1_000, `all went within ${spreadMs} ms`);
  });
});
