import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  eventsOf,
  jobOf,
  lintProblems,
  readWorkflow,
  textOf,
  workflowFiles,
  workflowProblems,
} from "./workflows.ts";

const preview = ".github/workflows/preview.yml";
const deploy = ".github/workflows/deploy.yml";
const drift = ".github/workflows/drift.yml";

it("every workflow is one that was looked at", () => {
  assert.deepEqual(workflowFiles, [deploy, drift, preview]);
});

for (const file of workflowFiles) {
  describe(file, () => {
    it("is what GitHub takes", () => {
      assert.deepEqual(lintProblems(textOf(file)), []);
    });

    it("gives no right that it need not, uses what was looked at and fails when a command does", () => {
      assert.deepEqual(workflowProblems(textOf(file)), []);
    });
  });
}

type Fault = readonly [what: string, file: string, from: string, to: string, problem: RegExp];

function findsFaults(problemsOf: (text: string) => string[], faults: readonly Fault[]): void {
  for (const [what, file, from, to, problem] of faults) {
    it(`finds ${what}`, () => {
      const text = textOf(file);
      assert(text.includes(from), `${file} has no "${from}"`);
      assert.match(problemsOf(text.replace(from, () => to)).join("\n"), problem);
    });
  }
}

describe("actionlint", () => {
  findsFaults(lintProblems, [
    [
      "an unknown key of a job",
      preview,
      "timeout-minutes: 30",
      "timeout: 30",
      /unexpected key "timeout"/,
    ],
    [
      "an unknown key of a step",
      preview,
      "- run: npm test",
      "- runs: npm test",
      /unexpected key "runs"/,
    ],
    ["an unknown event", preview, "on: pull_request", "on: pull_requests", /unknown Webhook event/],
    [
      "a filter that does not exist",
      deploy,
      "branches: [main]",
      "branch: [main]",
      /unexpected key "branch"/,
    ],
    ["a bad pattern", deploy, '["v*"]', '["v["]', /invalid glob/],
    ["a time that does not exist", drift, "17 3 * * *", "17 25 * * *", /invalid CRON/],
    [
      "an unknown permission",
      preview,
      "contents: read",
      "content: read",
      /unknown permission scope/,
    ],
    ["a wrong permission", preview, "contents: read", "contents: some", /invalid for permission/],
    ["a job that does not exist", preview, "needs: compare", "needs: compote", /does not exist/],
    [
      "an output that does not exist",
      preview,
      "needs.compare.outputs.comment",
      "needs.compare.outputs.text",
      /property "text"/,
    ],
    [
      "a step that does not exist",
      drift,
      "steps.place.outputs.project",
      "steps.plaice.outputs.project",
      /property "plaice"/,
    ],
    [
      "a value of the matrix that does not exist",
      drift,
      "${{ matrix.stack }}",
      "${{ matrix.stuck }}",
      /property "stuck"/,
    ],
    [
      "a context where it is not known",
      drift,
      "if: vars.WORKLOAD",
      "if: matrix.stack == 'dev' && vars.WORKLOAD",
      /"matrix" is not allowed here/,
    ],
    [
      "a broken expression",
      deploy,
      "github.ref == 'refs/heads/main'",
      "github.ref = 'refs/heads/main'",
      /lexing == operator/,
    ],
    ["a function that does not exist", deploy, "startsWith(", "beginsWith(", /undefined function/],
    [
      "a title within a script",
      preview,
      "- run: npm test",
      '- run: echo "${{ github.event.pull_request.title }}"',
      /potentially untrusted/,
    ],
    [
      "a machine that does not exist",
      preview,
      "runs-on: ubuntu-24.04",
      "runs-on: ubuntu-24.40",
      /ubuntu-24\.40/,
    ],
    [
      "an action without a version",
      preview,
      "actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9",
      "actions/cache",
      /ref is missing/,
    ],
  ]);
});

describe("the check of rights and habits", () => {
  const cloudIf = "github.event.pull_request.user.login != 'dependabot[bot]' &&\n      (vars";
  findsFaults(workflowProblems, [
    [
      "an event that gives strangers rights",
      preview,
      "on: pull_request",
      "on: pull_request_target",
      /pull_request_target/,
    ],
    [
      "another such event",
      preview,
      "on: pull_request",
      "on: [pull_request, workflow_run]",
      /workflow_run/,
    ],
    [
      "a right for every job",
      preview,
      "contents: read",
      "contents: write",
      /contents is for every job/,
    ],
    ["rights that are nowhere given", deploy, "permissions: {}\n", "", /permissions/],
    [
      "a right that the job has no need of",
      preview,
      "pull-requests: write",
      "pull-requests: write\n      contents: write",
      /contents may not be written/,
    ],
    [
      "credentials for a fork's pull request",
      preview,
      "github.event.pull_request.head.repo.full_name == github.repository &&\n      github.event.pull_request.user.login != 'dependabot[bot]' &&\n      (vars",
      "(vars",
      /cloud: has rights, and is not only/,
    ],
    [
      "credentials for a robot's pull request",
      preview,
      cloudIf,
      "(vars",
      /cloud: has rights, and is not only/,
    ],
    [
      "a comment on a fork's pull request",
      preview,
      "github.event.pull_request.head.repo.full_name == github.repository &&\n      github.event.pull_request.user.login != 'dependabot[bot]'\n",
      "always()\n",
      /comment: has rights/,
    ],
    [
      "code in a job that may write",
      preview,
      "- name: Write the comment",
      "- uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1\n        with: {persist-credentials: false}\n      - name: Write the comment",
      /runs code from elsewhere/,
    ],
    ["a secret", preview, "${{ github.token }}", "${{ secrets.TOKEN }}", /secret/],
    [
      "a secret in plain text",
      preview,
      'PULUMI_CONFIG_PASSPHRASE: ""',
      "PULUMI_CONFIG_PASSPHRASE: abc",
      /looks like a secret/,
    ],
    [
      "the token in another place",
      drift,
      "STACK: ${{ matrix.stack }}",
      "STACK: ${{ github.token }}",
      /the token goes/,
    ],
    [
      "an expression within a script",
      deploy,
      '--project "$PROJECT"',
      "--project ${{ steps.place.outputs.project }}",
      /becomes part of the script/,
    ],
    [
      "an action by its tag",
      preview,
      "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
      "actions/checkout@v7",
      /no commit/,
    ],
    ["a commit without its version", preview, " # v7.0.1", "", /no commit/],
    [
      "an action that nobody looked at",
      preview,
      "actions/cache@",
      "actions/cash@",
      /actions\/cash is no action/,
    ],
    [
      "an input that does not exist",
      preview,
      "fetch-depth: 2",
      "fetch_depth: 2",
      /no input fetch_depth/,
    ],
    [
      "a checkout that keeps the token",
      preview,
      "persist-credentials: false",
      "persist-credentials: true",
      /keeps the token/,
    ],
    [
      "a checkout after the credentials",
      deploy,
      "      - name: Start the build",
      "      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1\n        with: {persist-credentials: false}\n      - name: Start the build",
      /after the credentials/,
    ],
    [
      "a cache for all branches",
      drift,
      "          node-version: 24",
      "          cache: npm\n          node-version: 24",
      /fills a cache/,
    ],
    ["a job that never ends", drift, "timeout-minutes: 20", "", /timeout-minutes/],
    [
      "a script that goes on after a failure",
      drift,
      "set -euo pipefail\n          run=",
      "set -eu\n          run=",
      /not a strict one/,
    ],
    [
      "an unknown key",
      drift,
      "fail-fast: false",
      "fail-fast: false\n      max-parallel: 1",
      /max-parallel/,
    ],
  ]);
});

describe("the workflow of pull requests", () => {
  const workflow = readWorkflow("preview");

  it("runs all tests and the offline preview of both environments, for every pull request", () => {
    assert.deepEqual(workflow.permissions, { contents: "read" });
    for (const [name, runs] of [
      ["test", ["npm test"]],
      ["graph", ["npm run preview -- --stack dev", "npm run preview -- --stack prod"]],
    ] as const) {
      const job = jobOf(workflow, name);
      assert.equal(job.permissions, undefined);
      assert.equal(job.if, undefined);
      const all = job.steps.map(({ run }) => run);
      for (const run of runs) assert(all.includes(run), run);
    }
  });

  it("has Google's emulators before it runs the tests, and on a machine whose Java they run on", () => {
    const { steps, "runs-on": machine } = jobOf(workflow, "test");
    const setup = steps.findIndex(({ uses }) => uses?.includes("/setup-gcloud@"));
    assert(setup >= 0 && setup < steps.findIndex(({ run }) => run === "npm test"));
    assert.deepEqual(String(steps[setup]?.with?.["install_components"]).split(","), [
      "beta",
      "cloud-datastore-emulator",
      "cloud-firestore-emulator",
      "pubsub-emulator",
    ]);
    assert.equal(machine, "ubuntu-24.04");
  });

  it("has the comment made by nothing that the pull request brings, or has stored before", () => {
    const { steps } = jobOf(workflow, "compare");
    assert.deepEqual(
      steps.map(({ uses, id }) => uses?.replace(/@.*/, "") ?? id),
      ["actions/checkout", "actions/setup-node", "golden"],
    );
    assert.deepEqual(steps[1]?.with, { "node-version": 24 });
    const scripts = steps.flatMap(({ run }) => run ?? []);
    assert.equal(scripts.length, 1);
    const commands = scripts[0]?.match(/^\s*(npm|node|npx|scripts\/)\b.*/gm) ?? [];
    assert.equal(commands.length, 2);
    for (const command of commands) assert.match(command, /^npm ci --prefix base |^node base\//);
  });

  it("replaces a running preview of the same pull request", () => {
    assert.match(workflow.concurrency?.group ?? "", /github\.event\.pull_request\.number/);
    assert.equal(workflow.concurrency?.["cancel-in-progress"], true);
  });
});

describe("the workflow that deploys", () => {
  const workflow = readWorkflow("deploy");
  const job = jobOf(workflow, "deploy");

  it("runs on a push to main and on a release tag, and on demand for the same", () => {
    assert.deepEqual(eventsOf(workflow), ["push", "workflow_dispatch"]);
    assert.deepEqual((workflow.on as Record<string, unknown>)["push"], {
      branches: ["main"],
      tags: ["v*"],
    });
    assert.equal(
      job.if,
      "(github.ref == 'refs/heads/main' && contains(vars.DEPLOY_FROM_GITHUB, 'dev')) || " +
        "(startsWith(github.ref, 'refs/tags/v') && contains(vars.DEPLOY_FROM_GITHUB, 'prod'))",
    );
  });

  it("names one environment everywhere: what is let, what waits and what is deployed", () => {
    const environment = "${{ github.ref_type == 'tag' && 'prod' || 'dev' }}";
    assert.equal(job.environment, environment);
    assert.equal(job.env?.["STACK"], environment);
    assert.deepEqual(job.concurrency, {
      group: `deploy-${environment}`,
      "cancel-in-progress": false,
    });
  });

  it("never stops a deployment that runs, and waits for it longer than it may take", () => {
    assert.equal(workflow.concurrency, undefined);
    assert(job["timeout-minutes"] * 60 > 7200);
  });
});

describe("the workflow that looks for drift", () => {
  const workflow = readWorkflow("drift");

  it("runs each night and on demand", () => {
    assert.deepEqual(eventsOf(workflow), ["schedule", "workflow_dispatch"]);
  });

  it("reports when it failed and when it did not, and not when it did not run", () => {
    const condition = jobOf(workflow, "report").if ?? "";
    for (const result of ["failure", "success"]) {
      assert(condition.includes(`needs.look.result == '${result}'`));
    }
    assert(condition.includes("!cancelled()"));
  });
});
