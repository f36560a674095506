/** What StandardService and FlexibleService have in common. */

import { createHash } from "node:crypto";
import * as appengine from "@pulumi/gcp/appengine/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import * as secretmanager from "@pulumi/gcp/secretmanager/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as storage from "@pulumi/gcp/storage/index.js";
import type * as pulumi from "@pulumi/pulumi";
import type { AppSource } from "../app-source.ts";
import { childOf } from "./options.ts";

/** Who may send requests to a service. */
export const ingresses = {
  all: "INGRESS_TRAFFIC_ALLOWED_ALL",
  internal: "INGRESS_TRAFFIC_ALLOWED_INTERNAL_ONLY",
  "internal-and-load-balancer": "INGRESS_TRAFFIC_ALLOWED_INTERNAL_AND_LB",
} as const;

export interface AppServiceArgs {
  /** The project's id. */
  readonly project: string;
  /**
   * Name of the App Engine service. `default` is the one that gets what no rule names, and must
   * exist before any other: give the others `dependsOn: [default]`.
   */
  readonly service: string;
  /** Environment of the processes; a change makes a new version. Nothing secret. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Secrets that the service's account may read: variable → id of a Secret Manager secret. The
   * variable gets the resource name `projects/<project>/secrets/<id>`, never the secret.
   * The secrets must exist: `dependsOn` what declares them.
   */
  readonly secrets?: Readonly<Record<string, string>>;
  /** @default "all" */
  readonly ingress?: keyof typeof ingresses;
}

/** The longest label that a host name may have; a version's own host is one such label. */
const maxHostLabel = 63;
const versionIdDigits = 10;

/** What is wrong with the common arguments; empty when nothing is. */
export function serviceProblems(args: AppServiceArgs): string[] {
  const problems: string[] = [];
  if (!/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(args.project)) {
    problems.push(
      `project: "${args.project}" is no project id; 6 to 30 of a-z, 0-9 and "-", from a letter to no "-"`,
    );
  }
  // 22, because the account is `<service>-service` and an account id has at most 30 characters.
  if (!/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/.test(args.service)) {
    problems.push(
      `service: "${args.service}" is no service name; 1 to 22 of a-z, 0-9 and "-", from a letter to no "-"`,
    );
  }
  if (args.service.includes("-dot-") || args.service.startsWith("ah-")) {
    problems.push(`service: "${args.service}" has "-dot-" or starts with "ah-"; both are reserved`);
  }
  const label = `v${"0".repeat(versionIdDigits)}-dot-${args.service}-dot-${args.project}`;
  if (label.length > maxHostLabel) {
    problems.push(
      `service: the host label "${label}" has ${label.length} characters; at most ${maxHostLabel}: shorten the service or the project`,
    );
  }
  for (const variable of [...Object.keys(args.env ?? {}), ...Object.keys(args.secrets ?? {})]) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
      problems.push(`env: "${variable}" is no name of a variable; letters, digits and "_"`);
    }
    if (/^(GAE_.*|PORT|GOOGLE_CLOUD_PROJECT)$/.test(variable)) {
      problems.push(`env: "${variable}" is set by App Engine; choose another name`);
    }
  }
  for (const [variable, secret] of Object.entries(args.secrets ?? {})) {
    if (args.env?.[variable] !== undefined) {
      problems.push(`secrets: "${variable}" is in env too; give it once`);
    }
    if (!/^[A-Za-z0-9_-]{1,255}$/.test(secret)) {
      problems.push(
        `secrets: "${secret}" is no secret id; 1 to 255 letters, digits, "_" and "-", no path`,
      );
    }
  }
  return problems;
}

export function isCount(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** All variables of the processes, the names of secrets included. */
export function environmentOf({ project, env, secrets }: AppServiceArgs): Record<string, string> {
  return {
    ...env,
    ...Object.fromEntries(
      Object.entries(secrets ?? {}).map(([variable, secret]) => [
        variable,
        `projects/${project}/secrets/${secret}`,
      ]),
    ),
  };
}

/**
 * Names a version by everything that defines it. A version is immutable: a changed one has another
 * id and is created beside the old one, and a failed creation is repeated by the next `up`, where a
 * failed update would be taken for done.
 *
 * @param definition every argument of the version but its id; plain values
 * @returns `v` and 10 hex digits; the same for the same definition, whatever the order of its keys
 * @throws TypeError for what is not plain, because its value is not known yet
 */
export function versionIdOf(definition: object): string {
  const digest = createHash("sha256").update(canonical(definition, "version")).digest("hex");
  return `v${digest.slice(0, versionIdDigits)}`;
}

function canonical(value: unknown, path: string): string {
  if (Array.isArray(value)) {
    return `[${value.map((item, i) => canonical(item, `${path}[${i}]`)).join(",")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype) throw new TypeError(`${path} is not a plain value`);
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field, `${path}.${key}`)}`);
    return `{${fields.join(",")}}`;
  }
  if (typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) {
    return JSON.stringify(value);
  }
  throw new TypeError(`${path} is not a plain value`);
}

/** The e-mail address of the account that a service runs as; known before the account exists. */
export function accountEmail({ project, service }: AppServiceArgs): string {
  return `${accountId(service)}@${project}.iam.gserviceaccount.com`;
}

function accountId(service: string): string {
  return `${service}-service`;
}

export interface RuntimeAccount {
  readonly account: serviceaccount.Account;
  /** The account's rights; a version started before it has them fails. */
  readonly grants: readonly pulumi.Resource[];
}

/**
 * Declares the account that a service runs as, and what it may do: build and start its version, and
 * read its own secrets.
 *
 * @param source the archive that the version is built from; none when it comes as an image
 * @param roles of the project, beyond those that every service needs
 */
export function declareAccount(
  component: pulumi.ComponentResource,
  name: string,
  args: AppServiceArgs,
  source: AppSource | undefined,
  roles: readonly string[],
  opts: pulumi.ComponentResourceOptions | undefined,
): RuntimeAccount {
  const { project, service } = args;
  const account = new serviceaccount.Account(
    `${name}-account`,
    {
      project,
      accountId: accountId(service),
      displayName: `App Engine service ${service}`,
    },
    childOf(component, opts),
  );
  const { member } = account;
  const projectRoles = [
    // App Engine keeps the image of a version in a repository of its own making.
    "artifactregistry.reader",
    // The build of a version and its instances write their logs as this account.
    "logging.logWriter",
    ...roles,
  ];
  const grants: pulumi.Resource[] = projectRoles.map(
    (role) =>
      new projects.IAMMember(
        `${name}-${role}`,
        { project, role: `roles/${role}`, member },
        childOf(component, opts),
      ),
  );
  if (source !== undefined) {
    grants.push(
      new storage.BucketIAMMember(
        `${name}-source`,
        { bucket: source.bucket.bucket.name, role: "roles/storage.objectViewer", member },
        childOf(component, opts),
      ),
    );
  }
  for (const secretId of new Set(Object.values(args.secrets ?? {}))) {
    grants.push(
      new secretmanager.SecretIamMember(
        `${name}-secret-${secretId}`,
        { project, secretId, role: "roles/secretmanager.secretAccessor", member },
        childOf(component, opts),
      ),
    );
  }
  return { account, grants };
}

/**
 * Sends all of a service's traffic to one version and says who may send any.
 *
 * @param version what must exist before
 * @param trafficTo id of the version that gets the traffic
 */
export function declareTraffic(
  component: pulumi.ComponentResource,
  name: string,
  args: AppServiceArgs,
  version: pulumi.Resource,
  trafficTo: string,
  opts: pulumi.ComponentResourceOptions | undefined,
): appengine.EngineSplitTraffic {
  const { project, service } = args;
  const traffic = new appengine.EngineSplitTraffic(
    `${name}-traffic`,
    {
      project,
      service,
      // Unset it is sent as an empty string, which the API refuses; and flexible refuses `true`.
      migrateTraffic: false,
      split: { shardBy: "COOKIE", allocations: { [trafficTo]: "1" } },
    },
    childOf(component, opts, {
      dependsOn: [version],
      // A failed update would be taken for done, and a split is never read back. A replacement is the
      // same one request (nothing is sent for the delete), but as a creation it is repeated.
      replaceOnChanges: ["split", "service"],
    }),
  );
  new appengine.ServiceNetworkSettings(
    `${name}-ingress`,
    {
      project,
      service,
      networkSettings: { ingressTrafficAllowed: ingresses[args.ingress ?? "all"] },
    },
    childOf(component, opts, { dependsOn: [version], replaceOnChanges: ["service"] }),
  );
  return traffic;
}
