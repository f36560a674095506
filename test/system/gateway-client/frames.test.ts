import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { WebSocket } from "ws";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { delimited, someFrame } from "../../support/protobuf-fuzz.ts";
import { Random } from "../../support/random.ts";
import { RawSocket } from "../../support/raw-socket.ts";
import { referenceCodec, toReference } from "../../support/reference-codec.ts";
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

/** Commands of which the pieces of frames in protobuf are made. */
const messages = [
  { id: 2, subscribe: { channel: "a", recover: true, offset: 2 ** 53 - 1, epoch: "e", flag: 3 } },
  { id: 3, subscribe: { channel: "short:c", recoverable: true, join_leave: true } },
  {
    id: 4,
    subscribe: { channel: "b", tf: { op: "not", nodes: [{ key: "k", cmp: "in", vals: [""] }] } },
  },
  { id: 5, subscribe: { channel: "cache:d", delta: "fossil", positioned: true, token: "a.b.c" } },
  { id: 6, unsubscribe: { channel: "a" } },
  { id: 7, publish: { channel: "a", data: { text: "é😀" } } },
  { id: 8, publish: { channel: "plain:b", data: [1, null] } },
  { id: 9, presence: { channel: "a" } },
  { id: 10, presence_stats: { channel: "a" } },
  { id: 11, history: { channel: "a", limit: -1, since: { offset: 1, epoch: "e" }, reverse: true } },
  { id: 12, rpc: { method: "m", data: {} } },
  { id: 13, sub_refresh: { channel: "a", token: "a.b.c" } },
].map((each) => commandInProtobuf(each));

function commandInProtobuf(command: object): Uint8Array {
  // Without its length, which takes one byte.
  return referenceCodec.encodeCommands([toReference(command)]).subarray(1);
}

/** How a client speaks, and how it is spoken to. */
interface Speech {
  readonly subprotocols: string[];
  readonly connect: string | Uint8Array;
  readonly read: (message: Buffer, isBinary: boolean) => readonly unknown[];
}

const inJson: Speech = {
  subprotocols: [],
  connect: '{"id":1,"connect":{}}',
  read: (message, isBinary) => {
    assert.ok(!isBinary);
    const lines = message.toString("utf8").split("\n").filter(Boolean);
    return lines.map((line): unknown => JSON.parse(line));
  },
};
const inProtobuf: Speech = {
  subprotocols: ["centrifuge-protobuf"],
  connect: referenceCodec.encodeCommands([{ id: 1, connect: {} }]),
  read: (message, isBinary) => {
    assert.ok(isBinary);
    return referenceCodec.decodeReplies(message);
  },
};

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
  async function feed(
    { subprotocols, connect, read }: Speech,
    frames: readonly (string | Uint8Array)[],
  ): Promise<number | undefined> {
    const url = `ws://127.0.0.1:${pair.port(0)}/connection/websocket`;
    const websocket = new WebSocket(url, subprotocols);
    let code: number | undefined;
    let problem: unknown;
    websocket.on("message", (data: Buffer, isBinary) => {
      try {
        for (const message of read(data, isBinary)) {
          assert.ok(typeof message === "object" && message !== null && !Array.isArray(message));
        }
      } catch (error) {
        problem ??= error;
      }
    });
    websocket.on("error", (error) => (problem ??= error));
    websocket.on("close", (closed) => (code = closed));
    await new Promise((resolve) => websocket.once("open", resolve));
    websocket.send(connect);
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

  /** Feeds many connections with frames, in vain. */
  async function harmsNobody(
    t: TestContext,
    speech: Speech,
    frames: fc.Arbitrary<readonly (string | Uint8Array)[]>,
    numRuns: number,
  ): Promise<void> {
    using witness = await NpmClient.connect(pair.port(0));
    const subscription = await witness.subscribe("witness");
    let sent = 0;
    const codes = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(frames, async (each) => {
        sent += each.length;
        const code = await feed(speech, each);
        if (code === undefined) return;
        codes.set(code, (codes.get(code) ?? 0) + 1);
        assert.ok(allowedCodes.has(code), `closed with ${code}`);
      }),
      { numRuns },
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
  }

  it("gets the codes of the protocol, whatever it is, and harms nobody", async (t) => {
    await harmsNobody(t, inJson, fc.array(frame, { minLength: 1, maxLength: 12 }), 600);
  });

  it("gets them in protobuf, too", async (t) => {
    const frames = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 12 })).map(([seed, length]) => {
      const random = new Random(seed);
      return Array.from({ length }, () =>
        // Most are right, as what is wrong ends the connection.
        random.chance(0.7) ? delimited(random.one(messages)) : someFrame(random, messages),
      );
    });
    await harmsNobody(t, inProtobuf, frames, 400);
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

  it("is closed with 3501 when it is bytes where text is spoken, or text where bytes are", async () => {
    assert.equal(await feed(inJson, [Buffer.from('{"id":2,"rpc":{}}')]), 3501);
    assert.equal(await feed(inProtobuf, ["{}"]), 3501);
  });

  it("cannot be deep or large enough to break the gateway", async () => {
    for (const text of [
      "[".repeat(60_000),
      `{"id":2,"publish":{"channel":"a","data":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
      `{"id":2,"rpc":{"method":"m","data":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}}`,
      `{"id":2,"subscribe":{"channel":"a","tf":${'{"op":"not","nodes":['.repeat(2_000)}${"]}".repeat(2_000)}}}`,
    ]) {
      const code = await feed(inJson, [text]);
      assert.ok(code === undefined || allowedCodes.has(code), `closed with ${code}`);
    }
    const size = 65_000;
    const nodes = Array.from({ length: 2_000 }).reduce((tf) => ({ op: "not", nodes: [tf] }), {});
    // A filter that is too deep is cut, and answered with an error.
    const deep = referenceCodec.encodeCommands([{ id: 2, subscribe: { channel: "a", tf: nodes } }]);
    assert.equal(await feed(inProtobuf, [deep]), undefined);
    for (const bytes of [
      // Pongs; messages without their lengths; a group in a group; a message of 4 GiB.
      Buffer.alloc(size),
      Buffer.alloc(size, 0xff),
      delimited(Buffer.alloc(size, 0xa3)),
      Buffer.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0x08, 1),
    ]) {
      assert.equal(await feed(inProtobuf, [bytes]), 3501);
    }
    assert.ok(!pair.gateway(0).ended);
  });
});
