import { duration } from "../ui/format.ts";

/** The times of updates in a sentence, which says what the chart shows. */
export function timesSummary([, commits, confirms]: readonly [
  readonly number[],
  readonly (number | null)[],
  readonly (number | null)[],
]): string {
  const commit = commits.at(-1);
  const confirm = confirms.at(-1);
  if (commit === undefined || commit === null) return "No update is committed yet.";
  const known = confirms.filter((ms) => ms !== null).sort((a, b) => a - b);
  const median = known[Math.floor((known.length - 1) / 2)];
  const slowest = known.at(-1);
  const last =
    confirm === null || confirm === undefined
      ? `The last was committed in ${duration(commit)}, and is not confirmed yet.`
      : `The last was committed in ${duration(commit)}, and confirmed ${duration(confirm)} later.`;
  if (median === undefined || slowest === undefined || known.length < 2) return last;
  return `${last} Confirmations of ${known.length}: ${duration(median)} in the middle, ${duration(slowest)} at most.`;
}
