/**
 * What `pulumi preview --refresh --json --show-sames --show-replacement-steps` says that an update would
 * do, and which of it is a person's work.
 */
import { z } from "zod";
import { changedBy } from "../../components/lib/permissions.ts";
import { parseUrn } from "../../local/wire/urn.ts";
import { exitCodes, jsonOf, Refusal } from "./refusal.ts";

const digest = z.object({
  steps: z
    .array(
      z.object({
        op: z.string(),
        urn: z.string(),
        diffReasons: z.array(z.string()).nullish(),
        replaceReasons: z.array(z.string()).nullish(),
        detailedDiff: z.record(z.string(), z.unknown()).nullish(),
      }),
    )
    .default([]),
  diagnostics: z.array(z.object({ message: z.string(), severity: z.string() })).default([]),
});

/** A change of one resource. */
export interface Change {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly op: string;
  /** The properties that it is about, when there are any. */
  readonly properties: readonly string[];
}

/** Steps that send nothing but questions. */
const harmless = new Set([
  "same",
  "refresh",
  "read",
  "read-replacement",
  "discard",
  "read-discard",
]);

/** @throws Refusal when it is no such preview */
export function decodePreview(json: string): {
  readonly changes: readonly Change[];
  /** What the preview itself reported as an error. */
  readonly errors: readonly string[];
} {
  const { data, error } = digest.safeParse(jsonOf(json, "pulumi preview --json"));
  if (data === undefined) {
    throw new Refusal(
      `pulumi preview --json has another form than expected: ${z.prettifyError(error)}`,
      exitCodes.refused,
    );
  }
  const byUrn = Map.groupBy(data.steps, ({ urn }) => urn);
  const changes: Change[] = [];
  for (const [urn, steps] of byUrn) {
    // What a refresh finds is shown as an update, too, although it changes nothing but the state. What
    // the plan makes of it comes afterwards, and is "same" where nothing is to be done.
    const planned = steps
      .slice(steps.findLastIndex(({ op }) => op === "same") + 1)
      .filter(({ op }) => !harmless.has(op));
    // A replacement is three steps, of which this one has the word for all.
    const main = planned.find(({ op }) => op === "replace") ?? planned[0];
    if (main === undefined) continue;
    const properties = planned.flatMap((step) => [
      ...(step.replaceReasons ?? []),
      ...(step.diffReasons ?? []),
      ...Object.keys(step.detailedDiff ?? {}),
    ]);
    const { type, name } = parseUrn(urn);
    changes.push({ urn, type, name, op: main.op, properties: [...new Set(properties)] });
  }
  const errors = data.diagnostics
    .filter(({ severity }) => severity === "error")
    .map(({ message }) => message.trim());
  // The program's own message comes twice, from the program and from the update that it ended.
  return { changes, errors: [...new Set(errors)] };
}

/**
 * The changes that a routine deployment must not make. What the table does not know is a person's too:
 * nobody has thought about what it lets the deployer do.
 */
export function changesForPerson(changes: readonly Change[]): Change[] {
  return changes.filter(({ type }) => isOfCloud(type) && changedBy(type) !== "deployer");
}

/** Components and providers are in the state alone: there is nothing to be allowed. */
function isOfCloud(type: string): boolean {
  return !type.startsWith("pulumi:") && !type.startsWith("appengine-realtime:");
}
