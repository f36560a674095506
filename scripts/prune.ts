/**
 * `npm run prune -- --stack dev`: shows the old versions that nobody needs any more, and removes them when
 * it is told to with `--yes`. A project may have 210; the versions of web and add stay when they are
 * replaced, for a rollback, and so do those of a failed deployment.
 *
 * Exit codes: 0 done, or shown; 1 a version could not be removed; 2 refused; 128 + n: signal n.
 */
import { parseArgs } from "node:util";
import { AppEngine } from "./deploy/app-engine.ts";
import { defaultCredentials } from "./deploy/credentials.ts";
import type { Interrupts } from "./deploy/interrupts.ts";
import { versionsOf } from "./deploy/live.ts";
import { manyVersions, mostVersions, type OldVersion, oldVersions } from "./deploy/old-versions.ts";
import { outputsOf, Pulumi } from "./deploy/pulumi.ts";
import { exitCodes, orUsage, Refusal } from "./deploy/refusal.ts";
import { runScript } from "./deploy/run-script.ts";
import { checkStack, readStackFile } from "./deploy/stack-file.ts";

const usage =
  "usage: npm run prune -- --stack <stack> [--keep <number>] [--yes]\n" +
  "  --keep  how many old versions of each service stay to go back to; at least 1, 10 unless given\n" +
  "  --yes   remove them; without it they are only shown";

interface Options {
  readonly stack: string;
  readonly keep: number;
  readonly yes: boolean;
}

function readArguments(argv: readonly string[]): Options {
  const { values } = orUsage(usage, () =>
    parseArgs({
      args: [...argv],
      options: {
        stack: { type: "string" },
        keep: { type: "string", default: "10" },
        yes: { type: "boolean", default: false },
      },
    }),
  );
  // Without one there would be no way back.
  if (!/^[1-9]\d{0,2}$/.test(values.keep)) {
    throw new Refusal(`--keep: "${values.keep}" is no number from 1 to 999\n${usage}`);
  }
  return { stack: checkStack(values.stack, usage), keep: Number(values.keep), yes: values.yes };
}

async function main(argv: readonly string[], interrupts: Interrupts): Promise<void> {
  const { stack, keep, yes } = readArguments(argv);
  const { project } = await readStackFile(stack);
  const appEngine = AppEngine.of({
    project,
    credentials: defaultCredentials(project),
    signal: interrupts.signal,
  });
  const { stdout, stderr } = process;
  const wanted = await outputsOf(new Pulumi({ stack, interrupts, stdout, stderr }), stack);
  if (Object.keys(wanted.versions).length === 0) {
    throw new Refusal(
      `Nothing was deployed to ${stack} yet, so nobody knows which versions it needs.`,
    );
  }
  // Of other services, too: they count, although they are not touched.
  const live = await appEngine.live();
  const total = versionsOf(live).size;
  console.log(`${project} has ${total} of the ${mostVersions} versions that there may be.`);

  const old: OldVersion[] = [];
  const used: string[] = [];
  for (const version of oldVersions(live, wanted, keep)) {
    // Machines of a flexible version run without being asked for; they are what it costs to keep it.
    const instances =
      version.env === "flexible" ? 0 : await appEngine.instances(version.service, version.id);
    if (instances === 0) old.push(version);
    else
      used.push(
        `${described(version)} has ${instances} running: somebody calls it by its own address`,
      );
  }
  if (used.length > 0) console.log(["Stays, though it is old:", ...used].join("\n  "));
  if (old.length === 0) {
    console.log(
      `Nothing to remove: no service has more than ${keep} old versions without traffic.`,
    );
  } else if (yes) {
    await remove(appEngine, old);
  } else {
    console.log(
      [
        `Would remove, from the oldest on, and keep the newest ${keep} of each service:`,
        ...old.map((version) => `  ${described(version)}`),
        `Nothing was removed yet. To do it: npm run prune -- --stack ${stack} --keep ${keep} --yes`,
      ].join("\n"),
    );
  }
  const left = total - (yes ? old.length : 0);
  if (left >= manyVersions) {
    const most = live.toSorted((a, b) => b.versions.length - a.versions.length).slice(0, 3);
    console.error(
      `Warning: at ${mostVersions} versions deployments stop, and there are ${left}. Most have ` +
        `${most.map(({ id, versions }) => `${id} (${versions.length})`).join(", ")}. A smaller --keep removes more.`,
    );
  }
}

/** One after the other; one that stays does not keep the others. */
async function remove(appEngine: AppEngine, old: readonly OldVersion[]): Promise<void> {
  const failed: string[] = [];
  for (const version of old) {
    try {
      await appEngine.deleteVersion(version.service, version.id);
      console.log(`Removed ${described(version)}`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed.push(`${described(version)}: ${error.message}`);
    }
  }
  if (failed.length > 0) {
    throw new Refusal(
      [
        `${failed.length} of ${old.length} could not be removed:`,
        ...failed.map((each) => `  ${each}`),
        "Run the same command again: it tries them anew.",
      ].join("\n"),
      exitCodes.failed,
    );
  }
}

function described({ service, id, createTime, env }: OldVersion): string {
  return `${service} ${id} (${env}, ${createTime.slice(0, 10)})`;
}

await runScript(
  main,
  "Interrupted. What was removed stays removed; the same command goes on from there.",
);
