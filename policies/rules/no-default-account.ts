import { namesDefaultAccount } from "../lib/accounts.ts";
import type { ResourceRule } from "../lib/rule.ts";
import { flexibleVersion, machines, standardVersion } from "../lib/types.ts";
import { isObject, isUnknown, valueAt, visitValues } from "../lib/values.ts";

/** What runs as a default account when it is not told which to run as. */
const needsAccount: ReadonlySet<string> = new Set([
  standardVersion,
  flexibleVersion,
  "gcp:cloudbuild/trigger:Trigger",
]);

/**
 * What one service may do, no other may. A default account is shared by everything that names none, also by what
 * people try out; in older projects it may edit everything.
 */
export const noDefaultAccount: ResourceRule = {
  name: "no-default-account",
  description: "Nothing runs as a default service account, and none is granted anything.",
  remedy: "Make a service account for the purpose and name it.",
  severity: "critical",
  check({ type, inputs }) {
    const problems: string[] = [];
    const named = (value: unknown): boolean =>
      isUnknown(value) || (typeof value === "string" && value !== "");
    if (needsAccount.has(type) && !named(valueAt(inputs, "serviceAccount"))) {
      problems.push("serviceAccount is not given, so it is a default account");
    }
    // A machine without any block runs as nobody; one with a block that names nobody as the default account.
    const own = valueAt(inputs, "serviceAccount");
    if (
      machines.has(type) &&
      isObject(own) &&
      (!named(own["email"]) || own["email"] === "default")
    ) {
      problems.push("serviceAccount.email is not given, so it is a default account");
    }
    visitValues(inputs, (path, value) => {
      if (typeof value === "string" && namesDefaultAccount(value)) {
        problems.push(`${path.join(".")} is a default account`);
      }
    });
    return problems;
  },
};
