import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import { BuildTriggers, type BuildTriggersArgs } from "../../components/build-triggers.ts";
import { record } from "../support/pulumi.ts";

const root = join(import.meta.dirname, "..", "..");

function declare(change: Partial<BuildTriggersArgs> = {}): BuildTriggers {
  const account = (accountId: string) =>
    new serviceaccount.Account(`${accountId}-account`, { project: "my-project", accountId });
  return new BuildTriggers("builds", {
    owner: "octo-org",
    repository: "realtime",
    repositoryId: "74",
    project: "my-project",
    stack: "dev",
    region: "europe-west3",
    deploy: { branch: "main" },
    previewTrigger: true,
    deployTrigger: true,
    approval: false,
    preview: account("preview"),
    deployer: account("deployer"),
    ...change,
  });
}

const common = {
  project: "my-project",
  location: "global",
  includeBuildLogs: "INCLUDE_BUILD_LOGS_WITH_STATUS",
};
const name = (id: string): string =>
  `projects/my-project/serviceAccounts/${id}@my-project.iam.gserviceaccount.com`;

describe("BuildTriggers", () => {
  it("previews each pull request as the account that only reads; a stranger's after a word of ours", async () => {
    const { one, result } = await record(() => declare());
    assert.deepEqual(one("Trigger", "builds-preview").inputs, {
      ...common,
      name: "preview-dev",
      description: "Shows what a pull request would change in dev",
      tags: ["preview", "dev"],
      serviceAccount: name("preview"),
      filename: "cloudbuild-preview.yaml",
      substitutions: { _STACK: "dev" },
      github: {
        owner: "octo-org",
        name: "realtime",
        pullRequest: {
          branch: ".*",
          commentControl: "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY",
        },
      },
    });
    assert.deepEqual(result.names, ["preview-dev", "deploy-dev"]);
    // Its log, for there is no build without one.
    const { role, member } = one("IAMMember", "builds-preview-log").inputs;
    assert.deepEqual(
      [role, member],
      ["roles/logging.logWriter", "serviceAccount:preview@my-project.iam.gserviceaccount.com"],
    );
  });

  it("deploys each push to the branch, and to no branch of a similar name", async () => {
    const { one } = await record(() => declare({ deploy: { branch: "release/2.x" } }));
    const { inputs } = one("Trigger", "builds-deploy");
    assert.deepEqual(inputs, {
      ...common,
      name: "deploy-dev",
      description: "Deploys dev",
      tags: ["deploy", "dev"],
      serviceAccount: name("deployer"),
      filename: "cloudbuild.yaml",
      substitutions: { _STACK: "dev", _REGION: "europe-west3" },
      github: { owner: "octo-org", name: "realtime", push: { branch: "^release/2\\.x$" } },
      approvalConfig: { approvalRequired: false },
    });
    const { push } = inputs["github"] as { push: { branch: string } };
    const takes = (branch: string): boolean => new RegExp(push.branch).test(branch);
    assert(takes("release/2.x"));
    for (const other of ["release/2.x-fix", "my/release/2.x", "release/2dx"]) {
      assert(!takes(other), other);
    }
  });

  it("deploys release tags where an environment does, after an approval", async () => {
    const { one } = await record(() =>
      declare({ stack: "prod", deploy: { environment: "prod" }, approval: true }),
    );
    const { inputs } = one("Trigger", "builds-deploy");
    assert.deepEqual(inputs["github"], {
      owner: "octo-org",
      name: "realtime",
      push: { tag: "^v" },
    });
    assert.deepEqual(inputs["approvalConfig"], { approvalRequired: true });
    assert.equal(inputs["name"], "deploy-prod");
  });

  it("leaves deploying to GitHub where it is told to", async () => {
    const { all, result } = await record(() => declare({ deployTrigger: false }));
    assert.deepEqual(
      all("Trigger").map(({ inputs }) => inputs["name"]),
      ["preview-dev"],
    );
    assert.deepEqual(result.names, ["preview-dev"]);
  });

  it("leaves previews to GitHub where it is told to, and then lets them write nothing at all", async () => {
    const { all, result } = await record(() => declare({ previewTrigger: false }));
    assert.deepEqual(all("IAMMember"), []);
    assert.deepEqual(result.names, ["deploy-dev"]);
  });

  it("names files that are there", async () => {
    const { all } = await record(() => declare());
    for (const { inputs } of all("Trigger")) {
      assert(existsSync(join(root, String(inputs["filename"]))), String(inputs["filename"]));
    }
  });

  it("refuses what no repository is called", async () => {
    await assert.rejects(
      record(() => declare({ repository: "octo-org/realtime" })),
      /BuildTriggers "builds" cannot be declared:\n {2}- repository: "octo-org\/realtime"/,
    );
  });
});
