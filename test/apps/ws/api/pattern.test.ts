import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { matches } from "../../../../apps/ws/api/pattern.ts";

describe("a pattern of channels", () => {
  it("matches what a regular expression of the same meaning matches", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    const patterns = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 6 });
    fc.assert(
      fc.property(letters, patterns, (name, pattern) => {
        const expression = Array.from(pattern)
          .map((each) => ({ "*": ".*", "?": ".", ".": "\\." })[each] ?? each)
          .join("");
        const expected = pattern === "" || new RegExp(`^${expression}$`).test(name);
        assert.equal(matches(name, pattern), expected);
      }),
    );
  });

  it("takes no time that grows with its stars", () => {
    const started = process.cpuUsage().user;
    for (let n = 0; n < 100; n += 1) {
      assert.equal(matches(`${"a".repeat(255)}b`, `${"*a".repeat(120)}*c`), false);
    }
    assert.ok(process.cpuUsage().user - started < 2_000_000);
  });
});
