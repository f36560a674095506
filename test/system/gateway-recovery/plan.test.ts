import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { faults, planFor, type Spoken, spoken, variants } from "./plan.ts";

const seeds = Array.from({ length: 50 }, (_, index) => index + 1);

describe("the plan of a run", () => {
  it("is the same for the same seed, and another for another", () => {
    for (const seed of seeds) assert.deepEqual(planFor(seed), planFor(seed));
    const texts = new Set(seeds.map((seed) => JSON.stringify({ ...planFor(seed), seed: 0 })));
    assert.equal(texts.size, seeds.length);
  });

  it("has every fault", () => {
    for (const seed of seeds) {
      const { steps } = planFor(seed, { steps: faults.length });
      assert.deepEqual(steps.map(({ fault }) => fault).sort(), [...faults].sort());
    }
  });

  it("lets faults overlap, but never two of one gateway or of NATS", () => {
    let overlaps = 0;
    for (const seed of seeds) {
      const { steps, gateways } = planFor(seed, { steps: 30 });
      const spans = steps.map((step) => ({
        target: "gateway" in step ? step.gateway : step.fault,
        from: step.at,
        to: step.at + ("forMs" in step ? step.forMs : "downMs" in step ? step.downMs : 0),
      }));
      for (const [index, span] of spans.entries()) {
        assert.ok(typeof span.target === "string" || span.target < gateways);
        for (const later of spans.slice(index + 1)) {
          if (later.from >= span.to) continue;
          overlaps += 1;
          if (span.target === "connections hang" || span.target === "connections cut") continue;
          assert.notEqual(later.target, span.target, `seed ${seed}`);
        }
      }
    }
    assert.ok(overlaps > 100);
  });

  it("has 50 publishers of each kind, and subscribers that come late", () => {
    const { publishers, subscribers } = planFor(1);
    assert.equal(publishers.length, 50);
    assert.deepEqual([...new Set(publishers.map(({ kind }) => kind))].sort(), [
      ...["client", "core", "stream"],
    ]);
    assert.ok(subscribers.some(({ joinsAt }) => joinsAt !== undefined));
    assert.ok(subscribers.some(({ serverSide }) => serverSide));
    assert.ok(subscribers.some(({ restless, joinsAt }) => restless && joinsAt === undefined));
  });

  it("has clients that speak in every way, and so are most of each sort", () => {
    const { publishers, subscribers } = planFor(1);
    const ways = (some: readonly { speaks: Spoken }[]): number =>
      new Set(some.map(({ speaks }) => speaks)).size;
    assert.equal(ways(publishers.filter(({ kind }) => kind === "client")), 3);
    assert.equal(ways(subscribers.filter(({ joinsAt }) => joinsAt !== undefined)), spoken.length);
    assert.ok(ways(subscribers.filter(({ restless }) => restless)) >= spoken.length - 1);
    assert.ok(ways(subscribers.filter(({ serverSide }) => serverSide)) >= spoken.length - 1);
  });

  it("is of each variant within six seeds", () => {
    const seen = new Set(seeds.slice(0, 6).map((seed) => planFor(seed).variant));
    assert.deepEqual([...seen].sort(), Object.keys(variants).sort());
  });
});
