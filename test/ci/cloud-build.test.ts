import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { repository, writeFiles } from "../support/checkout.ts";
import type { StubTool } from "../support/stub-cli.ts";
import { type BuildEnd, buildProblems, readBuild, runBuild, stepOf } from "./cloud-build.ts";
import { failingAt, lineOf, makeSandbox, unlessLinux } from "./sandbox.ts";

const deployFile = "cloudbuild.yaml";
const previewFile = "cloudbuild-preview.yaml";
const textOf = (file: string): string => readFileSync(join(repository, file), "utf8");

for (const file of [deployFile, previewFile]) {
  describe(file, () => {
    const build = readBuild(file);

    it("is what Cloud Build takes", () => {
      assert.deepEqual(buildProblems(textOf(file)), []);
    });

    it("pins every image to a version", () => {
      for (const { name } of build.steps) assert.match(name, /:\d+\.\d+\.\d+(-\w+)?$/, name);
    });

    it("runs the program on the Node of the lock file", () => {
      const last = build.steps.at(-1)?.script ?? "";
      assert.match(last, /^export PATH="\$PWD\/node_modules\/\.bin:\$PATH"$/m);
    });

    it("logs where an account of one's own may log", () => {
      assert.equal(build.options.logging, "CLOUD_LOGGING_ONLY");
    });
  });
}

describe("the check of build files", () => {
  const faults: readonly (readonly [what: string, from: string, to: string, problem: RegExp])[] = [
    ["an unknown field of the build", "timeout:", "time_out: 1s\ntimeout:", /time_out/],
    ["an unknown field of a step", "entrypoint: npm", "entrypoints: npm", /entrypoints/],
    ["an unknown option", "logging:", "loggin: NONE\n  logging:", /loggin/],
    ["a wrong type", "args: [ci, --no-audit, --no-fund]", "args: ci", /steps\.0\.args/],
    ["a number where a text belongs", "_STACK: dev", "_STACK: 1", /substitutions\._STACK/],
    ["a wrong word", "CLOUD_LOGGING_ONLY", "CLOUD_LOGS_ONLY", /options\.logging/],
    ["a duration without its unit", "timeout: 7200s", "timeout: 7200", /timeout/],
    ["a variable without a value", "- BUILD=$BUILD_ID", "- BUILD", /env\.0: not NAME=value/],
    ["a name of one's own without _", "_STACK: dev", "STACK: dev", /substitutions/],
    ["a variable that nothing gives", "STACK=${_STACK}", "STACK=${_STAK}", /nothing gives \$_STAK/],
    ["a variable that nothing uses", "_STACK: dev", "_STACK: dev\n  _X: y", /nothing uses _X/],
    [
      "a step with script and args",
      "env:\n      - IMAGE",
      "args: [a]\n    env:\n      - IMAGE",
      /neither/,
    ],
    ["two steps of one id", "id: turn", "id: deploy", /second step/],
    ["a script that goes on after a failure", "set -euo pipefail", "set -e", /not a strict one/],
    [
      "a substitution within a script",
      '--stack "$STACK"',
      '--stack "$_STACK"',
      /nothing gives the script \$_STACK/,
    ],
    [
      "a wait for a later step",
      "id: turn\n",
      "id: turn\n    waitFor: [deploy]\n",
      /no step "deploy"/,
    ],
    ["a secret", "substitutions:", "availableSecrets: {}\nsubstitutions:", /availableSecrets/],
  ];
  for (const [what, from, to, problem] of faults) {
    it(`finds ${what}`, () => {
      const text = textOf(deployFile);
      assert(text.includes(from), `the file has no "${from}"`);
      assert.match(buildProblems(text.replace(from, to)).join("\n"), problem);
    });
  }
});

/** Of a deployment. */
interface Cloud {
  /** Images that were pushed. */
  readonly registry: Set<string>;
  /** Answers to "which builds are under way and older": one after the other, then none. */
  readonly olderBuilds: string[];
  /** A build that came later and is through. */
  readonly laterBuild?: string;
}

const digest = `us-central1-docker.pkg.dev/my-project/services/ws@sha256:${"0".repeat(64)}`;

function tools({ registry, olderBuilds, laterBuild = "" }: Cloud): Record<string, StubTool> {
  return {
    npm: ({ argv, cwd }) => {
      if (argv.join(" ") === "run bundle -- ws .bundles/ws-image") {
        writeFiles(join(cwd, ".bundles/ws-image"), { "package.json": "{}", "main.js": "code" });
      }
      return "";
    },
    docker: ({ argv }) => {
      const image = argv.at(-1) ?? "";
      if (argv[0] === "pull") return registry.has(image) ? "" : { code: 1, stderr: "not found\n" };
      if (argv[0] === "push") registry.add(image);
      return argv[0] === "inspect" ? `${digest}\n` : "";
    },
    gcloud: ({ argv }) => {
      if (argv[1] === "describe") return "2026-11-26T10:00:00Z\n";
      return `${argv.includes("--ongoing") ? (olderBuilds.shift() ?? "") : laterBuild}\n`;
    },
  };
}

const files = { "apps/ws/Dockerfile": "FROM x" };
/** What the steps before the last ones leave behind. */
const made = {
  ".bundles/ws-image/package.json": "{}",
  ".bundles/ws-image/main.js": "code",
  ".bundles/ws-image.txt": `${digest}\n`,
};
const substitutions = {
  ...{ PROJECT_ID: "my-project", BUILD_ID: "b-1", LOCATION: "global" },
  ...{ _STACK: "prod", _REGION: "us-central1" },
};

async function run(
  t: TestContext,
  file: string,
  commands: Readonly<Record<string, StubTool>>,
  /** The step to begin with, where the ones before it have nothing to do with the matter. */
  from = "install",
): Promise<BuildEnd & { readonly lines: readonly string[]; readonly env: Record<string, string> }> {
  const build = readBuild(file);
  const steps = build.steps.slice(build.steps.findIndex(({ id }) => id === from));
  await using sandbox = await makeSandbox(
    t,
    from === "install" ? files : { ...files, ...made },
    commands,
  );
  const end = await runBuild({ ...build, steps }, { ...sandbox, substitutions });
  const { calls } = sandbox.cli;
  return { ...end, lines: calls.map(lineOf), env: { ...calls.at(-1)?.env } };
}

const image = (line: string): string => line.replace(/ws:[0-9a-f]{40}/, "ws:TAG");

describe("a deployment by Cloud Build", { skip: unlessLinux, concurrency: 2 }, () => {
  const ours = 'serviceAccount~"/deployer@my-project.iam" AND substitutions._STACK="prod"';
  const expected = [
    "npm ci --no-audit --no-fund",
    "npm run bundle -- ws .bundles/ws-image",
    "docker pull --quiet us-central1-docker.pkg.dev/my-project/services/ws:TAG",
    "docker build --file apps/ws/Dockerfile --tag us-central1-docker.pkg.dev/my-project/services/ws:TAG .bundles/ws-image",
    "docker push us-central1-docker.pkg.dev/my-project/services/ws:TAG",
    "docker inspect --format {{index .RepoDigests 0}} us-central1-docker.pkg.dev/my-project/services/ws:TAG",
    "gcloud builds describe b-1 --project my-project --region global --format value(createTime)",
    `gcloud builds list --ongoing --project my-project --region global --filter ${ours} AND createTime<"2026-11-26T10:00:00Z" --format value(id)`,
    `gcloud builds list --project my-project --region global --filter ${ours} AND status=SUCCESS AND createTime>"2026-11-26T10:00:00Z" --limit 1 --format value(id)`,
    `npm run deploy -- --stack prod --routine --ws-image ${digest}`,
  ];

  it("builds and pushes the image of ws and then deploys everything with its digest", async (t) => {
    const { failed, lines, env } = await run(t, deployFile, tools(cloud()));
    assert.equal(failed, undefined);
    assert.deepEqual(lines.map(image), expected);
    assert.equal(env["PULUMI_BACKEND_URL"], "gs://my-project-pulumi-state");
    assert.equal(env["PULUMI_CONFIG_PASSPHRASE"], "");
    assert.match(env["PATH"] ?? "", /^[^:]+\/workspace\/node_modules\/\.bin:/);
  });

  /** Which of these calls is the first one of each step. */
  const firstCalls = [
    [0, "install"],
    [1, "bundle ws"],
    [2, "image of ws"],
    [6, "turn"],
    [9, "deploy"],
  ] as const;

  // Whether there is the image already is the one question that "no" is an answer to.
  const decisive = expected.filter((line) => !line.startsWith("docker pull"));
  for (const line of decisive) {
    const index = expected.indexOf(line);
    it(`does nothing more after call ${index}, ${line.split(" ").slice(0, 3).join(" ")}, failed`, async (t) => {
      // From the step on that makes this call.
      const [first = 0, from = ""] = firstCalls.findLast(([call]) => call <= index) ?? [];
      const commands = failingAt(index - first, tools(cloud()));
      const end = await run(t, deployFile, commands, from);
      assert.equal(end.failed, from);
      assert.deepEqual(end.lines.map(image), expected.slice(first, index + 1));
    });
  }

  it("gives an unchanged ws its old image, and builds another when anything in it changes", async (t) => {
    const { registry } = cloud();
    const commands = tools({ registry, olderBuilds: [] });
    await using sandbox = await makeSandbox(t, files, commands);
    const build = readBuild(deployFile);
    const images = { ...build, steps: [stepOf(build, "image of ws")] };
    const context = join(sandbox.folder, ".bundles/ws-image");
    writeFiles(context, { "package.json": "{}", "main.js": "code" });
    const made = async (): Promise<string[]> => {
      const before = sandbox.cli.calls.length;
      assert.equal((await runBuild(images, { ...sandbox, substitutions })).failed, undefined);
      return sandbox.cli.calls.slice(before).map(({ argv }) => argv[0] ?? "");
    };
    assert.deepEqual(await made(), ["pull", "build", "push", "inspect"]);
    assert.deepEqual(await made(), ["pull", "inspect"]);
    const file = readFileSync(join(sandbox.folder, ".bundles/ws-image.txt"), "utf8");
    assert.equal(file, `${digest}\n`);
    for (const path of ["../../apps/ws/Dockerfile", "main.js", "package.json"]) {
      writeFileSync(join(context, path), `changed ${path}`);
      assert.deepEqual(await made(), ["pull", "build", "push", "inspect"], path);
    }
  });

  it("waits for the builds of its stack that were there before, as long as there are any", async (t) => {
    const commands = tools({ ...cloud(), olderBuilds: ["b-0\nb-00", "b-00"] });
    const { failed, lines, output } = await run(t, deployFile, commands, "turn");
    assert.equal(failed, undefined);
    assert.deepEqual(
      lines.map((line) => line.split(" ").slice(0, 3).join(" ")),
      [
        "gcloud builds describe",
        ...["gcloud builds list", "sleep 20", "gcloud builds list", "sleep 20"],
        ...["gcloud builds list", "gcloud builds list"],
        "npm run deploy",
      ],
    );
    assert.match(output, /Waiting for b-0, b-00\nWaiting for b-00\n/);
  });

  it("deploys nothing when a build that came later is through", async (t) => {
    const commands = tools({ ...cloud(), laterBuild: "b-2" });
    const { failed, lines, output } = await run(t, deployFile, commands, "turn");
    assert.equal(failed, "turn");
    assert.deepEqual(lines, expected.slice(6, -1));
    assert.match(output, /^Nothing was deployed: b-2 came later/m);
  });

  it("does not take a question that failed for the answer that nobody is before it", async (t) => {
    const commands = tools({ ...cloud(), olderBuilds: ["b-0"] });
    // The second time that it asks.
    const end = await run(t, deployFile, failingAt(2, commands), "turn");
    assert.equal(end.failed, "turn");
    assert.deepEqual(
      end.lines.slice(-2).map((line) => line.split(" ")[0]),
      ["sleep", "gcloud"],
    );
  });
});

describe("a preview by Cloud Build", { skip: unlessLinux, concurrency: 2 }, () => {
  const preview = async (t: TestContext, code: number) =>
    run(t, previewFile, {
      npm: ({ argv }) => ({ code: argv[1] === "deploy" ? code : 0 }),
    });

  it("shows what an update would change, and changes nothing", async (t) => {
    const { failed, lines, env } = await preview(t, 0);
    assert.equal(failed, undefined);
    assert.deepEqual(lines, [
      "npm ci --no-audit --no-fund",
      "npm run deploy -- --stack prod --dry-run",
    ]);
    assert.equal(env["PULUMI_BACKEND_URL"], "gs://my-project-pulumi-state");
  });

  it("fails with the preview, but not because something else is live than was deployed", async (t) => {
    assert.equal((await preview(t, 2)).failed, "preview");
    assert.equal((await preview(t, 1)).failed, "preview");
    assert.equal((await preview(t, 3)).failed, undefined);
  });
});

function cloud(): Cloud {
  return { registry: new Set(), olderBuilds: [] };
}
