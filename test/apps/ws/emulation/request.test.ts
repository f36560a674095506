import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeJsonRequest } from "../../../../apps/ws/emulation/request.ts";

const decode = (text: string | Buffer): ReturnType<typeof decodeJsonRequest> =>
  decodeJsonRequest(Buffer.from(text));

describe("what a client of a stream sends", () => {
  it("names the gateway and the session, and brings commands as text", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.string({ unit: "grapheme" }),
        (node, session, data) => {
          const text = JSON.stringify({ session, node, data, more: 1 });
          assert.deepEqual(decode(text), { node, session, data: Buffer.from(data) });
        },
      ),
    );
  });

  it("is nothing else, whatever it is", () => {
    const all = { node: "n", session: "s", data: "{}" };
    for (const text of [
      "",
      "null",
      "[]",
      '"{}"',
      "{",
      "[".repeat(60_000),
      `{"node":"n","session":"s","data":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
      Buffer.from([0x22, 0xff, 0x22]),
      ...Object.keys(all).flatMap((name) =>
        [undefined, null, 1, {}, []].map((value) => JSON.stringify({ ...all, [name]: value })),
      ),
    ]) {
      assert.equal(decode(text), undefined);
    }
    assert.notEqual(decode(JSON.stringify(all)), undefined);
  });
});
