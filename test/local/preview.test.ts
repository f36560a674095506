import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { repository, temporaryCheckout } from "../support/checkout.ts";

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function preview(...args: string[]): Promise<Ran> {
  return previewIn(repository, ...args);
}

function previewIn(root: string, ...args: string[]): Promise<Ran> {
  const script = join(root, "local", "preview.ts");
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { cwd: root }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

describe("npm run preview", () => {
  it("prints the tree of the stack dev with its counts", async () => {
    const { code, stdout, stderr } = await preview("--stack", "dev");
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^Previewing update \(dev\):/);
    assert.match(stdout, /\+ {2}pulumi:pulumi:Stack +appengine-realtime-dev +create/);
    assert.match(stdout, /├─ gcp:appengine:Application +app-application +create/);
    assert.match(stdout, /Resources:\n +\+ \d+ to create$/m);
  });

  it("prints one JSON document on request, and previews prod without a refusal", async () => {
    const { code, stdout, stderr } = await preview("--stack", "prod", "--json");
    assert.equal(code, 0, stdout + stderr);
    const document = JSON.parse(stdout) as {
      readonly stack: string;
      readonly ok: boolean;
      readonly counts: Record<string, number>;
      readonly steps: readonly { readonly kind: string; readonly type: string }[];
      readonly problems: readonly string[];
    };
    assert.equal(document.stack, "prod");
    assert.equal(document.ok, true);
    assert.deepEqual(document.problems, []);
    assert.equal(document.counts["create"], document.steps.length);
    const machines = document.steps.filter(({ type }) => type === "gcp:compute/instance:Instance");
    assert.equal(machines.length, 3);
  });

  it("prints every problem and fails, in the tree and in the document", async (t) => {
    const program = `
import * as pulumi from "@pulumi/pulumi";
class Thing extends pulumi.CustomResource {}
new Thing("gcp:pubsub/topic:Topic", "short", { name: "m" });
new Thing("gcp:redis/instance:Instance", "redis", {});
new Thing("gcp:pubsub/subscription:Subscription", "reader", { name: "reader", topic: "gone" });
`;
    const folder = temporaryCheckout(t, {
      "Pulumi.yaml":
        "name: broken\nmain: index.ts\nruntime: { name: nodejs, options: { typescript: false } }",
      "Pulumi.dev.yaml": "config: { gcp:project: demo-project, gcp:region: us-central1 }",
      "index.ts": program,
    });
    cpSync(join(repository, "local"), join(folder, "local"), { recursive: true });
    const problems = [
      /gcp:pubsub\/topic:Topic "short": name: "m" is not a topic name/,
      /"redis": the local provider does not know the resource type gcp:redis\/instance:Instance/,
      /"reader": topic: Resource not found \(resource=gone\)/,
    ];
    const tree = await previewIn(folder, "--stack", "dev");
    assert.equal(tree.code, 1);
    assert.match(tree.stdout, /3 problems:/);
    for (const problem of problems) assert.match(tree.stdout, problem);
    const json = await previewIn(folder, "--stack", "dev", "--json");
    assert.equal(json.code, 1);
    const document = JSON.parse(json.stdout) as { ok: boolean; problems: readonly string[] };
    assert.equal(document.ok, false);
    assert.equal(document.problems.length, 3);
  });

  it("says what is allowed when its arguments are wrong", async () => {
    for (const args of [[], ["--stack", "nowhere"], ["--stack", "dev", "--colour"]]) {
      const { code, stdout, stderr } = await preview(...args);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /--stack {2}one of: dev, local, prod/);
    }
  });
});
