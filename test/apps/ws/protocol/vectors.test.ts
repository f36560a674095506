import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Codec } from "../../../../apps/ws/protocol/codec.ts";
import type { Input } from "../../../../apps/ws/protocol/effects.ts";
import { jsonCodec } from "../../../../apps/ws/protocol/json/codec.ts";
import type { Method, Push, Reply } from "../../../../apps/ws/protocol/messages.ts";
import { protobufCodec } from "../../../../apps/ws/protocol/protobuf/codec.ts";
import { delimited } from "../../../support/protobuf-fuzz.ts";
import { normal, referenceCodec, toReference } from "../../../support/reference-codec.ts";
import { commandVectors, replyVectors } from "./vectors.ts";

/** Whatever class the bytes are of. */
function comparable(inputs: readonly Input[]): unknown[] {
  return inputs.map((input) => {
    if (input.kind !== "command") return input;
    const { command } = input;
    return "data" in command ? { ...command, data: Buffer.from(command.data) } : command;
  });
}

function decoded(codec: Codec, bytes: Uint8Array): unknown[] {
  return comparable(codec.decode(bytes));
}

/** Names that a union's types have, each of them in one. */
type NamesOf<Union> = Union extends unknown ? keyof Union : never;

describe("the vectors", () => {
  it("hold every kind of message", () => {
    const methods: Readonly<Record<Method, true>> = {
      ...{ connect: true, subscribe: true, unsubscribe: true, publish: true, presence: true },
      ...{ presence_stats: true, history: true, rpc: true, send: true, refresh: true },
      ...{ sub_refresh: true, ping: true },
    };
    const sent = commandVectors.map(({ command }) => command?.method);
    assert.deepEqual(new Set(sent), new Set([...Object.keys(methods), undefined]));
    const replies: Readonly<Record<NamesOf<Reply>, true>> = {
      ...{ id: true, error: true, connect: true, subscribe: true, unsubscribe: true },
      ...{ publish: true, presence: true, presence_stats: true, history: true, rpc: true },
      ...{ refresh: true, sub_refresh: true },
    };
    const pushes: Readonly<Record<NamesOf<Push>, true>> = {
      ...{ channel: true, join: true, leave: true, unsubscribe: true, subscribe: true },
      ...{ message: true, refresh: true, disconnect: true },
    };
    const parsed = replyVectors.map(({ json }) => JSON.parse(json) as { readonly push?: object });
    const names = (objects: readonly object[]): Set<string> =>
      new Set(objects.flatMap(Object.keys));
    assert.deepEqual(names(parsed), new Set([...Object.keys(replies), "push"]));
    const inPushes = names(parsed.flatMap(({ push }) => push ?? []));
    assert.deepEqual(inPushes, new Set([...Object.keys(pushes), "pub"]));
  });
});

describe("what clients send", () => {
  for (const { what, json, protobuf, command } of commandVectors) {
    it(`is the same in both encodings: ${what}`, () => {
      const message = Buffer.from(protobuf, "hex");
      const input: Input =
        command === undefined ? { kind: "pong" } : { kind: "command", command, size: 0 };
      const expected = comparable([input]);
      assert.deepEqual(decoded(jsonCodec, Buffer.from(json)), expected);
      assert.deepEqual(decoded(protobufCodec, delimited(message)), expected);
      // What the vector says is what others make of it.
      const reference = referenceCodec.encodeCommands([toReference(JSON.parse(json))]);
      assert.equal(Buffer.from(reference).toString("hex"), delimited(message).toString("hex"));
    });
  }
});

describe("what clients get", () => {
  for (const { what, encode, json, protobuf } of replyVectors) {
    it(`is the same in both encodings: ${what}`, () => {
      assert.equal(encode(jsonCodec), json);
      const message = encode(protobufCodec);
      assert.ok(typeof message !== "string");
      assert.equal(Buffer.from(message).toString("hex"), protobuf);
      // Whoever gets deltas gets the text of a payload in JSON, where it is the payload otherwise.
      const inJson = normal(JSON.parse(json));
      const [reply, ...others] = referenceCodec.decodeReplies(delimited(message));
      assert.deepEqual(others, []);
      if (what.startsWith("a whole publication")) assert.notDeepEqual(normal(reply), inJson);
      else assert.deepEqual(normal(reply), inJson);
    });
  }
});
