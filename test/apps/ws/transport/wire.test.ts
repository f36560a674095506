import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  chooseSubprotocol,
  httpStreamJson,
  httpStreamProtobuf,
  sseJson,
  websocketJson,
  websocketProtobuf,
  websocketWire,
} from "../../../../apps/ws/transport/wire.ts";

describe("what is spoken on a websocket", () => {
  it("is the first of the offered subprotocols that is known", () => {
    assert.equal(chooseSubprotocol(["centrifuge-protobuf"]), "centrifuge-protobuf");
    assert.equal(chooseSubprotocol(["centrifuge-json"]), "centrifuge-json");
    assert.equal(
      chooseSubprotocol(["mqtt", "centrifuge-json", "centrifuge-protobuf"]),
      "centrifuge-json",
    );
    assert.equal(chooseSubprotocol(["mqtt"]), false);
    assert.equal(chooseSubprotocol([]), false);
  });

  for (const [subprotocol, query, wire] of [
    ["", "", websocketJson],
    ["centrifuge-json", "", websocketJson],
    ["centrifuge-protobuf", "", websocketProtobuf],
    ["", "format=protobuf", websocketProtobuf],
    ["", "cf_protocol=protobuf", websocketProtobuf],
    ["", "format=json&cf_protocol=protobuf", websocketProtobuf],
    ["", "format=json", websocketJson],
    ["", "format=xml", websocketJson],
    ["", "cf_protocol_version=v2", websocketJson],
  ] as const) {
    it(`is ${wire.name} with subprotocol "${subprotocol}" and query "${query}"`, () => {
      assert.equal(websocketWire(subprotocol, new URLSearchParams(query)), wire);
    });
  }
});

describe("a message", () => {
  const text = '{"id":1,"publish":{}}';

  it("of JSON is a text frame, a line, or an event", () => {
    assert.deepEqual(
      [...websocketJson.frame(text).subarray(0, 2)],
      [0x81, Buffer.byteLength(text)],
    );
    assert.equal(websocketJson.frame("é").subarray(2).toString(), "é");
    assert.equal(httpStreamJson.frame(text).toString(), `${text}\n`);
    assert.equal(sseJson.frame(text).toString(), `data: ${text}\n\n`);
  });

  for (const [length, prefix] of [
    [0, [0]],
    [1, [1]],
    [127, [127]],
    [128, [0x80, 0x01]],
    [16_383, [0xff, 0x7f]],
    [16_384, [0x80, 0x80, 0x01]],
    [2_097_152, [0x80, 0x80, 0x80, 0x01]],
  ] as const) {
    it(`of ${length} bytes of protobuf has its length before it, and is binary on a websocket`, () => {
      const message = new Uint8Array(length).fill(7);
      const bytes = Buffer.concat([Buffer.from(prefix), message]);
      assert.ok(httpStreamProtobuf.frame(message).equals(bytes));
      const frame = websocketProtobuf.frame(message);
      assert.equal(frame[0], 0x82);
      assert.ok(frame.subarray(frame.length - bytes.length).equals(bytes));
      const head = bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10;
      assert.equal(frame.length, head + bytes.length);
    });
  }
});
