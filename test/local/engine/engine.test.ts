import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { emptyState } from "../../../local/engine/types.ts";
import { unknownValue } from "../../../local/wire/values.ts";
import { alive } from "../../support/alive.ts";
import { temporaryFolder } from "../../support/checkout.ts";
import { type Bench, type Declaration, fixtures, named, startBench } from "../../support/engine.ts";
import { eventually } from "../../support/eventually.ts";

const account = (args: Record<string, unknown> = {}, options = {}): Declaration => ({
  type: "gcp:serviceaccount/account:Account",
  name: "account",
  args: { accountId: "some-account", ...args },
  options,
});
const topic = (name: string, args: Record<string, unknown> = {}, options = {}): Declaration => ({
  type: "gcp:pubsub/topic:Topic",
  name,
  args: { name, ...args },
  options,
});
const subscription = (name: string, topicName: string, options = {}): Declaration => ({
  type: "gcp:pubsub/subscription:Subscription",
  name,
  args: { name, topic: `\${${topicName}.id}` },
  options,
});
const network = (args: Record<string, unknown>, options = {}): Declaration => ({
  type: "gcp:compute/network:Network",
  name: "network",
  args: { autoCreateSubnetworks: false, ...args },
  options,
});

describe("the embedded engine", { concurrency: false }, () => {
  let bench: Bench;
  before(async () => {
    bench = await startBench();
  });
  after(async () => {
    await bench[Symbol.asyncDispose]();
  });

  it("creates, changes nothing in a second run, updates, and deletes dependents first", async () => {
    const declared = [account(), topic("numbers"), subscription("reader", "numbers")];
    const first = await bench.up(declared);
    assert.deepEqual(first.problems, []);
    assert.deepEqual(first.counts, {
      same: 0,
      import: 0,
      create: 4,
      update: 0,
      replace: 0,
      delete: 0,
    });
    assert.equal(first.outputs["email"], "some-account@demo-project.iam.gserviceaccount.com");
    const position = (call: string): number => first.calls.indexOf(call);
    assert.ok(position("create Topic numbers") < position("create Subscription reader"));
    assert.equal(
      named(first.state, "reader").inputs["topic"],
      "projects/demo-project/topics/numbers",
    );

    const second = await bench.up(declared, first.state);
    assert.deepEqual(second.counts, {
      same: 4,
      import: 0,
      create: 0,
      update: 0,
      replace: 0,
      delete: 0,
    });
    assert.deepEqual(second.calls, []);
    assert.deepEqual(
      JSON.parse(JSON.stringify(second.state)),
      JSON.parse(JSON.stringify(first.state)),
    );

    const third = await bench.up(
      [account({ displayName: "Shown" }), topic("numbers", { labels: { a: "b" } })],
      second.state,
    );
    assert.deepEqual(third.counts, {
      same: 1,
      import: 0,
      create: 0,
      update: 2,
      replace: 0,
      delete: 1,
    });
    const update = third.steps.find((step) => step.kind === "update" && step.name === "numbers");
    assert.deepEqual(update?.diffs, ["labels"]);
    assert.equal(third.calls.at(-1), "delete Subscription reader");

    const last = await bench.destroy(third.state);
    assert.equal(last.ok, true);
    assert.deepEqual(last.state, emptyState);
    assert.deepEqual([...last.calls].sort(), [
      "delete Account some-account@demo-project.iam.gserviceaccount.com",
      "delete Topic numbers",
    ]);
  });

  it("deletes a named resource before its replacement, and first the dependents that fall with it", async () => {
    const declared = (name: string): Declaration[] => [
      { ...topic("topic"), args: { name } },
      subscription("reader", "topic"),
    ];
    const first = await bench.up(declared("numbers"));
    const second = await bench.up(declared("letters"), first.state);
    assert.deepEqual(second.problems, []);
    assert.deepEqual(second.counts, {
      same: 1,
      import: 0,
      create: 0,
      update: 0,
      replace: 2,
      delete: 0,
    });
    assert.deepEqual(second.calls, [
      "delete Subscription reader",
      "delete Topic numbers",
      "create Topic letters",
      "create Subscription reader",
    ]);
    await bench.destroy(second.state);
  });

  it("creates the replacement of a nameless resource first and deletes the old one last", async () => {
    const subnet: Declaration = {
      type: "gcp:compute/subnetwork:Subnetwork",
      name: "subnet",
      args: { name: "subnet", ipCidrRange: "10.0.0.0/24", network: "${network.id}" },
      options: { deleteBeforeReplace: false },
    };
    const first = await bench.up([network({ description: "one" }), subnet]);
    assert.deepEqual(first.problems, []);
    // The old network can only go when the subnetwork has left it: the name must change with it.
    const moved = { ...subnet, args: { ...subnet.args, name: "subnet-2" } };
    const second = await bench.up([network({ description: "two" }), moved], first.state);
    assert.deepEqual(second.problems, []);
    assert.equal(second.counts.replace, 2);
    const kinds = second.calls.map((call) => call.split(" ").slice(0, 2).join(" "));
    assert.deepEqual(kinds, [
      "create Network",
      "create Subnetwork",
      "delete Subnetwork",
      "delete Network",
    ]);
    assert.notEqual(named(first.state, "network").id, named(second.state, "network").id);
    await bench.destroy(second.state);
  });

  it("honours deleteBeforeReplace of the program over the provider's own order", async () => {
    const declared = (name: string): Declaration[] => [
      { ...topic("topic", {}, { deleteBeforeReplace: false }), args: { name } },
    ];
    const first = await bench.up(declared("numbers"));
    const second = await bench.up(declared("letters"), first.state);
    assert.deepEqual(second.calls, ["create Topic letters", "delete Topic numbers"]);
    await bench.destroy(second.state);
  });

  it("leaves a failed creation out, keeps the rest, and tries it again in the next run", async () => {
    const failing = network({ name: "net", description: "refuse" });
    const first = await bench.up([account(), { ...failing, dependsOn: ["account"] }]);
    assert.equal(first.ok, false);
    assert.deepEqual(first.problems, [
      'gcp:compute/network:Network "network": the cloud is in a bad mood',
    ]);
    assert.ok(first.state.resources.some(({ name }) => name === "account"));
    assert.ok(!first.state.resources.some(({ name }) => name === "network"));
    assert.deepEqual(first.outputs, {});

    const repaired = network({ name: "net", description: "fine" });
    const second = await bench.up(
      [account(), { ...repaired, dependsOn: ["account"] }],
      first.state,
    );
    assert.deepEqual(second.problems, []);
    assert.equal(second.counts.create, 1);
    assert.deepEqual(second.calls, ["create Network net"]);
    await bench.destroy(second.state);
  });

  it("keeps the old state of a failed update and repeats the update in the next run", async () => {
    const first = await bench.up([account({ description: "one" })]);
    const second = await bench.up([account({ description: "refuse" })], first.state);
    assert.equal(second.ok, false);
    assert.equal(named(second.state, "account").inputs["description"], "one");
    const third = await bench.up([account({ description: "two" })], second.state);
    assert.equal(third.counts.update, 1);
    assert.equal(named(third.state, "account").inputs["description"], "two");
    await bench.destroy(third.state);
  });

  it("keeps what could not be deleted and deletes it in the next run", async () => {
    const first = await bench.up([account({ displayName: "refuse" }), topic("numbers")]);
    const second = await bench.up([], first.state);
    assert.equal(second.ok, false);
    assert.match(
      second.problems.join(),
      /Account "account": it could not be deleted: the cloud is/,
    );
    assert.ok(!second.state.resources.some(({ name }) => name === "numbers"));
    const third = await bench.up([account({ displayName: "calm" })], second.state);
    const fourth = await bench.up([], third.state);
    assert.deepEqual(fourth.problems, []);
    assert.equal(fourth.counts.delete, 1);
    await bench.destroy(fourth.state);
  });

  it("refuses what the provider's check refuses, before anything is made of it", async () => {
    const { ok, problems, calls } = await bench.up([topic("xy", { labels: { Big: "x" } })]);
    assert.equal(ok, false);
    assert.deepEqual(calls, []);
    assert.match(
      problems.join(),
      /Topic "xy": name: "xy" is not a topic name: 3–255 .*; labels\.Big/,
    );
  });

  it("deletes or replaces nothing that is protected", async () => {
    const shielded = topic("numbers", {}, { protect: true });
    const first = await bench.up([shielded]);
    const gone = await bench.up([], first.state);
    assert.match(gone.problems.join(), /Topic "numbers": it is protected and cannot be deleted/);
    const replaced = await bench.up([{ ...shielded, args: { name: "letters" } }], first.state);
    assert.match(replaced.problems.join(), /protected and cannot be replaced.*name/);
    const destroyed = await bench.destroy(first.state);
    assert.match(destroyed.problems.join(), /protected/);
    assert.deepEqual([...gone.calls, ...replaced.calls, ...destroyed.calls], []);
    const freed = await bench.up([topic("numbers")], first.state);
    assert.equal((await bench.destroy(freed.state)).ok, true);
  });

  it("forgets without deleting what the state says is to be retained", async () => {
    const first = await bench.up([topic("abandoned", {}, { retainOnDelete: true })]);
    const second = await bench.up([], first.state);
    assert.equal(second.counts.delete, 1);
    assert.deepEqual(second.calls, []);
    // Taking it up again is a conflict, as it would be in the cloud.
    const third = await bench.up([topic("abandoned")], second.state);
    assert.match(third.problems.join(), /409/);
  });

  it("does not see differences that the program ignores", async () => {
    const first = await bench.up([account({ displayName: "Kept", description: "one" })]);
    const second = await bench.up(
      [account({ displayName: "Other", description: "two" }, { ignoreChanges: ["displayName"] })],
      first.state,
    );
    const update = second.steps.find((step) => step.kind === "update");
    assert.deepEqual(update?.diffs, ["description"]);
    assert.equal(named(second.state, "account").inputs["displayName"], "Kept");
    await bench.destroy(second.state);
  });

  it("finds a renamed component with its children under their former names", async () => {
    const declared = (name: string, options = {}): Declaration[] => [
      { type: "test:index:Group", name, options },
      { ...topic(`${name}-topic`, {}), args: { name: "numbers" }, parent: name },
    ];
    const first = await bench.up(declared("old"));
    const second = await bench.up(declared("new", { aliases: [{ name: "old" }] }), first.state);
    assert.deepEqual(second.problems, []);
    assert.deepEqual(second.counts, {
      same: 3,
      import: 0,
      create: 0,
      update: 0,
      replace: 0,
      delete: 0,
    });
    assert.equal(named(second.state, "new-topic").urn.includes("test:index:Group$"), true);
    assert.ok(!second.state.resources.some(({ name }) => name.startsWith("old")));
    const typed = declared("new").map((one) =>
      one.type === "test:index:Group"
        ? { ...one, type: "test:index:Team", options: { aliases: [{ type: one.type }] } }
        : one,
    );
    const third = await bench.up(typed, second.state);
    assert.equal(third.counts.same, 3);
    await bench.destroy(third.state);
  });

  it("leaves what only an update can know unknown in a preview, and changes nothing", async () => {
    const declared = [
      account(),
      { ...topic("numbers"), args: { name: "numbers", labels: { owner: "${account.email}" } } },
    ];
    const shown = await bench.preview(declared);
    assert.deepEqual(shown.problems, []);
    assert.equal(shown.counts.create, 3);
    assert.deepEqual(shown.calls, []);
    assert.equal(shown.outputs["preview"], true);
    assert.equal(shown.outputs["email"], unknownValue);
    assert.deepEqual(shown.state, emptyState);

    const first = await bench.up([topic("numbers"), subscription("reader", "numbers")]);
    const plan = await bench.preview(
      [{ ...topic("numbers"), args: { name: "letters" } }],
      first.state,
    );
    const kinds = plan.steps
      .filter(({ phase }) => phase === "done")
      .map((s) => `${s.kind} ${s.name}`);
    assert.deepEqual(kinds, ["same declared-test", "replace numbers", "delete reader"]);
    assert.deepEqual(plan.state, first.state);
    assert.deepEqual(plan.calls, []);
    await bench.destroy(first.state);
  });

  it("finds every refusal in one preview", async () => {
    const { problems } = await bench.preview([topic("xy"), account({ accountId: "no" })]);
    assert.equal(problems.length, 2);
    assert.match(problems.join("\n"), /Topic "xy": name/);
    assert.match(problems.join("\n"), /Account "account": accountId/);
  });

  it("refuses an option that it does not carry out, by name", async () => {
    const { ok, problems, calls } = await bench.up([
      account({}, { replacementTrigger: "anything" }),
    ]);
    assert.equal(ok, false);
    assert.deepEqual(calls, []);
    assert.match(problems.join(), /"account".*does not support the option replacementTrigger/);
  });

  it("takes over what the program imports, in the preview and in the update", async () => {
    const adopted = topic("numbers", {}, { import: "projects/demo-project/topics/numbers" });
    const plan = await bench.preview([adopted]);
    assert.deepEqual(plan.problems, []);
    assert.deepEqual(
      { import: plan.counts.import, create: plan.counts.create },
      {
        ...{ import: 1, create: 1 },
      },
    );
    const step = plan.steps.find(({ name }) => name === "numbers");
    assert.equal(step?.kind, "import");
    const first = await bench.up([adopted]);
    assert.equal(first.counts.import, 1);
    const second = await bench.up([adopted], first.state);
    assert.equal(second.counts.same, 2, "it is in the state by then");
    await bench.destroy(second.state);
  });

  it("refuses explicit providers, whose settings would be lost", async () => {
    const { ok, problems, calls } = await bench.up([
      { type: "test:provider", name: "elsewhere", args: { project: "another" } },
    ]);
    assert.equal(ok, false);
    assert.deepEqual(calls, []);
    assert.match(problems.join(), /"elsewhere".*does not support explicit providers/);
  });

  it("refuses a package that nothing local plays", async () => {
    const { problems } = await bench.up([{ type: "aws:s3/bucket:Bucket", name: "bucket" }]);
    assert.deepEqual(problems, [
      'aws:s3/bucket:Bucket "bucket": nothing local plays this package: only gcp is played',
    ]);
  });

  it("never takes a program that threw for a success", async () => {
    const first = await bench.up([topic("letters")]);
    const broken = await bench.up(
      [],
      { resources: first.state.resources },
      {
        root: join(fixtures, "throws"),
      },
    );
    assert.equal(broken.ok, false);
    assert.match(broken.problems.join(), /the program has a mistake/);
    assert.deepEqual(broken.outputs, {});
    assert.equal(broken.counts.delete, 0, "nothing may be deleted for want of a registration");
    assert.ok(broken.state.resources.some(({ name }) => name === "letters"));
    await bench.destroy(broken.state);
  });

  it("loads TypeScript and npm's resolver for programs that need them, and for no other", async () => {
    const { problems, outputs } = await bench.up([], emptyState, {
      root: join(fixtures, "functions"),
    });
    assert.deepEqual(problems, []);
    assert.match(String(outputs["text"]), /with\(\{ one: 1, .*return \(\) => one \+ 1;/s);
    assert.equal(outputs["packages"], true);
    assert.deepEqual(outputs["missingBefore"], ["typescript", "@npmcli/arborist"]);
    assert.deepEqual(outputs["missingAfter"], []);
    assert.equal(outputs["traces"], false);
  });

  it("says so when the program leaves before it is done", async () => {
    const { ok, problems } = await bench.up([], emptyState, { root: join(fixtures, "leaves") });
    assert.equal(ok, false);
    assert.match(problems.join(), /left before it was done/);
  });

  it("ends a program that waits for ever", async () => {
    const { ok, problems } = await bench.up([], emptyState, {
      root: join(fixtures, "waits"),
      programIdleMs: 5_000,
    });
    assert.equal(ok, false);
    assert.match(problems.join(), /did nothing for 5 s/);
  });

  it("leaves no program behind when the engine itself is killed", async () => {
    const options = { root: join(fixtures, "waits"), stack: "test", providerPort: bench.port };
    const script = `
      import { up } from ${JSON.stringify(engineModule)};
      const options = ${JSON.stringify(options)};
      await up({ ...options, onLog: (_severity, text) => console.log(text) }, { resources: [] });
    `;
    const engine = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    engine.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await eventually("the program to wait", () => said.includes("waiting"));
    const program = await eventually("the program to run", () => childOf(engine.pid ?? 0));
    engine.kill("SIGKILL");
    await eventually("the program to end", () => !alive(program));
  });

  it("never rejects: what goes wrong around the program is a problem of the result", async (t) => {
    // No packages: the SDK's launcher is not to be found.
    const root = temporaryFolder(t, { "Pulumi.yaml": "name: bare", "Pulumi.test.yaml": "" });
    const first = await bench.up([topic("numbers")]);
    const { ok, problems, state } = await bench.up([], first.state, { root });
    assert.equal(ok, false);
    assert.match(problems.join(), /Cannot find module '@pulumi\/pulumi\/cmd\/run\/index\.js'/);
    assert.deepEqual(state, first.state);
    await bench.destroy(state);
  });

  it("stops on request and keeps what was done", async () => {
    const stop = new AbortController();
    const result = await bench.up(
      [account(), { ...subscription("reader", "account"), args: { topic: "${account.id}" } }],
      emptyState,
      {
        signal: stop.signal,
        onStep: (event) => {
          if (event.name === "account" && event.phase === "start") stop.abort();
        },
      },
    );
    assert.equal(result.ok, false);
    assert.deepEqual(result.problems, ["stopped on request"]);
    assert.ok(result.state.resources.some(({ name }) => name === "account"));
    assert.ok(!result.state.resources.some(({ name }) => name === "reader"));
    await bench.destroy(result.state);
  });

  it("gives up on a provider that does not answer", async () => {
    const { problems } = await bench.up([account({ description: "hang" })], emptyState, {
      stepMs: 2_000,
    });
    assert.deepEqual(problems, [
      'gcp:serviceaccount/account:Account "account": the provider did not answer "create" within 2 s',
    ]);
  });

  it("says that the provider is gone when it dies in the middle", async () => {
    await using mortal = await startBench();
    const { ok, problems } = await mortal.up([account({ description: "die" })]);
    assert.equal(ok, false);
    assert.match(problems.join(), /the provider at 127\.0\.0\.1:\d+ is gone/);
    await eventually("the provider to be gone", () => !alive(mortal.pid));
  });
});

const engineModule = new URL("../../../local/engine/engine.ts", import.meta.url).href;

/** The id of the first child of a process. */
function childOf(pid: number): number | undefined {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const line = stdout
    .split("\n")
    .map((text) => text.trim().split(/\s+/).map(Number))
    .find(([, parent]) => parent === pid);
  return line?.[0];
}
