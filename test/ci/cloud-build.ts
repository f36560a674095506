/** Cloud Build as tests see it: what a build file may say, and a build that runs its steps on this machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { repository } from "../support/checkout.ts";

const duration = z
  .string()
  .regex(/^\d+(\.\d+)?s$/, { error: "not a duration in seconds, e.g. 600s" });
const texts = z.array(z.string());
const variables = z.array(z.string().regex(/^[A-Za-z_]\w*=/, { error: "not NAME=value" }));
const volumes = z.array(z.strictObject({ name: z.string(), path: z.string() }));
/** Known to the API, but a file of ours that has it needs somebody to think about it first. */
const unused = z.never({ error: "is not used here" }).optional();

/** `BuildStep` of the API (google.devtools.cloudbuild.v1), as far as a file may set it. */
const step = z.strictObject({
  id: z.string(),
  name: z.string(),
  entrypoint: z.string().optional(),
  args: texts.optional(),
  script: z.string().optional(),
  env: variables.optional(),
  dir: z.string().optional(),
  waitFor: texts.optional(),
  timeout: duration.optional(),
  volumes: volumes.optional(),
  allowExitCodes: z.array(z.int()).optional(),
  allowFailure: z.boolean().optional(),
  automapSubstitutions: z.boolean().optional(),
  secretEnv: unused,
});

const options = z.strictObject({
  logging: z
    .enum(["LEGACY", "GCS_ONLY", "STACKDRIVER_ONLY", "CLOUD_LOGGING_ONLY", "NONE"])
    .optional(),
  machineType: z
    .enum([
      "E2_MEDIUM",
      "E2_HIGHCPU_8",
      "E2_HIGHCPU_32",
      "E2_STANDARD_2",
      "N1_HIGHCPU_8",
      "N1_HIGHCPU_32",
    ])
    .optional(),
  diskSizeGb: z.int().optional(),
  substitutionOption: z.enum(["MUST_MATCH", "ALLOW_LOOSE"]).optional(),
  dynamicSubstitutions: z.boolean().optional(),
  automapSubstitutions: z.boolean().optional(),
  env: variables.optional(),
  volumes: volumes.optional(),
  defaultLogsBucketBehavior: z.enum(["REGIONAL_USER_OWNED_BUCKET", "LEGACY_BUCKET"]).optional(),
  enableStructuredLogging: z.boolean().optional(),
  secretEnv: unused,
});

const schema = z.strictObject({
  steps: z.array(step).min(1),
  timeout: duration,
  queueTtl: duration.optional(),
  serviceAccount: z.string().regex(/^projects\/[^/]+\/serviceAccounts\/[^/]+$/),
  options,
  substitutions: z.record(
    z.string().regex(/^_[A-Z0-9_]+$/, { error: "names of one's own begin with _" }),
    z.string(),
  ),
  tags: z.array(z.string().regex(/^[\w][\w.-]{0,127}$/)).optional(),
  images: unused,
  artifacts: unused,
  secrets: unused,
  availableSecrets: unused,
});

export type Build = z.infer<typeof schema>;
export type Step = Build["steps"][number];

/** Substitutions that every build has, whoever starts it. */
const builtIn = ["PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION"];

/** What is wrong with a build file; empty when nothing is. */
export function buildProblems(text: string): string[] {
  const { data: build, error } = schema.safeParse(parse(text));
  if (build === undefined) {
    return error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
  const problems: string[] = [];
  const ids = build.steps.map(({ id }) => id);
  const used = new Set<string>();
  const checkUsed = (where: string, value: string): void => {
    for (const [, braced, plain] of value.replaceAll("$$", "").matchAll(reference)) {
      const name = braced ?? plain ?? "";
      used.add(name);
      if (!builtIn.includes(name) && !(name in build.substitutions)) {
        problems.push(`${where}: nothing gives $${name}`);
      }
    }
  };
  build.steps.forEach((each, index) => {
    const { id, name, entrypoint, args = [], script, env = [], waitFor = [] } = each;
    if (ids.indexOf(id) !== index) problems.push(`${id}: a second step of this id`);
    if (script !== undefined && (entrypoint !== undefined || each.args !== undefined)) {
      problems.push(`${id}: a step with a script takes neither entrypoint nor args`);
    }
    if (script !== undefined)
      problems.push(...scriptProblems(script, env).map((p) => `${id}: ${p}`));
    for (const other of waitFor) {
      if (other !== "-" && !ids.slice(0, index).includes(other)) {
        problems.push(`${id}: there is no step "${other}" before it`);
      }
    }
    for (const value of [name, ...args, ...env]) checkUsed(id, value);
  });
  for (const value of [build.serviceAccount, ...(build.tags ?? [])]) checkUsed("build", value);
  for (const name of Object.keys(build.substitutions)) {
    // A build that a person starts is refused for it.
    if (!used.has(name)) problems.push(`substitutions: nothing uses ${name}`);
  }
  return problems;
}

const reference = /\$(?:\{(\w+)\}|(\w+))/g;

function scriptProblems(script: string, env: readonly string[]): string[] {
  const problems: string[] = [];
  if (!script.startsWith("#!/usr/bin/env bash\nset -euo pipefail\n")) {
    problems.push("the script is not a strict one of bash");
  }
  // Substitutions are made everywhere but here: a script has its environment, and what it sets itself.
  const given = new Set(env.map((line) => line.replace(/=.*/, "")));
  for (const [, name = ""] of script.matchAll(/^\s*(?:export )?(\w+)=/gm)) given.add(name);
  for (const [, name = ""] of script.matchAll(/\$\{?(\w+)/g)) {
    if (!given.has(name) && !shellOwn.has(name)) problems.push(`nothing gives the script $${name}`);
  }
  return problems;
}

/** Variables that every shell has. */
const shellOwn = new Set(["PATH", "PWD", "HOME"]);

export function readBuild(file: string): Build {
  return schema.parse(parse(readFileSync(join(repository, file), "utf8")));
}

export function stepOf(build: Build, id: string): Step {
  const found = build.steps.find((each) => each.id === id);
  if (found === undefined) throw new Error(`there is no step "${id}"`);
  return found;
}

export interface BuildEnd {
  /** The step that failed. */
  readonly failed?: string;
  /** What the steps printed. */
  readonly output: string;
}

/**
 * Runs the steps one after the other in a folder, as Cloud Build does in its `/workspace`; the images are
 * not there, but the commands on `path`. Each step sees what the file gives it, and nothing of this process.
 */
export async function runBuild(
  build: Build,
  place: {
    readonly folder: string;
    readonly path: string;
    readonly substitutions: Readonly<Record<string, string>>;
  },
): Promise<BuildEnd> {
  const given: Record<string, string> = { ...build.substitutions, ...place.substitutions };
  const substitute = (text: string): string =>
    text
      .split("$$")
      .map((part) =>
        part.replaceAll(reference, (_, braced?: string, plain?: string) => {
          const value = given[braced ?? plain ?? ""];
          if (value === undefined) throw new Error(`no substitution for ${text}`);
          return value;
        }),
      )
      .join("$");
  let output = "";
  for (const { id, entrypoint, args = [], script, env = [], allowExitCodes = [] } of build.steps) {
    let command = entrypoint ?? "";
    if (script !== undefined) {
      command = join(place.folder, "..", `script of ${id}`);
      writeFileSync(command, script);
      chmodSync(command, 0o755);
    }
    const child = spawn(command, args.map(substitute), {
      cwd: place.folder,
      env: {
        PATH: place.path,
        ...Object.fromEntries(
          env.map(substitute).map((line) => {
            const end = line.indexOf("=");
            return [line.slice(0, end), line.slice(end + 1)];
          }),
        ),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0 && (code === null || !allowExitCodes.includes(code)))
      return { failed: id, output };
  }
  return { output };
}
