import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { topicSubject } from "../../../apps/lib/topic-subject.ts";
import { topicProblem } from "../../../apps/ws/topic.ts";
import { topicPrefix } from "../../../components/lib/nats-config.ts";

/** Short texts of what matters to subjects, so that two of them are often nearly the same. */
const topic = fc
  .oneof(
    fc.string({ unit: fc.constantFrom("a", "b", "$", ":", ".", "#", "-", "ü"), maxLength: 8 }),
    fc
      .tuple(
        fc.constantFrom("", "$", "n.", "t.", "n.$"),
        fc.constantFrom("chat", "chat:", "chat.", "ch:", "a.b:", "a:", "n", "t"),
        fc.string({ unit: fc.constantFrom("a", "b", ":", ".", "$"), maxLength: 4 }),
      )
      .map((parts) => parts.join("")),
    fc.string({ unit: "binary", maxLength: 300 }),
  )
  .filter((text) => topicProblem(text) === undefined);

describe("a topic's subject", () => {
  for (const [name, subject] of [
    ["add", "t.add"],
    ["news.eu", "t.news.eu"],
    ["$news.eu", "t.$news.eu"],
    ["chat:room.1", "n.chat.room.1"],
    ["$chat:x", "n.$chat.x"],
    ["chat:x:y", "n.chat.x:y"],
    ["chat:#42", "n.chat.#42"],
    ["#42", "t.#42"],
    // What cannot be the name of a namespace is a part of the topic's own name.
    ["a:x", "t.a:x"],
    ["a.b:x", "t.a.b:x"],
    ["$$chat:x", "t.$$chat:x"],
    ["über:x", "t.über:x"],
    [":x", "t.:x"],
  ] as const) {
    it(`of ${name} is ${subject}`, () => {
      assert.equal(topicProblem(name), undefined);
      assert.equal(topicSubject(name), subject);
    });
  }

  it("is below the prefix for which the server grants permissions", () => {
    assert.equal(topicSubject("add"), `${topicPrefix}add`);
  });

  it("is the subject of no other topic", () => {
    fc.assert(
      fc.property(topic, topic, (one, other) => {
        assert.equal(topicSubject(one) === topicSubject(other), one === other);
      }),
      { numRuns: 5_000 },
    );
  });

  it("is the subject of no other topic, in groups of many", () => {
    fc.assert(
      fc.property(fc.uniqueArray(topic, { minLength: 20, maxLength: 200 }), (topics) => {
        assert.equal(new Set(topics.map(topicSubject)).size, topics.length);
      }),
      { numRuns: 200 },
    );
  });

  it("is one literal subject of NATS, below t. or n.", () => {
    fc.assert(
      fc.property(topic, (text) => {
        const subject = topicSubject(text);
        assert.match(subject, /^[tn]\../u);
        assert.doesNotMatch(subject, /[\s*>\0]/u);
        assert.ok(subject.isWellFormed());
        assert.ok(subject.split(".").every((token) => token !== ""));
        // A line of NATS's protocol holds a reply subject and sizes beside it.
        assert.ok(Buffer.byteLength(subject) < 4_096 - 512);
      }),
      { numRuns: 5_000 },
    );
  });
});
