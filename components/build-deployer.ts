import * as artifactregistry from "@pulumi/gcp/artifactregistry/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import * as pubsub from "@pulumi/gcp/pubsub/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as storage from "@pulumi/gcp/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import { labelsOf } from "./lib/labels.ts";
import { childOf } from "./lib/options.ts";
import { readerPermissions } from "./lib/permissions.ts";
import type { SourceBucket } from "./source-bucket.ts";

export interface BuildDeployerArgs {
  /** The project's id. */
  readonly project: string;
  /** Region of the image repository. */
  readonly region: string;
  /**
   * The accounts that a deployment acts as, because versions run as them or subscriptions push as them:
   * a stable name of each, for example the service's, → account.
   */
  readonly runtimeAccounts: Readonly<Record<string, serviceaccount.Account>>;
  /**
   * The topics that each deployment makes subscriptions of: a stable name of each → topic. Without any, the
   * deployer has no right in Pub/Sub.
   */
  readonly topics: Readonly<Record<string, pubsub.Topic>>;
  /** Where `pulumi up` puts the archives. */
  readonly sourceBucket: SourceBucket;
  /**
   * Gives the same rights to the account `<projectNumber>@cloudbuild.gserviceaccount.com`, which
   * builds in projects from before the middle of 2024 use when they name none. Newer projects do not
   * have it. The number has digits only. Whoever may start a build in the project can have it run as this
   * account, without being asked for the right to act as it: then they have the deployer's rights, too.
   * @default no rights for it
   */
  readonly legacyBuildAccount?: { readonly projectNumber: string };
}

/**
 * What a deployment may do in the whole project, and why. It deploys versions with their subscriptions and
 * moves traffic; it changes no IAM, network or machine, which would make it as powerful as an owner. A
 * person with such rights runs `npm run deploy` for changes of these. What it may do to a single thing is
 * granted on that thing, below; test/permissions holds all of it against what the resources need, and has a list
 * of what the roles allow beyond that.
 *
 * It is powerful all the same: it runs code as every service, and writes the state that a person's next deployment
 * on their own machine begins with. Whoever is the deployer can become whoever deploys after them.
 */
const projectRoles = [
  // Creates and deletes versions, moves traffic, sets ingress, writes the dispatch rules.
  "appengine.appAdmin",
  // What a build itself needs: it writes its log, and App Engine starts a build for each version in the name
  // of who deploys it. The role allows far more than that: objects of every bucket, images of every
  // repository, triggers, publishing on every topic, reading every log. What a deployment needs of those is
  // granted on its own buckets and its own repository all the same, so that a stricter project can do without
  // this role and grant these two things alone.
  "cloudbuild.builds.builder",
  // FlexibleAppVersion: puts the machines on the network.
  "compute.networkUser",
  // StandardAppVersion: connects a version to the connector …
  "vpcaccess.user",
  // … for which Google's guide wants this one, too.
  "compute.viewer",
  // Dashboard, AlertPolicy and UptimeCheckConfig: what is watched changes with the code.
  "monitoring.dashboardEditor",
  "monitoring.alertPolicyEditor",
  "monitoring.uptimeCheckConfigEditor",
] as const;

/**
 * logging.Metric. The predefined role that may change log metrics may also send all logs anywhere, and
 * change how long they are kept.
 */
const metricPermissions = [
  "logging.logMetrics.create",
  "logging.logMetrics.delete",
  "logging.logMetrics.update",
] as const;

/**
 * Topic, and Subscription: a replicated service has new ones with every version. The predefined role that
 * makes subscriptions also reads every message.
 */
const messagingPermissions = [
  "pubsub.subscriptions.create",
  "pubsub.subscriptions.delete",
  "pubsub.subscriptions.update",
  "pubsub.topics.create",
  "pubsub.topics.delete",
  "pubsub.topics.update",
] as const;

/**
 * The bucket with the state of a project's stack. The program only says who may use it: it is made before there
 * is a state (`npm run bootstrap`), and what holds the state is better not in it.
 */
export function stateBucketName(project: string): string {
  return `${project}-pulumi-state`;
}

/**
 * The identity that Cloud Build deploys with, what it may do, and the repository that it pushes images to.
 *
 * The first `pulumi up` of a project is a person's, for this account cannot make itself: docs/first-deploy.md
 * has the steps.
 *
 * Its two custom roles go with the stack, and their ids cannot be used again from the 8th to the 37th day after
 * that.
 */
export class BuildDeployer extends pulumi.ComponentResource {
  readonly account: serviceaccount.Account;
  readonly email: pulumi.Output<string>;
  /** Name of the bucket with Pulumi's state. */
  readonly stateBucket: string;
  /** `gs://<bucket>`, as `PULUMI_BACKEND_URL` takes it. */
  readonly backendUrl: string;
  /** Where images are pushed to: `<region>-docker.pkg.dev/<project>/services`. */
  readonly imageRepository: string;
  /** The role to see everything that the stack declares, and nothing that is in it. */
  readonly readerRole: pulumi.Output<string>;

  readonly #name: string;
  readonly #opts: pulumi.ComponentResourceOptions | undefined;

  constructor(name: string, args: BuildDeployerArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("BuildDeployer", name, deployerProblems(args));
    super("appengine-realtime:ci:BuildDeployer", name, {}, opts);
    this.#name = name;
    this.#opts = opts;
    const { project, region } = args;

    this.account = new serviceaccount.Account(
      `${name}-account`,
      { project, accountId: "deployer", displayName: "Cloud Build deploys as this account" },
      this.#child(),
    );
    this.email = this.account.email;

    this.stateBucket = stateBucketName(project);
    this.backendUrl = `gs://${this.stateBucket}`;

    const repositoryId = "services";
    this.imageRepository = `${region}-docker.pkg.dev/${project}/${repositoryId}`;
    const images = new artifactregistry.Repository(
      `${name}-images`,
      {
        project,
        location: region,
        repositoryId,
        format: "DOCKER",
        description: "Images of flexible services, deployed by digest",
        labels: labelsOf(name),
        // A tag is a digest of what went into the image: it is never moved.
        dockerConfig: { immutableTags: true },
      },
      // A second repository of this name cannot be made while the first one is there.
      this.#child({ deleteBeforeReplace: true }),
    );

    const reader = this.#role(project, "stackReader", "Reads what the stack declares", [
      ...readerPermissions,
    ]);
    this.readerRole = reader.name;
    const writer = this.#role(project, "stackDeployer", "Changes messaging and log metrics", [
      ...metricPermissions,
      ...(Object.keys(args.topics).length === 0 ? [] : messagingPermissions),
    ]);

    const members: Record<string, pulumi.Input<string>> = { account: this.account.member };
    if (args.legacyBuildAccount !== undefined) {
      const { projectNumber } = args.legacyBuildAccount;
      members["legacy"] = `serviceAccount:${projectNumber}@cloudbuild.gserviceaccount.com`;
    }
    for (const [who, member] of Object.entries(members)) {
      for (const role of projectRoles) {
        new projects.IAMMember(
          `${name}-${who}-${role}`,
          { project, role: `roles/${role}`, member },
          this.#child(),
        );
      }
      // The refresh, with which every deployment begins, sees everything that the stack declares.
      for (const [what, { name: role }] of Object.entries({ reader, writer })) {
        new projects.IAMMember(`${name}-${who}-${what}`, { project, role, member }, this.#child());
      }
      const buckets = {
        // BucketObject: uploads archives, over one of the same name where it was deployed before.
        sources: args.sourceBucket.bucket.name,
        // Reads and writes the state, and the lock beside it.
        state: this.stateBucket,
      };
      for (const [what, bucket] of Object.entries(buckets)) {
        new storage.BucketIAMMember(
          `${name}-${who}-${what}`,
          // The smallest role that deletes objects; unlike Object Admin it grants nothing on them.
          { bucket, role: "roles/storage.objectUser", member },
          this.#child(),
        );
      }
      // Pushes the image of ws.
      new artifactregistry.RepositoryIamMember(
        `${name}-${who}-images`,
        {
          project,
          location: region,
          repository: images.repositoryId,
          role: "roles/artifactregistry.writer",
          member,
        },
        this.#child(),
      );
      // Subscription: on a topic this is the right to make one of it, and no right to read messages.
      for (const [topic, { name: id }] of Object.entries(args.topics)) {
        new pubsub.TopicIAMMember(
          `${name}-${who}-subscribes-${topic}`,
          { project, topic: id, role: "roles/pubsub.subscriber", member },
          this.#child(),
        );
      }
      // StandardAppVersion, FlexibleAppVersion and Subscription: a version is deployed in the name of the
      // account that it runs as, and a subscription made in that of the account that it pushes as. On these
      // accounts, and not in the project, where the right would be one to act as any account.
      for (const [service, runtime] of Object.entries(args.runtimeAccounts)) {
        new serviceaccount.IAMMember(
          `${name}-${who}-as-${service}`,
          { serviceAccountId: runtime.name, role: "roles/iam.serviceAccountUser", member },
          this.#child(),
        );
      }
    }
    this.registerOutputs({
      email: this.email,
      backendUrl: this.backendUrl,
      imageRepository: this.imageRepository,
      readerRole: this.readerRole,
    });
  }

  #child(extra?: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions {
    return childOf(this, this.#opts, extra);
  }

  #role(
    project: string,
    roleId: string,
    title: string,
    permissions: readonly string[],
  ): projects.IAMCustomRole {
    return new projects.IAMCustomRole(
      `${this.#name}-${roleId}`,
      { project, roleId, title, permissions: permissions.toSorted() },
      this.#child(),
    );
  }
}

/** What is wrong with the arguments; empty when nothing is. */
export function deployerProblems(args: BuildDeployerArgs): string[] {
  const number = args.legacyBuildAccount?.projectNumber;
  return number === undefined || isProjectNumber(number)
    ? []
    : [
        `legacyBuildAccount.projectNumber: "${number}" is no project number; digits, not the project's id`,
      ];
}

/** True for a project's number, which is not its id. */
export function isProjectNumber(text: string): boolean {
  return /^[0-9]{6,20}$/.test(text);
}
