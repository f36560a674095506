import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { AppSource } from "../../components/app-source.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { temporaryCheckout } from "../support/checkout.ts";
import { record, type Registered } from "../support/pulumi.ts";

const app = { folder: "apps/small", files: { "page/index.html": "index.html" } };
const sources = {
  "apps/small/main.ts": "console.log('hello');\n",
  "apps/small/index.html": "<p>\n",
  "apps/small/secret.txt": "not declared",
};

function declare(root: string): AppSource {
  const bucket = new SourceBucket("sources", { project: "my-project", location: "europe-west3" });
  return new AppSource("add-source", { service: "add", app, bucket, root });
}

/** Path in the archive → path of the file on this machine. */
function archiveOf(object: Registered): Record<string, string> {
  const { assets } = object.inputs["source"] as { assets: Record<string, { path: string }> };
  return Object.fromEntries(Object.entries(assets).map(([path, asset]) => [path, asset.path]));
}

describe("AppSource", () => {
  for (const preview of [false, true]) {
    it(`uploads the declared files under the name of their digest, ${preview ? "in a preview" : "in an up"}`, async (t) => {
      const root = temporaryCheckout(t, sources);
      const { result, one } = await record(() => declare(root), { preview });
      const object = one("BucketObject");
      assert.equal(object.name, "add-source-object");
      assert.equal(object.inputs["bucket"], "my-project-app-sources");
      assert.equal(object.inputs["name"], `add/${result.digest}.zip`);
      const folder = join(root, ".bundles/add", result.digest);
      assert.deepEqual(archiveOf(object), {
        "main.js": join(folder, "main.js"),
        "package.json": join(folder, "package.json"),
        "page/index.html": join(folder, "page/index.html"),
      });
      for (const path of Object.values(archiveOf(object))) assert(existsSync(path), path);
      assert.equal(readFileSync(join(folder, "page/index.html"), "utf8"), "<p>\n");
      assert.equal(
        result.url,
        `https://storage.googleapis.com/my-project-app-sources/add/${result.digest}.zip`,
      );
    });
  }

  it("keeps the old archive while and after a new one is uploaded", async (t) => {
    const root = temporaryCheckout(t, sources);
    const { one } = await record(() => declare(root));
    const object = one("BucketObject");
    assert.equal(object.deleteBeforeReplace, false);
    assert.equal(object.retainOnDelete, true);
    assert.deepEqual(object.dependsOn, ["gcp:storage/bucket:Bucket::sources-bucket"]);
    assert.equal(object.parent, "appengine-realtime:app:AppSource::add-source");
  });

  it("gives the object another name when the content changes, and the same when it does not", async (t) => {
    const names: unknown[] = [];
    for (const text of ["hello", "hello", "bye"]) {
      const root = temporaryCheckout(t, {
        ...sources,
        "apps/small/main.ts": `console.log("${text}");`,
      });
      const { one } = await record(() => declare(root));
      names.push(one("BucketObject").inputs["name"]);
    }
    assert.equal(names[0], names[1]);
    assert.notEqual(names[0], names[2]);
  });

  it("refuses an app that cannot be bundled before its object is registered", async (t) => {
    const root = temporaryCheckout(t, { ...sources, "apps/small/main.ts": 'import "./none.ts";' });
    const registered: Registered[] = [];
    await assert.rejects(
      record(() => declare(root), {}, registered),
      {
        message:
          'the app apps/small cannot be bundled:\n  - apps/small/main.ts:1:8: Could not resolve "./none.ts"',
      },
    );
    assert(!registered.some(({ name }) => name.startsWith("add-source")));
    assert(!existsSync(join(root, ".bundles")));
  });
});

describe("SourceBucket", () => {
  it("is closed to the public and forgets archives after half a year", async () => {
    const { one } = await record(
      () => new SourceBucket("sources", { project: "my-project", location: "europe-west3" }),
    );
    assert.deepEqual(one("Bucket").inputs, {
      project: "my-project",
      name: "my-project-app-sources",
      location: "europe-west3",
      labels: { app: "appengine-realtime", stack: "test", component: "sources" },
      uniformBucketLevelAccess: true,
      publicAccessPrevention: "enforced",
      versioning: { enabled: false },
      lifecycleRules: [{ action: { type: "Delete" }, condition: { age: 180 } }],
      forceDestroy: true,
    });
  });

  it("follows the caller's protection and dependencies", async () => {
    const { one } = await record(() => {
      const first = new SourceBucket("first", { project: "p-first", location: "x" });
      return new SourceBucket(
        "second",
        { project: "p-second", location: "x" },
        { protect: true, dependsOn: [first] },
      );
    });
    const second = one("Bucket", "second-bucket");
    assert.equal(second.protect, true);
    assert.deepEqual(second.dependsOn, ["gcp:storage/bucket:Bucket::first-bucket"]);
  });
});
