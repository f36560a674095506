import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as library from "ws";
import { textFrame } from "../../../../apps/ws/transport/frame.ts";

/** The same frame as the library makes it. */
function reference(payload: Buffer): Buffer {
  const options = { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false };
  // The types do not know the class; the library exports it.
  const { Sender } = library as unknown as {
    Sender: { frame(data: Buffer, options: object): Buffer[] };
  };
  return Buffer.concat(Sender.frame(payload, options));
}

describe("a text frame", () => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 1_048_576]) {
    it(`of ${length} bytes is what the library sends`, () => {
      const payload = Buffer.alloc(length, "x");
      assert.ok(textFrame(payload).equals(reference(payload)));
    });
  }

  it("of any bytes holds valid UTF-8, and the very bytes when they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = Buffer.from(Buffer.from(bytes).toString("utf8"));
        const frame = textFrame(bytes);
        assert.ok(frame.equals(reference(text)));
      }),
    );
    assert.ok(
      textFrame(Buffer.from([0x61, 0xff]))
        .subarray(2)
        .equals(Buffer.from("a\ufffd")),
    );
  });

  it("does not keep the buffer alive that the message was cut from", () => {
    const chunk = Buffer.from("abcdef");
    const frame = textFrame(chunk.subarray(1, 3));
    chunk.fill("x");
    assert.equal(frame.subarray(2).toString(), "bc");
  });
});
