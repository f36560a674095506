import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import { GithubIdentity, type GithubIdentityArgs } from "../../components/github-identity.ts";
import { attributeCondition, attributeMapping } from "../../components/lib/github.ts";
import { record, type Registered, valueOf } from "../support/pulumi.ts";

const repository = { owner: "octo-org", repository: "realtime", repositoryId: "74" };

function declare(change: Partial<GithubIdentityArgs> = {}): GithubIdentity {
  const account = (accountId: string) =>
    new serviceaccount.Account(`${accountId}-account`, { project: "my-project", accountId });
  return new GithubIdentity("github", {
    ...repository,
    project: "my-project",
    stack: "dev",
    deploy: { branch: "main" },
    deployFromGithub: true,
    preview: account("preview"),
    deployer: account("deployer"),
    ...change,
  });
}

const pool =
  "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github";
const email = (id: string): string => `${id}@my-project.iam.gserviceaccount.com`;

function grants(resources: readonly Registered[]): string[] {
  return resources
    .filter(({ inputs }) => inputs["role"] !== undefined)
    .map(({ inputs }) => {
      const on =
        String(inputs["serviceAccountId"] ?? inputs["project"])
          .split("/")
          .at(-1) ?? "";
      return `${String(inputs["member"])} ${String(inputs["role"])} on ${on}`;
    })
    .sort();
}

describe("GithubIdentity", () => {
  it("takes tokens that GitHub signed for the one repository, and maps what grants name", async () => {
    const { one, result } = await record(() => declare(), {
      outputs: ({ type }) =>
        type.endsWith(":WorkloadIdentityPoolProvider") ? { name: "projects/1/…/github" } : {},
    });
    assert.deepEqual(one("WorkloadIdentityPoolProvider").inputs, {
      project: "my-project",
      workloadIdentityPoolId: "github",
      workloadIdentityPoolProviderId: "github",
      displayName: "GitHub Actions",
      attributeMapping: attributeMapping(repository, { branch: "main" }, "dev"),
      attributeCondition: attributeCondition(repository),
      oidc: { issuerUri: "https://token.actions.githubusercontent.com" },
    });
    assert.equal(await valueOf(result.provider), "projects/1/…/github");
  });

  const role = "roles/iam.workloadIdentityUser";
  const looking = [
    `${pool}/attribute.repository_id/74 ${role} on ${email("preview")}`,
    `serviceAccount:${email("deployer")} roles/iam.workloadIdentityPoolViewer on my-project`,
    `serviceAccount:${email("preview")} roles/iam.workloadIdentityPoolViewer on my-project`,
  ];

  it("lets every run of the repository preview, and only one that may deploy deploy", async () => {
    for (const [stack, deploy] of [
      ["dev", { branch: "main" }],
      ["prod", { environment: "prod" }],
    ] as const) {
      const { resources } = await record(() => declare({ stack, deploy }));
      assert.deepEqual(
        grants(resources),
        [
          ...looking,
          `${pool}/attribute.deploys/${stack} ${role} on ${email("deployer")}`,
          `serviceAccount:${email("deployer")} roles/iam.serviceAccountUser on ${email("deployer")}`,
          `serviceAccount:${email("deployer")} roles/serviceusage.serviceUsageConsumer on my-project`,
        ].sort(),
      );
    }
  });

  it("lets no run deploy where Cloud Build does, whose approval it would go around", async () => {
    const { resources } = await record(() => declare({ deployFromGithub: false }));
    assert.deepEqual(grants(resources), looking);
  });

  it("lets nobody in before it is said who may come", async () => {
    const { resources } = await record(() => declare());
    const doors = resources.filter(
      ({ inputs }) => inputs["role"] === "roles/iam.workloadIdentityUser",
    );
    assert.equal(doors.length, 2);
    for (const { dependsOn } of doors) {
      assert(
        dependsOn.some((one) => one.endsWith("::github-provider")),
        dependsOn.join(),
      );
    }
  });

  it("refuses what no repository or branch is called", async () => {
    await assert.rejects(
      record(() => declare({ owner: "octo org", deploy: { branch: "*" }, stack: "none" })),
      {
        message: [
          'GithubIdentity "github" cannot be declared:',
          '  - owner: "octo org" is no account of GitHub; 1 to 39 letters, digits and single hyphens',
          '  - deploy.branch: "*" is not possible; letters, digits, ".", "_", "-" and "/", no pattern',
          '  - stack: "none" cannot be named in a grant; letters, digits, ".", "_" and "-", not none',
        ].join("\n"),
      },
    );
  });
});
