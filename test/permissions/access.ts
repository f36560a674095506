/**
 * Who needs which permission on what, from the resources of a stack and the table of permissions; and who has
 * which, from the grants among the same resources.
 *
 * A need of one thing (a bucket, an account, a topic …) counts as met by a grant on that very thing only. A
 * grant in the project would do in the cloud, but for everything else of its kind, too; so it is both too wide
 * and not what is needed.
 */
import {
  type PipelineNeed,
  rolePermissions,
  typePermissions,
} from "../../components/lib/permissions.ts";

export interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** A kind and a short name: `project my-project`, `bucket my-project-app-sources`. */
export type Scope = string;

export interface Need {
  /** A permission; or a role, where a guide asks for one without saying what of it. */
  readonly what: string;
  readonly on: Scope;
  readonly by: string;
}

export interface Grant {
  readonly name: string;
  readonly role: string;
  readonly on: Scope;
  /** Undefined for a role that neither the table nor the stack knows. */
  readonly permissions: readonly string[] | undefined;
}

/** The types with which roles are granted: the property that says on what, and the kind of that. */
const grantTypes: Readonly<Record<string, readonly [property: string, kind: string]>> = {
  "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": ["repository", "repository"],
  "gcp:projects/iAMMember:IAMMember": ["project", "project"],
  "gcp:pubsub/topicIAMMember:TopicIAMMember": ["topic", "topic"],
  "gcp:secretmanager/secretIamMember:SecretIamMember": ["secretId", "secret"],
  "gcp:serviceaccount/iAMMember:IAMMember": ["serviceAccountId", "account"],
  "gcp:storage/bucketIAMMember:BucketIAMMember": ["bucket", "bucket"],
};

const customRole = "gcp:projects/iAMCustomRole:IAMCustomRole";

/** The kind of what a property of `readOn` and `writeOn` names. */
function kindOf(property: string): string {
  if (property === "bucket" || property === "topic") return property;
  if (/account|email/i.test(property)) return "account";
  throw new Error(`nobody said what kind of thing ${property} names`);
}

const shortName = (reference: string): string => reference.split("/").at(-1) ?? "";

function textAt(value: unknown, path: string): string | undefined {
  const found = path
    .split(".")
    .reduce<unknown>(
      (inner, key) =>
        typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined,
      value,
    );
  return typeof found === "string" ? found : undefined;
}

/** A resource that grants something. */
export function isGrant({ type }: Declared): boolean {
  // Also the kinds that nobody uses yet: a policy or a binding would take others' rights away unseen.
  return /I[Aa][Mm](Member|Binding|Policy)/.test(type);
}

/** Custom role, as grants name it → its permissions. */
export function customRoles(resources: readonly Declared[]): Map<string, readonly string[]> {
  return new Map(
    resources
      .filter(({ type }) => type === customRole)
      .map(({ inputs }) => [
        `projects/${String(inputs["project"])}/roles/${String(inputs["roleId"])}`,
        inputs["permissions"] as string[],
      ]),
  );
}

/** All that is granted to a member. */
export function grantsOf(resources: readonly Declared[], member: string): Grant[] {
  const custom = customRoles(resources);
  return resources
    .filter((resource) => isGrant(resource) && resource.inputs["member"] === member)
    .map(({ type, name, inputs }) => {
      const role = String(inputs["role"]);
      const known = grantTypes[type];
      if (known === undefined) throw new Error(`nobody said what ${type} grants on`);
      const [property, kind] = known;
      const on = `${kind} ${shortName(String(inputs[property]))}`;
      return {
        name,
        role,
        // Whether a condition holds cannot be said here, so such a grant meets no need.
        on: inputs["condition"] === undefined ? on : `${on}, on a condition`,
        permissions: custom.get(role) ?? rolePermissions[role],
      };
    });
}

/** The project, and what needs of pipelines speak of besides. */
export type Things = Readonly<Record<PipelineNeed["in"], Scope>>;

export interface NeedsOptions {
  /** Of which types resources are changed; all are read. */
  readonly changes: (type: string) => boolean;
  readonly things: Things;
  readonly pipeline?: readonly PipelineNeed[];
  /** Whether roles that guides ask for are needed. Default false. */
  readonly guides?: boolean;
}

/** @throws Error for a resource that the table does not know */
export function needsOf(resources: readonly Declared[], options: NeedsOptions): Need[] {
  const needs = resources
    .filter(({ type }) => type.startsWith("gcp:"))
    .flatMap(({ type, name, inputs }): Need[] => {
      const known = typePermissions[type];
      if (known === undefined) throw new Error(`components/lib/permissions.ts lacks ${type}`);
      const changes = options.changes(type);
      const on = (things: Readonly<Record<string, readonly string[]>> = {}): Need[] =>
        Object.entries(things).flatMap(([property, permissions]) => {
          const reference = textAt(inputs, property);
          if (reference === undefined) return [];
          const scope = `${kindOf(property)} ${shortName(reference)}`;
          return permissions.map((what) => ({ what, on: scope, by: name }));
        });
      const inProject = [
        ...known.read,
        ...(changes ? known.write : []),
        ...(changes && options.guides === true ? (known.guideRoles ?? []) : []),
      ].map((what) => ({ what, on: options.things.project, by: name }));
      return [...inProject, ...on(known.readOn), ...(changes ? on(known.writeOn) : [])];
    });
  const pipeline = (options.pipeline ?? []).map((need) => ({
    what: need.permission,
    on: options.things[need.in],
    by: "the pipeline",
  }));
  return [...needs, ...pipeline];
}

const meets = (grant: Grant, need: Need): boolean =>
  grant.on === need.on &&
  (grant.role === need.what || grant.permissions?.includes(need.what) === true);

/**
 * What is wrong: a need that no grant meets, and a grant without which every need would still be met. The
 * roles in `kept` stay also where others do what they are there for, but have to do something.
 */
export function accessProblems(
  needs: readonly Need[],
  grants: readonly Grant[],
  kept: readonly string[] = [],
): string[] {
  const problems = new Set<string>();
  for (const need of needs) {
    if (!grants.some((grant) => meets(grant, need))) {
      problems.add(`lacks ${need.what} on ${need.on}, for ${need.by}`);
    }
  }
  for (const grant of grants) {
    const { role, on, name } = grant;
    if (grant.permissions === undefined) {
      problems.add(`has ${role} on ${on} (${name}), which the table does not know`);
      continue;
    }
    const alone = needs.some((need) =>
      kept.includes(role)
        ? meets(grant, need)
        : meets(grant, need) && !grants.some((other) => other !== grant && meets(other, need)),
    );
    if (!alone) problems.add(`has ${role} on ${on} (${name}), which nothing needs`);
  }
  return [...problems];
}

/** What changes nothing, and shows what there is but not what is in it. */
export function isLooking(permission: string): boolean {
  return (
    /\.(get|list|getIamPolicy|getMetadata)$/.test(permission) &&
    !/^storage\.objects\.|[eE]ntries\.|\.entities\.|\.access$|timeSeries/.test(permission)
  );
}

/**
 * What grants allow beyond what is needed at their scope, other than looking: `role: permission`, each once. A
 * wider role in the place of a needed one shows here, and a permission too many in a custom role.
 */
export function excessOf(needs: readonly Need[], grants: readonly Grant[]): string[] {
  const excess = grants.flatMap(({ role, on, permissions = [] }) => {
    const asked = new Set(needs.filter((need) => need.on === on).map(({ what }) => what));
    return permissions
      .filter((one) => !isLooking(one) && !asked.has(one))
      .map((one) => `${shortName(role)}: ${one}`);
  });
  return [...new Set(excess)].sort();
}

/** Everybody who is granted something, as grants name them. */
export function membersOf(resources: readonly Declared[]): string[] {
  return [...new Set(resources.filter(isGrant).map(({ inputs }) => String(inputs["member"])))];
}
