import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { play, schedules, type Fault } from "./model/play.ts";
import type { WorldOptions } from "./model/world.ts";

const seed = Number(process.env["SEED"] ?? 20_261_126);
const numRuns = Number(process.env["RUNS"] ?? 100);

async function holds(
  options: WorldOptions,
  faults: readonly Fault[],
  also: (played: Awaited<ReturnType<typeof play>>) => void = () => undefined,
): Promise<void> {
  const property = fc.asyncProperty(schedules(faults, 120), async (steps) => {
    also(await play(options, steps));
  });
  await fc.assert(property, { seed, numRuns, endOnFailure: false });
}

const long = 3_600_000;

describe("a channel's log, whatever happens", () => {
  it("lets nobody miss anything, and keeps the epoch, when only gateways and connections fail", async () => {
    await holds({ size: 1_000, ttlMs: long }, [], ({ clients }) => {
      assert.ok(clients.every(({ recoveries }) => recoveries.every((recovered) => recovered)));
    });
  });

  it("is honest when streams are purged or made anew, and anchors lost", async () => {
    const faults = ["purgeAll", "purge", "remake", "loseAnchors"] as const;
    await holds({ size: 1_000, ttlMs: long }, faults);
  });

  it("is honest when histories are tiny and limits change", async () => {
    await holds({ size: 3, ttlMs: long }, ["limit", "burst", "loseAnchors"]);
  });

  it("is honest when messages are soon too old", async () => {
    await holds({ size: 20, ttlMs: 10_000, metaTtlMs: 60_000 }, ["wait", "purgeAll", "remake"]);
  });

  it("is honest in a cluster", async () => {
    const faults = ["wait", "remake", "loseAnchors", "limit", "burst"] as const;
    await holds({ size: 20, ttlMs: 10_000, replicas: 3 }, faults);
  });
});
