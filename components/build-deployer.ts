import * as artifactregistry from "@pulumi/gcp/artifactregistry/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as storage from "@pulumi/gcp/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import { childOf } from "./lib/options.ts";
import type { SourceBucket } from "./source-bucket.ts";

export interface BuildDeployerArgs {
  /** The project's id. */
  readonly project: string;
  /** Region of the state bucket and of the image repository. */
  readonly region: string;
  /**
   * The accounts that a deployment acts as, because versions run as them or subscriptions push as them:
   * a stable name of each, for example the service's, → account.
   */
  readonly runtimeAccounts: Readonly<Record<string, serviceaccount.Account>>;
  /** Where `pulumi up` puts the archives. */
  readonly sourceBucket: SourceBucket;
  /** Refuses to delete the bucket with the state. */
  readonly protect: boolean;
  /**
   * Gives the same rights to the account `<projectNumber>@cloudbuild.gserviceaccount.com`, which
   * builds in projects from before the middle of 2024 use when they name none. Newer projects do not
   * have it. The number has digits only.
   * @default no rights for it
   */
  readonly legacyBuildAccount?: { readonly projectNumber: string };
}

/**
 * What a deployment may do in the project, and why. It deploys versions with their subscriptions and
 * moves traffic; it changes no IAM, network or machine, which would make it as powerful as an owner. A
 * person with such rights runs `pulumi up` for changes of these; in the pipeline they fail with a 403.
 */
const projectRoles = [
  // Creates and deletes versions, moves traffic, writes the dispatch rules.
  "appengine.appAdmin",
  // What a build itself needs: its logs, its source, pushing the image of ws. It allows far more than
  // that: objects of every bucket and images of every repository of the project.
  "cloudbuild.builds.builder",
  // App Engine starts a build for each version, in the name of who deploys it.
  "cloudbuild.builds.editor",
  // Makes the subscriptions of each version of a replicated service, and deletes those of the one before.
  // There is no smaller role that makes subscriptions; this one also makes topics and reads messages.
  "pubsub.editor",
  // Puts the flexible service's machines on the network.
  "compute.networkUser",
  // Connects a standard version to the connector …
  "vpcaccess.user",
  // … for which it also has to see the network; and the refresh reads network, disks and machines.
  "compute.viewer",
  // The rest is read by `pulumi up --refresh`, which has to see everything that the stack declares:
  // the connector,
  "vpcaccess.viewer",
  // which APIs are on,
  "serviceusage.serviceUsageViewer",
  // the accounts,
  "iam.serviceAccountViewer",
  // who has which role in the project, on accounts, buckets, secrets and topics,
  "iam.securityReviewer",
  // that the secrets exist; it does not show what is in them, but whoever deploys code that runs as
  // a service can have that code read the service's seed,
  "secretmanager.viewer",
  // the image repositories,
  "artifactregistry.reader",
  // and the database.
  "datastore.viewer",
] as const;

/**
 * The identity that Cloud Build deploys with, what it may do, and the two things that a deployment
 * needs beside the stack: a bucket for Pulumi's state and a repository for images.
 *
 * The first `pulumi up` of a project is a person's: this account cannot make itself, and the state
 * bucket does not exist before it. docs/first-deploy.md has the steps.
 */
export class BuildDeployer extends pulumi.ComponentResource {
  readonly email: pulumi.Output<string>;
  /** `gs://<bucket>`, as `PULUMI_BACKEND_URL` takes it. */
  readonly backendUrl: string;
  /** Where images are pushed to: `<region>-docker.pkg.dev/<project>/services`. */
  readonly imageRepository: string;

  constructor(name: string, args: BuildDeployerArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("BuildDeployer", name, deployerProblems(args));
    super("appengine-realtime:ci:BuildDeployer", name, {}, opts);
    const { project, region } = args;

    const account = new serviceaccount.Account(
      `${name}-account`,
      { project, accountId: "deployer", displayName: "Cloud Build deploys as this account" },
      childOf(this, opts),
    );
    this.email = account.email;

    const stateBucket = `${project}-pulumi-state`;
    this.backendUrl = `gs://${stateBucket}`;
    const state = new storage.Bucket(
      `${name}-state`,
      {
        project,
        name: stateBucket,
        location: region,
        uniformBucketLevelAccess: true,
        publicAccessPrevention: "enforced",
        // A state that was overwritten by mistake can be had back.
        versioning: { enabled: true },
        lifecycleRules: [
          {
            action: { type: "Delete" },
            condition: { numNewerVersions: 100, withState: "ARCHIVED" },
          },
        ],
        forceDestroy: false,
      },
      // It holds the state of this very stack: when the stack goes, it stays.
      childOf(this, opts, { protect: args.protect, retainOnDelete: true }),
    );

    const repositoryId = "services";
    this.imageRepository = `${region}-docker.pkg.dev/${project}/${repositoryId}`;
    new artifactregistry.Repository(
      `${name}-images`,
      {
        project,
        location: region,
        repositoryId,
        format: "DOCKER",
        description: "Images of flexible services, deployed by digest",
        // A tag is a digest of what went into the image: it is never moved.
        dockerConfig: { immutableTags: true },
      },
      // A second repository of this name cannot be made while the first one is there.
      childOf(this, opts, { deleteBeforeReplace: true }),
    );

    const members: Record<string, pulumi.Input<string>> = { account: account.member };
    if (args.legacyBuildAccount !== undefined) {
      const { projectNumber } = args.legacyBuildAccount;
      members["legacy"] = `serviceAccount:${projectNumber}@cloudbuild.gserviceaccount.com`;
    }
    for (const [who, member] of Object.entries(members)) {
      for (const role of projectRoles) {
        new projects.IAMMember(
          `${name}-${who}-${role}`,
          { project, role: `roles/${role}`, member },
          childOf(this, opts),
        );
      }
      const buckets = {
        // Uploads archives, and deletes one that a new archive replaced before it was kept.
        sources: args.sourceBucket.bucket,
        // Reads and writes the state, and the lock beside it.
        state,
      };
      for (const [what, bucket] of Object.entries(buckets)) {
        new storage.BucketIAMMember(
          `${name}-${who}-${what}`,
          { bucket: bucket.name, role: "roles/storage.objectAdmin", member },
          childOf(this, opts),
        );
      }
      // A version is deployed in the name of the account that it runs as, and a subscription made in
      // that of the account that it pushes as: on these accounts, and not in the project, where the
      // right would be one to act as any account.
      for (const [service, runtime] of Object.entries(args.runtimeAccounts)) {
        new serviceaccount.IAMMember(
          `${name}-${who}-as-${service}`,
          { serviceAccountId: runtime.name, role: "roles/iam.serviceAccountUser", member },
          childOf(this, opts),
        );
      }
    }
    this.registerOutputs({
      email: this.email,
      backendUrl: this.backendUrl,
      imageRepository: this.imageRepository,
    });
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
