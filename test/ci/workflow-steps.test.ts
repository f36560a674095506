/** The shell parts of the workflows, run with commands that record how they were called. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { parse } from "yaml";
import { marker } from "../../scripts/golden-comment/markdown.ts";
import { repository, writeFiles } from "../support/checkout.ts";
import { bySubcommand, type StubTool } from "../support/stub-cli.ts";
import { makeSandbox, unlessLinux } from "./sandbox.ts";
import { jobOf, readWorkflow, runStep, type Step, type StepEnd, textOf } from "./workflows.ts";

interface Wanted {
  readonly workflow: string;
  readonly job: string;
  /** The step's name or id. */
  readonly step: string;
  readonly tools?: Readonly<Record<string, StubTool>>;
  readonly values?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** Makes the folder what the step finds. */
  readonly prepare?: (folder: string) => void;
}

/** Shell parts that were run, as `workflow/job: script`. */
const ran = new Set<string>();

async function run(
  t: TestContext,
  { workflow, job: jobName, step, tools = {}, values, files = {}, prepare }: Wanted,
): Promise<StepEnd & { readonly lines: readonly string[]; readonly env: Record<string, string> }> {
  const job = jobOf(readWorkflow(workflow), jobName);
  const isIt = (each: Step): boolean => each.name === step || each.id === step;
  const found = job.steps.find(isIt) ?? assert.fail(`there is no step "${step}"`);
  await using sandbox = await makeSandbox(t, files, tools);
  prepare?.(sandbox.folder);
  ran.add(`${workflow}/${jobName}: ${found.run ?? ""}`);
  const end = await runStep(job, found, { ...sandbox, ...(values && { values }) });
  return { ...end, lines: sandbox.cli.lines(), env: { ...sandbox.cli.calls.at(-1)?.env } };
}

const stackFiles = Object.fromEntries(
  ["scripts/stack-place.sh", "Pulumi.dev.yaml", "Pulumi.prod.yaml"].map((file) => [
    file,
    textOf(file),
  ]),
);

describe("where a stack is", { skip: unlessLinux, concurrency: 2 }, () => {
  const place = (t: TestContext, stack: string, files: Readonly<Record<string, string>>) =>
    run(t, {
      ...{ workflow: "drift", job: "look", step: "place" },
      files,
      prepare: (folder) => {
        execFileSync("chmod", ["+x", join(folder, "scripts/stack-place.sh")]);
      },
      values: { "matrix.stack": stack },
    });

  it("is what the stack file says", async (t) => {
    for (const stack of ["dev", "prod"]) {
      const { config } = parse(textOf(`Pulumi.${stack}.yaml`)) as {
        readonly config: Readonly<Record<string, string>>;
      };
      const { code, outputs } = await place(t, stack, stackFiles);
      assert.equal(code, 0);
      assert.equal(
        outputs,
        `project=${config["gcp:project"] ?? ""}\nregion=${config["gcp:region"] ?? ""}\n`,
      );
    }
  });

  it("is nowhere when the file says it in another way, or not at all", async (t) => {
    const whole = stackFiles["Pulumi.dev.yaml"] ?? "";
    for (const text of [
      whole.replace("gcp:project: ", 'gcp:project: "').replace("-dev\n", '-dev"\n'),
      whole.replace("gcp:region: us-central1", "gcp:region: us-central1 # near"),
      whole.replace(/^ {2}gcp:project: .*\n/m, ""),
      `${whole}  gcp:project: other\n`,
    ]) {
      assert.notEqual(text, whole);
      const { code, output } = await place(t, "dev", { ...stackFiles, "Pulumi.dev.yaml": text });
      assert.equal(code, 1);
      assert.match(output, /^Pulumi\.dev\.yaml: gcp:/);
    }
    assert.notEqual((await place(t, "other", stackFiles)).code, 0);
  });
});

describe("the comment of a pull request", { skip: unlessLinux, concurrency: 2 }, () => {
  const golden = (name: string): string =>
    JSON.stringify({ outputs: {}, resources: { [`gcp:pubsub/topic:Topic::${name}`]: {} } });

  /** A merge of a pull request that renames a topic, and would have the comment say something else. */
  function mergeIn(folder: string): void {
    const git = (...args: string[]): void => {
      const identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
      execFileSync("git", [...identity, ...args], { cwd: folder, stdio: "pipe" });
    };
    const commit = (files: Readonly<Record<string, string>>): void => {
      writeFiles(folder, files);
      git("add", ".");
      git("commit", "--message", "a commit");
    };
    git("init", "--initial-branch", "main");
    for (const path of ["scripts/golden-comment", "scripts/golden-comment.ts"]) {
      cpSync(join(repository, path), join(folder, path), { recursive: true });
    }
    commit({ "test/golden/dev.json": golden("old"), "package.json": '{"type":"module"}' });
    git("checkout", "-b", "change");
    commit({
      "test/golden/dev.json": golden("new"),
      "scripts/golden-comment.ts": 'console.log("Nothing changes.")',
    });
    git("checkout", "main");
    git("merge", "--no-ff", "--message", "merge", "change");
    symlinkSync(process.execPath, join(folder, "..", "bin", "node"));
  }

  const compare = {
    ...{ workflow: "preview", job: "compare", step: "golden" },
    tools: {
      npm: ({ cwd }) => {
        symlinkSync(join(repository, "node_modules"), join(cwd, "base/node_modules"), "dir");
        return "";
      },
    },
  } satisfies Wanted;

  it("says what changes from what the pull request is merged into, by the script of that", async (t) => {
    const { code, outputs, summary, output, lines } = await run(t, {
      ...compare,
      prepare: mergeIn,
    });
    assert.equal(code, 0, output);
    assert.deepEqual(lines, ["npm ci --prefix base --ignore-scripts --no-audit --no-fund"]);
    assert(summary.startsWith(`${marker}\n`));
    assert.match(summary, /<b>dev<\/b>: 1 removed, 1 added/);
    assert.match(summary, /^- gcp:pubsub\/topic:Topic old$/m);
    assert.match(summary, /^\+ gcp:pubsub\/topic:Topic new$/m);
    const [, encoded = ""] = /^comment=(\S+)\n$/.exec(outputs) ?? [];
    assert.equal(Buffer.from(encoded, "base64").toString(), summary);
  });

  it("is not made when the golden files cannot be read", async (t) => {
    const { code, outputs } = await run(t, {
      ...compare,
      prepare: (folder) => {
        mergeIn(folder);
        writeFiles(folder, { "test/golden/dev.json": "no JSON" });
      },
    });
    assert.notEqual(code, 0);
    assert.equal(outputs, "");
  });

  const text = `${marker}\nwhat changes\n`;
  const write = (t: TestContext, tools: Readonly<Record<string, StubTool>>) =>
    run(t, {
      ...{ workflow: "preview", job: "comment", step: "Write the comment, or write it anew" },
      tools,
      values: {
        "github.token": "the-token",
        "github.event.pull_request.number": "12",
        "needs.compare.outputs.comment": Buffer.from(text).toString("base64"),
      },
    });
  const list = "api --paginate repos/octo-org/realtime/issues/12/comments --jq";
  const body: string[] = [];
  const api = (comments: string): StubTool =>
    bySubcommand({
      "api --paginate": comments,
      "api --silent": ({ cwd }) => {
        body.push(execFileSync("cat", [join(cwd, "comment.md")], { encoding: "utf8" }));
        return "";
      },
    });

  it("is written where there is none yet", async (t) => {
    const { code, lines, env } = await write(t, { gh: api("") });
    assert.equal(code, 0);
    assert.equal(lines[0]?.startsWith(`gh ${list}`), true);
    assert.deepEqual(lines.slice(1), [
      "gh api --silent --method POST repos/octo-org/realtime/issues/12/comments --field body=@comment.md",
    ]);
    assert.equal(env["GH_TOKEN"], "the-token");
    assert.equal(body.pop(), text);
  });

  it("is found by the robot's name and its first line, and then written anew", async (t) => {
    const { code, lines } = await write(t, { gh: api("41\n42\n") });
    assert.equal(code, 0);
    const [question = "", ...rest] = lines;
    assert(question.includes('select(.user.login == "github-actions[bot]")'));
    assert(question.includes(`startswith("${marker}")`));
    assert.deepEqual(rest, [
      "gh api --silent --method PATCH repos/octo-org/realtime/issues/comments/42 --field body=@comment.md",
    ]);
  });

  it("is not written a second time because nobody could say whether there is one", async (t) => {
    const { code, lines } = await write(t, { gh: () => ({ code: 1 }) });
    assert.notEqual(code, 0);
    assert.equal(lines.length, 1);
  });
});

describe("the preview with credentials", { skip: unlessLinux, concurrency: 2 }, () => {
  const preview = (t: TestContext, code: number) =>
    run(t, {
      ...{ workflow: "preview", job: "cloud", step: "Show what an update would change" },
      tools: { npm: () => ({ code, stdout: "~ topic\n```\n<b>\n" }) },
      values: { "matrix.stack": "dev", "steps.place.outputs.project": "my-project" },
    });

  it("changes nothing, and shows in the summary what would be, as text", async (t) => {
    const { code, lines, env, output, summary } = await preview(t, 0);
    assert.equal(code, 0);
    assert.deepEqual(lines, ["npm run deploy -- --stack dev --dry-run"]);
    assert.equal(env["PULUMI_BACKEND_URL"], "gs://my-project-pulumi-state");
    assert.match(output, /~ topic/);
    assert.equal(
      summary,
      "### What an update of dev would change\n\n    ~ topic\n    ```\n    <b>\n",
    );
  });

  it("fails with the preview, but not because something else is live than was deployed", async (t) => {
    for (const [given, wanted] of [
      [1, 1],
      [2, 2],
      [3, 0],
    ] as const) {
      const { code, output, summary } = await preview(t, given);
      assert.equal(code, wanted);
      assert.equal(output.includes("::warning::"), given === 3);
      assert.match(summary, /~ topic/);
    }
  });
});

describe("a deployment from GitHub", { skip: unlessLinux, concurrency: 2 }, () => {
  const deploy = (t: TestContext, code: number) =>
    run(t, {
      ...{ workflow: "deploy", job: "deploy", step: "Start the build, and wait for its end" },
      tools: { gcloud: () => ({ code }) },
      values: {
        "github.ref_type == 'tag' && 'prod' || 'dev'": "prod",
        "steps.place.outputs.project": "my-project",
        "steps.place.outputs.region": "europe-west1",
      },
    });

  it("is the build of cloudbuild.yaml, and nothing else", async (t) => {
    const { code, lines } = await deploy(t, 0);
    assert.equal(code, 0);
    assert.deepEqual(lines, [
      "gcloud builds submit . --project my-project --config cloudbuild.yaml --substitutions _STACK=prod,_REGION=europe-west1",
    ]);
    assert.equal((await deploy(t, 1)).code, 1);
  });

  it("does not upload the file with the credentials", () => {
    // Without a .gcloudignore, gcloud leaves out what .gitignore names.
    assert.throws(() => textOf(".gcloudignore"), { code: "ENOENT" });
    assert(textOf(".gitignore").split("\n").includes("gha-creds-*.json"));
  });
});

describe("the search for drift", { skip: unlessLinux, concurrency: 2 }, () => {
  /** A repository with a commit for each tag, and one after them; the last tag is on a branch of its own. */
  const take = (t: TestContext, stack: string, tags: readonly string[]) =>
    run(t, {
      ...{
        workflow: "drift",
        job: "look",
        step: "Take what was deployed, of prod the last release",
      },
      values: { "matrix.stack": stack },
      prepare: (folder) => {
        let time = 1_000_000;
        const git = (...args: string[]): void => {
          const identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
          execFileSync("git", [...identity, ...args], {
            cwd: folder,
            stdio: "pipe",
            env: { ...process.env, GIT_COMMITTER_DATE: `@${time++} +0000` },
          });
        };
        const commit = (message: string): void => {
          git("commit", "--allow-empty", "--message", message);
        };
        git("init", "--initial-branch", "main");
        for (const tag of tags) {
          commit(`release ${tag}`);
          git("tag", tag);
        }
        commit("newest");
        git("update-ref", "refs/remotes/origin/main", "HEAD");
        git("checkout", "-b", "other");
        commit("not reviewed");
        git("tag", "v99.0.0");
        git("checkout", "main");
      },
    });

  it("looks at main for dev, and for prod at the release that was made last", async (t) => {
    const tags = ["v1.9.0", "v1.10.0", "nightly"];
    assert.match((await take(t, "dev", tags)).output, /^Looking with \w+: newest$/m);
    assert.match((await take(t, "prod", tags)).output, /^Looking with \w+: release v1\.10\.0$/m);
    assert.match((await take(t, "prod", [])).output, /^Looking with \w+: newest$/m);
  });

  it("is a preview that expects no changes, by the account that may not make any", () => {
    const { steps } = jobOf(readWorkflow("drift"), "look");
    assert.equal(
      steps.at(-1)?.run,
      'npm run deploy -- --stack "$STACK" --dry-run --expect-no-changes',
    );
    const auth = steps.find(({ uses }) => uses?.startsWith("google-github-actions/auth@"));
    assert.equal(
      auth?.with?.["service_account"],
      "preview@${{ steps.place.outputs.project }}.iam.gserviceaccount.com",
    );
  });

  const report = (t: TestContext, result: string, issue: string, failing = "") =>
    run(t, {
      ...{ workflow: "drift", job: "report", step: "Open, extend or close the issue" },
      tools: {
        gh: ({ argv }) =>
          argv.slice(0, 2).join(" ") === failing ? { code: 1 } : argv[1] === "list" ? issue : "",
      },
      values: {
        "github.token": "the-token",
        "github.repository": "octo-org/realtime",
        "needs.look.result": result,
      },
    });
  const list = "gh issue list --label drift --state open --limit 1 --json number --jq .[].number";
  const url = "https://github.com/octo-org/realtime/actions/runs/7";

  it("opens an issue, adds to the one that is open, and closes it when all is well", async (t) => {
    const first = await report(t, "failure", "");
    assert.deepEqual(first.lines, [
      list,
      "gh label create drift --force --description The cloud is not what the program says",
      `gh issue create --label drift --title The cloud is not what the program says --body Or nobody could look; ${url} says which. What to do: docs/runbook.md.`,
    ]);
    assert.equal(first.env["GH_REPO"], "octo-org/realtime");
    assert.deepEqual((await report(t, "failure", "5\n")).lines, [
      list,
      `gh issue comment 5 --body Still so, or nobody could look: ${url}`,
    ]);
    assert.deepEqual((await report(t, "success", "5\n")).lines, [
      list,
      `gh issue close 5 --comment Gone: ${url}`,
    ]);
    assert.deepEqual((await report(t, "success", "")).lines, [list]);
  });

  it("fails when it cannot report", async (t) => {
    for (const command of ["issue list", "label create", "issue create"]) {
      assert.notEqual((await report(t, "failure", "", command)).code, 0, command);
    }
  });
});

it("every shell part of more than one line was run by these tests", { skip: unlessLinux }, () => {
  for (const workflow of ["preview", "deploy", "drift"]) {
    for (const [name, { steps }] of Object.entries(readWorkflow(workflow).jobs)) {
      for (const { run: text = "" } of steps) {
        if (text.trim().includes("\n")) assert(ran.has(`${workflow}/${name}: ${text}`), text);
      }
    }
  }
});
