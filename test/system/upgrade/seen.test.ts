import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { repository } from "../../support/checkout.ts";
import { mutants } from "./mutants.ts";
import { type Closing, type Follower, lossProblems, moveProblems } from "./seen.ts";

const subscribed = (offset: number, recovered?: boolean, epoch = "e"): Follower["seen"][number] => {
  return { kind: "subscribed", recovered, offset, epoch };
};
const got = (offset: number, id: string): Follower["seen"][number] => {
  return { kind: "publication", offset, id };
};
const published = ["a", "b", "c"].map((id) => ({ channel: "add", id, acknowledged: true }));

/** What is found of one subscriber, beside another one who saw everything as it was. */
function find(...seen: Follower["seen"]): string {
  const whole = [subscribed(0), got(1, "a"), got(2, "b"), got(3, "c")];
  return lossProblems(
    [
      { name: "one", channel: "add", seen: whole },
      { name: "two", channel: "add", seen },
    ],
    published,
  ).join("; ");
}

describe("what is looked for in what subscribers saw", () => {
  it("is not in a subscription that was moved and recovered", () => {
    assert.equal(
      find(subscribed(0), got(1, "a"), subscribed(3, true), got(2, "b"), got(3, "c")),
      "",
    );
  });

  const broken: readonly [what: string, seen: Follower["seen"], finding: RegExp][] = [
    ["a loss", [subscribed(0), got(1, "a"), got(3, "c")], /offset 3 after 1.*lost b/],
    ["a loss at the end", [subscribed(0), got(1, "a"), got(2, "b")], /different offsets.*lost c/],
    [
      "a repetition",
      [subscribed(0), got(1, "a"), subscribed(1, true), got(1, "a"), got(2, "b"), got(3, "c")],
      /offset 1 after 1.*got a twice/,
    ],
    ["disorder", [subscribed(0), got(1, "b"), got(2, "a"), got(3, "c")], /where others got/],
    [
      "a return that was not recovered",
      [subscribed(0), got(1, "a"), subscribed(1, false), got(2, "b"), got(3, "c")],
      /did not recover/,
    ],
    [
      "a return to another epoch",
      [subscribed(0), got(1, "a"), subscribed(1, true, "f"), got(2, "b"), got(3, "c")],
      /another epoch/,
    ],
    [
      "what nobody published",
      [subscribed(0), got(1, "a"), got(2, "b"), got(3, "x")],
      /which nobody published/,
    ],
    ["silence", [], /never subscribed/],
  ];
  for (const [what, seen, finding] of broken) {
    it(`is ${what}`, () => {
      assert.match(find(...seen), finding);
    });
  }
});

describe("what is looked for in how websockets were asked to move", () => {
  const closings = (count: number, everyMs: number, code = 1001): Closing[] =>
    Array.from({ length: count }, (_, index) => ({ at: index * everyMs, endpoint: "raw", code }));

  it("is not in waves", () => {
    assert.deepEqual(moveProblems([...closings(12, 100), ...closings(12, 100)]), []);
  });

  it("is that all were asked at the same moment, or that nobody was", () => {
    assert.match(moveProblems(closings(200, 0.1)).join(), /200 websockets were closed in 1 waves/);
    assert.match(moveProblems([]).join(), /0 websockets/);
  });

  it("is an end without a word", () => {
    assert.deepEqual(moveProblems(closings(12, 100, 1006)), [
      "a raw websocket was closed with 1006",
    ]);
  });
});

describe("the defects that a rollout under load notices", () => {
  for (const { name, edits } of Object.values(mutants)) {
    it(`can be made: ${name}`, () => {
      for (const [file, from] of edits) {
        const parts = readFileSync(join(repository, file), "utf8").split(from);
        assert.equal(parts.length, 2, `${file} has the place of the defect once`);
      }
    });
  }
});
