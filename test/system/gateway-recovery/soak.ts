/** `npm run soak:gateway [-- --seeds <count> --first <seed>]`: many runs of the checker, each with its own seed. */
import { parseArgs } from "node:util";
import { describeReport, run } from "./run.ts";

const usage =
  "usage: npm run soak:gateway [-- --seeds <count> --first <seed> --steps <faults of a run>]; " +
  "20 seeds from 1, with 12 faults each, by default";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    first: { type: "string", default: "1" },
    steps: { type: "string", default: "12" },
  },
});
const [count, first, steps] = [values.seeds, values.first, values.steps].map(Number) as [
  number,
  number,
  number,
];
if (![count, first, steps].every((value) => Number.isInteger(value) && value > 0)) {
  console.error(usage);
  process.exit(2);
}

let failed = 0;
let slowestMs = 0;
for (let seed = first; seed < first + count; seed++) {
  try {
    const report = await run({ seed, steps });
    slowestMs = Math.max(slowestMs, report.convergedMs);
    console.log(describeReport(report));
    if (report.problems.length > 0) {
      failed += 1;
      console.log(`  ${report.problems.slice(0, 30).join("\n  ")}`);
    }
  } catch (error) {
    failed += 1;
    console.log(`seed ${seed}: did not end:`, error);
  }
}
console.log(
  `${count - failed} passed, ${failed} failed; slowest convergence ${(slowestMs / 1000).toFixed(1)} s`,
);
process.exitCode = failed === 0 ? 0 : 1;
