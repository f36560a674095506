import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BuildDeployer } from "../../components/build-deployer.ts";
import { PreviewReader } from "../../components/preview-reader.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { record, valueOf } from "../support/pulumi.ts";

function declare(): PreviewReader {
  const project = "my-project";
  const sourceBucket = new SourceBucket("sources", { project, location: "europe-west3" });
  const deployer = new BuildDeployer("deployer", {
    project,
    region: "europe-west3",
    runtimeAccounts: {},
    topics: {},
    sourceBucket,
  });
  return new PreviewReader("preview", { project, deployer, sourceBucket });
}

describe("PreviewReader", () => {
  it("reads what the stack declares, its state and its archives, and writes nothing", async () => {
    const { resources, result } = await record(declare);
    const email = await valueOf(result.email);
    assert.equal(email, "preview@my-project.iam.gserviceaccount.com");
    assert.deepEqual(
      resources
        .filter(({ inputs }) => inputs["member"] === `serviceAccount:${email}`)
        .map(
          ({ inputs }) =>
            `${String(inputs["role"])} on ${String(inputs["bucket"] ?? inputs["project"])}`,
        )
        .sort(),
      [
        "projects/my-project/roles/stackReader on my-project",
        "roles/storage.objectViewer on my-project-app-sources",
        "roles/storage.objectViewer on my-project-pulumi-state",
      ],
    );
    assert(!resources.some(({ inputs }) => String(inputs["serviceAccountId"]).includes(email)));
  });

  it("needs no output of the cloud to declare all of it in a preview", async () => {
    const { resources } = await record(declare, { preview: true });
    assert.equal(
      resources.filter(({ name, inputs }) => name.startsWith("preview-") && "role" in inputs)
        .length,
      3,
    );
  });
});
