import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bundleWith } from "../../support/mutant.ts";
import { mutants } from "./mutants.ts";
import { faults } from "./plan.ts";
import { describeReport, type Report, run } from "./run.ts";
import { Scene, scenarios } from "./scenarios.ts";

/** One of each variant: everything is kept, little is kept, large messages. */
const seeds = [4, 3, 5];
const steps = 6;
/** How many runs go on at the same time: each mostly waits for its faults to end. */
const atOnce = 2;

describe("recoverable subscribers under faults", { concurrency: 2 }, () => {
  it("miss nothing, get nothing twice or out of order, or are told so, whatever the seed", async (t) => {
    const reports = await inParallel(seeds, (seed) => run({ seed, steps }));
    for (const report of reports) check(report, t.diagnostic.bind(t));
    const seen = new Set(reports.flatMap(({ plan }) => plan.steps.map(({ fault }) => fault)));
    assert.deepEqual([...seen].sort(), [...faults].sort(), "every fault had its turn");
  });

  it("would be seen to be lied to, if they were", async (t) => {
    const keys = Object.keys(mutants) as (keyof typeof mutants)[];
    await inParallel(keys, (key) =>
      t.test(`${scenarios[key].name}: not when ${mutants[key].name}`, async () => {
        assert.deepEqual(await Scene.play(scenarios[key]), []);
        const broken = bundleWith("ws", mutants[key]);
        let found: string[] = [];
        // A defect may show for some milliseconds only, which a busy machine may let pass.
        for (let again = 0; again < 3 && found.length === 0; again += 1) {
          found = await Scene.play(scenarios[key], broken);
        }
        assert.match(found.join("\n"), scenarios[key].finding);
      }),
    );
  });
});

function check(report: Report, say: (line: string) => void): void {
  const { plan, problems, acknowledged, delivered, recovered, notRecovered } = report;
  say(describeReport(report));
  assert.deepEqual(problems, [], `seed ${plan.seed}`);
  // A check of nothing would find nothing; on a machine that is busy otherwise, less is done.
  assert.ok(acknowledged >= 50 && delivered >= 500, `seed ${plan.seed} did too little`);
  assert.ok(recovered + notRecovered >= 10, `seed ${plan.seed} had too few reconnects`);
  if (plan.variant === "short history") assert.ok(notRecovered > 0, "and nothing was lost");
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...items];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        results.push(await work(item));
      }
    }),
  );
  return results;
}
