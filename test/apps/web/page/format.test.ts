import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clockTime, duration, messageOf } from "../../../../apps/web/page/ui/format.ts";

describe("what the console says of times and errors", () => {
  it("gives spans in the unit that one thinks in, and never 1000 of one or 60 of another", () => {
    const spans: [number, string][] = [
      [0, "0.0 ms"],
      [0.44, "0.4 ms"],
      [9.94, "9.9 ms"],
      [9.97, "10 ms"],
      [12.4, "12 ms"],
      [999.4, "999 ms"],
      [999.7, "1.0 s"],
      [3_440, "3.4 s"],
      [59_940, "59.9 s"],
      [59_970, "1 min"],
      [150_000, "3 min"],
    ];
    for (const [ms, text] of spans) assert.equal(duration(ms), text, String(ms));
  });

  it("says the time of day by 24 hours, from 00 on", () => {
    assert.equal(clockTime(new Date(2026, 0, 1, 0, 5, 9)), "00:05:09");
    assert.equal(clockTime(new Date(2026, 0, 1, 17, 45, 0)), "17:45:00");
  });

  it("says an error's message, with its code where the protocol has given it one", () => {
    assert.equal(messageOf(new Error("no such thing")), "no such thing");
    assert.equal(messageOf({ code: 103, message: "permission denied" }), "permission denied (103)");
    assert.equal(messageOf({ code: 3, message: "not connected" }), "not connected");
    assert.equal(messageOf(Object.assign(new Error("refused"), { code: "ECONN" })), "refused");
    assert.equal(messageOf("only text"), "only text");
    assert.equal(messageOf(undefined), "undefined");
  });
});
