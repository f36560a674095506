/** The steps of `npm run deploy`, in order; see scripts/deploy.ts. */
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { AppEngine } from "./app-engine.ts";
import { compare, type Comparison, type Repair, sharesText, versionsOf } from "./live.ts";
import type { StackOutputs } from "./outputs.ts";
import { changesForPerson, decodePreview } from "./preview-steps.ts";
import { adviceOn, outputsOf, preparePlugins, type Pulumi, type PulumiEnd } from "./pulumi.ts";
import { exitCodes, paragraph, Refusal } from "./refusal.ts";
import type { StackFile } from "./stack-file.ts";

export interface DeploymentArgs {
  readonly stack: string;
  readonly file: StackFile;
  /** The image of ws that this deployment is for. */
  readonly wsImage: string | undefined;
  /** Refuses what is a person's work. */
  readonly routine: boolean;
  readonly pulumi: Pulumi;
  readonly appEngine: AppEngine;
  readonly say: (line: string) => void;
}

/** Deploys, and returns when what the program wants is live. */
export async function deploy(args: DeploymentArgs): Promise<void> {
  const { stack, pulumi, appEngine, say } = args;
  const last = await outputsOf(pulumi, stack);
  // Also finds out whether App Engine can be asked at all, while nothing has been changed yet.
  const before = isNew(last) ? new Set<string>() : versionsOf(await liveOf(appEngine, last));
  await preparePlugins(pulumi, stack, args.file.provider);
  await withSettings(args, last, async (settings) => {
    if (args.routine) await refuseChangesForPerson(args, settings);
    say(`Updating ${stack} …`);
    const update = ["up", "--refresh", "--yes", ...policies, ...settings];
    const end = await pulumi.show(update);
    if (end.code !== 0) throw failedUpdate(end, stack);
    await compareAndRepair(args, before, async (repairs) => {
      for (const { service, wanted, live } of repairs) {
        say(
          `${service}: ${sharesText(live)}, but the program wants ${wanted}, and the update saw nothing to do: ` +
            "an earlier one failed at this split, and Pulumi took it for done. Making it anew.",
        );
      }
      // Both: --replace alone would update the whole stack, --target alone would send nothing.
      const only = repairs.flatMap(({ urn }) => ["--target", urn, "--replace", urn]);
      const repaired = await pulumi.show(["up", "--yes", ...policies, ...settings, ...only]);
      if (repaired.code !== 0) {
        throw new Refusal(
          paragraph(
            "The traffic could not be repaired: pulumi failed, see above.",
            adviceOn(repaired, stack),
          ),
          exitCodes.notLive,
        );
      }
    });
  });
}

/**
 * Shows what a deployment would do, and whether what the last one wanted is live. Changes nothing.
 *
 * @param expectNoChanges fails when there is something to do
 */
export async function rehearse(args: DeploymentArgs, expectNoChanges: boolean): Promise<void> {
  const { stack, pulumi, say } = args;
  const last = await outputsOf(pulumi, stack);
  const expect = expectNoChanges ? ["--expect-no-changes"] : [];
  let unexpected = "";
  await preparePlugins(pulumi, stack, args.file.provider);
  await withSettings(args, last, async (settings) => {
    const preview = ["preview", "--refresh", "--diff", ...expect, ...policies, ...settings];
    const end = await pulumi.show(preview);
    if (end.code === 0) return;
    if (!/no changes were expected/i.test(end.stderr + end.stdout)) {
      throw new Refusal(paragraph("The preview failed, see above.", adviceOn(end, stack)));
    }
    unexpected = "There is something to deploy, although no changes were expected: see above.";
  });
  if (isNew(last)) say("Nothing was deployed yet.");
  else await compareWithLast(args, last, unexpected);
  if (unexpected !== "") throw new Refusal(unexpected, exitCodes.changes);
}

/** Looks whether what the last deployment wanted is live. */
export async function verify(args: DeploymentArgs): Promise<void> {
  const last = await outputsOf(args.pulumi, args.stack);
  if (isNew(last)) throw new Refusal("Nothing was deployed yet.", exitCodes.notLive);
  await compareWithLast(args, last);
}

async function compareWithLast(
  { file, appEngine, say }: DeploymentArgs,
  last: StackOutputs,
  first = "",
): Promise<void> {
  const live = await liveOf(appEngine, last);
  const { repairs, problems } = compare(file.project, last, live, versionsOf(live));
  const found = [
    ...repairs.map(
      ({ service, wanted, live: shares }) =>
        `${service}: ${sharesText(shares)}, but the program wants ${wanted}; a deployment repairs it.`,
    ),
    ...problems,
  ];
  if (found.length > 0) throw notLive(found, first);
  say(`Live in ${file.project}, as it was deployed last: ${trafficText(last)}`);
}

/** Laws of the project that Pulumi asks before it changes anything. */
const policies = ["--policy-pack", "policies"] as const;

function isNew({ versions }: StackOutputs): boolean {
  return Object.keys(versions).length === 0;
}

function liveOf(appEngine: AppEngine, { versions }: StackOutputs) {
  return appEngine.live((service) => Object.hasOwn(versions, service));
}

/**
 * Calls `use` with the options that say how the stack is configured. Pulumi notes what `--config` gives in
 * the stack file, where it would outlive this deployment; so it gets a copy of that file.
 */
async function withSettings(
  { file, wsImage, say }: DeploymentArgs,
  last: StackOutputs,
  use: (settings: readonly string[]) => Promise<void>,
): Promise<void> {
  const image = wsImage ?? file.wsImage ?? last.wsImage;
  if (wsImage === undefined && file.wsImage === undefined && image !== "") {
    say(`ws keeps the image that it runs from: ${image}`);
  }
  const folder = await mkdtemp(join(tmpdir(), "deploy-"));
  try {
    const copy = join(folder, basename(file.path));
    await copyFile(file.path, copy);
    await use([
      "--config-file",
      copy,
      ...(image === "" ? [] : ["--config-path", "--config", `ws.image=${image}`]),
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Looks before anything is changed; the account that a pipeline runs as would fail half-way. */
async function refuseChangesForPerson(
  { stack, pulumi, say }: DeploymentArgs,
  settings: readonly string[],
): Promise<void> {
  say(`Looking whether this is a routine deployment of ${stack} …`);
  const end = await pulumi.ask([
    "preview",
    "--refresh",
    "--json",
    // What a refresh finds and what the plan makes of it can only be told apart when both are shown.
    "--show-sames",
    "--show-replacement-steps",
    ...settings,
  ]);
  if (end.code !== 0) {
    const { errors } = end.stdout.trimStart().startsWith("{")
      ? decodePreview(end.stdout)
      : { errors: [] };
    throw new Refusal(
      paragraph(
        "Nothing was changed, since the preview failed:",
        ...errors,
        end.stderr.trim(),
        adviceOn(end, stack),
      ),
    );
  }
  const changes = changesForPerson(decodePreview(end.stdout).changes);
  if (changes.length === 0) return;
  throw new Refusal(
    [
      "Nothing was changed, since this is no routine deployment. It would also change what only a person may:",
      ...changes.map(({ op, name, type, properties }) => {
        const about = properties.length === 0 ? "" : ` (${properties.join(", ")})`;
        return `  ${op} ${name}, a ${type}${about}`;
      }),
      "A person with the founder's roles (docs/first-deploy.md) deploys this once, from the same commit:",
      `  npm run deploy -- --stack ${stack}`,
      "Then the pipeline can be run again.",
    ].join("\n"),
  );
}

function failedUpdate(end: PulumiEnd, stack: string): Refusal {
  const advice = adviceOn(end, stack);
  return new Refusal(
    paragraph(
      "The update failed, see above.",
      advice === ""
        ? "What it had done stays, and what had the traffic has it still, unless it failed after that. When the " +
            "reason is gone, run the same command again: it goes on from there, and repairs a traffic split " +
            "that Pulumi took for done."
        : advice,
    ),
    exitCodes.failed,
  );
}

/** Compares what is live with what the program wants now, lets what can be repaired be, and looks again. */
async function compareAndRepair(
  { stack, file, pulumi, appEngine, say }: DeploymentArgs,
  before: ReadonlySet<string>,
  repair: (repairs: readonly Repair[]) => Promise<void>,
): Promise<void> {
  const wanted = await afterUpdate(() => outputsOf(pulumi, stack));
  const look = (): Promise<Comparison> =>
    afterUpdate(async () => compare(file.project, wanted, await liveOf(appEngine, wanted), before));
  let { repairs, problems } = await look();
  if (repairs.length > 0) {
    // Whoever deployed since then wants something else by now.
    const now = await afterUpdate(() => outputsOf(pulumi, stack));
    if (!isDeepStrictEqual(now, wanted)) {
      throw notLive([
        `${stack} was deployed by somebody else meanwhile: its outputs are others than a moment ago. ` +
          "Nothing was repaired. Look with: npm run deploy -- --dry-run --stack " +
          stack,
      ]);
    }
    await repair(repairs);
    ({ repairs, problems } = await look());
  }
  const left = repairs.map(
    ({ service, wanted: version, live }) =>
      `${service}: ${sharesText(live)}, but the program wants ${version}, also after the split was made anew. ` +
      `By hand: \`gcloud app services set-traffic ${service} --splits ${version}=1 --project ${file.project}\``,
  );
  if (left.length + problems.length > 0) throw notLive([...problems, ...left]);
  say(`Live in ${file.project}: ${trafficText(wanted)}`);
}

/** What fails from here on does not make the update undone. */
async function afterUpdate<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(
      paragraph("The update succeeded, but nobody knows yet what is live.", error.message),
      exitCodes.notLive,
    );
  }
}

/** @param first what is to be said before it */
function notLive(problems: readonly string[], first = ""): Refusal {
  const lines = problems.map((each) => `  ${each}`);
  return new Refusal(
    paragraph(first, "What is live is not what the program wants:", ...lines),
    exitCodes.notLive,
  );
}

function trafficText({ traffic, versions }: StackOutputs): string {
  return Object.entries(traffic)
    .map(
      ([service, id]) => `${service} ${id}${versions[service] === id ? "" : " (trafficVersion)"}`,
    )
    .join(", ");
}
