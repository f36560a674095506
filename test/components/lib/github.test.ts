import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  attributeCondition,
  attributeMapping,
  deployRule,
  deployWorkflow,
  githubProblems,
  isBranch,
  isDeployable,
} from "../../../components/lib/github.ts";

const repository = { owner: "octo-org", repository: "realtime", repositoryId: "74" };
const workflow = "octo-org/realtime/.github/workflows/deploy.yml";

/** What GitHub signs for a run; each claim as its reference describes it. */
const run = {
  sub: "repo:octo-org/realtime:ref:refs/heads/main",
  repository: "octo-org/realtime",
  repository_id: "74",
  run_id: "1234567",
  ref: "refs/heads/main",
  ref_protected: "false",
  event_name: "push",
  workflow_ref: `${workflow}@refs/heads/main`,
};
type Run = typeof run;

/** The expression, which is JavaScript too but for `in [...]`, with a run for `assertion`. */
function evaluate(expression: string, assertion: Run): unknown {
  const script = expression.replace(/(\S+) in (\[[^\]]*\])/g, "$2.includes($1)");
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  return new Function("assertion", `return ${script}`)(assertion);
}

const deploys = (rule: Parameters<typeof attributeMapping>[1], claims: Partial<Run>): unknown =>
  evaluate(attributeMapping(repository, rule, "dev")["attribute.deploys"] ?? "", {
    ...run,
    ...claims,
  });

describe("runs of GitHub Actions", () => {
  const branch = { branch: "main" };
  it("deploy from the branch, when it is pushed to or somebody starts them", () => {
    assert.equal(deploys(branch, {}), "dev");
    assert.equal(deploys(branch, { event_name: "workflow_dispatch" }), "dev");
    // A job with an environment says so in `sub`, and still has the branch in `ref`.
    assert.equal(deploys(branch, { sub: "repo:octo-org/realtime:environment:dev" }), "dev");
  });

  it("deploy from no other branch, tag or pull request", () => {
    for (const ref of ["refs/heads/main2", "refs/heads/feature/main", "refs/tags/main"]) {
      assert.equal(deploys(branch, { ref }), "none", ref);
      assert.equal(deploys(branch, { ref, workflow_ref: `${workflow}@${ref}` }), "none", ref);
    }
    const ref = "refs/pull/1/merge";
    const pull = { ref, workflow_ref: `${workflow}@${ref}`, event_name: "pull_request" };
    assert.equal(deploys(branch, pull), "none");
  });

  it("do not deploy on what strangers start on the branch", () => {
    for (const event_name of ["pull_request_target", "issue_comment", "workflow_run", "fork"]) {
      assert.equal(deploys(branch, { event_name }), "none", event_name);
    }
  });

  it("deploy in the deployment's workflow alone, whatever another one checks out", () => {
    for (const other of [
      "octo-org/realtime/.github/workflows/drift.yml@refs/heads/main",
      "octo-org/realtime/.github/workflows/preview.yml@refs/heads/main",
      "octo-org/other/.github/workflows/deploy.yml@refs/heads/main",
      `${workflow}@refs/heads/mine`,
      `${workflow}@refs/heads/main2`,
    ]) {
      const claims = { workflow_ref: other, event_name: "workflow_dispatch" };
      assert.equal(deploys(branch, claims), "none", other);
    }
  });

  const environment = { environment: "prod" };
  const released = {
    sub: "repo:octo-org/realtime:environment:prod",
    ref: "refs/tags/v1.2.3",
    ref_protected: "true",
    workflow_ref: `${workflow}@refs/tags/v1.2.3`,
  };
  it("deploy from a protected release tag in the environment, however GitHub writes the repository", () => {
    assert.equal(deploys(environment, released), "dev");
    const sub = "repo:octo-org@12/realtime@74:environment:prod";
    assert.equal(deploys(environment, { ...released, sub }), "dev");
  });

  it("deploy from no tag without the environment or a rule for tags, and in no other workflow", () => {
    for (const claims of [
      { ref: "refs/heads/main" },
      { ref: "refs/heads/v1" },
      { ref: "refs/tags/1.2.3" },
      { ref_protected: "false" },
      { sub: "repo:octo-org/realtime:ref:refs/tags/v1.2.3" },
      { sub: "repo:octo-org/realtime:environment:production" },
      { sub: "repo:octo-org/realtime:environment:not-prod" },
      { workflow_ref: "octo-org/realtime/.github/workflows/mine.yml@refs/tags/v1.2.3" },
      { workflow_ref: `${workflow}@refs/heads/main` },
    ]) {
      assert.equal(
        deploys(environment, { ...released, ...claims }),
        "none",
        JSON.stringify(claims),
      );
    }
  });

  it("are of the one repository, by name and by number", () => {
    const taken = (claims: Partial<Run>): unknown =>
      evaluate(attributeCondition(repository), { ...run, ...claims });
    assert.equal(taken({}), true);
    assert.equal(taken({ repository: "octo-org/realtime2" }), false);
    assert.equal(taken({ repository: "someone/realtime" }), false);
    // Somebody else has the name now.
    assert.equal(taken({ repository_id: "75" }), false);
  });

  it("say who they are in a few bytes, and by nothing that not every token has", () => {
    for (const rule of [branch, environment]) {
      const mapping = attributeMapping(repository, rule, "dev");
      for (const expression of Object.values(mapping)) {
        for (const [, claim = ""] of expression.matchAll(/assertion\.(\w+)/g)) {
          assert(claim in run, claim);
        }
      }
      const longest = { ...run, repository_id: "9".repeat(19), run_id: "9".repeat(19) };
      const subject = String(evaluate(mapping["google.subject"] ?? "", longest));
      // More is refused, and with it the run.
      assert(subject.length <= 127, subject);
    }
  });

  it("are let in by the workflow that is there", () => {
    assert(existsSync(join(import.meta.dirname, "..", "..", "..", deployWorkflow)));
  });
});

describe("the rule of who deploys", () => {
  it("is main, another branch, or an environment", () => {
    assert.deepEqual(deployRule({}), { branch: "main" });
    assert.deepEqual(deployRule({ deployBranch: "live" }), { branch: "live" });
    assert.deepEqual(deployRule({ deployEnvironment: "prod" }), { environment: "prod" });
  });

  it("takes no name that would mean something in an expression", () => {
    for (const name of ["main", "release/2.x", "a", "v1_b-c"]) assert(isBranch(name), name);
    for (const name of ["", "a'b", "*", "a b", "-a", "a/", "a..b", "ma\nin", "a$", "(a)"]) {
      assert(!isBranch(name), name);
    }
    assert.deepEqual(githubProblems(repository, { environment: "prod" }), []);
    assert.deepEqual(
      githubProblems(
        { owner: "octo--org", repository: "octo-org/realtime", repositoryId: "realtime" },
        { environment: "the prod" },
      ),
      [
        'owner: "octo--org" is no account of GitHub; 1 to 39 letters, digits and single hyphens',
        'repository: "octo-org/realtime" is no repository\'s name; letters, digits, ".", "_" and "-", without the owner',
        'repositoryId: "realtime" is no id; digits, not the name',
        'deploy.environment: "the prod" is not possible; letters, digits, "_" and "-"',
      ],
    );
    for (const stack of ["none", "", "a'b", "a b"]) assert(!isDeployable(stack), stack);
    for (const stack of ["dev", "prod", "my.stack_1"]) assert(isDeployable(stack), stack);
    assert.deepEqual(githubProblems(repository, { branch: "' || '" }), [
      'deploy.branch: "\' || \'" is not possible; letters, digits, ".", "_", "-" and "/", no pattern',
    ]);
  });
});
