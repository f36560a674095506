import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Codec } from "../../../../apps/ws/protocol/codec.ts";
import type { Input } from "../../../../apps/ws/protocol/effects.ts";
import { jsonCodec } from "../../../../apps/ws/protocol/json/codec.ts";
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
