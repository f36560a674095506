import assert from "node:assert/strict";
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { up } from "../../../local/engine/engine.ts";
import { readStackFile } from "../../../local/engine/stack-file.ts";
import { emptyState, type Operation, type State } from "../../../local/engine/types.ts";
import { type ServerProcess, startServer } from "../../../local/process/server.ts";
import { repository } from "../../support/checkout.ts";
import { operationLines } from "../../support/operations.ts";

/** The real program with the stack `local`, deployed again and again to a cloud that takes notes. */
class Upgrades implements AsyncDisposable {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "appengine-realtime-test-")));
  readonly #provider: ServerProcess;
  readonly #settings: Readonly<Record<string, string>>;
  #state: State = emptyState;

  constructor() {
    symlinkSync(join(repository, "node_modules"), join(this.folder, "node_modules"), "dir");
    this.refuse();
    const program = ["apps", "components", "index.ts", "config.ts", "package.json", "Pulumi.yaml"];
    for (const path of [...program, "Pulumi.local.yaml"]) {
      cpSync(join(repository, path), join(this.folder, path), { recursive: true });
    }
    const provider = join(repository, "test/components/fixtures/redeploy/provider.ts");
    this.#provider = startServer({
      file: process.execPath,
      args: [provider, this.folder, "local-project", "us-central1"],
      env: process.env,
      input: true,
      onLine: () => undefined,
    });
    this.#settings = readStackFile(this.folder, "local").config;
  }

  /** Changes a file of the program; fails when the text to be replaced is not in it. */
  edit(file: string, from: string, to: string): void {
    const path = join(this.folder, file);
    const before = readFileSync(path, "utf8");
    assert.ok(before.includes(from), `${file} has no ${from}`);
    writeFileSync(path, before.replace(from, to));
  }

  /** Patterns of the calls that the cloud refuses from now on. */
  refuse(...calls: readonly string[]): void {
    writeFileSync(join(this.folder, "refusals"), calls.join("\n"));
  }

  /** A setting of the stack with some of its fields changed. */
  setting(key: string, changes: object): Record<string, string> {
    const name = `appengine-realtime:${key}`;
    const value = JSON.parse(this.#settings[name] ?? "{}") as object;
    return { [name]: JSON.stringify({ ...value, ...changes }) };
  }

  /** The version of a service that the program declares. */
  versionOf(name: string): string {
    const found = this.#state.resources.find((resource) => resource.name === `${name}-version`);
    return String(found?.inputs["versionId"]);
  }

  /** One update: what went wrong, what was done, and what the cloud was asked for. */
  async up(config: Readonly<Record<string, string>> = {}): Promise<{
    readonly problems: readonly string[];
    readonly lines: readonly string[];
    readonly calls: readonly string[];
  }> {
    const calls = join(this.folder, "calls");
    writeFileSync(calls, "");
    const operations: Operation[] = [];
    const before = this.#state;
    const { state, problems } = await up(
      {
        root: this.folder,
        stack: "local",
        providerPort: this.#provider.port,
        config,
        onOperation: (operation) => operations.push(operation),
      },
      before,
    );
    this.#state = state;
    const old = new Set(before.resources.map(({ inputs }) => inputs["versionId"]));
    const shown = (name: string): string =>
      name.replace(/v[0-9a-f]{10}/, (id) => (old.has(id) ? "<old>" : "<new>"));
    return {
      problems,
      lines: operationLines(operations, { before, after: state }, shown),
      calls: readFileSync(calls, "utf8").split("\n").slice(0, -1),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#provider.kill();
    await this.#provider.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The lines about the resources of some components. */
function about(lines: readonly string[], ...components: readonly string[]): string[] {
  return lines.filter((line) => components.some((name) => line.includes(` ${name}-`)));
}

/** Without who deploys and what is watched, which go with what there is: the golden graphs have them. */
function ofTheSystem(lines: readonly string[]): string[] {
  return lines.filter((line) => !/ (deployer|preview|operations)-/.test(line));
}

const withoutM = { "appengine-realtime:m": "null" };

/**
 * The lines are those that the pulumi CLI's engine would give: docs/local.md says how to compare them.
 * One stack that is changed step by step; each test starts from where the one before left it.
 */
describe("an update of the whole stack", { concurrency: false }, () => {
  let stack: Upgrades;
  let addVersion: string;

  before(async () => {
    stack = new Upgrades();
    const { problems } = await stack.up(withoutM);
    assert.deepEqual(problems, []);
    addVersion = stack.versionOf("add");
  });
  after(async () => {
    await stack[Symbol.asyncDispose]();
  });

  it("makes a new service from its account to its traffic, and then lets paths lead to it", async () => {
    const { problems, lines } = await stack.up();
    assert.deepEqual(problems, []);
    assert.deepEqual(ofTheSystem(lines), [
      "create BucketObject m-source-object",
      // The console draws what is declared.
      "create-replacement StandardAppVersion web-version",
      "create-replacement EngineSplitTraffic web-traffic",
      "create Account m-account",
      "create Account m-push",
      "create BucketIAMMember m-source",
      "create IAMMember m-artifactregistry.reader",
      "create IAMMember m-datastore.user",
      "create IAMMember m-logging.logWriter",
      "create SecretIamMember m-secret-nats-seed-m",
      "create ServiceIdentity m-pubsub-agent",
      "create IAMMember m-dead-subscriber",
      "create IAMMember m-push-signer",
      "create Topic m-changes",
      "create Topic m-changes-dead",
      "create TopicIAMMember m-dead-publisher",
      "create TopicIAMMember m-publisher",
      "create StandardAppVersion m-version",
      "create Subscription m-<new>-0",
      "create Subscription m-<new>-1",
      "create Subscription m-<new>-2",
      "create EngineSplitTraffic m-traffic",
      "create ServiceNetworkSettings m-ingress",
      "update ApplicationUrlDispatchRules routes-rules",
      "delete-replaced EngineSplitTraffic web-traffic",
      "delete-replaced StandardAppVersion web-version",
    ]);
  });

  it("does nothing when nothing changed", async () => {
    assert.deepEqual(await stack.up(), { problems: [], lines: [], calls: [] });
  });

  it("makes a version before it moves the traffic and ends the old one: code, environment, instances", async () => {
    stack.edit("apps/add/operands.ts", "a + b", "a + b + 1");
    const { problems, lines, calls } = await stack.up({
      ...stack.setting("ws", { gateway: {} }),
      // Without the gateway's key nobody can sign tokens for it.
      ...stack.setting("web", { demoTokens: false }),
      ...stack.setting("m", { instances: 2 }),
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(about(lines, "web"), [
      "create-replacement StandardAppVersion web-version",
      "create-replacement EngineSplitTraffic web-traffic",
      "delete-replaced EngineSplitTraffic web-traffic",
      "delete-replaced StandardAppVersion web-version",
      "delete SecretIamMember web-secret-ws-token-hmac",
    ]);
    assert.deepEqual(about(lines, "add"), [
      "create-replacement BucketObject add-source-object",
      "create-replacement StandardAppVersion add-version",
      "create-replacement EngineSplitTraffic add-traffic",
      "delete-replaced EngineSplitTraffic add-traffic",
      "delete-replaced StandardAppVersion add-version",
      "delete-replaced BucketObject add-source-object",
    ]);
    // Of all this the cloud is asked three things: object and version are kept for a rollback.
    assert.deepEqual(
      calls.filter((call) => call.endsWith(" add")),
      ["create BucketObject add", "create StandardAppVersion add", "update EngineSplitTraffic add"],
    );
    // Without its options the gateway reads no secret any more.
    assert.deepEqual(about(lines, "ws", "ws-secrets"), [
      "create-replacement FlexibleAppVersion ws-version",
      "create-replacement EngineSplitTraffic ws-traffic",
      "delete-replaced EngineSplitTraffic ws-traffic",
      "delete-replaced FlexibleAppVersion ws-version",
      "delete SecretIamMember ws-secret-ws-api-key",
      "delete SecretIamMember ws-secret-ws-token-hmac",
      "delete Secret ws-secrets-ws-api-key",
      "delete Secret ws-secrets-ws-token-hmac",
    ]);
    assert.deepEqual(about(lines, "m"), [
      "create-replacement StandardAppVersion m-version",
      "create Subscription m-<new>-0",
      "create Subscription m-<new>-1",
      "create-replacement EngineSplitTraffic m-traffic",
      "delete-replaced EngineSplitTraffic m-traffic",
      "delete Subscription m-<old>-0",
      "delete Subscription m-<old>-1",
      "delete Subscription m-<old>-2",
      "delete-replaced StandardAppVersion m-version",
    ]);
    assert.equal(
      ofTheSystem(lines).length,
      about(lines, "web", "add", "ws", "ws-secrets", "m").length,
    );
  });

  it("leaves the rest as it was when a version does not start, and goes on from there in the next", async () => {
    const config = {
      ...stack.setting("ws", { gateway: {} }),
      ...stack.setting("web", { demoTokens: false }),
      ...stack.setting("m", { instances: 2 }),
    };
    stack.edit("apps/ws/main.ts", "const endMs = 2_000", "const endMs = 2_001");
    stack.refuse("create FlexibleAppVersion ws");
    const failed = await stack.up(config);
    assert.match(failed.problems.join(), /"ws-version": the cloud is busy/);
    assert.deepEqual(failed.lines, [
      "create-replacement BucketObject ws-source-object",
      "failed create-replacement FlexibleAppVersion ws-version",
    ]);

    stack.refuse();
    const { problems, lines, calls } = await stack.up({
      ...config,
      // And a machine, which has its name and so goes before it comes, with its disk kept.
      ...stack.setting("nats", { memoryMb: 200 }),
      // And the quick way back to the first version of add: one request.
      ...stack.setting("add", { trafficVersion: addVersion }),
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(about(lines, "ws"), [
      "create-replacement FlexibleAppVersion ws-version",
      "create-replacement EngineSplitTraffic ws-traffic",
      "delete-replaced EngineSplitTraffic ws-traffic",
      "delete-replaced FlexibleAppVersion ws-version",
      "delete-replaced BucketObject ws-source-object",
    ]);
    assert.deepEqual(
      calls.filter((call) => call.endsWith(" ws")),
      [
        "create FlexibleAppVersion ws",
        "update EngineSplitTraffic ws",
        "delete FlexibleAppVersion ws",
      ],
    );
    assert.deepEqual(
      lines.filter((line) => line.endsWith(" nats-0")),
      ["delete-replaced Instance nats-0", "create-replacement Instance nats-0"],
    );
    assert.deepEqual(about(lines, "add"), [
      "create-replacement EngineSplitTraffic add-traffic",
      "delete-replaced EngineSplitTraffic add-traffic",
    ]);
    assert.equal(ofTheSystem(lines).length, about(lines, "ws", "nats", "add").length);
  });

  it("ends what a removed service had in reverse order, up to the version that App Engine keeps", async () => {
    const { problems, lines } = await stack.up(withoutM);
    // docs/first-deploy.md says what to do before: the service is deleted by hand.
    assert.match(problems.join(), /Cannot delete a version with a non-zero traffic allocation/);
    assert.deepEqual(about(lines, "m", "routes"), [
      "update ApplicationUrlDispatchRules routes-rules",
      "delete EngineSplitTraffic m-traffic",
      "delete ServiceNetworkSettings m-ingress",
      "delete Subscription m-<old>-0",
      "delete Subscription m-<old>-1",
      "delete IAMMember m-dead-subscriber",
      "delete IAMMember m-push-signer",
      "delete Account m-push",
      "delete TopicIAMMember m-dead-publisher",
      "delete ServiceIdentity m-pubsub-agent",
      "delete Topic m-changes-dead",
      "failed delete StandardAppVersion m-version",
    ]);
  });
});

describe("the lines of an update", () => {
  const type = "gcp:pubsub/topic:Topic";
  const done = (op: Operation["op"], name: string): Operation => {
    return { op, urn: name, type, name, failed: false };
  };
  /** `a` needs nothing, `b` needs `a`, and `c` needs `b`. */
  const state: State = {
    resources: ["a", "b", "c"].map((name, index, all) => ({
      ...{ urn: name, type, name, custom: true, inputs: {}, outputs: {}, propertyDependencies: {} },
      dependencies: index === 0 ? [] : [all[index - 1] ?? ""],
      ...{ protect: false, retainOnDelete: false, ignoreChanges: [], aliases: [] },
    })),
  };
  const states = { before: state, after: state };

  it("are the same whatever came first of what does not need each other", () => {
    const free: State = {
      resources: state.resources.map((resource) => ({ ...resource, dependencies: [] })),
    };
    for (const names of [
      ["b", "a"],
      ["a", "b"],
    ]) {
      assert.deepEqual(
        operationLines(
          names.map((name) => done("create", name)),
          { before: free, after: free },
        ),
        ["create Topic a", "create Topic b"],
      );
    }
  });

  it("are not to be had of an update that makes something before what it needs, or ends it after", () => {
    const inOrder = [
      ...["a", "b", "c"].map((name) => done("create", name)),
      ...["c", "b", "a"].map((name) => done("delete", name)),
    ];
    assert.equal(operationLines(inOrder, states).length, 6);
    assert.throws(
      () => operationLines([done("create", "c"), done("create", "a")], states),
      /"create Topic c" came before "create Topic a"/,
    );
    assert.throws(
      () => operationLines([done("delete", "a"), done("delete", "c")], states),
      /"delete Topic a" came before "delete Topic c"/,
    );
  });
});
