import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { durationText, parseDuration } from "../../../../apps/ws/config/duration.ts";

describe("a duration", () => {
  const read: [string, number][] = [
    ["25s", 25_000],
    ["5m0s", 300_000],
    ["720h0m0s", 2_592_000_000],
    ["1h30m", 5_400_000],
    ["500ms", 500],
    ["1000ms", 1_000],
    ["0s", 0],
    ["0", 0],
    ["1.5h", 5_400_000],
    ["4.35s", 4_350],
    ["0.001s", 1],
    ["1m30s500ms", 90_500],
  ];
  for (const [text, ms] of read) {
    it(`${text} is ${ms} ms`, () => {
      assert.equal(parseDuration(text), ms);
    });
  }

  const none = [
    ...["", "25", "s", "25 s", " 25s", "25s ", "-5s", "+5s", "1d", "1S", "1,5s", ".5s", "5.s"],
    ...["1e3s", "25s,", "1h-30m", "0.0001s", "100us", "1ns", "9999999999999s", "٣s", "1s\n"],
  ];
  for (const text of none) {
    it(`${JSON.stringify(text)} is none`, () => {
      assert.equal(parseDuration(text), undefined);
    });
  }

  it("is read back from the text that it is shown as", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400_000_000_000 }), (ms) => {
        assert.equal(parseDuration(durationText(ms)), ms);
      }),
    );
    assert.equal(durationText(5_400_000), "1h30m");
  });
});
