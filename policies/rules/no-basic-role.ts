import { grantsOf } from "../lib/grants.ts";
import type { ResourceRule } from "../lib/rule.ts";
import { textsAt } from "../lib/values.ts";

/** The roles that Google calls basic, old and new. */
const basicRoles: ReadonlySet<string> = new Set(
  ["owner", "editor", "viewer", "browser", "admin", "writer", "reader"].map(
    (role) => `roles/${role}`,
  ),
);

/** Whoever may change who may do what can make themselves an owner. */
const grantingRoles: ReadonlySet<string> = new Set([
  "roles/iam.securityAdmin",
  "roles/iam.roleAdmin",
  "roles/resourcemanager.projectIamAdmin",
]);

/** The right to act as an account; in the project it is one to act as every account. */
const actingRoles =
  /^roles\/iam\.(?:serviceAccount(?:User|TokenCreator|OpenIdTokenCreator|KeyAdmin|Admin)|workloadIdentityUser)$/;

/** The same, as permissions of a role that a program makes. */
const ownersPermissions =
  /\.setIamPolicy$|^iam\.serviceAccounts\.(?:actAs|getAccessToken|getOpenIdToken|implicitDelegation|signBlob|signJwt)$|^iam\.serviceAccountKeys\.create$|^iam\.roles\.(?:create|update)$/;

/**
 * A basic role holds thousands of permissions over everything that the project has and will ever have: the
 * viewer reads every topic and bucket, the editor acts as every account. A role that grants roles, or that acts as
 * anybody, is the same in one step more.
 */
export const noBasicRole: ResourceRule = {
  name: "no-basic-role",
  description: "No basic role (owner, editor, viewer …) is granted, and none that leads to one.",
  remedy:
    "Grant the predefined role for the purpose, on the resource or the account that it is for.",
  severity: "critical",
  check(resource) {
    const { type, inputs } = resource;
    if (type === "gcp:projects/iAMCustomRole:IAMCustomRole") {
      return textsAt(inputs, "permissions")
        .filter((permission) => ownersPermissions.test(permission))
        .map((permission) => `permissions has ${permission}`);
    }
    const inProject = type.startsWith("gcp:projects/");
    return grantsOf(resource).flatMap(({ role }) => {
      if (role === undefined) return [];
      if (basicRoles.has(role) || grantingRoles.has(role)) return [`${role} is granted`];
      return inProject && actingRoles.test(role) ? [`${role} is granted in the whole project`] : [];
    });
  },
};
