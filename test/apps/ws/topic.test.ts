import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { topicProblem } from "../../../apps/ws/topic.ts";

describe("a topic", () => {
  for (const topic of ["add", "a.b.c", "Ünïcødé", "x".repeat(255), "😀".repeat(255), "a/b", "-"]) {
    it(`may be ${topic.slice(0, 20)}`, () => {
      assert.equal(topicProblem(topic), undefined);
    });
  }

  for (const topic of [
    "$SYS.REQ",
    "a$",
    "$",
    "$chat:x",
    "chat:room.1",
    ":x",
    "a:",
    "a.b:",
    "x:y:",
  ]) {
    it(`may be ${topic}`, () => {
      assert.equal(topicProblem(topic), undefined);
    });
  }

  for (const [topic, reason] of [
    ["", "empty"],
    ["*", "one of"],
    ["a.*", "one of"],
    [">", "one of"],
    ["a.>", "one of"],
    ["a>b", "one of"],
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
    ["chat:", "namespace"],
    ["$chat:", "namespace"],
    ["chat:.x", "namespace"],
    ["chat:x..y", "dot"],
    ["chat:x.", "dot"],
    ["x".repeat(256), "longer than 255"],
    ["😀".repeat(256), "longer than 255"],
    ["x".repeat(1_000_000), "longer than 255"],
  ] as const) {
    it(`must not be ${JSON.stringify(topic.slice(0, 20))}`, () => {
      assert.ok(topicProblem(topic)?.includes(reason));
    });
  }

  it("may have as many characters as the configuration says", () => {
    assert.equal(topicProblem("x".repeat(10), 10), undefined);
    assert.equal(topicProblem("😀".repeat(10), 10), undefined);
    assert.equal(topicProblem("x".repeat(11), 10), "the topic is longer than 10 characters");
    assert.equal(topicProblem("x".repeat(300), 300), undefined);
  });
});
