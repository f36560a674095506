/** What the pipelines name exists, and is called there as it is called here. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { deployWorkflow, releaseTag } from "../../components/lib/github.ts";
import { stackNames } from "../../local/engine/stack-file.ts";
import { readDeployArguments } from "../../scripts/deploy/arguments.ts";
import { repository } from "../support/checkout.ts";
import { readBuild, stepOf } from "./cloud-build.ts";
import { jobOf, readWorkflow, textOf, workflowFiles } from "./workflows.ts";

const buildFiles = ["cloudbuild.yaml", "cloudbuild-preview.yaml"];
const pipelines = [...buildFiles, ...workflowFiles];
const environments = ["dev", "prod"];

const packages = z
  .object({
    scripts: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(textOf("package.json")));

/** What the program declares, as the golden files have it; that they are true is another test. */
const golden = Object.fromEntries(
  environments.map((stack) => [
    stack,
    z
      .object({
        outputs: z.record(z.string(), z.unknown()),
        resources: z.record(
          z.string(),
          z.object({ inputs: z.record(z.string(), z.unknown()).default({}) }),
        ),
      })
      .parse(JSON.parse(textOf(`test/golden/${stack}.json`))),
  ]),
);
const stackOf = (stack: string) => golden[stack] ?? assert.fail(stack);
const inputsOf = (stack: string, type: string): Record<string, unknown>[] =>
  Object.entries(stackOf(stack).resources)
    .filter(([key]) => key.includes(type))
    .map(([, { inputs }]) => inputs);
const projectOf = (stack: string): string =>
  String(inputsOf(stack, "appengine/application:Application::")[0]?.["project"]);

/** A text of a build file as it is for a stack. */
function filled(text: string, stack: string): string {
  return text.replaceAll("$PROJECT_ID", projectOf(stack)).replaceAll("${_STACK}", stack);
}

describe("the pipelines", () => {
  it("use npm scripts that exist, and the options that they have", () => {
    const used = pipelines.flatMap((file) =>
      [
        // Both as a command line and as a list of arguments.
        ...textOf(file).matchAll(/npm run ([\w:-]+)|args: \[run, ([\w:-]+)/g),
      ].map(([, line, list]) => line ?? list ?? ""),
    );
    assert.deepEqual([...new Set(used)].sort(), ["bundle", "deploy", "preview"]);
    for (const script of used) assert(script in packages.scripts, script);
  });

  it("call npm run deploy as it is called", () => {
    const calls = pipelines.flatMap((file) =>
      [...textOf(file).matchAll(/npm run deploy -- (.*?)(?: \||$)/gm)].map(([, args = ""]) => args),
    );
    assert.equal(calls.length, 4);
    for (const call of calls) {
      const argv = call
        .replace('"$STACK"', "dev")
        .replace('"$image"', `registry/ws@sha256:${"0".repeat(64)}`)
        .split(" ");
      const { stack, routine, dryRun } = readDeployArguments(argv);
      assert.equal(stack, "dev");
      assert.equal(routine !== dryRun, true, call);
    }
  });

  it("use files of the repository that exist", () => {
    const named = pipelines.flatMap((file) =>
      [
        ...textOf(file).matchAll(
          /(?<![\w./-])((?:apps|components|docs|local|policies|scripts|test|\.github)\/[\w./*-]*\w|cloudbuild[\w-]*\.yaml|index\.ts)/g,
        ),
      ].map(([path]) => path),
    );
    assert(named.length > 10, named.join(" "));
    for (const path of new Set(named)) {
      const real = path.includes("*") ? join(path, "..") : path.replace(/^base\//, "");
      assert(existsSync(join(repository, real)), path);
    }
    assert.equal(packages.scripts["golden"], "node test/golden/write.ts");
  });

  it("are for stacks that exist", () => {
    for (const stack of environments) assert(stackNames(repository).includes(stack));
    for (const [workflow, job] of [
      ["preview", "cloud"],
      ["drift", "look"],
    ] as const) {
      const { strategy } = jobOf(readWorkflow(workflow), job);
      assert.deepEqual(strategy?.matrix.stack, environments);
      // A stack that no variable has a provider for is left out.
      assert.deepEqual(
        strategy.matrix.exclude.map(({ stack }) => stack),
        environments.map((stack) => {
          const variable = `vars.WORKLOAD_IDENTITY_PROVIDER_${stack.toUpperCase()}`;
          return `\${{ ${variable} == '' && '${stack}' || 'none' }}`;
        }),
      );
    }
  });

  it("know the variables of the repository that docs/environments.md tells people to set", () => {
    const used = workflowFiles.flatMap((file) =>
      [...textOf(file).matchAll(/\bvars\.(\w+)/g)].map(([, name = ""]) => name),
    );
    assert.deepEqual([...new Set(used)].sort(), [
      "DEPLOY_FROM_GITHUB",
      "WORKLOAD_IDENTITY_PROVIDER_DEV",
      "WORKLOAD_IDENTITY_PROVIDER_PROD",
    ]);
    const page = textOf("docs/environments.md");
    for (const name of new Set(used)) assert(page.includes(`\`${name}\``), name);
  });

  it("take the provider of the very stack that they are for", () => {
    for (const [workflow, job, isProd] of [
      ["preview", "cloud", "matrix.stack == 'prod'"],
      ["drift", "look", "matrix.stack == 'prod'"],
      ["deploy", "deploy", "github.ref_type == 'tag'"],
    ] as const) {
      const auth = jobOf(readWorkflow(workflow), job).steps.find(({ uses }) =>
        uses?.startsWith("google-github-actions/auth@"),
      );
      assert.equal(
        auth?.with?.["workload_identity_provider"],
        `\${{ ${isProd} && vars.WORKLOAD_IDENTITY_PROVIDER_PROD || vars.WORKLOAD_IDENTITY_PROVIDER_DEV }}`,
      );
    }
  });

  it("use the accounts, the state and the repository of images that the stacks declare", () => {
    for (const stack of environments) {
      const project = projectOf(stack);
      const { outputs } = stackOf(stack);
      const [reads] = inputsOf(stack, "bucketIAMMember:BucketIAMMember::preview-account-state");
      const state = `gs://${String(reads?.["bucket"])}`;
      for (const [file, step, email] of [
        ["cloudbuild.yaml", "deploy", "deployerEmail"],
        ["cloudbuild-preview.yaml", "preview", "previewEmail"],
      ] as const) {
        const build = readBuild(file);
        assert.equal(
          filled(build.serviceAccount, stack),
          `projects/${project}/serviceAccounts/${String(outputs[email])}`,
        );
        const env = stepOf(build, step).env?.map((line) => filled(line, stack));
        assert(env?.includes(`PULUMI_BACKEND_URL=${state}`));
      }
      for (const [workflow, job, email] of [
        ["preview", "cloud", "previewEmail"],
        ["drift", "look", "previewEmail"],
        ["deploy", "deploy", "deployerEmail"],
      ] as const) {
        const { steps } = jobOf(readWorkflow(workflow), job);
        const here = (text: unknown): string =>
          String(text).replaceAll("${{ steps.place.outputs.project }}", project);
        const auth = steps.find(({ uses }) => uses?.startsWith("google-github-actions/auth@"));
        assert.equal(here(auth?.with?.["service_account"]), outputs[email]);
        const backends = steps.flatMap(({ env }) => env?.["PULUMI_BACKEND_URL"] ?? []);
        assert.deepEqual(backends.map(here), workflow === "deploy" ? [] : [state]);
      }
      const [images] = inputsOf(stack, "artifactregistry/repository:Repository::deployer");
      const image = stepOf(readBuild("cloudbuild.yaml"), "image of ws").env?.[0] ?? "";
      assert.equal(
        filled(image, stack).replace("${_REGION}", String(images?.["location"])),
        `IMAGE=${String(images?.["location"])}-docker.pkg.dev/${project}/${String(images?.["repositoryId"])}/ws`,
      );
    }
  });

  it("are what the triggers of the stacks start, with just what those give", () => {
    const triggers = environments.flatMap((stack) =>
      inputsOf(stack, "cloudbuild/trigger:Trigger::").map((inputs) => ({ stack, ...inputs })),
    );
    assert(triggers.length > 0);
    for (const { stack, ...inputs } of triggers) {
      const { filename, serviceAccount, substitutions } = inputs as Record<string, unknown>;
      assert(buildFiles.includes(String(filename)));
      const build = readBuild(String(filename));
      assert.deepEqual(
        Object.keys(substitutions as object).sort(),
        Object.keys(build.substitutions).sort(),
      );
      assert.equal(filled(build.serviceAccount, stack), serviceAccount);
    }
  });

  it("deploy the same from GitHub as by the triggers: main to dev, release tags to prod", () => {
    // The one whose runs Google lets deploy.
    assert.equal(deployWorkflow, ".github/workflows/deploy.yml");
    const { on } = readWorkflow("deploy");
    assert.deepEqual((on as Record<string, unknown>)["push"], {
      branches: ["main"],
      tags: [`${releaseTag.prefix}*`],
    });
    for (const [stack, wanted, rule] of [
      ["dev", { branch: "^main$" }, "refs/heads/main"],
      ["prod", { tag: "^v" }, ":environment:prod'"],
    ] as const) {
      const pushes = inputsOf(stack, "cloudbuild/trigger:Trigger::").flatMap(
        ({ github }) => (github as { push?: unknown }).push ?? [],
      );
      for (const push of pushes) assert.deepEqual(push, wanted);
      const mappings = inputsOf(stack, "WorkloadIdentityPoolProvider::").flatMap(
        ({ attributeMapping }) =>
          (attributeMapping as Record<string, string>)["attribute.deploys"] ?? [],
      );
      for (const mapping of mappings) assert(mapping.includes(rule), mapping);
      assert(pushes.length + mappings.length > 0, `nothing deploys ${stack}`);
    }
  });

  it("deploy dev in its region, when a person starts a build and says nothing", () => {
    const [images] = inputsOf("dev", "artifactregistry/repository:Repository::deployer");
    assert.deepEqual(readBuild("cloudbuild.yaml").substitutions, {
      _STACK: "dev",
      _REGION: images?.["location"],
    });
    assert.deepEqual(readBuild("cloudbuild-preview.yaml").substitutions, { _STACK: "dev" });
  });

  it("wait on GitHub for as long as a build may take", () => {
    const seconds = Number.parseInt(readBuild("cloudbuild.yaml").timeout);
    assert(jobOf(readWorkflow("deploy"), "deploy")["timeout-minutes"] * 60 > seconds);
  });
});

describe("the versions", () => {
  it("of Pulumi are everywhere the SDK's", () => {
    const version = packages.dependencies["@pulumi/pulumi"] ?? "";
    for (const file of buildFiles) {
      assert.equal(readBuild(file).steps.at(-1)?.name, `pulumi/pulumi-nodejs:${version}`);
    }
    const installed = workflowFiles.flatMap((file) =>
      [...textOf(file).matchAll(/pulumi-version: (.*)/g)].map(([, found]) => found),
    );
    assert.deepEqual(installed, [version, version]);
  });

  it("of Node are everywhere the lock file's", () => {
    const version = packages.devDependencies["node"] ?? "";
    for (const file of buildFiles) {
      assert.equal(stepOf(readBuild(file), "install").name, `node:${version}-bookworm`);
    }
    assert.match(textOf("apps/ws/Dockerfile"), new RegExp(`^FROM node:${version}-alpine$`, "m"));
    const major = version.split(".")[0] ?? "";
    for (const file of workflowFiles) {
      for (const [, found] of textOf(file).matchAll(/node-version: (.*)/g)) {
        assert.equal(found, major);
      }
    }
  });

  it("of gcloud are the same wherever it deploys", () => {
    const { steps } = jobOf(readWorkflow("deploy"), "deploy");
    const setup = steps.find(({ uses }) => uses?.includes("/setup-gcloud@"));
    const image = stepOf(readBuild("cloudbuild.yaml"), "turn").name;
    assert(image.endsWith(`:${String(setup?.with?.["version"])}-slim`));
  });

  it("of an action are the same in every workflow", () => {
    const pins = new Map<string, Set<string>>();
    for (const file of workflowFiles) {
      for (const [, action = "", pin = ""] of textOf(file).matchAll(/uses: ([^@\n]+)@(.*)/g)) {
        pins.set(action, (pins.get(action) ?? new Set()).add(pin));
      }
    }
    for (const [action, found] of pins) assert.equal(found.size, 1, action);
  });
});
