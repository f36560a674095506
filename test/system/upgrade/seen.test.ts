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
  const closed = (
    endpoint: Closing["endpoint"],
    count: number,
    atMs: (index: number) => number,
    code = endpoint === "raw" ? 1001 : 3001,
  ): Closing[] =>
    Array.from({ length: count }, (_, index) => ({ at: atMs(index), endpoint, code }));
  const atOnce = (): number => 0;
  /** Twenty at a time, 0.1 s after each other. */
  const inWaves = (index: number): number => 100 * Math.floor(index / 20);
  const problems = (...closings: Closing[][]): string =>
    moveProblems(closings.flat(), { protocol: 200, raw: 30 }).join("; ");
  const raw = closed("raw", 30, inWaves);

  it("is not in waves, also when a busy client sees some of them as one", () => {
    assert.equal(problems(raw, closed("protocol", 200, inWaves)), "");
    const late = (index: number): number => Math.max(inWaves(index), 500);
    assert.equal(problems(raw, closed("protocol", 200, late)), "");
  });

  it("is that all were asked at the same moment, or most of them", () => {
    const all = problems(closed("raw", 30, atOnce), closed("protocol", 200, atOnce));
    assert.equal(all, "websockets were closed in 1 waves, of 230, within 0 ms");
    const spread = closed("raw", 30, (index) => 100 * Math.floor(index / 3));
    assert.match(problems(spread, closed("protocol", 200, atOnce)), /in 10 waves, of 203, 3/);
    const stragglers = (index: number): number => (index < 197 ? 0 : (index - 196) * 250);
    assert.match(
      problems(closed("raw", 30, atOnce), closed("protocol", 200, stragglers)),
      /in 4 waves, of 227, 1, 1, 1, within 750 ms/,
    );
  });

  it("is that some were not asked, or nobody", () => {
    assert.match(problems(closed("raw", 30, inWaves)), /^0 of 200 protocol websockets/);
    assert.match(problems(closed("protocol", 200, inWaves)), /^0 of 30 raw websockets/);
    assert.match(problems(), /0 of 200 .* 0 of 30 .* in 0 waves/);
  });

  it("is an end without a word", () => {
    assert.equal(
      problems(raw, closed("protocol", 200, inWaves, 1006)),
      "a protocol websocket was closed with 1006",
    );
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
