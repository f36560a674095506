import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Predecessors } from "../../../../apps/ws/delta/predecessors.ts";

describe("what the next messages are compared with", () => {
  const keeping = (maxBytes: number) =>
    new Predecessors<string>(maxBytes, (message) => message.length);

  it("is the last message of each topic", () => {
    const predecessors = keeping(100);
    predecessors.set("a", "one");
    predecessors.set("b", "other");
    predecessors.set("a", "two");
    assert.deepEqual([predecessors.get("a"), predecessors.get("b")], ["two", "other"]);
    assert.equal(predecessors.bytes, 8);
    predecessors.delete("a");
    predecessors.delete("a");
    assert.deepEqual([predecessors.get("a"), predecessors.bytes], [undefined, 5]);
  });

  it("is bounded in bytes: of the topics without news for the longest time, it is forgotten", () => {
    const predecessors = keeping(10);
    predecessors.set("a", "1234");
    predecessors.set("b", "1234");
    predecessors.set("a", "4321");
    predecessors.set("c", "1234");
    const all = ["a", "b", "c"].map((topic) => predecessors.get(topic));
    assert.deepEqual(all, ["4321", undefined, "1234"]);
    predecessors.set("d", "12345678901");
    assert.deepEqual([predecessors.get("d"), predecessors.bytes], [undefined, 0]);
  });
});
