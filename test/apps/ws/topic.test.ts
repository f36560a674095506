import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { topicSubject } from "../../../apps/lib/topic-subject.ts";
import { topicProblem } from "../../../apps/ws/topic.ts";

describe("a topic", () => {
  for (const topic of ["add", "a.b.c", "Ünïcødé", "x".repeat(255), "😀".repeat(255), "a/b", "-"]) {
    it(`may be ${topic.slice(0, 20)}`, () => {
      assert.equal(topicProblem(topic), undefined);
      assert.equal(topicSubject(topic), `t.${topic}`);
    });
  }

  for (const [topic, reason] of [
    ["", "empty"],
    ["*", "one of"],
    ["a.*", "one of"],
    [">", "one of"],
    ["a.>", "one of"],
    ["a>b", "one of"],
    ["$SYS.REQ", "one of"],
    ["a$", "one of"],
    ["a b", "one of"],
    ["a\tb", "one of"],
    ["a\r\nPUB x 0", "one of"],
    ["a\u0000", "one of"],
    ["a\u007f", "one of"],
    ["a\u00a0b", "one of"],
    ["a\u2028b", "one of"],
    ["a\ud800", "one of"],
    ["a\u202eb", "one of"],
    ["a\u2066b", "one of"],
    ["a\u200bb", "one of"],
    ["a\ufeffb", "one of"],
    ["a\u00adb", "one of"],
    [".a", "dot"],
    ["a.", "dot"],
    ["a..b", "dot"],
    [".", "dot"],
    ["x".repeat(256), "longer than 255"],
  ] as const) {
    it(`must not be ${JSON.stringify(topic.slice(0, 20))}`, () => {
      assert.ok(topicProblem(topic)?.includes(reason));
    });
  }

  it("is one well-formed literal subject of NATS whenever it has no problem", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (topic) => {
        if (topicProblem(topic) !== undefined) return;
        const subject = topicSubject(topic);
        assert.ok(!/[\s*>]/.test(subject) && Buffer.byteLength(subject) < 4_096 - 64);
        assert.ok(subject.split(".").every((token) => token !== ""));
      }),
      { numRuns: 2_000 },
    );
  });
});
