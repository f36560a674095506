import * as projects from "@pulumi/gcp/projects/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as storage from "@pulumi/gcp/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { BuildDeployer } from "./build-deployer.ts";
import { childOf } from "./lib/options.ts";
import type { SourceBucket } from "./source-bucket.ts";

export interface PreviewReaderArgs {
  /** The project's id. */
  readonly project: string;
  /** What knows the state's bucket, and declares the role to read what the stack declares. */
  readonly deployer: BuildDeployer;
  /** Where the archives are. */
  readonly sourceBucket: SourceBucket;
}

/**
 * The identity of previews. Whoever opens a pull request has code of their own run with it, so it may see what
 * `pulumi preview --refresh` compares, and the state, in which is nothing secret. It changes nothing, acts as
 * nobody, and reads no secret, no entity of the database, no message and no log. (Where Cloud Build previews, it may
 * also write a log: see `BuildTriggers`.)
 *
 * A preview takes no lock, so it does not write to the state's bucket either. `pulumi refresh` would: do not use
 * it for looking.
 */
export class PreviewReader extends pulumi.ComponentResource {
  readonly account: serviceaccount.Account;
  readonly email: pulumi.Output<string>;

  constructor(name: string, args: PreviewReaderArgs, opts?: pulumi.ComponentResourceOptions) {
    super("appengine-realtime:ci:PreviewReader", name, {}, opts);
    const { project, deployer, sourceBucket } = args;
    this.account = new serviceaccount.Account(
      `${name}-account`,
      { project, accountId: "preview", displayName: "Previews read the stack as this account" },
      childOf(this, opts),
    );
    this.email = this.account.email;
    const { member } = this.account;
    new projects.IAMMember(
      `${name}-account-reader`,
      { project, role: deployer.readerRole, member },
      childOf(this, opts),
    );
    for (const [what, bucket] of Object.entries({
      // BucketObject: a refresh asks whether the archives are there.
      sources: sourceBucket.bucket.name,
      state: deployer.stateBucket,
    })) {
      new storage.BucketIAMMember(
        `${name}-account-${what}`,
        { bucket, role: "roles/storage.objectViewer", member },
        childOf(this, opts),
      );
    }
    this.registerOutputs({ email: this.email });
  }
}
