import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as pubsub from "@pulumi/gcp/pubsub/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import {
  BuildDeployer,
  type BuildDeployerArgs,
  stateBucketName,
} from "../../components/build-deployer.ts";
import { readerPermissions } from "../../components/lib/permissions.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { record, type Registered, valueOf } from "../support/pulumi.ts";

function declare(change: Partial<BuildDeployerArgs> = {}): BuildDeployer {
  const account = (service: string) =>
    new serviceaccount.Account(`${service}-account`, {
      project: "my-project",
      accountId: `${service}-service`,
    });
  return new BuildDeployer("deployer", {
    project: "my-project",
    region: "europe-west3",
    runtimeAccounts: { add: account("add"), ws: account("ws") },
    sourceBucket: new SourceBucket("sources", { project: "my-project", location: "europe-west3" }),
    topics: { m: new pubsub.Topic("m-changes", { project: "my-project", name: "m-changes" }) },
    ...change,
  });
}

const grant = ({ inputs }: Registered): string =>
  `${String(inputs["member"])} ${String(inputs["role"])} on ${String(
    inputs["serviceAccountId"] ??
      inputs["bucket"] ??
      inputs["topic"] ??
      inputs["repository"] ??
      inputs["project"],
  )}`;

function grantsOf(resources: readonly Registered[]): string[] {
  return resources
    .filter(({ inputs }) => inputs["role"] !== undefined)
    .map(grant)
    .sort();
}

const rightsOf = (member: string): string[] =>
  [
    ...[
      "roles/appengine.appAdmin",
      "roles/cloudbuild.builds.builder",
      "roles/compute.networkUser",
      "roles/compute.viewer",
      "roles/monitoring.alertPolicyEditor",
      "roles/monitoring.dashboardEditor",
      "roles/monitoring.uptimeCheckConfigEditor",
      "roles/vpcaccess.user",
      "projects/my-project/roles/stackDeployer",
      "projects/my-project/roles/stackReader",
    ].map((role) => `${member} ${role} on my-project`),
    `${member} roles/artifactregistry.writer on services`,
    `${member} roles/pubsub.subscriber on m-changes`,
    ...["add", "ws"].map(
      (service) =>
        `${member} roles/iam.serviceAccountUser on projects/my-project/serviceAccounts/${service}-service@my-project.iam.gserviceaccount.com`,
    ),
    `${member} roles/storage.objectUser on my-project-app-sources`,
    `${member} roles/storage.objectUser on my-project-pulumi-state`,
  ].sort();

const deployer = "serviceAccount:deployer@my-project.iam.gserviceaccount.com";
const legacy = "serviceAccount:123456789@cloudbuild.gserviceaccount.com";

describe("BuildDeployer", () => {
  it("gives its account exactly these rights, and to act as the runtime accounts only", async () => {
    const { resources, result } = await record(() => declare());
    assert.deepEqual(grantsOf(resources), rightsOf(deployer));
    assert.equal(await valueOf(result.email), "deployer@my-project.iam.gserviceaccount.com");
  });

  it("gives the project's legacy build account the same rights where it is told to", async () => {
    const { resources } = await record(() =>
      declare({ legacyBuildAccount: { projectNumber: "123456789" } }),
    );
    assert.deepEqual(grantsOf(resources), [...rightsOf(deployer), ...rightsOf(legacy)].sort());
  });

  it("never makes the deployer as powerful as an owner", async () => {
    const { resources } = await record(() => declare());
    for (const line of grantsOf(resources)) {
      assert.doesNotMatch(
        line,
        /roles\/(owner|editor|iam\.serviceAccount(Admin|TokenCreator|KeyAdmin)|pubsub\.admin|resourcemanager\.|secretmanager\.secretAccessor)/,
      );
    }
  });

  it("has two roles of its own: one to read what the stack declares, one to change what no small role does", async () => {
    const permissionsOf = async (change: Partial<BuildDeployerArgs>, role: string) => {
      const { one } = await record(() => declare(change));
      return one("IAMCustomRole", `deployer-${role}`).inputs["permissions"];
    };
    assert.deepEqual(await permissionsOf({}, "stackReader"), readerPermissions);
    const metrics = ["create", "delete", "update"].map((verb) => `logging.logMetrics.${verb}`);
    assert.deepEqual(await permissionsOf({ topics: {} }, "stackDeployer"), metrics);
    assert.deepEqual(await permissionsOf({}, "stackDeployer"), [
      ...metrics,
      ...["create", "delete", "update"].map((verb) => `pubsub.subscriptions.${verb}`),
      ...["create", "delete", "update"].map((verb) => `pubsub.topics.${verb}`),
    ]);
  });

  it("uses the bucket of the state, which is there before any program runs", async () => {
    const { all, result } = await record(() => declare());
    assert.deepEqual(
      all("Bucket").map(({ name }) => name),
      ["sources-bucket"],
    );
    assert.equal(stateBucketName("my-project"), "my-project-pulumi-state");
    assert.equal(result.backendUrl, "gs://my-project-pulumi-state");
  });

  it("has a repository whose tags cannot be moved", async () => {
    const { one, result } = await record(() => declare());
    const images = one("Repository");
    assert.deepEqual(images.inputs, {
      project: "my-project",
      location: "europe-west3",
      repositoryId: "services",
      format: "DOCKER",
      description: "Images of flexible services, deployed by digest",
      labels: { app: "appengine-realtime", stack: "test", component: "deployer" },
      dockerConfig: { immutableTags: true },
    });
    assert.equal(images.deleteBeforeReplace, true);
    assert.equal(result.imageRepository, "europe-west3-docker.pkg.dev/my-project/services");
  });

  it("needs no output of the cloud to declare all of it in a preview", async () => {
    const { all, resources } = await record(() => declare(), { preview: true });
    assert.equal(all("Bucket").length, 1);
    assert.equal(resources.filter(({ inputs }) => inputs["role"] !== undefined).length, 16);
  });

  it("refuses the project's id in place of its number", async () => {
    const registered: Registered[] = [];
    await assert.rejects(
      record(
        () => declare({ legacyBuildAccount: { projectNumber: "my-project" } }),
        {},
        registered,
      ),
      {
        message: [
          'BuildDeployer "deployer" cannot be declared:',
          '  - legacyBuildAccount.projectNumber: "my-project" is no project number; digits, not the project\'s id',
        ].join("\n"),
      },
    );
    assert(!registered.some(({ name }) => name.startsWith("deployer")));
  });
});
