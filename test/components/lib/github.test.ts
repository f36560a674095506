import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  attributeCondition,
  attributeMapping,
  deployRule,
  githubProblems,
  isBranch,
} from "../../../components/lib/github.ts";

const repository = { owner: "octo-org", repository: "realtime" };

/** What GitHub signs for a run; each claim as its reference describes it. */
const run = {
  sub: "repo:octo-org/realtime:ref:refs/heads/main",
  repository: "octo-org/realtime",
  repository_id: "74",
  ref: "refs/heads/main",
  event_name: "push",
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
    for (const claims of [
      { ref: "refs/heads/main2" },
      { ref: "refs/heads/feature/main" },
      { ref: "refs/tags/main" },
      { ref: "refs/pull/1/merge", event_name: "pull_request" },
    ]) {
      assert.equal(deploys(branch, claims), "none", JSON.stringify(claims));
    }
  });

  it("do not deploy on what strangers start on the branch", () => {
    for (const event_name of ["pull_request_target", "issue_comment", "workflow_run", "fork"]) {
      assert.equal(deploys(branch, { event_name }), "none", event_name);
    }
  });

  const environment = { environment: "prod" };
  const released = { sub: "repo:octo-org/realtime:environment:prod", ref: "refs/tags/v1.2.3" };
  it("deploy from a release tag in the environment", () => {
    assert.equal(deploys(environment, released), "dev");
  });

  it("deploy neither from a tag without the environment, nor in it from a branch", () => {
    for (const claims of [
      { ref: "refs/heads/main" },
      { ref: "refs/heads/v1" },
      { ref: "refs/tags/1.2.3" },
      { sub: "repo:octo-org/realtime:ref:refs/tags/v1.2.3" },
      { sub: "repo:octo-org/realtime:environment:production" },
      { sub: "repo:octo-org/other:environment:prod" },
    ]) {
      assert.equal(
        deploys(environment, { ...released, ...claims }),
        "none",
        JSON.stringify(claims),
      );
    }
  });

  it("are of the one repository, by name and by number", () => {
    const taken = (given: { repositoryId?: string }, claims: Partial<Run>): unknown =>
      evaluate(attributeCondition({ ...repository, ...given }), { ...run, ...claims });
    assert.equal(taken({}, {}), true);
    assert.equal(taken({}, { repository: "octo-org/realtime2" }), false);
    assert.equal(taken({}, { repository: "someone/realtime" }), false);
    assert.equal(taken({ repositoryId: "74" }, {}), true);
    // Somebody else has the name now.
    assert.equal(taken({ repositoryId: "75" }, {}), false);
  });

  it("tell who they are in every token, and nothing that not every token has", () => {
    const mapping = attributeMapping(repository, branch, "dev");
    assert.deepEqual(mapping, {
      "attribute.deploys": mapping["attribute.deploys"],
      "google.subject": "assertion.sub",
      "attribute.repository": "assertion.repository",
      "attribute.repository_id": "assertion.repository_id",
      "attribute.ref": "assertion.ref",
    });
    for (const rule of [branch, environment]) {
      const { "attribute.deploys": may = "" } = attributeMapping(repository, rule, "dev");
      for (const [, claim = ""] of may.matchAll(/assertion\.(\w+)/g)) assert(claim in run, claim);
    }
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
    assert.deepEqual(githubProblems({ ...repository, repositoryId: "74" }, { branch: "' || '" }), [
      'deploy.branch: "\' || \'" is not possible; letters, digits, ".", "_", "-" and "/", no pattern',
    ]);
  });
});
