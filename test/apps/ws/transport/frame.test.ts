import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as library from "ws";
import {
  delimitedFrame,
  joinFrames,
  sharedFrameBytes,
  textFrame,
} from "../../../../apps/ws/transport/frame.ts";

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

describe("frames that leave together", () => {
  const lineEnd = Buffer.from("\n");
  /** The payloads of whole frames, with the library's own receiver as the judge of them. */
  async function received(bytes: Buffer): Promise<{ isBinary: boolean; payload: Buffer }[]> {
    const { Receiver } = library as unknown as {
      Receiver: new (options: object) => NodeJS.WritableStream;
    };
    const found: { isBinary: boolean; payload: Buffer }[] = [];
    const receiver = new Receiver({ isServer: false, maxPayload: 0 });
    receiver.on("message", (payload: Buffer, isBinary: boolean) => {
      found.push({ isBinary, payload });
    });
    await new Promise<void>((resolve, reject) => {
      receiver.on("error", reject);
      receiver.end(bytes, () => {
        resolve();
      });
    });
    return found;
  }

  const lengths = fc.oneof(
    fc.nat({ max: 300 }),
    fc.constantFrom(125, 126, 32_767, sharedFrameBytes - 1, sharedFrameBytes, 65_536, 70_000),
  );

  it("share frames with nothing lost, in order, and none longer than it may be", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(lengths, { minLength: 1, maxLength: 12 }), async (all) => {
        const texts = all.map((length, index) => String.fromCharCode(97 + index).repeat(length));
        const joined = joinFrames(
          texts.map((text) => textFrame(Buffer.from(text))),
          lineEnd,
        );
        const frames = await received(joined);
        assert.deepEqual(
          frames.flatMap(({ payload }) => payload.toString().split("\n")),
          texts,
        );
        for (const { payload, isBinary } of frames) {
          assert.ok(!isBinary);
          assert.ok(payload.length <= sharedFrameBytes || !payload.includes(lineEnd));
        }
        // No two that follow each other would have had room in one.
        for (const [index, { payload }] of frames.slice(1).entries()) {
          const before = frames[index]?.payload.length ?? 0;
          const first = payload.indexOf(lineEnd);
          const needed = 1 + (first === -1 ? payload.length : first);
          assert.ok(before + needed > sharedFrameBytes);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("of bytes stay bytes, each message with its own length before it", async () => {
    const messages = [Buffer.from([1, 2]), Buffer.alloc(200, 7), Buffer.from([])];
    const frames = await received(joinFrames(messages.map(delimitedFrame), new Uint8Array()));
    const expected = Buffer.concat([
      ...[Buffer.from([2, 1, 2]), Buffer.from([0xc8, 0x01]), Buffer.alloc(200, 7)],
      Buffer.from([0]),
    ]);
    assert.deepEqual(frames, [{ isBinary: true, payload: expected }]);
  });
});
