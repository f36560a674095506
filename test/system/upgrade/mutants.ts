/**
 * `node test/system/upgrade/mutants.ts [<name>]`: rolls one release with a deliberate defect at a time,
 * to show that the load notices it. It takes about half a minute for each, too much for every day.
 */
import { pathToFileURL } from "node:url";
import type { Edit } from "../system.ts";
import { release, Rollout } from "./rollout.ts";

export interface RolloutMutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** What is complained of. */
  readonly finding: RegExp;
}

export const mutants: Readonly<Record<string, RolloutMutant>> = {
  killed: {
    name: "an old version is killed, and not asked to end after its connections",
    edits: [
      [
        "local/cloud/services.ts",
        "while (version.active > 0 && performance.now() < end && !drain.signal.aborted) {",
        "while (performance.now() > end) {",
      ],
      [
        "local/cloud/app-version.ts",
        "const graceMs = { standard: 2_000, flexible: 3_000 } as const;",
        "const graceMs = { standard: 0, flexible: 0 } as const;",
      ],
    ],
    finding: /closed with 1006|closed with [01]$/m,
  },
  early: {
    name: "a version counts as started before its instances serve",
    edits: [
      [
        "local/cloud/app-version.ts",
        "const results = await Promise.allSettled(made.map((instance) => instance.start()));",
        "const results: PromiseSettledResult<void>[] = []; void Promise.allSettled(made.map((instance) => instance.start()));",
      ],
    ],
    finding: /: 502 /,
  },
  forgotten: {
    name: "a gateway counts as recovered who missed something, and brings nothing of it",
    edits: [
      [
        "apps/ws/history/snapshot.ts",
        "recovery: { recovered: true, messages: entries.map(messageOf) }",
        "recovery: { recovered: true, messages: entries.slice(1).map(messageOf) }",
      ],
    ],
    finding: /got offset \d+ after \d+/,
  },
  refused: {
    name: "a gateway finds nothing of what somebody missed",
    edits: [
      [
        "apps/ws/history/snapshot.ts",
        "if (missing > Math.min(limits.max, limits.size)) return failed;",
        "if (missing > 0) return failed;",
      ],
    ],
    finding: /did not recover/,
  },
  atOnce: {
    name: "a gateway asks all its websockets to move at the same moment",
    edits: [
      [
        "apps/ws/waves.ts",
        "const perWave = Math.ceil(all.length / waves);",
        "const perWave = Math.ceil(all.length * waves);",
      ],
    ],
    finding: /websockets were closed in \d waves, of/,
  },
  confirmed: {
    name: "a POST of M waits for one of the replicas only, while changes take their time to the others",
    edits: [
      [
        "apps/m/replica.ts",
        "if (changes.length > 0) this.follower.offer(changes);",
        "if (changes.length > 0) setTimeout(() => { this.follower.offer(changes); }, 150);",
      ],
      [
        "apps/m/confirmations.ts",
        "const members = await this.#membersBefore(end);",
        "const members = (await this.#membersBefore(end))?.slice(0, 1);",
      ],
    ],
    finding: /to a read that began .* after \d+ was confirmed/,
  },
};

async function notices({ edits, finding }: RolloutMutant): Promise<boolean> {
  await using rollout = await Rollout.start(edits);
  try {
    // What went wrong before is another story.
    await rollout.rolled();
    rollout.problems.length = rollout.load.failures.length = 0;
    await rollout.update(release(2));
    await rollout.rolled();
  } catch (error) {
    rollout.problems.push(String(error));
  }
  const problems = await rollout.end();
  console.log(`  ${problems.length} problems, such as ${[...problems.slice(0, 3)].join("; ")}`);
  return finding.test(problems.join("\n"));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [wanted] = process.argv.slice(2);
  for (const [key, mutant] of Object.entries(mutants)) {
    if (wanted !== undefined && wanted !== key) continue;
    console.log(`${key}: ${mutant.name}`);
    const noticed = await notices(mutant);
    console.log(noticed ? "  noticed" : "  NOT NOTICED");
    if (!noticed) process.exitCode = 1;
  }
  // Some defects leave clients behind that would go on trying.
  process.exit();
}
