import { z } from "zod";
import { type Resource, stackOf, type StackRule } from "../lib/rule.ts";
import { isUnknown, valueAt } from "../lib/values.ts";

/** What holds data, and what NATS and all services stand on: to replace a network is to rebuild both. */
const protectedTypes: ReadonlySet<string> = new Set([
  "gcp:appengine/application:Application",
  "gcp:firestore/database:Database",
  "gcp:compute/disk:Disk",
  "gcp:secretmanager/secret:Secret",
  "gcp:compute/network:Network",
  "gcp:compute/subnetwork:Subnetwork",
  "gcp:vpcaccess/connector:Connector",
]);

/** Guards of the cloud's own, which hold in the console and for gcloud, too: input and what it must be. */
const guards: Readonly<
  Record<string, readonly (readonly [input: string, allowed: readonly unknown[]])[]>
> = {
  "gcp:firestore/database:Database": [
    ["deleteProtectionState", ["DELETE_PROTECTION_ENABLED"]],
    ["deletionPolicy", ["PREVENT"]],
  ],
  "gcp:secretmanager/secret:Secret": [["deletionProtection", [true]]],
};

const options = z.object({
  /** Stacks that protect everything. */
  stacks: z.array(z.string()).default(["prod", "production"]),
  /** Names of resources that one deployment may delete. */
  mayLose: z.array(z.string()).default([]),
});

/**
 * Pulumi deletes what a program no longer names, and replaces what cannot be changed in place: one renamed component
 * would take the database along. `protect` turns that into an error before anything happens, and so it does for
 * the network, whose replacement is an outage.
 *
 * Not protected: messages of topics, which are news and no data; what a bucket holds that says by `forceDestroy`
 * that it can be made again, as the archives of services can from their commits; versions and machines, which
 * every deployment replaces.
 */
export const protectedData: StackRule = {
  name: "protected-data",
  description:
    "In production, what holds data and what all stands on cannot be deleted or replaced.",
  remedy:
    "Leave protect true. To delete something on purpose, allow it for one deployment: docs/policies.md, Exceptions.",
  severity: "critical",
  options,
  checkAll(resources, given) {
    const { stacks, mayLose } = options.parse(given);
    // A production stack may be called otherwise: whoever protects one thing means all of it.
    const protects = resources.some((resource) => resource.protect && holdsData(resource));
    return resources
      .filter(
        ({ urn, name }) => (protects || stacks.includes(stackOf(urn))) && !mayLose.includes(name),
      )
      .flatMap((resource) =>
        problemsOf(resource).map((problem) => ({ urn: resource.urn, problem })),
      );
  },
};

/** True for what may not be lost; everything else has to be replaceable. */
export function holdsData({ type, inputs }: Pick<Resource, "type" | "inputs">): boolean {
  const isBucket = type === "gcp:storage/bucket:Bucket";
  return protectedTypes.has(type) || (isBucket && inputs["forceDestroy"] !== true);
}

function problemsOf({ type, inputs, protect }: Resource): string[] {
  const problems = (guards[type] ?? [])
    .filter(([input, allowed]) => {
      const value = valueAt(inputs, input);
      return !isUnknown(value) && !allowed.includes(value);
    })
    .map(([input, allowed]) => `${input} is not ${allowed.join(" or ")}`);
  if (holdsData({ type, inputs }) && !protect) problems.push("is not protected");
  return problems;
}
