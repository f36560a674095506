import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { WebSocket } from "ws";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { RawSocket } from "../../support/raw-socket.ts";
import { open } from "./config.ts";

/** What the protocol may be closed with for what a client sends. */
const allowedCodes = new Set([
  // Of the websocket protocol itself: broken, not text, no UTF-8, too long.
  ...[1002, 1003, 1007, 1009],
  // Bad request, too many requests, not available, unknown token, slow.
  ...[3501, 3013, 3508, 3500, 3008],
]);

/** Any JSON, mostly what the protocol does not expect. */
const someJson = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, 0, -1, 2 ** 53, 1e300, "", "__proto__", [], {}, true),
);

/** Mostly what a field should be. */
function mostly(usual: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 150, arbitrary: usual }, { weight: 1, arbitrary: someJson });
}

const flag = mostly(fc.boolean());
const text = mostly(fc.string({ maxLength: 5 }));
const count = mostly(fc.integer({ min: -1, max: 20 }));
const channel = mostly(
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("a", "a.b", "plain:b", "short:c", "cache:d", "#1") },
    { weight: 1, arbitrary: fc.constantFrom("nowhere:d", "x".repeat(300), "*", "a..b", "a b") },
  ),
);
const position = { offset: count, epoch: text };
const bodies: Readonly<Record<string, Readonly<Record<string, fc.Arbitrary<unknown>>>>> = {
  connect: { token: text, data: someJson, name: text, headers: someJson },
  subscribe: {
    ...{ channel, token: text, recover: flag, ...position, positioned: flag },
    ...{ recoverable: flag, join_leave: flag, flag: count, type: mostly(fc.constant(0)) },
    data: someJson,
  },
  unsubscribe: { channel },
  publish: { channel, data: someJson },
  presence: { channel },
  presence_stats: { channel },
  history: { channel, limit: count, since: mostly(fc.record(position)), reverse: flag },
  rpc: { method: text, data: someJson },
  send: { data: someJson },
  refresh: { token: text },
  sub_refresh: { channel, token: text },
  ping: {},
};
const id = mostly(fc.integer({ min: 1, max: 1_000 }));
const command = fc.oneof(
  ...Object.entries(bodies).map(([name, body]) => ({
    // The others end the connection.
    weight: ["connect", "send", "refresh", "ping"].includes(name) ? 1 : 40,
    arbitrary: fc.record({ id, [name]: mostly(fc.record(body, { requiredKeys: [] })) }),
  })),
  { weight: 2, arbitrary: fc.constant({}) },
);
/** Commands, well formed or not, some of them damaged on their way. */
const frame = fc
  .tuple(
    fc.array(mostly(command), { minLength: 1, maxLength: 3 }),
    fc.array(fc.tuple(fc.nat(400), fc.string({ unit: "binary", maxLength: 3 })), { maxLength: 2 }),
    fc.nat(30),
  )
  .map(([commands, damages, luck]) => {
    let line = commands.map((each) => JSON.stringify(each)).join("\n");
    if (luck > 0) return line;
    for (const [at, what] of damages) {
      const place = at % (line.length + 1);
      line = line.slice(0, place) + what + line.slice(place + 1);
    }
    return line;
  });

describe("what clients should not send", () => {
  let pair: GatewayPair;

  before(async () => {
    pair = await GatewayPair.start(open);
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
  });

  /** A metric of the first gateway. */
  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${pair.port(0)}/metrics`)).text();
    const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1];
    assert.ok(value !== undefined, `there is no metric ${name}`);
    return Number(value);
  }

  /** Sends frames on one connection until it is closed; how it went. */
  async function feed(frames: readonly string[]): Promise<number | undefined> {
    const websocket = new WebSocket(`ws://127.0.0.1:${pair.port(0)}/connection/websocket`);
    let code: number | undefined;
    let problem: unknown;
    websocket.on("message", (data: Buffer) => {
      for (const line of data.toString("utf8").split("\n").filter(Boolean)) {
        try {
          const message = JSON.parse(line) as unknown;
          assert.ok(typeof message === "object" && message !== null && !Array.isArray(message));
        } catch (error) {
          problem ??= error;
        }
      }
    });
    websocket.on("error", (error) => (problem ??= error));
    websocket.on("close", (closed) => (code = closed));
    await new Promise((resolve) => websocket.once("open", resolve));
    websocket.send('{"id":1,"connect":{}}');
    for (const each of frames) {
      if (websocket.readyState !== WebSocket.OPEN) break;
      websocket.send(each);
    }
    await new Promise<void>((resolve) => {
      websocket.ping(undefined, undefined, () => undefined);
      websocket.once("pong", () => {
        resolve();
      });
      websocket.once("close", () => {
        resolve();
      });
    });
    if (code === undefined) websocket.terminate();
    if (problem !== undefined) throw new Error("the gateway answered nonsense", { cause: problem });
    return code;
  }

  it("gets the codes of the protocol, whatever it is, and harms nobody", async (t) => {
    using witness = await NpmClient.connect(pair.port(0));
    const subscription = await witness.subscribe("witness");
    let sent = 0;
    const codes = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 12 }), async (frames) => {
        sent += frames.length;
        const code = await feed(frames);
        if (code === undefined) return;
        codes.set(code, (codes.get(code) ?? 0) + 1);
        assert.ok(allowedCodes.has(code), `closed with ${code}`);
      }),
      { numRuns: 600 },
    );
    t.diagnostic(`${sent} frames; closed ${[...codes].map(([c, n]) => `${n}x ${c}`).join(", ")}`);
    assert.ok(!pair.gateway(0).ended, pair.gateway(0).describe());
    await witness.client.publish("witness", "still here");
    await subscription.received(1);
    assert.deepEqual(witness.events, ["connecting 0", "connected"]);
    const bad = pair
      .gateway(0)
      .logs.filter(
        ({ severity, message }) =>
          severity === "ERROR" || severity === "CRITICAL" || String(message).startsWith("bug"),
      );
    assert.deepEqual(bad, []);
    // Whoever was there has gone with all that was theirs.
    await eventually("only the witness is left", async () => {
      return (await metric("gateway_connections")) === 1;
    });
    await eventually("its channel, too", async () => (await metric("gateway_channels")) === 1);
  });

  it("gets the codes of the websocket protocol where it is not even one", async () => {
    const frames: Record<string, Buffer> = {
      "a frame without a mask": Buffer.from([0x81, 0x02, 0x7b, 0x7d]),
      "reserved bits": Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
      "an unknown opcode": Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
      "a fragment of nothing": Buffer.from([0x80, 0x80, 0, 0, 0, 0]),
      "a ping that is too long": Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]),
      "no UTF-8": Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]),
      "a length beyond all limits": Buffer.from([0x81, 0xff, 0x7f, ...Array<number>(7).fill(255)]),
    };
    for (const [name, bytes] of Object.entries(frames)) {
      await using raw = await RawSocket.upgrade(pair.port(0), "/connection/websocket");
      const head = raw.received.length;
      raw.socket.write(bytes);
      await eventually(
        `${name} ends the connection`,
        () => raw.ended || raw.received.length > head,
      );
    }
    assert.ok(!pair.gateway(0).ended);
  });

  it("is closed with 3501 when it is binary", async () => {
    const websocket = new WebSocket(`ws://127.0.0.1:${pair.port(0)}/connection/websocket`);
    const code = await new Promise<number>((resolve) => {
      websocket.once("open", () => {
        websocket.send(Buffer.from('{"id":1,"connect":{}}'));
      });
      websocket.once("close", resolve);
    });
    assert.ok(code === 3501 || code === 1003, `closed with ${code}`);
  });

  it("cannot make JSON deep enough to break the gateway", async () => {
    for (const text of [
      "[".repeat(60_000),
      `{"id":2,"publish":{"channel":"a","data":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
      `{"id":2,"rpc":{"method":"m","data":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}}`,
      `{"id":2,"subscribe":{"channel":"a","tf":${'{"op":"not","nodes":['.repeat(2_000)}${"]}".repeat(2_000)}}}`,
    ]) {
      const code = await feed([text]);
      assert.ok(code === undefined || allowedCodes.has(code), `closed with ${code}`);
    }
    assert.ok(!pair.gateway(0).ended);
  });
});
