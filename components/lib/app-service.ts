/** What the components for App Engine services have in common. */

import * as appengine from "@pulumi/gcp/appengine/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import * as secretmanager from "@pulumi/gcp/secretmanager/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as storage from "@pulumi/gcp/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { AppSource } from "../app-source.ts";
import { isProjectId } from "./checks.ts";
import { childOf } from "./options.ts";
import { versionIdExample, versionIdOf } from "./version-id.ts";

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
  /**
   * Ids of further secrets that the account may read, for a service that finds their names somewhere
   * in `env`.
   */
  readonly readableSecrets?: readonly string[];
}

/**
 * A service: the account that it runs as, with what it may do; then an immutable version, named by
 * what defines it; then its traffic, all of which goes to one version. Each kind of service refuses
 * its arguments before it calls this constructor, and then declares the rest in that order.
 */
export abstract class AppService extends pulumi.ComponentResource {
  readonly service: string;
  /** Known in a preview. */
  readonly versionId: string;
  readonly account: serviceaccount.Account;

  #traffic: { readonly version: string; readonly split: pulumi.Resource } | undefined;

  readonly #name: string;
  readonly #args: AppServiceArgs;
  readonly #opts: pulumi.ComponentResourceOptions | undefined;

  /**
   * @param type the last part of the component's token
   * @param definition every argument of the version but its id; plain values
   */
  protected constructor(
    type: string,
    name: string,
    args: AppServiceArgs,
    definition: object,
    opts: pulumi.ComponentResourceOptions | undefined,
  ) {
    const versionId = versionIdOf(definition);
    super(`appengine-realtime:app:${type}`, name, {}, opts);
    this.#name = name;
    this.#args = args;
    this.#opts = opts;
    this.service = args.service;
    this.versionId = versionId;
    this.account = new serviceaccount.Account(
      `${name}-account`,
      {
        project: args.project,
        accountId: accountId(args.service),
        displayName: `App Engine service ${args.service}`,
      },
      this.child(),
    );
  }

  /** The version that gets the traffic; known in a preview. */
  get trafficVersion(): string {
    return this.#sent().version;
  }

  /** URN of the resource that sends the traffic. */
  get splitUrn(): pulumi.Output<string> {
    return this.#sent().split.urn;
  }

  #sent(): { readonly version: string; readonly split: pulumi.Resource } {
    if (this.#traffic === undefined) throw new Error(`${this.service}: nothing sends traffic yet`);
    return this.#traffic;
  }

  /** Options of a child. */
  protected child(extra?: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions {
    return childOf(this, this.#opts, extra);
  }

  /**
   * Lets the account build and start a version, and read the service's own secrets.
   *
   * @param source the archive that the version is built from; undefined when it comes as an image
   * @param roles in the project, beyond those that every service needs
   * @returns what the version has to wait for: one that starts before its account has its rights fails
   */
  protected grants(
    source: AppSource | undefined,
    roles: readonly string[] = [],
  ): readonly pulumi.Resource[] {
    const { project } = this.#args;
    const { member } = this.account;
    const projectRoles = [
      // App Engine keeps the image of a version in a repository of its own making.
      "artifactregistry.reader",
      // The build of a version and its instances write their logs as this account.
      "logging.logWriter",
      ...roles,
    ];
    const ready: pulumi.Resource[] = projectRoles.map(
      (role) =>
        new projects.IAMMember(
          `${this.#name}-${role}`,
          { project, role: `roles/${role}`, member },
          this.child(),
        ),
    );
    if (source !== undefined) {
      ready.push(
        source.object,
        new storage.BucketIAMMember(
          `${this.#name}-source`,
          { bucket: source.bucket.bucket.name, role: "roles/storage.objectViewer", member },
          this.child(),
        ),
      );
    }
    for (const secretId of new Set(secretIds(this.#args))) {
      ready.push(
        new secretmanager.SecretIamMember(
          `${this.#name}-secret-${secretId}`,
          { project, secretId, role: "roles/secretmanager.secretAccessor", member },
          this.child(),
        ),
      );
    }
    return [this.account, ...ready];
  }

  /**
   * Sends all of the service's traffic to one version, and lets everybody send some.
   *
   * @param ready the version, and whatever else has to be there before it serves
   */
  protected sendTraffic(versionId: string, ready: readonly pulumi.Resource[]): void {
    const { project, service } = this.#args;
    const dependsOn = [...ready];
    const split = new appengine.EngineSplitTraffic(
      `${this.#name}-traffic`,
      {
        project,
        service,
        // Unset it is sent as an empty string, which the API refuses; and flexible refuses `true`.
        migrateTraffic: false,
        split: { shardBy: "COOKIE", allocations: { [versionId]: "1" } },
      },
      this.child({
        dependsOn,
        // A failed update would be taken for done, and a split is never read back. A replacement is
        // the same one request (nothing is sent for the delete), but as a creation it is repeated.
        replaceOnChanges: ["split", "service"],
      }),
    );
    this.#traffic = { version: versionId, split };
    new appengine.ServiceNetworkSettings(
      `${this.#name}-ingress`,
      {
        project,
        service,
        // Clients are everywhere. It is the API's default, said so that a change by hand is seen.
        networkSettings: { ingressTrafficAllowed: "INGRESS_TRAFFIC_ALLOWED_ALL" },
      },
      this.child({ dependsOn, replaceOnChanges: ["service"] }),
    );
  }
}

/** The longest label that a host name may have; a version's own host is one such label. */
const maxHostLabel = 63;

/**
 * What is wrong with the common arguments; empty when nothing is.
 *
 * @param hostPrefix what is in front of the version in the longest host that the service is called by
 */
export function serviceProblems(args: AppServiceArgs, hostPrefix = ""): string[] {
  const problems: string[] = [];
  if (!isProjectId(args.project)) {
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
  const label = `${hostPrefix}${versionIdExample}-dot-${args.service}-dot-${args.project}`;
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
  for (const variable of Object.keys(args.secrets ?? {})) {
    if (args.env?.[variable] !== undefined) {
      problems.push(`secrets: "${variable}" is in env too; give it once`);
    }
  }
  for (const secret of secretIds(args)) {
    if (!/^[A-Za-z0-9_-]{1,255}$/.test(secret)) {
      problems.push(
        `secrets: "${secret}" is no secret id; 1 to 255 letters, digits, "_" and "-", no path`,
      );
    }
  }
  return problems;
}

/** The ids of all secrets that the service's account may read. */
function secretIds({ secrets, readableSecrets }: AppServiceArgs): string[] {
  return [...Object.values(secrets ?? {}), ...(readableSecrets ?? [])];
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

/** The e-mail address of the account that a service runs as; known before the account exists. */
export function accountEmail({ project, service }: AppServiceArgs): string {
  return emailOf(accountId(service), project);
}

/** The e-mail address of any account of the project; known before the account exists. */
export function emailOf(id: string, project: string): string {
  return `${id}@${project}.iam.gserviceaccount.com`;
}

function accountId(service: string): string {
  return `${service}-service`;
}
