import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { up } from "../../local/engine/engine.ts";
import { emptyState, type State } from "../../local/engine/types.ts";
import { repository, writeFiles } from "../support/checkout.ts";

const fixture = join(import.meta.dirname, "fixtures/redeploy");

interface Deployment {
  readonly ok: boolean;
  readonly problems: readonly string[];
  /** Version id of each service. */
  readonly versions: Readonly<Record<string, unknown>>;
  /** `replace web-traffic`, `create … failed`, in the order in which they ended. */
  readonly steps: readonly string[];
  /** What the cloud was asked for, in order. */
  readonly calls: readonly string[];
}

/** Deploys the fixture's services again and again to one cloud, as a pipeline does. */
class Pipeline implements AsyncDisposable {
  readonly #root = mkdtempSync(join(tmpdir(), "appengine-realtime-test-"));
  readonly #provider = spawn(process.execPath, [join(fixture, "provider.ts"), this.#root], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  readonly #ended = new Promise<void>((resolve) => {
    this.#provider.once("close", () => {
      resolve();
    });
  });
  readonly #port = new Promise<number>((resolve, reject) => {
    createInterface({ input: this.#provider.stdout }).once("line", (line) => {
      resolve(Number(line));
    });
    void this.#ended.then(() => {
      reject(new Error("the provider ended"));
    });
  });
  #state: State = emptyState;

  constructor() {
    symlinkSync(join(repository, "node_modules"), join(this.#root, "node_modules"), "dir");
    this.write("package.json", '{"type":"module"}');
    this.refuse();
  }

  write(path: string, text: string): void {
    writeFiles(this.#root, { [path]: text });
  }

  /** Patterns of the calls that the cloud refuses from now on. */
  refuse(...calls: readonly string[]): void {
    this.write("refusals", calls.join("\n"));
  }

  async deploy(config: Readonly<Record<string, string>> = {}): Promise<Deployment> {
    const calls = join(this.#root, "calls");
    writeFileSync(calls, "");
    const steps: string[] = [];
    const { ok, state, problems, outputs } = await up(
      {
        root: fixture,
        stack: "test",
        providerPort: await this.#port,
        config: { ...config, "redeploy:root": this.#root },
        onStep: ({ kind, name, phase }) => {
          if (kind === "same" || phase === "start") return;
          steps.push(`${kind} ${name}${phase === "failed" ? " failed" : ""}`);
        },
      },
      this.#state,
    );
    this.#state = state;
    return {
      ok,
      problems,
      steps,
      versions: (outputs["versions"] ?? {}) as Record<string, unknown>,
      calls: readFileSync(calls, "utf8").split("\n").slice(0, -1),
    };
  }

  /** The versions that, by the state, have the traffic. */
  trafficOf(service: string): string[] {
    const split = this.#state.resources.find(({ name }) => name === `${service}-traffic`);
    return Object.keys((split?.inputs["split"] as { allocations: object }).allocations);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#provider.stdin.end();
    this.#provider.kill("SIGKILL");
    await this.#ended;
    rmSync(this.#root, { recursive: true, force: true });
  }
}

// What the whole stack does for each kind of change is in test/local/engine/upgrades.test.ts.
// One stack that is changed step by step; each test starts from where the one before left it.
describe("deploying a service again", { concurrency: false }, () => {
  let pipeline: Pipeline;
  let first: Deployment;
  let last: Deployment;

  before(async () => {
    pipeline = new Pipeline();
    pipeline.write("apps/web/main.ts", "console.log('web 1');");
    pipeline.write("apps/m/main.ts", "console.log('m 1');");
    first = last = await pipeline.deploy();
    assert.deepEqual(first.problems, []);
  });
  after(async () => {
    await pipeline[Symbol.asyncDispose]();
  });

  it("moves the traffic in the next run when the cloud refused to", async () => {
    pipeline.write("apps/web/main.ts", "console.log('web 2');");
    pipeline.refuse("update EngineSplitTraffic default");
    const failed = await pipeline.deploy();
    assert.equal(failed.ok, false);
    assert.match(failed.problems.join("\n"), /the cloud is busy/);
    // A failed update would be taken for done by the pulumi CLI's engine; a failed replacement is not.
    assert.deepEqual(failed.steps, [
      "replace web-source-object",
      "replace web-version",
      "replace web-traffic failed",
    ]);
    assert.deepEqual(pipeline.trafficOf("web"), [first.versions["web"]]);

    pipeline.refuse();
    last = await pipeline.deploy();
    assert.deepEqual(last.problems, []);
    assert.deepEqual(last.calls, ["update EngineSplitTraffic default"]);
    assert.notEqual(last.versions["web"], first.versions["web"]);
    assert.deepEqual(pipeline.trafficOf("web"), [last.versions["web"]]);
  });

  it("goes back to the version that was kept when the earlier code is deployed again", async () => {
    pipeline.write("apps/web/main.ts", "console.log('web 1');");
    const back = await pipeline.deploy();
    assert.deepEqual(back.problems, []);
    assert.equal(back.versions["web"], first.versions["web"]);
    // Nothing is created and nothing deleted: archive and version are still there.
    assert.deepEqual(back.calls, [
      "update BucketObject default",
      "update StandardAppVersion default",
      "update EngineSplitTraffic default",
    ]);
    assert.deepEqual(pipeline.trafficOf("web"), [first.versions["web"]]);
  });

  /** Calls with "old" and "new" for the versions of m that one deployment replaces and makes. */
  const ofM = (calls: readonly string[], before: Deployment, now: Deployment): string[] =>
    calls.map((call) =>
      call.replace(String(before.versions["m"]), "old").replace(String(now.versions["m"]), "new"),
    );
  const inOrder = [
    "create StandardAppVersion m",
    "create Subscription m-new-0",
    "create Subscription m-new-1",
    "update EngineSplitTraffic m",
    "delete Subscription m-old-0",
    "delete Subscription m-old-1",
    "delete StandardAppVersion m",
  ];
  /** Calls of which nothing says which comes first, in the order of their names. */
  const settled = (calls: readonly string[]): string[] => {
    const kind = (call: string): string => call.split(" ").slice(0, 2).join(" ");
    return calls.toSorted((a, b) => (kind(a) === kind(b) ? a.localeCompare(b) : 0));
  };

  it("subscribes for a replicated service before it moves the traffic, and then ends the old version", async () => {
    const before = await pipeline.deploy();
    pipeline.write("apps/m/main.ts", "console.log('m 2');");
    last = await pipeline.deploy();
    assert.deepEqual(last.problems, []);
    assert.deepEqual(settled(ofM(last.calls, before, last)), ["create BucketObject m", ...inOrder]);
    assert.deepEqual(pipeline.trafficOf("m"), [last.versions["m"]]);
  });

  it("moves no traffic to it before every instance has its subscription, and does so in the next run", async () => {
    const before = last;
    pipeline.write("apps/m/main.ts", "console.log('m 3');");
    pipeline.refuse("create Subscription m-.*-1");
    const failed = await pipeline.deploy();
    assert.equal(failed.ok, false);
    assert(!failed.calls.some((call) => call.includes("EngineSplitTraffic")), failed.calls.join());
    assert(!failed.calls.some((call) => call.startsWith("delete")), failed.calls.join());
    assert.deepEqual(pipeline.trafficOf("m"), [before.versions["m"]]);

    pipeline.refuse();
    last = await pipeline.deploy();
    assert.deepEqual(last.problems, []);
    assert.deepEqual(
      settled(ofM(last.calls, before, last)).filter((call) => !call.endsWith("m-new-0")),
      inOrder.slice(2),
    );
    assert.deepEqual(pipeline.trafficOf("m"), [last.versions["m"]]);
  });

  it("goes back to an earlier version of it by deploying its code, which is another replacement", async () => {
    const before = last;
    pipeline.write("apps/m/main.ts", "console.log('m 2');");
    last = await pipeline.deploy();
    assert.deepEqual(last.problems, []);
    assert.deepEqual(settled(ofM(last.calls, before, last)), ["update BucketObject m", ...inOrder]);
  });

  // docs/rollback.md says so.
  it("cannot end cleanly when it goes back from half a deployment of it, until the next change", async () => {
    const serving = last;
    pipeline.write("apps/m/main.ts", "console.log('m 4');");
    pipeline.refuse("create Subscription m-.*-1");
    assert.equal((await pipeline.deploy()).ok, false);
    pipeline.refuse();
    pipeline.write("apps/m/main.ts", "console.log('m 2');");
    for (let run = 1; run <= 2; run++) {
      const back = await pipeline.deploy();
      assert.equal(back.ok, false);
      assert.match(
        back.problems.join(),
        /Cannot delete a version with a non-zero traffic allocation/,
      );
      assert.deepEqual(pipeline.trafficOf("m"), [serving.versions["m"]]);
    }
    pipeline.write("apps/m/main.ts", "console.log('m 5');");
    last = await pipeline.deploy();
    assert.deepEqual(last.problems, []);
    assert.deepEqual((await pipeline.deploy()).calls, []);
  });
});
