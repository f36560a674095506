import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Emulator, emulatorsMissing, startEmulator } from "../../support/emulators.ts";
import { bundleWith } from "../../support/mutant.ts";
import { faults } from "./faults.ts";
import { violations } from "./history.ts";
import { mutants } from "./mutants.ts";
import { enough, type Report, run } from "./run.ts";
import { scenarios } from "./scenarios.ts";
import { World } from "./world.ts";

// The Google client of this process would look for a metadata server.
process.env["METADATA_SERVER_DETECTION"] = "none";

/** Every fault has its turn in two of them; `npm run soak` has more. */
const seeds = [1, 2, 3, 4];
/** On the emulator that locks, and so with one client that posts. */
const lockingSeeds = [11];
/** How many clusters run at the same time: each mostly waits for its faults to end. */
const atOnce = 4;

describe("M under faults", { skip: emulatorsMissing() ?? false }, () => {
  let datastore: Emulator;
  let pubsub: Emulator;

  before(async () => {
    [datastore, pubsub] = await Promise.all([startEmulator("datastore"), startEmulator("pubsub")]);
  });
  after(async () => {
    await datastore[Symbol.asyncDispose]();
    await pubsub[Symbol.asyncDispose]();
  });

  it("is what clients were promised, whatever the seed", async (t) => {
    const reports = await inParallel(seeds, (seed) =>
      run({ seed, datastore: datastore.host, pubsub: pubsub.host }),
    );
    for (const report of reports) check(report, t.diagnostic.bind(t));
    const seen = new Set(reports.flatMap((report) => report.faults));
    assert.deepEqual([...seen].sort(), Object.keys(faults).sort(), "every fault had its turn");
  });

  it("is so on a database that locks what is read, too", async (t) => {
    await using firestore = await startEmulator("firestore");
    const reports = await inParallel(lockingSeeds, (seed) =>
      run({ seed, writers: 1, datastore: firestore.host, pubsub: pubsub.host }),
    );
    for (const report of reports) check(report, t.diagnostic.bind(t));
  });

  for (const [key, scenario] of Object.entries(scenarios)) {
    const mutant = mutants[key as keyof typeof mutants];
    it(`holds while ${scenario.name}; and not when ${mutant.name}`, async () => {
      const find = async (main?: string): Promise<string[]> => {
        await using world = await World.start({
          ...{ datastore: datastore.host, pubsub: pubsub.host, main },
          ...{ replicas: 3, leaseMs: scenario.leaseMs },
        });
        await scenario.run(world);
        return violations(await world.history(datastore.host));
      };
      const broken = bundleWith("m", mutant);
      const [real, first] = await Promise.all([find(), find(broken)]);
      assert.deepEqual(real, []);
      let defective = first;
      // A defect shows for some milliseconds only, which a busy machine may let pass.
      for (let again = 0; again < 2 && defective.length === 0; again++) {
        defective = await find(broken);
      }
      assert.match(defective.join("\n"), /to a read that began .* after \d+ was confirmed/);
    });
  }
});

function check(report: Report, say: (line: string) => void): void {
  const { seed, problems, revisions, confirmed, unconfirmed, reads, refusedReads } = report;
  say(
    `seed ${seed}: ${revisions} revisions, ${confirmed} POSTs confirmed and ${unconfirmed} not, ` +
      `${reads} reads answered and ${refusedReads} refused, ` +
      `converged after ${(report.convergedMs / 1000).toFixed(1)} s; ${report.faults.join("; ")}`,
  );
  assert.deepEqual(problems, [], `seed ${seed}`);
  assert.ok(
    confirmed >= enough.confirmed && reads >= enough.reads,
    `seed ${seed} did too little to prove anything`,
  );
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
