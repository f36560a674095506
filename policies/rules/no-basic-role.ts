import { grantsOf } from "../lib/grants.ts";
import type { ResourceRule } from "../lib/rule.ts";

/** The roles that Google calls basic, old and new. */
const basicRoles: ReadonlySet<string> = new Set(
  ["owner", "editor", "viewer", "browser", "admin", "writer", "reader"].map(
    (role) => `roles/${role}`,
  ),
);

/**
 * A basic role holds thousands of permissions over everything that the project has and will ever have: the
 * viewer reads every topic and bucket, the editor acts as every account.
 */
export const noBasicRole: ResourceRule = {
  name: "no-basic-role",
  description: "No basic role (owner, editor, viewer, browser, admin, writer, reader) is granted.",
  remedy: "Grant the predefined role for the purpose, on the resource that it is for.",
  severity: "critical",
  check(resource) {
    return grantsOf(resource).flatMap(({ role }) =>
      role !== undefined && basicRoles.has(role) ? [`${role} is granted`] : [],
    );
  },
};
