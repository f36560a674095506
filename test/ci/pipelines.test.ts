import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { BuildDeployer } from "../../components/build-deployer.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { schemas } from "../../config.ts";
import { repository, temporaryFolder } from "../support/checkout.ts";
import { record, valueOf } from "../support/pulumi.ts";

const read = (path: string): string => readFileSync(join(repository, path), "utf8");

const packages = z
  .object({
    scripts: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(read("package.json")));

const build = z
  .object({
    steps: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        entrypoint: z.string().optional(),
        args: z.array(z.string()).optional(),
        env: z.array(z.string()).optional(),
        script: z.string().optional(),
      }),
    ),
    timeout: z.string(),
    serviceAccount: z.string(),
    options: z.record(z.string(), z.string()),
    substitutions: z.record(z.string(), z.string()),
  })
  .parse(parse(read("cloudbuild.yaml")));

const workflow = z
  .object({
    on: z.literal("pull_request"),
    permissions: z.record(z.string(), z.string()),
    concurrency: z.object({ group: z.string(), "cancel-in-progress": z.boolean() }),
    jobs: z.record(
      z.string(),
      z.object({
        if: z.string().optional(),
        permissions: z.record(z.string(), z.string()).optional(),
        "runs-on": z.string(),
        "timeout-minutes": z.number(),
        strategy: z
          .object({ matrix: z.object({ stack: z.array(z.string()).optional() }) })
          .optional(),
        env: z.record(z.string(), z.string()).optional(),
        steps: z.array(
          z.object({
            uses: z.string().optional(),
            run: z.string().optional(),
            with: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
          }),
        ),
      }),
    ),
  })
  .parse(parse(read(".github/workflows/preview.yml")));

const step = (id: string) => {
  const found = build.steps.find((s) => s.id === id);
  assert(found !== undefined, `cloudbuild.yaml has no step "${id}"`);
  return found;
};

const job = (name: string) => {
  const found = workflow.jobs[name];
  assert(found !== undefined, `preview.yml has no job "${name}"`);
  return found;
};

describe("cloudbuild.yaml", () => {
  it("makes the image of ws and then deploys everything with one pulumi up", () => {
    assert.deepEqual(
      build.steps.map(({ id }) => id),
      ["install", "bundle ws", "image of ws", "deploy"],
    );
    const ups = build.steps.filter(({ script }) => script?.includes("pulumi up"));
    assert.deepEqual(ups, [step("deploy")]);
    assert.match(step("deploy").script ?? "", /pulumi up --refresh --yes --non-interactive /);
  });

  it("hands the program the image by its digest, under a key that config.ts knows", () => {
    const image = step("image of ws").script ?? "";
    assert.match(image, /RepoDigests.* \| tee \.bundles\/ws-image\.txt$/m);
    assert.match(
      step("deploy").script ?? "",
      /--config-path --config "ws\.image=\$\(cat \.bundles\/ws-image\.txt\)"/,
    );
    assert("image" in schemas.ws.shape);
  });

  it("pins every image to a version, and Pulumi to the SDK's", () => {
    for (const { name } of build.steps) assert.match(name, /:\d+\.\d+\.\d+(-\w+)?$/, name);
    assert.equal(
      step("deploy").name,
      `pulumi/pulumi-nodejs:${packages.dependencies["@pulumi/pulumi"] ?? ""}`,
    );
    const node = packages.devDependencies["node"] ?? "";
    assert.equal(step("install").name, `node:${node}-bookworm`);
    assert.match(read("apps/ws/Dockerfile"), new RegExp(`^FROM node:${node}-alpine$`, "m"));
  });

  it("runs the program on the Node of the lock file", () => {
    assert.match(step("deploy").script ?? "", /export PATH="\$PWD\/node_modules\/\.bin:\$PATH"/);
  });

  it("uses the account, state bucket and repository that the stack declares", async () => {
    const { result } = await record(
      () =>
        new BuildDeployer("deployer", {
          project: "my-project",
          region: "us-central1",
          runtimeAccounts: {},
          topics: {},
          sourceBucket: new SourceBucket("sources", { project: "my-project", location: "x" }),
        }),
    );
    const here = (text: string): string =>
      text.replaceAll("$PROJECT_ID", "my-project").replaceAll("${_REGION}", "us-central1");
    assert.equal(
      here(build.serviceAccount),
      `projects/my-project/serviceAccounts/${await valueOf(result.email)}`,
    );
    assert(step("deploy").env?.map(here).includes(`PULUMI_BACKEND_URL=${result.backendUrl}`));
    assert(step("image of ws").env?.map(here).includes(`IMAGE=${result.imageRepository}/ws`));
  });

  it("logs where an account of one's own may log", () => {
    assert.equal(build.options["logging"], "CLOUD_LOGGING_ONLY");
  });

  it("deploys dev unless told otherwise, in the region of its stack file", () => {
    const stack = z
      .object({ config: z.looseObject({ "gcp:region": z.string() }) })
      .parse(parse(read("Pulumi.dev.yaml")));
    assert.deepEqual(build.substitutions, {
      _STACK: "dev",
      _REGION: stack.config["gcp:region"],
    });
  });

  it("gives an unchanged ws its old image, and builds another when anything in it changes", (t) => {
    const folder = temporaryFolder(t, {
      "apps/ws/Dockerfile": "FROM x",
      ".bundles/ws-image/main.js": "one",
      ".bundles/ws-image/package.json": "{}",
      // Knows a tag once it was pushed, as a registry does.
      "bin/docker": [
        "#!/usr/bin/env bash",
        'echo "$1 ${*: -1}" >> log',
        'case "$1" in',
        '  pull) grep -q "^push ${*: -1}$" log ;;',
        '  inspect) echo "the-image@sha256:0" ;;',
        "esac",
      ].join("\n"),
    });
    chmodSync(join(folder, "bin/docker"), 0o755);
    const run = (): string[] => {
      const script = step("image of ws").script;
      assert(script !== undefined);
      const before = readLog(folder).split("\n").length;
      execFileSync("bash", ["-c", script], {
        cwd: folder,
        env: { PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`, IMAGE: "the-image" },
        stdio: "pipe",
      });
      return readLog(folder)
        .split("\n")
        .slice(before - 1)
        .map((line) => line.split(" ")[0] ?? "")
        .filter((command) => command !== "");
    };
    assert.deepEqual(run(), ["pull", "build", "push", "inspect"]);
    assert.deepEqual(run(), ["pull", "inspect"]);
    assert.equal(
      readFileSync(join(folder, ".bundles/ws-image.txt"), "utf8"),
      "the-image@sha256:0\n",
    );
    for (const path of [
      "apps/ws/Dockerfile",
      ".bundles/ws-image/main.js",
      ".bundles/ws-image/package.json",
    ]) {
      writeFileSync(join(folder, path), `changed ${path}`);
      assert.deepEqual(run(), ["pull", "build", "push", "inspect"], path);
    }
  });
});

describe(".github/workflows/preview.yml", () => {
  it("runs all tests and the offline preview of both environments, without any rights", () => {
    assert.deepEqual(workflow.permissions, { contents: "read" });
    assert(job("test").steps.some(({ run }) => run === "npm test"));
    assert.deepEqual(job("offline").strategy?.matrix.stack, ["dev", "prod"]);
    assert(
      job("offline").steps.some(
        ({ run }) => run === "npm run preview -- --stack ${{ matrix.stack }}",
      ),
    );
    for (const name of ["test", "offline"]) {
      assert.equal(job(name).permissions, undefined);
      assert.equal(job(name).if, undefined);
    }
  });

  it("has Google's emulators before it runs the tests, and on a machine whose Java they run on", () => {
    const { steps, "runs-on": machine } = job("test");
    const setup = steps.findIndex(({ uses }) => uses === "google-github-actions/setup-gcloud@v3");
    assert(setup >= 0 && setup < steps.findIndex(({ run }) => run === "npm test"));
    assert.deepEqual(String(steps[setup]?.with?.["install_components"]).split(","), [
      "beta",
      "cloud-datastore-emulator",
      "cloud-firestore-emulator",
      "pubsub-emulator",
    ]);
    assert.equal(machine, "ubuntu-24.04");
  });

  it("takes credentials only where they are, and never for a fork", () => {
    const { if: condition, permissions, steps } = job("cloud");
    assert.equal(
      condition,
      "vars.WORKLOAD_IDENTITY_PROVIDER != '' && github.event.pull_request.head.repo.full_name == github.repository",
    );
    assert.deepEqual(permissions, {
      contents: "read",
      "id-token": "write",
      "pull-requests": "write",
    });
    const used = steps.map(({ uses, run }) => uses ?? run?.split("\n")[0]);
    const [checkout, auth] = [
      used.indexOf("actions/checkout@v7"),
      used.indexOf("google-github-actions/auth@v3"),
    ];
    assert(checkout >= 0 && auth > checkout, "the checkout would remove the credentials");
    const commands = steps.flatMap((s) => s.with?.["command"] ?? []);
    assert.deepEqual(commands, ["preview"]);
  });

  it("uses the same version of Pulumi as the program", () => {
    const versions = job("cloud").steps.flatMap((s) => s.with?.["pulumi-version"] ?? []);
    assert.deepEqual(new Set(versions), new Set([packages.dependencies["@pulumi/pulumi"]]));
  });

  it("replaces a running preview of the same pull request, and no job runs for ever", () => {
    assert.match(workflow.concurrency.group, /github\.event\.pull_request\.number/);
    assert.equal(workflow.concurrency["cancel-in-progress"], true);
  });

  it("uses actions by their major version and keeps no credentials in a checkout", () => {
    for (const { steps } of Object.values(workflow.jobs)) {
      for (const { uses, with: inputs } of steps) {
        if (uses === undefined) continue;
        assert.match(uses, /^[\w-]+\/[\w-]+@v\d+$/);
        if (uses.startsWith("actions/checkout@")) {
          assert.equal(inputs?.["persist-credentials"], false);
        }
      }
    }
  });
});

describe("the pipelines", () => {
  const files = ["cloudbuild.yaml", ".github/workflows/preview.yml", "apps/ws/Dockerfile"];

  it("use only npm scripts that exist", () => {
    const used = [
      ...build.steps.flatMap(({ entrypoint, args = [] }) =>
        entrypoint === "npm" && args[0] === "run" ? [args[1] ?? ""] : [],
      ),
      ...files.flatMap((path) =>
        [...read(path).matchAll(/npm run ([\w:-]+)/g)].map(([, script = ""]) => script),
      ),
    ];
    assert(used.length >= 3, used.join(" "));
    for (const script of used)
      assert(script in packages.scripts, `npm run ${script} does not exist`);
  });

  it("have no secret in them", () => {
    for (const path of files) {
      const text = read(path);
      assert.doesNotMatch(text, /\bS[AUOCNX][A-Z2-7]{56}\b/, path);
      assert.doesNotMatch(text, /-----BEGIN|"private_key"|ghp_|pul-[0-9a-f]{8}|AIza/, path);
      assert.doesNotMatch(
        text,
        /secrets\.|(PASSPHRASE|TOKEN|PASSWORD|SECRET)\w*[:=] *"?[^"\s]/,
        path,
      );
    }
  });
});

function readLog(folder: string): string {
  try {
    return readFileSync(join(folder, "log"), "utf8");
  } catch {
    return "";
  }
}
