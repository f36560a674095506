import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import type { Codec } from "../../../../../apps/ws/protocol/codec.ts";
import { jsonCodec } from "../../../../../apps/ws/protocol/json/codec.ts";
import type {
  ClientInfo,
  Encoded,
  Publication,
  Reply,
  SubscribeResult,
} from "../../../../../apps/ws/protocol/messages.ts";
import { protobufCodec } from "../../../../../apps/ws/protocol/protobuf/codec.ts";
import { delimited } from "../../../../support/protobuf-fuzz.ts";
import { normal, referenceCodec, toReference } from "../../../../support/reference-codec.ts";

/** The library of the npm client takes `__proto__` for something else. */
const name = fc.string({ unit: "binary", maxLength: 12 }).filter((each) => each !== "__proto__");
const text = fc.oneof(name, fc.string({ minLength: 30, maxLength: 300 }));
const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
const id = uint32.map((each) => each || 1);
const offset = fc.oneof(uint32, fc.maxSafeNat());
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const json = fc.jsonValue({ maxDepth: 2 });

/** Any of these fields, or none. */
function some(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> {
  return fc.record(fields, { requiredKeys: [] });
}

const position = some({ offset, epoch: text });
const leaf = { op: name, key: name, cmp: name, val: name, vals: fc.array(name, { maxLength: 3 }) };
const filter = some({
  ...leaf,
  nodes: fc.array(some({ ...leaf, nodes: fc.array(some(leaf), { maxLength: 2 }) }), {
    maxLength: 2,
  }),
});
const requests = {
  connect: some({
    ...{ token: text, data: json, name: text, version: text, flag: int32 },
    subs: fc.dictionary(name, some({ recover: fc.boolean(), offset, epoch: text })),
    headers: fc.dictionary(name, text),
  }),
  subscribe: some({
    ...{ channel: text, token: text, recover: fc.boolean(), offset, epoch: text, data: json },
    ...{ positioned: fc.boolean(), recoverable: fc.boolean(), join_leave: fc.boolean() },
    ...{ delta: text, tf: filter, flag: uint32, type: int32, cursor: text, asc: fc.boolean() },
  }),
  unsubscribe: some({ channel: text }),
  publish: some({ channel: text, data: json, type: int32, key: text, removed: fc.boolean() }),
  presence: some({ channel: text }),
  presence_stats: some({ channel: text }),
  history: some({ channel: text, limit: int32, since: position, reverse: fc.boolean() }),
  rpc: some({ method: text, data: json }),
  send: some({ data: json }),
  refresh: some({ token: text }),
  sub_refresh: some({ channel: text, token: text }),
  ping: fc.constant({}),
};
const command = fc.oneof(
  ...Object.entries(requests).map(([method, request]) =>
    fc.record<Record<string, unknown>>({ id, [method]: request }),
  ),
  fc.constant({}),
);

/** What a codec makes of a frame: the sizes, which differ, and the classes of bytes are left out. */
function decoded(codec: Codec, frame: Uint8Array): unknown[] {
  return codec.decode(frame).map((input) => {
    if (input.kind !== "command") return input;
    return "data" in input.command
      ? { ...input.command, data: Buffer.from(input.command.data) }
      : input.command;
  });
}

const jsonText = json.map((value) => JSON.stringify(value));
const info: fc.Arbitrary<ClientInfo> = fc.record(
  { user: text, client: text, conn_info: jsonText, chan_info: jsonText },
  { requiredKeys: ["user", "client"] },
);
/** JSON, text or other bytes. */
const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  jsonText.map((each) => Buffer.from(each)),
  fc.string().map((each) => Buffer.from(each)),
  fc.uint8Array({ maxLength: 300 }),
);
const publication: fc.Arbitrary<Publication> = fc.record(
  { data: payload, info, offset, tags: fc.dictionary(name, text) },
  { requiredKeys: ["data"] },
);
const yes = fc.constant<true>(true);
const expiry = fc.option(fc.record({ expires: yes, ttl: uint32 }), { nil: {} });
type Coded<T> = (codec: Codec) => T;
const publications = fc.array(publication, { maxLength: 3 }).map(
  (all): Coded<Encoded[]> =>
    (codec) =>
      all.map((each) => codec.publication(each)),
);
const subscribeResult: fc.Arbitrary<Coded<SubscribeResult>> = fc
  .tuple(
    expiry,
    fc.record(
      {
        ...{ recoverable: yes, positioned: yes, epoch: text, offset, recovered: yes },
        ...{ was_recovering: yes, data: jsonText, delta: yes },
      },
      { requiredKeys: [] },
    ),
    publications,
  )
  .map(([ends, result, all]) => (codec) => ({ ...ends, ...result, publications: all(codec) }));
const connectResult = fc
  .tuple(
    expiry,
    fc.record(
      {
        ...{ client: text, version: text, ping: uint32, pong: yes, time: fc.maxSafeNat() },
        ...{ session: text, node: text },
      },
      { requiredKeys: ["client", "version"] },
    ),
    fc.array(fc.tuple(name, subscribeResult), { maxLength: 3 }),
  )
  .map(([ends, result, subs]) => (codec: Codec) => {
    const all = subs.map(([channel, sub]) => [channel, sub(codec)] as const);
    return { ...ends, ...result, subs: new Map(all) };
  });
const result: fc.Arbitrary<Coded<Reply>> = fc
  .tuple(
    id,
    fc.oneof<fc.Arbitrary<Coded<object>>[]>(
      fc
        .record(
          { code: uint32, message: text, temporary: yes },
          { requiredKeys: ["code", "message"] },
        )
        .map((error) => () => ({ error })),
      connectResult.map((connect) => (codec) => ({ connect: connect(codec) })),
      subscribeResult.map((subscribe) => (codec) => ({ subscribe: subscribe(codec) })),
      fc.constantFrom({ unsubscribe: {} }, { publish: {} }).map((each) => () => each),
      fc
        .array(fc.tuple(name, info), { maxLength: 3 })
        .map((clients) => () => ({ presence: { presence: new Map(clients) } })),
      fc
        .record({ num_clients: uint32, num_users: uint32 })
        .map((counts) => () => ({ presence_stats: counts })),
      fc.tuple(publications, text, offset).map(([all, epoch, top]) => (codec) => ({
        history: { publications: all(codec), epoch, offset: top },
      })),
      payload.map((data) => () => ({ rpc: { data } })),
      fc
        .tuple(expiry, fc.record({ client: text, version: text }))
        .map(([ends, names]) => () => ({ refresh: { ...names, ...ends } })),
      expiry.map((ends) => () => ({ sub_refresh: ends })),
    ),
  )
  .map(
    ([number, body]) =>
      (codec) =>
        ({ id: number, ...body(codec) }) as Reply,
  );
const push = fc
  .tuple(
    fc.record({ channel: text }, { requiredKeys: [] }),
    fc.oneof(
      fc.record({ join: fc.record({ info }) }),
      fc.record({ leave: fc.record({ info }) }),
      fc.record({ unsubscribe: fc.record({ code: uint32, reason: text }) }),
      fc.record({
        subscribe: fc.record(
          { recoverable: yes, positioned: yes, epoch: text, offset, data: jsonText },
          { requiredKeys: [] },
        ),
      }),
      fc.record({ message: fc.record({ data: payload }) }),
      fc.record({ refresh: expiry }),
      fc.record({
        disconnect: fc.record(
          { code: uint32, reason: text, reconnect: yes },
          { requiredKeys: ["code", "reason"] },
        ),
      }),
    ),
  )
  .map(([channel, body]) => ({ ...channel, ...body }));

/** Compares what JSON says with what the npm client reads from protobuf. */
function assertAlike(encode: Coded<Encoded>): void {
  const inJson = encode(jsonCodec);
  assert.ok(typeof inJson === "string");
  const [reply, ...others] = referenceCodec.decodeReplies(delimited(bytes(encode(protobufCodec))));
  assert.deepEqual(others, []);
  assert.deepEqual(normal(reply), normal(JSON.parse(inJson)));
}

describe("protobuf", () => {
  it("says of any commands what JSON says, as the npm client writes them", () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 3 }), (commands) => {
        const lines = commands.map((each) => JSON.stringify(each)).join("\n");
        const frame = referenceCodec.encodeCommands(commands.map((each) => toReference(each)));
        assert.deepEqual(decoded(protobufCodec, frame), decoded(jsonCodec, Buffer.from(lines)));
      }),
      { numRuns: 500 },
    );
  });

  it("says of any reply what JSON says, as the npm client reads it", () => {
    fc.assert(
      fc.property(result, (reply) => {
        assertAlike((codec) => codec.reply(reply(codec)));
      }),
      { numRuns: 500 },
    );
  });

  it("says of any push what JSON says, as the npm client reads it", () => {
    fc.assert(
      fc.property(push, (each) => {
        assertAlike((codec) => codec.push(each));
      }),
      { numRuns: 300 },
    );
  });

  it("says of any publication what JSON says, as the npm client reads it", () => {
    fc.assert(
      fc.property(text, publication, (channel, each) => {
        assertAlike((codec) => codec.publicationPush(channel)(codec.publication(each)));
      }),
      { numRuns: 300 },
    );
  });

  it("has the right lengths around publications of any length", () => {
    const pushOf = protobufCodec.publicationPush("c");
    // Where a length, or the length of what is around it, begins to take another byte.
    for (const length of [0, 1, 90, ...around(127), ...around(16_383), ...around(2_097_151)]) {
      const encoded = length === 0 ? new Uint8Array() : publicationOf(length);
      // Written again, as the npm client does not mind wrong lengths.
      const expected = new BinaryWriter()
        .tag(4, WireType.LengthDelimited)
        .fork()
        .tag(2, WireType.LengthDelimited)
        .string("c")
        .tag(4, WireType.LengthDelimited)
        .bytes(encoded)
        .join()
        .finish();
      assert.ok(Buffer.from(pushOf(encoded)).equals(expected), `${length} bytes`);
    }
  });

  it("gives everybody bytes of their own, whatever could not be encoded before", () => {
    const bytesOf = (id: number): Uint8Array => bytes(protobufCodec.reply({ id, publish: {} }));
    const first = bytesOf(1);
    const copy = Buffer.from(first);
    assert.throws(() =>
      protobufCodec.reply({ id: 2, refresh: { client: "c", version: "v", ttl: -1 } }),
    );
    const second = bytesOf(3);
    assert.ok(copy.equals(first));
    assert.deepEqual(
      [first, second].map((each) => normal(referenceCodec.decodeReplies(delimited(each))[0])),
      [
        { id: 1, publish: {} },
        { id: 3, publish: {} },
      ],
    );
  });

  it("encodes once who is present, for all who ask together", () => {
    let asked = 0;
    class Counting extends Map<string, ClientInfo> {
      override [Symbol.iterator](): MapIterator<[string, ClientInfo]> {
        asked += 1;
        return super[Symbol.iterator]();
      }
    }
    const presence = new Counting([["c", { user: "u", client: "c" }]]);
    const first = protobufCodec.reply({ id: 1, presence: { presence } });
    assert.deepEqual(protobufCodec.reply({ id: 1, presence: { presence } }), first);
    assert.equal(asked, 1);
  });
});

function publicationOf(length: number): Uint8Array {
  return bytes(protobufCodec.publication({ data: Buffer.alloc(length, "x") }));
}

function bytes(encoded: Encoded): Uint8Array {
  assert.ok(typeof encoded !== "string");
  return encoded;
}

function around(length: number): number[] {
  return Array.from({ length: 20 }, (_, index) => length - 15 + index);
}
