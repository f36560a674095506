import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import sdk from "@pulumi/gcp/package.json" with { type: "json" };
import { alive } from "../support/alive.ts";
import {
  DeployWorld,
  image,
  outputsFor,
  project,
  servicesWith,
  urnOf,
} from "../support/deploy-world.ts";
import { eventually } from "../support/eventually.ts";
import type { StubAnswer } from "../support/stub-cli.ts";

const old = { default: "v0000000001", add: "v0000000002" };
const now = { default: "v0000000001", add: "v0000000003" };
const policies = "--policy-pack policies";
const update = `up --refresh --yes ${policies} --config-file COPY`;
const repair = `up --yes ${policies} --config-file COPY --target ${urnOf("add")} --replace ${urnOf("add")}`;
const look = "stack output --json";

/** Deploys the new version of add, and its traffic too unless `forgets` says that Pulumi forgot it. */
function deployAdd(world: DeployWorld, { forgets = false } = {}): void {
  world.outputs = outputsFor(now);
  const add = world.api.service("add");
  if (!add.versions.some(({ id }) => id === now.add)) add.versions.push({ id: now.add });
  if (!forgets) add.allocations = { [now.add]: 1 };
}

/** A stack that was deployed before; `up` is its next update. */
async function deployedBefore(
  up: (world: DeployWorld, argv: readonly string[]) => string | StubAnswer,
): Promise<DeployWorld> {
  const made = await DeployWorld.create(servicesWith(old), (world) => ({
    up: ({ argv }) => up(world(), argv),
  }));
  made.outputs = outputsFor(old);
  return made;
}

describe(
  "npm run deploy",
  {
    concurrency: 2,
    skip: process.platform === "win32" && "Windows starts scripts in another way",
  },
  () => {
    it("updates the stack with a refresh and the policies, and says what is live", async () => {
      await using world = await deployedBefore((at) => {
        deployAdd(at);
        return "";
      });
      const { code, stdout, stderr } = await world.deploy();
      assert.deepEqual([code, stderr], [0, ""]);
      assert.deepEqual(world.commands(), [look, update, look]);
      assert(world.cli.calls.every(({ env }) => env["PULUMI_CONFIG_PASSPHRASE"] === ""));
      assert(stdout.endsWith("Live in my-project: default v0000000001, add v0000000003\n"), stdout);
      await world.assertFileUntouched();
    });

    it("notices a split that an earlier failure made Pulumi forget, makes it anew and asks again", async () => {
      let ups = 0;
      await using world = await deployedBefore((at, argv) => {
        ups += 1;
        if (argv.includes("--replace")) {
          deployAdd(at);
          return "replaced\n";
        }
        deployAdd(at, { forgets: true });
        // First the split's request fails; from then on Pulumi takes it for done.
        return ups === 1
          ? { code: 255, stderr: "error: 409: operation in progress\n" }
          : "no changes\n";
      });

      const first = await world.deploy();
      assert.equal(first.code, 1);
      assert.match(
        first.stderr,
        /^error: 409: operation in progress\nThe update failed, see above\./,
      );
      assert.match(first.stderr, /run the same command again/);
      assert.deepEqual(world.api.service("add").allocations, { [old.add]: 1 });
      assert.deepEqual(world.commands(), [look, update]);

      const second = await world.deploy();
      assert.deepEqual([second.code, second.stderr], [0, ""]);
      assert.deepEqual(world.commands().slice(2), [look, update, look, look, repair]);
      assert.match(
        second.stdout,
        /add: all traffic goes to v0000000002, but the program wants v0000000003/,
      );
      assert.match(second.stdout, /Live in my-project: .*add v0000000003\n$/);
      assert.deepEqual(world.api.service("add").allocations, { [now.add]: 1 });
    });

    it("fails loudly when the repair says that it is done and it is not", async () => {
      await using world = await deployedBefore((at) => {
        deployAdd(at, { forgets: true });
        return "";
      });
      const { code, stderr } = await world.deploy();
      assert.equal(code, 3);
      assert.match(
        stderr,
        /add: all traffic goes to v0000000002, but the program wants v0000000003, also after/,
      );
      assert.match(
        stderr,
        /gcloud app services set-traffic add --splits v0000000003=1 --project my-project/,
      );
    });

    it("says what became of the update when nobody can say what is live", async () => {
      await using world = await deployedBefore((at) => {
        deployAdd(at);
        at.api.troubles.push(403);
        return "";
      });
      const denied = await world.deploy();
      assert.equal(denied.code, 3);
      assert.match(
        denied.stderr,
        /^The update succeeded, but nobody knows yet what is live\.\nApp Engine answered 403/,
      );
      // An older program said nothing of its traffic.
      world.outputs = { versions: now };
      const silent = await world.deploy("--verify");
      assert.deepEqual([silent.code, silent.stdout], [3, ""]);
      assert.match(
        silent.stderr,
        /output traffic does not say what should be live of default, add/,
      );
    });

    it("says that the repair failed, and why, when pulumi cannot do it", async () => {
      await using world = await deployedBefore((at, argv) => {
        deployAdd(at, { forgets: true });
        return argv.includes("--replace")
          ? { code: 255, stderr: "error: the stack is currently locked by 1 lock(s).\n" }
          : "";
      });
      const { code, stderr } = await world.deploy();
      assert.equal(code, 3);
      assert.match(
        stderr,
        /The traffic could not be repaired: pulumi failed.*pulumi cancel --stack dev/s,
      );
    });

    it("undoes nothing of somebody who deployed meanwhile", async () => {
      await using world = await deployedBefore((at) => {
        deployAdd(at);
        const add = at.api.service("add");
        add.versions.push({ id: "20261126t1" });
        add.allocations = { "20261126t1": 0.5, [now.add]: 0.5 };
        return "";
      });
      const { code, stderr } = await world.deploy();
      assert.equal(code, 3);
      assert.match(stderr, /50 % goes to 20261126t1.* somebody else deployed meanwhile/);
      assert.deepEqual(world.commands(), [look, update, look]);
    });

    it("repairs nothing for a stack that was deployed again meanwhile", async () => {
      let looks = 0;
      await using world = await DeployWorld.create(servicesWith(old), (at) => ({
        "stack output": () => {
          looks += 1;
          return JSON.stringify(
            looks < 3 ? at().outputs : outputsFor({ ...now, add: "v0000000004" }),
          );
        },
        up: () => {
          deployAdd(at(), { forgets: true });
          return "";
        },
      }));
      world.outputs = outputsFor(old);
      const { code, stderr } = await world.deploy();
      assert.equal(code, 3);
      assert.match(stderr, /dev was deployed by somebody else meanwhile/);
      assert(!world.commands().includes(repair));
    });

    it("sends the traffic where trafficVersion says, although the program deploys another version", async () => {
      await using world = await deployedBefore((at) => {
        deployAdd(at, { forgets: true });
        at.outputs = outputsFor(now, { traffic: { add: old.add } });
        return "";
      });
      const { code, stdout } = await world.deploy();
      assert.equal(code, 0);
      assert.match(stdout, /Live in my-project: .*add v0000000002 \(trafficVersion\)\n$/);
    });

    it("deploys a new stack, of which App Engine knows nothing yet", async () => {
      await using world = await DeployWorld.create({}, (at) => ({
        up: () => {
          for (const [id, service] of Object.entries(servicesWith(now))) {
            at().api.services.set(id, service);
          }
          at().outputs = outputsFor(now);
          return "";
        },
      }));
      const { code } = await world.deploy();
      assert.equal(code, 0);
      assert.deepEqual(world.api.calls, [
        "GET /v1/apps/my-project/services",
        "GET /v1/apps/my-project/services/default/versions?view=BASIC",
        "GET /v1/apps/my-project/services/add/versions?view=BASIC",
      ]);
    });

    it("installs the provider by name and version before anything starts it, and nothing by itself", async () => {
      await using world = await DeployWorld.create(servicesWith(now), () => ({ up: "" }));
      world.outputs = outputsFor(now);
      const urn = "urn:pulumi:dev::x::pulumi:providers:gcp::default";
      const provider = { urn, type: "pulumi:providers:gcp", inputs: { project, version: "9.1.0" } };
      world.state = { deployment: { resources: [provider] } };
      assert.equal((await world.deploy()).code, 0);
      const lines = world.cli.lines("pulumi");
      assert.deepEqual(lines.slice(1, 4), [
        "stack export --non-interactive --stack dev",
        `plugin install resource gcp ${sdk.pulumi.version} --non-interactive`,
        "plugin install resource gcp 9.1.0 --non-interactive",
      ]);
      assert(lines[4]?.startsWith("up "));
      for (const { env } of world.cli.calls) {
        assert.equal(env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"], "true");
      }
    });

    it("starts nothing that only the state names", async () => {
      await using world = await DeployWorld.create(servicesWith(now));
      world.outputs = outputsFor(now);
      const urn = "urn:pulumi:dev::x::pulumi:providers:command::\u001b[2Jdefault";
      world.state = { deployment: { resources: [{ urn, type: "pulumi:providers:command" }] } };
      for (const how of [[], ["--dry-run"]]) {
        const { code, stderr } = await world.deploy(...how);
        assert.equal(code, 2);
        assert.match(stderr, /^Nothing was done: the state names .*type pulumi:providers:command/s);
        assert(!stderr.includes("\u001b"), "what is in the state is shown as it is written");
      }
      assert.deepEqual([...new Set(world.commands())], [look]);
      assert(!world.cli.lines("pulumi").some((line) => line.startsWith("plugin")));
    });

    it("keeps the image of ws unless it is given one, and hands either over without noting it", async () => {
      let seen = "";
      await using world = await DeployWorld.create(servicesWith(now), () => ({
        up: async ({ argv }) => {
          seen = await readFile(argv[argv.indexOf("--config-file") + 1] ?? "", "utf8");
          return "";
        },
      }));
      world.outputs = outputsFor(now, { wsImage: image });
      const { code, stdout } = await world.deploy();
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^ws keeps the image that it runs from: ${image}\n`));
      const other = image.replaceAll("a".repeat(64), "b".repeat(64));
      assert.equal((await world.deploy("--ws-image", other)).code, 0);
      const ups = world.commands().filter((line) => line.startsWith("up"));
      assert.deepEqual(ups, [
        `${update} --config-path --config ws.image=${image}`,
        `${update} --config-path --config ws.image=${other}`,
      ]);
      assert.match(seen, /gcp:project: my-project/);
      await world.assertFileUntouched();
      const copies = world.cli.calls.flatMap(({ argv }) =>
        argv.filter((each) => each.endsWith(".yaml")),
      );
      assert(copies.length > 0 && copies.every((path) => !existsSync(path)), "copies are removed");
    });

    it("refuses what only a person may change in a routine deployment, before anything is changed", async () => {
      const type = "gcp:projects/iAMMember:IAMMember";
      const urn = `urn:pulumi:dev::x::appengine-realtime:app:StandardService$${type}::add-logging.logWriter`;
      await using world = await DeployWorld.create(servicesWith(now), () => ({
        preview: JSON.stringify({
          steps: [
            { op: "create", urn: urnOf("add") },
            { op: "replace", urn, replaceReasons: ["role"] },
          ],
        }),
      }));
      world.outputs = outputsFor(now);
      const { code, stderr } = await world.deploy("--routine");
      assert.equal(code, 2);
      assert.match(stderr, /Nothing was changed/);
      assert.match(stderr, new RegExp(`\n  replace add-logging.logWriter, a ${type} \\(role\\)\n`));
      assert.match(stderr, /A person .*\n {2}npm run deploy -- --stack dev\n/);
      assert.deepEqual(world.commands(), [
        look,
        "preview --refresh --json --show-sames --show-replacement-steps --config-file COPY",
      ]);
    });

    it("deploys routinely what every deployment changes", async () => {
      await using world = await DeployWorld.create(servicesWith(now), () => ({
        preview: JSON.stringify({ steps: [{ op: "replace", urn: urnOf("add") }] }),
        up: "",
      }));
      world.outputs = outputsFor(now);
      assert.equal((await world.deploy("--routine", "--ws-image", image)).code, 0);
      assert.deepEqual(
        world.commands().map((line) => line.split(" ")[0]),
        ["stack", "preview", "up", "stack"],
      );
      for (const line of world.commands().slice(1, 3)) assert(line.endsWith(`ws.image=${image}`));
    });

    it("shows the preview and what is live, and changes nothing, when it is only to show", async () => {
      await using world = await DeployWorld.create(servicesWith(old), () => ({
        preview: "+ create add-version\n",
      }));
      world.outputs = outputsFor(now);
      const { code, stdout, stderr } = await world.deploy("--dry-run");
      assert.equal(code, 3);
      assert.match(stdout, /\+ create add-version\n/);
      assert.match(stderr, /add: version v0000000003 is not there/);
      assert.deepEqual(world.commands(), [
        look,
        `preview --refresh --diff ${policies} --config-file COPY`,
      ]);
      deployAdd(world);
      assert.equal((await world.deploy("--dry-run")).code, 0);
    });

    it("says both that there is something to deploy and what is live, when no change was expected", async () => {
      const none = "error: no changes were expected but changes were proposed\n";
      await using world = await DeployWorld.create(servicesWith(now), () => ({
        preview: () => ({ code: 255, stderr: none }),
      }));
      world.outputs = outputsFor(now);
      const { code, stdout, stderr } = await world.deploy("--dry-run", "--expect-no-changes");
      assert.equal(code, 4);
      assert.match(
        stdout,
        /Live in my-project, as it was deployed last: default v0000000001, add v0000000003\n$/,
      );
      assert.match(stderr, /There is something to deploy, although no changes were expected/);
      assert(world.commands()[1]?.startsWith("preview --refresh --diff --expect-no-changes "));
      world.api.service("add").allocations = { v0000000009: 1 };
      const both = await world.deploy("--dry-run", "--expect-no-changes");
      assert.equal(both.code, 3);
      assert.match(
        both.stderr,
        /There is something to deploy.*\nWhat is live is not what the program wants:\n {2}add: /,
      );
    });

    it("only looks whether what was deployed last is live, when it is asked to", async () => {
      await using world = await DeployWorld.create(servicesWith(now));
      assert.equal((await world.deploy("--verify")).code, 3, "a new stack");
      world.outputs = outputsFor(now);
      const { code, stdout, stderr } = await world.deploy("--verify");
      assert.deepEqual([code, stderr], [0, ""]);
      assert.equal(
        stdout,
        "Live in my-project, as it was deployed last: default v0000000001, add v0000000003\n",
      );
      world.api.service("add").allocations = { [now.add]: 0.5, [old.add]: 0.5 };
      world.api.service("add").versions.push({ id: old.add });
      const half = await world.deploy("--verify");
      assert.equal(half.code, 3);
      assert.match(
        half.stderr,
        /add: 50 % goes to v0000000003, 50 % goes to v0000000002, but .* a deployment repairs it/,
      );
      assert.deepEqual(world.commands(), [look, look, look]);
    });

    it("explains a lock that somebody holds", async () => {
      const says =
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.\n" +
        "  gs://x/.pulumi/locks/organization/x/dev/1.json: created by root@build (pid 7) at 2026-11-26T10:00:00Z\n";
      await using world = await DeployWorld.create(servicesWith(now), () => ({
        up: () => ({ code: 255, stderr: says }),
      }));
      world.outputs = outputsFor(now);
      const { code, stderr } = await world.deploy();
      assert.equal(code, 1);
      assert(stderr.startsWith(says));
      assert.match(stderr, /Somebody else changes this stack .*pulumi cancel --stack dev\n$/s);
    });

    it("passes Ctrl-C on to pulumi once, and outlives it", async () => {
      let pid = 0;
      let received: readonly string[] = [];
      let end = (): void => undefined;
      const mayEnd = new Promise<void>((resolve) => (end = resolve));
      await using world = await DeployWorld.create(servicesWith(now), () => ({
        up: async (call, stub) => {
          ({ pid } = call);
          received = call.signals;
          stub.write("begun\n");
          await stub.signal();
          await mayEnd;
          return { code: 255, stderr: "error: update cancelled\n" };
        },
      }));
      world.outputs = outputsFor(now);
      const { child, run, ended } = world.start("deploy", ["--stack", "dev"]);
      // It is shown as it comes, and not when all is over.
      await eventually("the update has begun", () => run.stdout.includes("begun\n"));
      const group = -(child.pid ?? Number.NaN);
      process.kill(group, "SIGINT");
      await eventually("pulumi was told", () => received.length > 0);
      process.kill(group, "SIGINT");
      await eventually("that was heard", () => run.stderr.includes("Still waiting"));
      process.kill(group, "SIGTERM");
      await eventually("both were heard", () => run.stderr.split("Still waiting").length === 3);
      assert(alive(pid) && run.code === null);
      end();
      const { code, stderr } = await ended;
      assert.equal(code, 130);
      assert.deepEqual(received, ["SIGINT"]);
      assert(!alive(pid));
      assert.match(stderr, /error: update cancelled\nInterrupted\. Run the same command again/);
    });

    it("finds out that it cannot ask App Engine before anything is changed", async () => {
      await using world = await DeployWorld.create(servicesWith(now));
      world.outputs = outputsFor(now);
      const nobody = { METADATA_SERVER_DETECTION: "none" };
      const { code, stderr } = await world.start("deploy", ["--stack", "dev"], nobody).ended;
      assert.equal(code, 2);
      assert.match(
        stderr,
        /^There is nobody to ask App Engine as: .*gcloud auth application-default login/s,
      );
      assert.deepEqual(world.commands(), []);
      world.api.troubles.push(403);
      const denied = await world.deploy();
      assert.equal(denied.code, 1);
      assert.match(denied.stderr, /403 to GET \/v1\/apps\/my-project\/services: trouble 403/);
      assert.deepEqual(world.commands(), [look]);
    });

    it("says that there is no pulumi", async () => {
      await using world = await DeployWorld.create(servicesWith(now));
      const none = { PATH: world.folder };
      const { code, stderr } = await world.start("deploy", ["--stack", "dev"], none).ended;
      assert.deepEqual([code, stderr.startsWith("There is no pulumi on this machine")], [2, true]);
    });
  },
);
