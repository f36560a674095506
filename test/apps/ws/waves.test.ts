import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { closeInWaves } from "../../../apps/ws/waves.ts";

function closables(count: number) {
  const closed: { index: number; graceMs: number; at: number }[] = [];
  const all = Array.from({ length: count }, (_, index) => ({
    close: (graceMs: number) => closed.push({ index, graceMs, at: performance.now() }),
  }));
  return { all, closed };
}

describe("closing in waves", () => {
  it("closes each once, a part of them at a time", async () => {
    const { all, closed } = closables(25);
    await closeInWaves(all, 500, 7, new AbortController().signal);
    assert.deepEqual(
      closed.map(({ index }) => index),
      all.map((_, index) => index),
    );
    assert.ok(closed.every(({ graceMs }) => graceMs === 7));
    // Timers of one wave's length lie between two waves, however slow the machine is.
    const wave = (index: number): number => closed[index]?.at ?? 0;
    assert.ok(wave(5) - wave(4) > 50 && wave(24) - wave(0) > 300);
  });

  it("closes all at once when there is no time", async () => {
    const { all, closed } = closables(1_000);
    await closeInWaves(all, 0, 1, new AbortController().signal);
    assert.equal(closed.length, 1_000);
  });

  it("does not wait any more when the signal aborts", async () => {
    const { all, closed } = closables(10);
    await closeInWaves(all, 3_600_000, 1, AbortSignal.abort());
    assert.equal(closed.length, 10);
  });

  it("has nothing to do without anybody", async () => {
    await closeInWaves([], 1_000, 1, new AbortController().signal);
  });
});
