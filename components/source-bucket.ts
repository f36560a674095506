import * as storage from "@pulumi/gcp/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import { labelsOf } from "./lib/labels.ts";
import { childOf } from "./lib/options.ts";

export interface SourceBucketArgs {
  /** The project's id; the bucket is `<project>-app-sources`, because bucket names are global. */
  readonly project: string;
  /** Region of the bucket, the application's for the sake of short ways. A change replaces it. */
  readonly location: string;
}

/**
 * Days after which an archive is deleted. App Engine reads an archive only while it builds a version;
 * a rollback uploads it again. A `pulumi up --refresh` later than that finds the archive of a service
 * that was not deployed since gone, and uploads it, without a new version.
 */
const keepDays = 180;

/** The bucket with the archives that App Engine builds versions from. */
export class SourceBucket extends pulumi.ComponentResource {
  /** Known before anything exists, so that a version's id can be computed from it. */
  readonly bucketName: string;
  readonly bucket: storage.Bucket;

  constructor(name: string, args: SourceBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("appengine-realtime:app:SourceBucket", name, {}, opts);
    this.bucketName = `${args.project}-app-sources`;
    this.bucket = new storage.Bucket(
      `${name}-bucket`,
      {
        project: args.project,
        name: this.bucketName,
        location: args.location,
        labels: labelsOf(name),
        uniformBucketLevelAccess: true,
        publicAccessPrevention: "enforced",
        // An archive's name is its digest: it is never overwritten, so there is no older version to keep.
        versioning: { enabled: false },
        lifecycleRules: [{ action: { type: "Delete" }, condition: { age: keepDays } }],
        // Every archive can be made again from its commit: a stack is destroyed with what is in here.
        forceDestroy: true,
      },
      childOf(this, opts),
    );
    this.registerOutputs({ bucketName: this.bucketName });
  }
}
