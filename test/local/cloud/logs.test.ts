import assert from "node:assert/strict";
import { describe as suite, it } from "node:test";
import fc from "fast-check";
import { createLogs } from "../../../local/cloud/logs.ts";
import { LineCutter } from "../../../local/process/lines.ts";

function printed(line: string, options: { color?: boolean; maxChars?: number } = {}): string {
  let text = "";
  createLogs({ write: (part) => (text += part), color: false, ...options }).of("add")(line);
  return text;
}

suite("a log line", () => {
  it("has the name of who said it in front", () => {
    assert.equal(printed("hello"), "add      | hello\n");
  });

  it("that is a record becomes severity, message and fields", () => {
    const record = {
      severity: "WARNING",
      time: "2026-01-01T00:00:00Z",
      message: "slow",
      ms: 12,
      topic: "a b",
      serviceContext: { service: "add" },
      "logging.googleapis.com/trace": "t",
    };
    assert.equal(printed(JSON.stringify(record)), "add      | WARNING slow ms=12 topic=a b\n");
  });

  it("that is a record with an error shows its stack on lines of its own", () => {
    const record = { severity: "ERROR", message: "bug", err: { stack: "Error: x\n    at y" } };
    assert.match(printed(JSON.stringify(record)), /^add {6}\| ERROR bug\n +Error: x\n +at y\n$/);
  });

  it("that only looks like a record stays as it is", () => {
    for (const line of ["{", '{"a":1}', "[1]", '{"message"']) {
      assert.equal(printed(line), `add      | ${line}\n`);
    }
  });

  it("has colours on a terminal and none elsewhere", () => {
    const record = JSON.stringify({ severity: "ERROR", message: "no" });
    assert.ok(printed(record, { color: true }).includes("\u001b[31mERROR no\u001b[0m"));
    assert.ok(!printed(record).includes("\u001b"));
  });

  it("is cut", () => {
    assert.equal(printed("x".repeat(50), { maxChars: 10 }), `add      | ${"x".repeat(10)} …\n`);
  });

  it("never controls the terminal nor begins as another's line, whatever it holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        for (const line of [
          text,
          JSON.stringify({ severity: text, message: text, [text]: text }),
        ]) {
          const out = printed(line);
          // eslint-disable-next-line no-control-regex -- control characters are what it looks for
          assert.ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(out));
          for (const each of out.trimEnd().split("\n").slice(1)) assert.match(each, /^ {9}/);
        }
      }),
    );
  });
});

suite("lines of a stream", () => {
  const cut = (chunks: readonly Buffer[], maxChars?: number): string[] => {
    const lines: string[] = [];
    const cutter = new LineCutter((line) => lines.push(line), maxChars);
    for (const chunk of chunks) cutter.push(chunk);
    cutter.end();
    return lines;
  };

  it("are the same however the bytes are cut into chunks", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 7 }), (text, size) => {
        const bytes = Buffer.from(text);
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.subarray(i * size, (i + 1) * size),
        );
        assert.deepEqual(cut(chunks), cut([bytes]));
      }),
    );
  });

  it("are bounded: what is beyond is counted and dropped", () => {
    const lines = cut([Buffer.from("x".repeat(15)), Buffer.from("yyy\nnext\r\nlast")], 10);
    assert.deepEqual(lines, [`${"x".repeat(10)} … (8 more characters)`, "next", "last"]);
  });
});
