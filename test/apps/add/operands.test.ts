import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { concat, maxConcatBytes, sum } from "../../../apps/add/operands.ts";
import { HttpError } from "../../../apps/lib/http.ts";

/** Runs it; the status and message of the refusal, or the result. */
function outcome(compute: () => unknown): unknown {
  try {
    return compute();
  } catch (error) {
    assert.ok(error instanceof HttpError);
    return `${error.status} ${error.message}`;
  }
}

describe("sum", () => {
  it("adds any two finite numbers whose sum is finite", () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(number, number, (a, b) => {
        const result = outcome(() => sum({ a, b }));
        if (Number.isFinite(a + b)) assert.equal(result, a + b);
        else assert.equal(result, "400 the sum is too large for a number");
      }),
    );
    assert.equal(sum({ a: 1, b: 2 }), 3);
    assert.equal(sum({ a: 0.1, b: 0.2 }), 0.1 + 0.2);
  });

  it("refuses everything that is not two numbers with 400, and never throws anything else", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const body: unknown = JSON.parse(json);
        const result = outcome(() => sum(body));
        assert.ok(typeof result === "number" || String(result).startsWith("400 "));
      }),
    );
  });

  it("names each operand that is wrong, not its value", () => {
    assert.equal(
      outcome(() => sum({ a: "1", b: null })),
      '400 "a" must be a finite number, not a string; "b" must be a finite number, not null',
    );
    assert.equal(
      outcome(() => sum({ a: 1 })),
      '400 "b" must be a finite number, not absent',
    );
    assert.equal(
      outcome(() => sum(JSON.parse('{"a":1e999,"b":[1]}'))),
      '400 "a" must be a finite number, not too large for a number; "b" must be a finite number, not an array',
    );
    assert.equal(
      outcome(() => sum([1, 2])),
      "400 the body must be an object, not an array",
    );
    assert.equal(
      outcome(() => sum(undefined)),
      "400 the body must be an object, not absent",
    );
  });
});

describe("concat", () => {
  it("joins any two texts that together are well formed", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(
          outcome(() => concat({ a, b })),
          a + b,
        );
      }),
    );
    assert.equal(concat({ a: "", b: "" }), "");
  });

  it("takes 64 KiB of UTF-8 and refuses one byte more with 413", () => {
    const half = "é".repeat(maxConcatBytes / 4);
    assert.equal(concat({ a: half, b: half }).length, maxConcatBytes / 2);
    assert.equal(
      outcome(() => concat({ a: `${half}x`, b: half })),
      "413 the result is longer than 65536 bytes of UTF-8",
    );
  });

  it("refuses half of a surrogate pair, and takes two halves that become one", () => {
    assert.equal(concat({ a: "\ud83d", b: "\ude00" }), "😀");
    assert.equal(
      outcome(() => concat({ a: "\ud83d", b: "x" })),
      "400 the result holds half of a surrogate pair",
    );
  });
});
