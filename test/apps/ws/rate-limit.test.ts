import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RateLimit } from "../../../apps/ws/rate-limit.ts";

describe("a rate limit", () => {
  it("lets as many come at once as per second, and then so many per second", () => {
    const limit = new RateLimit(10, 0);
    const granted = (now: number, asked: number): number =>
      Array.from({ length: asked }, () => limit.take(now)).filter(Boolean).length;
    assert.equal(granted(0, 100), 10);
    assert.equal(granted(99, 5), 0);
    assert.equal(granted(200, 5), 2);
    assert.equal(granted(1_000_000, 100), 10, "a long pause saves up no more than a second");
    assert.equal(granted(999_000, 1), 0, "a clock that goes back earns nothing");
  });

  it("is none when it is 0", () => {
    const limit = new RateLimit(0, 0);
    assert.ok(Array.from({ length: 1_000 }, () => limit.take(0)).every(Boolean));
  });
});
