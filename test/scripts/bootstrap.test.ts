import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import gcp from "@pulumi/gcp/package.json" with { type: "json" };
import { fromSeed } from "nkeys.js";
import { parse } from "yaml";
import { founderRoles } from "../../components/lib/permissions.ts";
import { bootstrap } from "../../scripts/bootstrap/bootstrap.ts";
import { type Cli, LocalCli, shellLine } from "../../scripts/bootstrap/cli.ts";
import { targetMatcher } from "../../scripts/bootstrap/declared.ts";
import { keptStates } from "../../scripts/bootstrap/facts.ts";
import { Refusal } from "../../scripts/deploy/refusal.ts";
import { repository } from "../support/checkout.ts";
import { FoundingWorld, type Mishap } from "../support/founding-world.ts";
import { StubCli } from "../support/stub-cli.ts";

const project = "my-project-dev";
const golden = JSON.parse(await readFile(join(repository, "test/golden/dev.json"), "utf8")) as {
  readonly resources: Readonly<Record<string, unknown>>;
};
const urns = Object.keys(golden.resources)
  .filter((key) => /gcp:\w+\/\w+:\w+::/.test(key))
  .map((key) => `urn:pulumi:dev::appengine-realtime::${key}`);
const withGithub =
  'appengine-realtime:build:\n    github:\n      owner: octo\n      repository: realtime\n      repositoryId: "123456789"\n';

let root: string;
let world: FoundingWorld;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "bootstrap-"));
  for (const file of ["Pulumi.yaml", "Pulumi.dev.yaml"]) {
    await cp(join(repository, file), join(root, file));
  }
  await change(
    /appengine-realtime:build:(?: \{\}\n|\n( {4}.*\n)+)/,
    "appengine-realtime:build: {}\n",
  );
  world = new FoundingWorld(project, root, urns);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function change(what: RegExp | string, by: string): Promise<void> {
  const file = join(root, "Pulumi.dev.yaml");
  const text = await readFile(file, "utf8");
  assert.notEqual(text.search(what), -1, `${String(what)} is in the stack file`);
  await writeFile(file, text.replace(what, by));
}

interface Told {
  readonly code: number | "refused";
  readonly text: string;
}

interface RunOptions {
  readonly cli?: Cli;
  readonly argv?: readonly string[];
  readonly answer?: string | undefined;
  readonly signal?: AbortSignal;
  /** Takes what the tools print, too. */
  readonly lines?: string[];
}

async function run(options: RunOptions = {}): Promise<Told> {
  const lines = options.lines ?? [];
  try {
    const code = await bootstrap(
      options.argv ?? ["--project", project, "--stack", "dev", "--yes"],
      {
        cli: options.cli ?? world.cli,
        root,
        declaredBy: () => Promise.resolve({ all: urns }),
        print: (line) => lines.push(line),
        answer: (question) => {
          lines.push(question);
          return Promise.resolve(options.answer);
        },
        signal: options.signal ?? new AbortController().signal,
      },
    );
    return { code, text: lines.join("\n") };
  } catch (error) {
    assert(error instanceof Refusal, String(error));
    return { code: "refused", text: [...lines, error.message].join("\n") };
  }
}

/** Numbers of the steps that are marked so in the plan. */
function marked(text: string, mark: "done" | "to do"): number[] {
  return [...text.matchAll(new RegExp(`^ *${mark} +(\\d+)\\.`, "gm"))].map(([, n]) => Number(n));
}

async function keysInFile(): Promise<Record<string, string>> {
  const text = await readFile(join(root, "Pulumi.dev.yaml"), "utf8");
  const { config } = parse(text) as { config: Record<string, Record<string, string>> };
  return config["appengine-realtime:natsKeys"] ?? {};
}

/** Asserts that the environment is as a bootstrap without any mishap leaves it. */
async function assertFounded(): Promise<void> {
  assert.deepEqual(world.bucket, {
    ...{ location: "us-central1", versioning: true, uniform: true, closed: true, cleanup: true },
  });
  assert.equal(world.backend, `gs://${project}-pulumi-state`);
  assert.deepEqual([...(world.state?.urns ?? [])].sort(), [...urns].sort());
  assert(world.live);
  for (const [service, key] of Object.entries(await keysInFile())) {
    const seed = world.secrets.get(`nats-seed-${service}`)?.at(-1) ?? "";
    assert.equal(fromSeed(new TextEncoder().encode(seed)).getPublicKey(), key);
  }
  for (const id of ["ws-token-hmac", "ws-api-key"]) {
    const versions = world.secrets.get(id) ?? [];
    assert.equal(versions.length, 1, id);
    assert.equal(Buffer.from(versions[0] ?? "", "base64").length, 48);
  }
}

const fromNothing = [
  "gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com iam.googleapis.com storage.googleapis.com --project=my-project-dev",
  "gcloud storage buckets create gs://my-project-dev-pulumi-state --project=my-project-dev --location=us-central1 --uniform-bucket-level-access --public-access-prevention",
  "gcloud storage buckets update gs://my-project-dev-pulumi-state --versioning --uniform-bucket-level-access --public-access-prevention --lifecycle-file=scripts/bootstrap/state-lifecycle.json",
  "pulumi login gs://my-project-dev-pulumi-state",
  "pulumi stack init dev --non-interactive --secrets-provider=passphrase",
  `pulumi plugin install resource gcp ${gcp.pulumi.version}`,
  "pulumi up --refresh --yes --non-interactive --stack dev --policy-pack policies --target **ProjectServices** --target **AppEngineApplication** --target **:NatsServer::* --target **:NatsServer$gcp:secretmanager/secret:Secret::* --target **ServiceSecrets**",
  "npm run --silent nats-keys -- --stack dev",
  "gcloud secrets versions add ws-api-key --data-file=- --project=my-project-dev",
  "gcloud secrets versions add ws-token-hmac --data-file=- --project=my-project-dev",
  "npm run --silent deploy -- --stack dev",
];

describe("npm run bootstrap", () => {
  it("brings an environment into being, step after step", async () => {
    const { code, text } = await run();
    assert.equal(code, 0, text);
    assert.deepEqual(world.changes, fromNothing);
    await assertFounded();
    assert.match(text, /Everything is there: https:\/\/it\.example\.com\nCommit Pulumi\.dev\.yaml/);
  });

  it("shows every step with its command and who may do it before it does anything", async () => {
    const { code, text } = await run({
      argv: ["--project", project, "--stack", "dev"],
      answer: "no",
    });
    assert.equal(code, "refused");
    assert.deepEqual(world.changes, []);
    for (const line of fromNothing) {
      const shown = shellLine(line.split(" "));
      assert(text.includes(`$ ${shown}`) || text.includes(`| ${shown}`), line);
    }
    assert.deepEqual(marked(text, "done"), [1, 2]);
    assert.deepEqual(marked(text, "to do"), [3, 4, 5, 6, 7, 8, 9, 10]);
    assert.match(text, /needs roles\/storage\.admin/);
    for (const role of founderRoles) assert(text.includes(role), role);
    assert.match(text, /Only "yes" does it: \nNothing was done\.$/);
  });

  it("takes nothing but yes for a yes", async () => {
    for (const answer of ["y", "", "Yes please"]) {
      const { code } = await run({ argv: ["--project", project, "--stack", "dev"], answer });
      assert.equal(code, "refused");
      assert.deepEqual(world.changes, []);
    }
    const { code } = await run({ argv: ["--project", project, "--stack", "dev"], answer: "yes" });
    assert.equal(code, 0);
  });

  it("does nothing when there is nobody to ask", async () => {
    const { code, text } = await run({ argv: ["--project", project, "--stack", "dev"] });
    assert.equal(code, "refused");
    assert.match(text, /nobody to ask\. Add --yes/);
    assert.deepEqual(world.changes, []);
  });

  it("does nothing a second time, and does not ask", async () => {
    await run();
    const before = world.changes.length;
    const { code, text } = await run({ argv: ["--project", project, "--stack", "dev"] });
    assert.equal(code, 0, text);
    assert.equal(world.changes.length, before);
    assert.deepEqual(marked(text, "to do"), []);
    assert.match(text, /Everything is there/);
  });

  it("needs no role that the founder is not said to have", async () => {
    const { text } = await run({ argv: ["--project", project, "--stack", "dev"], answer: "no" });
    const named = [...text.matchAll(/needs (.*)/g)].flatMap(([, roles = ""]) => roles.split(", "));
    const others = named.filter((role) => !founderRoles.includes(role));
    assert.deepEqual(
      [...new Set(others)],
      [
        "roles/billing.user on the billing account",
        "roles/billing.projectManager",
        "the founder's roles",
      ],
    );
  });

  for (const mishap of ["refused", "half done", "done, but its end was lost"] as const) {
    for (const [n, at] of fromNothing.entries()) {
      // Of these there is no half.
      if (mishap === "half done" && /buckets create|login|init|plugin|versions add/.test(at))
        continue;
      const words = at.split(" ").slice(0, 5).join(" ").replace("--silent ", "");
      it(`goes on where it stopped when ${words} was ${mishap}`, async () => {
        let once: Mishap | undefined = mishap;
        world.mishap = (line) => {
          if (line !== at) return undefined;
          const now = once;
          once = undefined;
          return now;
        };
        const failed = await run();
        assert.equal(failed.code, "refused", failed.text);
        assert.deepEqual(world.changes, fromNothing.slice(0, n + 1), "stops at the first failure");
        assert.match(failed.text, new RegExp(`exit code 1:\\n.*${at.split(" ")[0] ?? ""}`));
        world.changes.length = 0;
        const second = await run();
        assert.equal(second.code, 0, second.text);
        // A bucket that is there is not made again, and so on: what is done is seen.
        // The plugin goes with the update that needs it.
        const first = at.startsWith("pulumi up") ? n - 1 : n;
        const isSeen = mishap === "done, but its end was lost" && !at.includes("plugin");
        assert.deepEqual(world.changes, fromNothing.slice(isSeen ? n + 1 : first));
        await assertFounded();
      });
    }
  }

  it("says which roles are needed when one is lacking", async () => {
    world.mishap = (line) => (line.includes("buckets create") ? "refused" : undefined);
    const { text } = await run();
    assert.match(
      text,
      /jane@example\.com seems to lack a role\. This step needs: roles\/storage\.admin\..*\n {2}\$ gcloud projects add-iam-policy-binding my-project-dev --member=user:jane@example\.com/,
    );
  });

  it("does not take a bucket for the state's that lacks one of its settings", async () => {
    const whole = {
      location: "us-central1",
      versioning: true,
      uniform: true,
      closed: true,
      cleanup: true,
    };
    for (const lacking of ["versioning", "uniform", "closed", "cleanup"]) {
      world.bucket = { ...whole, [lacking]: false };
      world.changes.length = 0;
      await run();
      assert(
        world.changes.some((line) => line.includes("buckets update")),
        lacking,
      );
      assert(!world.changes.some((line) => line.includes("buckets create")), lacking);
      assert.deepEqual(world.bucket, whole);
    }
  });

  it("keeps as many states as the file of the bucket's rule says", async () => {
    const file = join(repository, "scripts/bootstrap/state-lifecycle.json");
    const { rule } = JSON.parse(await readFile(file, "utf8")) as {
      rule: { condition: { numNewerVersions: number; isLive: boolean } }[];
    };
    assert.deepEqual(
      rule.map(({ condition }) => condition),
      [{ numNewerVersions: keptStates, isLive: false }],
    );
  });

  it("makes no new keys for services that run, when the stack file is an old one", async () => {
    await run();
    await change(
      /add: U[A-Z2-7]{55}/,
      "add: UC3PHX4LM76VOTJBFV2P7M3TM7VCGPIXIHO5RLZ3ISR5GONVPLSJEEFO",
    );
    world.changes.length = 0;
    const { code, text } = await run();
    assert.equal(code, "refused");
    assert.match(text, /Pulumi\.dev\.yaml has other keys than Secret Manager has seeds for: add\./);
    assert.deepEqual(world.changes, []);
  });

  it("deploys again when what is live is not what was deployed", async () => {
    await run();
    world.live = false;
    world.changes.length = 0;
    const { code } = await run();
    assert.equal(code, 0);
    assert.deepEqual(world.changes, ["npm run --silent deploy -- --stack dev"]);
  });

  it("deploys the keys that it had to make anew", async () => {
    await run();
    world.secrets.set("nats-seed-m", []);
    world.changes.length = 0;
    const { code, text } = await run();
    assert.equal(code, 0, text);
    assert.deepEqual(world.changes, [fromNothing[7], fromNothing[10]]);
    await assertFounded();
  });

  it("deploys what there is only an old copy of, which waits for its deletion", async () => {
    await run();
    const machine = urns.find((urn) => urn.endsWith("::nats-0")) ?? assert.fail();
    world.state?.urns.delete(machine);
    world.stateResources.push({
      ...{ urn: machine, type: "gcp:compute/instance:Instance", delete: true },
    });
    world.changes.length = 0;
    assert.equal((await run()).code, 0);
    assert.deepEqual(world.changes, [fromNothing[10]]);
  });

  it("stops at what has to be decided on the way", async () => {
    const cli: Cli = {
      run: async (line, options) => {
        const outcome = await world.cli.run(line, options);
        if (line[1] === "up") world.application = "europe-west";
        return outcome;
      },
    };
    const { code, text } = await run({ cli });
    assert.equal(code, "refused");
    assert.match(text, /Before it can go on:\n- .*application is in europe-west/);
    assert(!world.changes.some((line) => line.includes("nats-keys")));
  });

  it("takes a secret for empty whose versions are all disabled", async () => {
    await run();
    world.changes.length = 0;
    const cli: Cli = {
      run: async (line, options) => {
        const outcome = await world.cli.run(line, options);
        const isAsked = line.join(" ").includes("versions list ws-token-hmac");
        // What was there before; the version that is added is a good one.
        return isAsked && world.changes.length === 0
          ? { ...outcome, stdout: outcome.stdout.replaceAll("ENABLED", "DISABLED") }
          : outcome;
      },
    };
    assert.equal((await run({ cli })).code, 0);
    assert.deepEqual(world.changes, [fromNothing[9]]);
  });

  it("stops when every command says that it succeeded, and it is not so", async () => {
    const cli: Cli = {
      run: async (line, options) =>
        line.includes("enable")
          ? { code: 0, stdout: "", stderr: "" }
          : world.cli.run(line, options),
    };
    const { code, text } = await run({ cli });
    assert.equal(code, "refused");
    assert.match(text, /Step 3 of 10.*\n {2}Every command says that it succeeded, but/);
    assert.deepEqual(world.changes, []);
  });

  it("begins no further step when the user ends it", async () => {
    const stop = new AbortController();
    const cli: Cli = {
      run: (line, options) => {
        if (line.includes("login")) stop.abort();
        return world.cli.run(line, options);
      },
    };
    const { code, text } = await run({ cli, signal: stop.signal });
    assert.equal(code, 130);
    assert.match(text, /Stopped\. The same bootstrap goes on from here\.$/);
    assert.deepEqual(world.changes, fromNothing.slice(0, 4));
  });

  describe("leaves to a person what only a person can do:", () => {
    it("the billing account", async () => {
      world.billing = false;
      const { code, text } = await run();
      assert.equal(code, "refused");
      assert.match(
        text,
        /Step 1 of 10.*Only you can do this:\n.*linkedaccount\?project=my-project-dev\n/,
      );
      assert.deepEqual(world.changes, []);
    });

    it("credentials for programs", async () => {
      world.credentials = false;
      const { text } = await run();
      assert.match(text, /Only you can do this:\n.*gcloud auth application-default login\n/);
      assert.deepEqual(world.changes, []);
    });

    it("a secret that holds what was valid before", async () => {
      await change(
        "secret: ws-token-hmac\n",
        "secret: ws-token-hmac\n          hmac_previous_secret_key:\n            secret: ws-token-hmac-old\n",
      );
      world = new FoundingWorld(project, root, [
        ...urns,
        "urn:pulumi:dev::appengine-realtime::appengine-realtime:secrets:ServiceSecrets$gcp:secretmanager/secret:Secret::ws-secrets-ws-token-hmac-old",
      ]);
      const first = await run();
      assert.equal(first.code, "refused");
      assert.match(
        first.text,
        /Only you can do this:\n {2}give ws-token-hmac-old the text that was valid/,
      );
      assert.equal(world.secrets.get("ws-token-hmac")?.length, 1);
      assert.deepEqual(world.secrets.get("ws-token-hmac-old"), []);
      world.secrets.get("ws-token-hmac-old")?.push("the old text");
      assert.equal((await run()).code, 0);
    });

    it("the connection of the repository, which making a trigger finds missing", async () => {
      await change("appengine-realtime:build: {}\n", withGithub);
      world.connected = false;
      const first = await run();
      assert.equal(first.code, "refused");
      assert.match(
        first.text,
        /Step 10 of 11.*\n.*connect the repository octo\/realtime.*\n.*https:\/\/console\.cloud\.google\.com\/cloud-build\/triggers;region=global\/connect\?project=my-project-dev/,
      );
      assert.match(
        first.text,
        /Where it says "Repository mapping does not exist", octo\/realtime is not/,
      );
      assert(!world.changes.some((line) => line.includes("deploy")), "nothing is deployed before");
      world.connected = true;
      world.changes.length = 0;
      const second = await run();
      assert.equal(second.code, 0, second.text);
      assert.equal(world.changes.length, 3);
      assert.match(world.changes[1] ?? "", /--target \*\*BuildTriggers\*\*$/);
      assert.match(
        second.text,
        /\$ gh variable set WORKLOAD_IDENTITY_PROVIDER_DEV --repo octo\/realtime --body projects\/1\/x\n/,
      );
    });
  });

  describe("refuses, before anything is done,", () => {
    const refused = async (message: RegExp, options: RunOptions = {}): Promise<void> => {
      const { code, text } = await run(options);
      assert.equal(code, "refused", text);
      assert.match(text, message);
      assert.deepEqual(world.changes, []);
    };
    const args = (...more: string[]) => ({ argv: ["--stack", "dev", "--yes", ...more] });

    it("arguments that differ from the stack file, with both values", async () => {
      await refused(
        /--project is my-project-prod, but gcp:project in Pulumi\.dev\.yaml is my-project-dev\n.*Nothing was done/,
        args("--project", "my-project-prod"),
      );
      await refused(
        /--region is europe-west1, but gcp:region .* us-central1\n--location is europe-west, but .* us-central\n/,
        args("--project", project, "--region", "europe-west1", "--location", "europe-west"),
      );
      await refused(
        /--github is octo\/realtime, but Pulumi\.dev\.yaml names no repository.*\n {2}appengine-realtime:build:\n {4}github:\n {6}owner: octo\n {6}repository: realtime\n {6}repositoryId: .*gh api repos\/octo\/realtime/,
        args("--project", project, "--github", "octo/realtime"),
      );
      await change("appengine-realtime:build: {}\n", withGithub);
      await refused(
        /--github is octo\/other, but build\.github in Pulumi\.dev\.yaml is octo\/realtime/,
        args("--project", project, "--github", "octo/other"),
      );
      assert.deepEqual(world.lines, [], "without a question to anybody");
    });

    it("arguments that cannot be right", async () => {
      await refused(/^--project is missing\nusage: npm run bootstrap/, args());
      await refused(/^--stack is missing\n/, { argv: ["--project", project] });
      await refused(
        /^--project My Project: allowed: a project's id/,
        args("--project", "My Project"),
      );
      await refused(
        /^--github realtime: allowed: <owner>/,
        args("--project", project, "--github", "realtime"),
      );
      await refused(/^Unknown option '--projekt'/, args("--projekt", project));
      await refused(/no stack "staging".*known stacks: dev/, {
        argv: ["--project", project, "--stack", "staging"],
      });
      await refused(/stack local needs no project/, {
        argv: ["--project", project, "--stack", "local"],
      });
    });

    it("a stack file with mistakes, all of which it tells", async () => {
      await change("natsRange: 10.8.0.0/28", "natsRange: 10.8.0.0/30");
      await change("instances: 2", "instances: none");
      await refused(
        /Pulumi\.dev\.yaml: The settings of this stack are wrong:\n.*m\.instances.*\n.*natsRange/s,
      );
    });

    it("to go on without an account, without the project, and without answers", async () => {
      world.account = undefined;
      await refused(/gcloud is not logged in: gcloud auth login$/);
      world.account = "jane@example.com";
      world.exists = false;
      await refused(
        /jane@example\.com cannot see a project my-project-dev:\nERROR:.*\nIf it does not exist: gcloud projects create my-project-dev\./,
      );
      world.exists = true;
      world.mayAsk = false;
      await refused(/its answer is needed:\n {2}\$ gcloud \S+ .*\nERROR:.*PERMISSION_DENIED/);
    });

    it("an application or a database that the stack file does not expect", async () => {
      world.apis.add("appengine.googleapis.com").add("firestore.googleapis.com");
      world.application = "us-central";
      world.database = { location: "nam5", type: "DATASTORE_MODE" };
      await refused(
        /Take it over: adopt\.application: true in Pulumi\.dev\.yaml\n- .*adopt\.database: true/,
      );
      world.application = "europe-west";
      world.database = { location: "eur3", type: "FIRESTORE_NATIVE" };
      await refused(
        /application is in europe-west, but location in Pulumi\.dev\.yaml is us-central\.[^]*is of type FIRESTORE_NATIVE[^]*is in eur3, but .* in nam5/,
      );
      world.application = undefined;
      world.database = undefined;
      await change("application: false", "application: true");
      await refused(
        /adopt\.application in .* is true, but the project has no App Engine application/,
      );
    });

    it("a bucket of the state in another region", async () => {
      world.bucket = {
        ...{ location: "eu", versioning: true, uniform: true, closed: true, cleanup: true },
      };
      await refused(
        /bucket my-project-dev-pulumi-state is in eu, but gcp:region .* is us-central1/,
      );
    });

    it("a state with plugins in it that nobody here uses", async () => {
      await run();
      const provider = (type: string, inputs: object) => ({
        ...{ urn: `urn:pulumi:dev::p::pulumi:providers:${type}::default`, inputs },
        type: `pulumi:providers:${type}`,
      });
      world.changes.length = 0;
      world.stateResources.push(provider("gcp", { version: "9.37.0", project }));
      assert.equal((await run()).code, 0);
      for (const strange of [
        provider("command", { version: "1.0.0" }),
        provider("gcp", { version: "9.37.0", pluginDownloadURL: "https://example.com" }),
        provider("gcp", { version: "9.37.0", computeCustomEndpoint: "https://example.com/" }),
        // Of the URN and the type, the engine goes by the one here and by the other there.
        { ...provider("evil", {}), type: "gcp:pubsub/topic:Topic" },
      ]) {
        world.stateResources.splice(1, 1, strange);
        await refused(/names what this project does not use.*\n {4}"urn:pulumi:dev::p::pulumi/);
      }
    });

    it("a state that a run left in the middle of something", async () => {
      await run();
      world.changes.length = 0;
      world.state?.pending.push("urn:pulumi:dev::x::gcp:compute/instance:Instance::nats-0");
      await refused(
        /cut off in the middle.*\n {4}creating urn:pulumi:dev::x::gcp:compute\/instance:Instance::nats-0\n.*pulumi refresh --stack dev/,
      );
    });
  });

  describe(
    "with the tools as processes",
    { skip: process.platform === "win32" && "Windows starts scripts in another way" },
    () => {
      it("shows no secret, and puts none on a command line", async () => {
        await using tools = await StubCli.create({
          gcloud: async ({ argv }, child) =>
            world.answer(
              ["gcloud", ...argv],
              argv.includes("--data-file=-") ? await child.input() : "",
            ),
          pulumi: ({ argv }) => world.answer(["pulumi", ...argv], ""),
          npm: async ({ argv, env }) => {
            if (!argv.includes("nats-keys")) return world.answer(["npm", ...argv], "");
            const script = join(repository, "scripts/nats-keys.ts");
            const child = spawn(process.execPath, [script, "--stack", "dev"], { cwd: root, env });
            let [stdout, stderr] = ["", ""];
            child.stdout.setEncoding("utf8").on("data", (part: string) => (stdout += part));
            child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part));
            const code = await new Promise<number>((resolve) => child.once("close", resolve));
            return { code, stdout, stderr };
          },
        });
        const shown: string[] = [];
        const cli = new LocalCli(root, { PATH: tools.path("") }, (text) => shown.push(text));
        // Each process takes its time; what comes before has no secret.
        for (const line of fromNothing.slice(0, 5)) world.answer(line.split(" "), "");
        const { code, text } = await run({ cli, lines: shown });
        assert.equal(code, 0, text);
        await assertFounded();
        const secrets = [...world.secrets.values()].flat();
        assert.equal(secrets.length, 5);
        for (const secret of [...secrets, "ya29.a-token"]) {
          assert(!text.includes(secret), "shown");
          for (const { argv, env } of tools.calls) {
            assert(![...argv, ...Object.values(env)].some((word) => word.includes(secret)));
          }
        }
        const up = tools.calls.find(({ tool, argv }) => tool === "pulumi" && argv[0] === "up");
        assert.equal(up?.env["PULUMI_BACKEND_URL"], `gs://${project}-pulumi-state`);
        assert.equal(up.env["PULUMI_CONFIG_PASSPHRASE"], "");
        for (const { tool, argv, env } of tools.calls) {
          if (tool === "pulumi" && argv[0] !== "whoami") {
            assert.equal(
              env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"],
              "true",
              argv.join(" "),
            );
          }
        }
        assert(shown.includes("Resources: …\n"), "what tools print is shown");
      });

      for (const missing of ["gcloud", "pulumi"]) {
        it(`says where to get ${missing} when there is none`, async () => {
          const there = missing === "gcloud" ? "pulumi" : "gcloud";
          await using tools = await StubCli.create({
            [there]: ({ argv }) => world.answer([there, ...argv], ""),
          });
          const cli = new LocalCli(root, { PATH: tools.path("") }, () => undefined);
          const { code, text } = await run({ cli });
          assert.equal(code, "refused");
          assert.match(text, new RegExp(`There is no ${missing} on the PATH: install .*https://`));
        });
      }
    },
  );
});

describe("the targets of bootstrap", () => {
  it("mean what the pulumi CLI means by them", () => {
    const urn = "urn:pulumi:dev::p::a:b:NatsServer$gcp:secretmanager/secret:Secret::nats-seed-add";
    assert(targetMatcher(["**:NatsServer$gcp:secretmanager/secret:Secret::*"])(urn));
    assert(targetMatcher(["**NatsServer**"])(urn));
    assert(targetMatcher([urn])(urn));
    assert(!targetMatcher(["**:NatsServer::*"])(urn));
    assert(!targetMatcher(["*NatsServer*"])(urn), "one star stays within a part");
    assert(!targetMatcher(["**secret:Secret::"])(urn));
  });
});
