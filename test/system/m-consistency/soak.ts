/** `npm run soak [-- <count> [<first seed>]]`: many runs of the checker, each with its own seed. */
import { startEmulator } from "../../support/emulators.ts";
import { run } from "./run.ts";

const usage = "usage: npm run soak [-- <count> [<first seed>]]; 200 runs from seed 1 by default";
const atOnce = 3;

const [count = 200, first = 1] = process.argv.slice(2).map(Number);
if (!Number.isInteger(count) || !Number.isInteger(first) || count < 1 || process.argv.length > 4) {
  console.error(usage);
  process.exit(2);
}

// The Google client of this process would look for a metadata server.
process.env["METADATA_SERVER_DETECTION"] = "none";
await using datastore = await startEmulator("datastore");
await using pubsub = await startEmulator("pubsub");
let next = first;
let failed = 0;
let slowestMs = 0;

async function work(): Promise<void> {
  while (next < first + count) {
    const seed = next++;
    try {
      const report = await run({ seed, datastore: datastore.host, pubsub: pubsub.host });
      const { problems, revisions, confirmed, reads, convergedMs } = report;
      slowestMs = Math.max(slowestMs, convergedMs);
      console.log(
        `seed ${seed}: ${problems.length === 0 ? "holds" : "BROKEN"}; ${revisions} revisions, ` +
          `${confirmed} confirmed POSTs, ${reads} reads, converged after ${(convergedMs / 1000).toFixed(1)} s`,
      );
      if (problems.length > 0) {
        failed += 1;
        console.log(`  ${[...report.faults, ...problems.slice(0, 20)].join("\n  ")}`);
      }
    } catch (error) {
      failed += 1;
      console.log(`seed ${seed}: did not end:`, error);
    }
  }
}

await Promise.all(Array.from({ length: atOnce }, work));
console.log(
  `${count - failed} passed, ${failed} failed; slowest convergence ${(slowestMs / 1000).toFixed(1)} s`,
);
process.exitCode = failed === 0 ? 0 : 1;
