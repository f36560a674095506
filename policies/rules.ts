/** Every rule; a test holds that no module of `rules/` is forgotten. */
import type { Rule } from "./lib/rule.ts";
import { boundedScaling } from "./rules/bounded-scaling.ts";
import { closedBuckets } from "./rules/closed-buckets.ts";
import { explicitIngress } from "./rules/explicit-ingress.ts";
import { hardenedMachines } from "./rules/hardened-machines.ts";
import { immutableVersions } from "./rules/immutable-versions.ts";
import { knownTypesOnly } from "./rules/known-types.ts";
import { labels } from "./rules/labels.ts";
import { lastingSubscriptions } from "./rules/lasting-subscriptions.ts";
import { namedMembers } from "./rules/named-members.ts";
import { noBasicRole } from "./rules/no-basic-role.ts";
import { noDefaultAccount } from "./rules/no-default-account.ts";
import { noExternalAddress } from "./rules/no-external-address.ts";
import { noOpenRange } from "./rules/no-open-range.ts";
import { noSecretOutput } from "./rules/no-secret-output.ts";
import { noSecretValue } from "./rules/no-secret-value.ts";
import { oneRegion } from "./rules/one-region.ts";
import { protectedData } from "./rules/protected-data.ts";

export const rules: readonly Rule[] = [
  knownTypesOnly,
  noExternalAddress,
  noOpenRange,
  hardenedMachines,
  noDefaultAccount,
  noBasicRole,
  namedMembers,
  noSecretValue,
  noSecretOutput,
  closedBuckets,
  protectedData,
  boundedScaling,
  immutableVersions,
  explicitIngress,
  lastingSubscriptions,
  oneRegion,
  labels,
];
