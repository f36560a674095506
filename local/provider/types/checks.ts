/** Checks that several resource types share. */
import type { Props, Resource } from "../backend.ts";
import type { Registry } from "../registry.ts";
import { isUnknown, lastSegment, listAt, numberAt, objectAt, textAt } from "../values.ts";
import { projectNumber } from "./numbers.ts";
import { knownRole } from "./roles.ts";
import { Refusal, type Place, type Report } from "./type.ts";

/** Reports the text at the path unless it matches; absent and unknown values pass. */
export function matches(
  inputs: Props,
  path: string,
  pattern: RegExp,
  allowed: string,
  report: Report,
): void {
  const text = textAt(inputs, path);
  if (text !== undefined && !pattern.test(text)) report(path, `"${text}" is not ${allowed}`);
}

export function oneOf(
  inputs: Props,
  path: string,
  allowed: readonly string[],
  report: Report,
): void {
  const text = textAt(inputs, path);
  if (text !== undefined && !allowed.includes(text)) {
    report(path, `"${text}" is not one of ${allowed.join(", ")}`);
  }
}

export function inRange(
  inputs: Props,
  path: string,
  low: number,
  high: number,
  report: Report,
): void {
  const value = numberAt(inputs, path);
  if (value !== undefined && (value < low || value > high)) {
    report(path, `${value} is not between ${low} and ${high}`);
  }
}

/** The name rule of Compute Engine and most others (RFC 1035). */
export function computeName(inputs: Props, report: Report, path = "name"): void {
  const allowed =
    "1–63 lowercase letters, digits or hyphens, beginning with a letter and not ending with a hyphen";
  matches(inputs, path, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/, allowed, report);
}

export function labels(inputs: Props, report: Report): void {
  const rule = "lowercase letters, digits, _ or -, at most 63 characters";
  for (const [key, value] of Object.entries(objectAt(inputs, "labels"))) {
    if (!/^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u.test(key)) {
      report(`labels.${key}`, `the key is not a letter followed by ${rule}`);
    }
    if (isUnknown(value) || typeof value !== "string") continue;
    if (!/^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u.test(value)) {
      report(`labels.${key}`, `"${value}" is not ${rule}`);
    }
  }
}

const memberPattern =
  /^(allUsers|allAuthenticatedUsers|(user|serviceAccount|group):[^\s@:]+@[^\s@]+\.[^\s@]+|domain:[^\s@]+\.[^\s@]+|(projectOwner|projectEditor|projectViewer):[a-z][-a-z0-9]+|principal(Set)?:\/\/\S+)$/;

/** The grant of a role to a member. */
export function grant(inputs: Props, report: Report): void {
  matches(
    inputs,
    "member",
    memberPattern,
    "a member, for example serviceAccount:name@project.iam.gserviceaccount.com or user:name@example.com",
    report,
  );
  const role = textAt(inputs, "role");
  if (role === undefined) return;
  if (!/^(roles\/|(projects|organizations)\/[^/]+\/roles\/)[A-Za-z0-9_.]+$/.test(role)) {
    report("role", `"${role}" is not of the form roles/<name> or projects/<id>/roles/<name>`);
  } else if (role.startsWith("roles/") && !knownRole(role)) {
    report(
      "role",
      `"${role}" is not a role that the local provider knows (local/provider/types/roles.ts)`,
    );
  }
}

/** Stands in an id for what a preview does not know yet; no name of the cloud may hold it. */
const unknownPart = "?";

export function isPartlyUnknown(id: string): boolean {
  return id.includes(unknownPart);
}

export function grantId(resource: string): (inputs: Props) => string {
  return (inputs) =>
    [resource, "role", "member"].map((key) => textAt(inputs, key) ?? unknownPart).join("/");
}

/** A deterministic `etag`: the cloud's changes with the policy, and nobody may rely on it. */
export function grantOutputs(): Props {
  return { etag: "BwXlocal" };
}

/** Refuses a reference to something of this type that is not there; unknown references pass. */
export function mustExist(
  live: Registry,
  type: string,
  reference: string | undefined,
  refusal: string,
): void {
  if (reference === undefined) return;
  if (findByReference(live, type, reference) === undefined) throw new Refusal(refusal);
}

/** Finds by id, self link or plain name: programs use all three. */
export function findByReference(
  live: Registry,
  type: string,
  reference: string,
): Resource | undefined {
  const qualified = reference.includes("/");
  return live.find(type, (resource) => {
    if (reference === resource.id || reference.endsWith(`/${resource.id}`)) return true;
    if (reference === textAt(resource.outputs, "selfLink")) return true;
    return !qualified && lastSegment(resource.id) === reference;
  });
}

/** A service account of this very project must exist; others are not ours to judge. */
export function accountMustExist(
  live: Registry,
  email: string | undefined,
  property: string,
  place: Place,
): void {
  if (email?.endsWith(`@${place.project}.iam.gserviceaccount.com`) !== true) return;
  const found = live.find(
    "gcp:serviceaccount/account:Account",
    (account) => textAt(account.outputs, "email") === email,
  );
  if (found === undefined) {
    throw new Refusal(`${property}: service account ${email} does not exist`);
  }
}

/** What a grant names must be there: a role of the project's own, an account, a pool of foreign identities. */
export function grantMustResolve(resource: Resource, live: Registry, place: Place): void {
  const role = textAt(resource.inputs, "role");
  if (role?.startsWith(`projects/${place.project}/roles/`) === true) {
    mustExist(
      live,
      "gcp:projects/iAMCustomRole:IAMCustomRole",
      role,
      `role: The role named ${role} was not found.`,
    );
  }
  const member = textAt(resource.inputs, "member");
  if (member?.startsWith("serviceAccount:") === true) {
    accountMustExist(live, member.slice("serviceAccount:".length), "member", place);
  }
  const [, pool] =
    /^principal(?:Set)?:\/\/iam\.googleapis\.com\/(.+\/workloadIdentityPools\/[^/]+)\//.exec(
      member ?? "",
    ) ?? [];
  if (pool?.startsWith(`projects/${projectNumber(place.project)}/`) !== true) return;
  const found = live.find(
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
    ({ outputs }) => textAt(outputs, "name") === pool,
  );
  if (found === undefined) throw new Refusal(`member: identity pool ${pool} does not exist`);
}

/** Everything of these types that refers to the resource under one of these paths. */
export function users(
  resource: Resource,
  live: Registry,
  references: readonly (readonly [type: string, path: string])[],
): readonly Resource[] {
  const name = lastSegment(resource.id);
  const link = textAt(resource.outputs, "selfLink");
  return references.flatMap(([type, path]) =>
    live
      .all(type)
      .filter((user) =>
        valuesAt(user.inputs, path).some(
          (value) =>
            value === resource.id ||
            value === link ||
            value.endsWith(`/${resource.id}`) ||
            value === name,
        ),
      ),
  );
}

/** Texts at a path in which `*` stands for every element of a list. */
function valuesAt(inputs: Props, path: string): string[] {
  const [before = "", after] = path.split(".*.");
  if (after === undefined) {
    const text = textAt(inputs, path);
    return text === undefined ? [] : [text];
  }
  return listAt(inputs, before).flatMap((element) => textAt(element, after) ?? []);
}

/** @throws Refusal with the cloud's words when something still uses the resource */
export function refuseInUse(
  kind: string,
  resource: Resource,
  live: Registry,
  references: readonly (readonly [type: string, path: string])[],
): void {
  const [user] = users(resource, live, references);
  if (user === undefined) return;
  throw new Refusal(`The ${kind} resource '${resource.id}' is already being used by '${user.id}'`);
}

export function projectOf(inputs: Props, place: Place): string {
  return textAt(inputs, "project") ?? place.project;
}

export function regionOf(inputs: Props, place: Place): string {
  return textAt(inputs, "region") ?? place.region;
}

export function name(inputs: Props, key = "name"): string {
  return textAt(inputs, key) ?? unknownPart;
}
