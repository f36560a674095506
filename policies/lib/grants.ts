/** Who is granted what, by any of the many types that grant something. */
import type { Resource } from "./rule.ts";
import { isObject, isUnknown, textsAt, valueAt } from "./values.ts";

export interface Grant {
  /** Undefined while it is not known, and in lists of access that have no roles. */
  readonly role: string | undefined;
  readonly members: readonly string[];
}

const accessLists = /(?:AccessControl|ACL|Acl)$/;

/** What a resource grants; empty for a resource that grants nothing. */
export function grantsOf({ type, inputs }: Resource): readonly Grant[] {
  if (!type.startsWith("gcp:")) return [];
  const role = known(valueAt(inputs, "role"));
  const members = [
    known(valueAt(inputs, "member")),
    // In access lists of storage.
    accessLists.test(type) ? known(valueAt(inputs, "entity")) : undefined,
    ...textsAt(inputs, "members"),
    ...(accessLists.test(type)
      ? textsAt(inputs, "roleEntities").map((text) => text.split(":").at(-1))
      : []),
  ].filter((member) => member !== undefined);
  const isGrant = /(?:member|binding)$/i.test(type) || accessLists.test(type);
  const policy = parsedPolicy(inputs["policyData"]);
  return [...(isGrant ? [{ role, members }] : []), ...policy];
}

/** The bindings of a whole policy, which is JSON in a text. */
function parsedPolicy(text: unknown): Grant[] {
  if (typeof text !== "string" || isUnknown(text)) return [];
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    return [];
  }
  const bindings = isObject(policy) && Array.isArray(policy["bindings"]) ? policy["bindings"] : [];
  return bindings.filter(isObject).map((binding) => ({
    role: known(binding["role"]),
    members: textsAt(binding, "members"),
  }));
}

function known(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) ? value : undefined;
}
