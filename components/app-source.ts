import { join } from "node:path";
import * as storage from "@pulumi/gcp/storage/index.js";
import * as pulumi from "@pulumi/pulumi";
import { type App, bundleApp, writeBundle } from "./lib/bundle.ts";
import { childOf } from "./lib/options.ts";
import type { SourceBucket } from "./source-bucket.ts";

export interface AppSourceArgs {
  /** The App Engine service that runs the app; the archive is `<service>/<digest>.zip`. */
  readonly service: string;
  /** What the archive is made of; the repository's own apps are in `lib/apps.ts`. */
  readonly app: App;
  readonly bucket: SourceBucket;
  /**
   * The checkout: `app.folder` is below it, and bundles are written to its `.bundles/`.
   * @default the folder above this one
   */
  readonly root?: string;
}

/**
 * An app as App Engine gets it: bundled, in an archive of exactly the files that it needs, named by
 * a digest of its content. The same commit gives the same digest on every machine.
 *
 * @throws Error that names the app and `file:line:column` when it cannot be bundled
 */
export class AppSource extends pulumi.ComponentResource {
  /** 64 hex digits over paths and bytes of the archive; known in a preview. */
  readonly digest: string;
  /** Name of the object in the bucket. */
  readonly objectName: string;
  /** Address of the archive, as `deployment.zip.sourceUrl` takes it. */
  readonly url: string;
  readonly object: storage.BucketObject;
  readonly bucket: SourceBucket;

  constructor(name: string, args: AppSourceArgs, opts?: pulumi.ComponentResourceOptions) {
    const root = args.root ?? join(import.meta.dirname, "..");
    const bundle = bundleApp(root, args.app);
    super("appengine-realtime:app:AppSource", name, {}, opts);
    this.digest = bundle.digest;
    this.bucket = args.bucket;
    this.objectName = `${args.service}/${this.digest}.zip`;
    this.url = `https://storage.googleapis.com/${args.bucket.bucketName}/${this.objectName}`;

    const folder = join(root, ".bundles", args.service, this.digest);
    writeBundle(bundle, folder);
    this.object = new storage.BucketObject(
      `${name}-object`,
      {
        bucket: args.bucket.bucket.name,
        name: this.objectName,
        contentType: "application/zip",
        source: new pulumi.asset.AssetArchive(
          Object.fromEntries(
            bundle.files.map(({ path }) => [path, new pulumi.asset.FileAsset(join(folder, path))]),
          ),
        ),
      },
      childOf(this, opts, {
        // A given name makes the provider delete the old object first. This one's name changes with
        // its content, so both can exist: the old archive stays until the new version serves.
        deleteBeforeReplace: false,
        // Kept for rollback; the bucket's lifecycle deletes it. The engine reads this from the state,
        // so it has to be there from the first deployment.
        retainOnDelete: true,
      }),
    );
    this.registerOutputs({ digest: this.digest, objectName: this.objectName, url: this.url });
  }
}
