import type { ResourceRule } from "../lib/rule.ts";
import { isUnknown } from "../lib/values.ts";

/**
 * The state and the services' archives are in buckets. With access lists of its own an object can be public in a
 * bucket that looks closed; the prevention holds even against a later grant to everybody.
 */
export const closedBuckets: ResourceRule = {
  name: "closed-buckets",
  description: "Every bucket has uniform access and can never be public.",
  remedy: 'Give it uniformBucketLevelAccess: true and publicAccessPrevention: "enforced".',
  severity: "critical",
  check({ type, inputs }) {
    if (type !== "gcp:storage/bucket:Bucket") return [];
    const { uniformBucketLevelAccess: uniform, publicAccessPrevention: prevention } = inputs;
    return [
      ...(uniform === true || isUnknown(uniform) ? [] : ["uniformBucketLevelAccess is not true"]),
      ...(prevention === "enforced" || isUnknown(prevention)
        ? []
        : ['publicAccessPrevention is not "enforced"']),
    ];
  },
};
