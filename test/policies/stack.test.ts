import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type RecordedGraph, type RecordedResource, recordGraph } from "../../local/record.ts";
import { evaluate } from "../../policies/evaluate.ts";
import { rules } from "../../policies/rules.ts";
import { ruleResources } from "../../scripts/policies/recorded.ts";
import { type Analyzer, type Diagnostic, startPack } from "./analyzer.ts";
import { mutants, writeMutated } from "./mutants.ts";

/** As in a preview, where much is not known. That the stacks as they are break no rule: test/golden/graph.test.ts. */
let mutated: RecordedGraph;
let pack: Analyzer;
const folder = mkdtempSync(join(tmpdir(), "appengine-realtime-mutants-"));

before(async () => {
  writeMutated(folder);
  [mutated, pack] = await Promise.all([
    recordGraph({ root: folder, stack: "prod", preview: true }),
    startPack(),
  ]);
});

after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await pack[Symbol.asyncDispose]();
});

const bySize = (a: string, b: string): number => (a < b ? -1 : 1);

/** What the pack says of all resources, one by one and together. */
async function answers(resources: readonly RecordedResource[]): Promise<Diagnostic[]> {
  const found: Diagnostic[] = [];
  for (const resource of resources) found.push(...(await pack.analyze(resource)));
  return [...found, ...(await pack.analyzeStack(resources))];
}

describe("the rules", () => {
  it("see the mistake that was made for each of them in prod, and no other", () => {
    assert.deepEqual(
      mutants.map(({ rule }) => rule).sort(bySize),
      rules.map(({ name }) => name).sort(bySize),
    );
    assert.deepEqual(mutated.problems, []);
    assert(JSON.stringify(mutated.resources).includes("[unknown]"));
    const found = evaluate(ruleResources(mutated.resources)).map(
      ({ rule, urn, problem }) =>
        `${rule} ${(urn.split("::").at(-1) ?? "").replace(/v[0-9a-f]{10}/, "<version>")} ${problem}`,
    );
    const expected = mutants.flatMap(({ rule, broken, problem }) =>
      broken.map((name) => `${rule} ${name} ${problem}`),
    );
    assert.deepEqual(found.sort(bySize), expected.sort(bySize));
  });
});

describe("the pack, as the pulumi CLI runs it", () => {
  it("starts by itself and names its rules, all of which stop a deployment", () => {
    const { info } = pack;
    assert.equal(info.getName(), "appengine-realtime");
    assert.match(info.getVersion(), /^\d+\.\d+\.\d+$/);
    const mandatory = 1;
    assert.deepEqual(
      info.getPoliciesList().map((policy) => [policy.getName(), policy.getEnforcementlevel()]),
      rules.map(({ name }) => [name, mandatory]),
    );
  });

  it("says what the rules say and no more, and so that it stops the deployment", async () => {
    // Not even that a rule cannot be asked in a preview, which is the SDK's answer to a rule that reads what is
    // not known.
    const expected = evaluate(ruleResources(mutated.resources)).map(({ rule, urn, problem }) => {
      const { description = "", remedy = "" } = rules.find(({ name }) => name === rule) ?? {};
      return { rule, urn, message: `${description}\n${problem}.\n${remedy}`, mandatory: true };
    });
    const key = ({ rule, urn }: Diagnostic): string => `${rule} ${urn}`;
    const sorted = (list: Diagnostic[]) => list.sort((a, b) => bySize(key(a), key(b)));
    assert(expected.length > mutants.length);
    assert.deepEqual(sorted(await answers(mutated.resources)), sorted(expected));
  });

  it("sees one broken input although another one is not known yet", async () => {
    const firewall = mutated.resources.find(({ name }) => name === "nats-clients") ?? assert.fail();
    const open = {
      ...firewall,
      inputs: {
        ...firewall.inputs,
        network: "[unknown]",
        sourceRanges: ["[unknown]", "0.0.0.0/0"],
      },
    };
    const [diagnostic, ...others] = await pack.analyze(open);
    assert.deepEqual(others, []);
    assert.equal(diagnostic?.rule, "no-open-range");
    assert.equal(diagnostic.mandatory, true);
  });

  it("allows what its configuration allows, for as long as it is given", async () => {
    const about = async (): Promise<string[]> =>
      (await pack.analyzeStack(mutated.resources)).map(({ rule }) => rule);
    const before = await about();
    assert(before.includes("protected-data") && before.includes("one-region"));
    await pack.configure({
      "protected-data": {
        mayLose: mutants.find(({ rule }) => rule === "protected-data")?.broken ?? [],
      },
      "one-region": { otherRegions: ["us-east1"] },
    });
    const allowed = await about();
    assert(!allowed.includes("protected-data") && !allowed.includes("one-region"));
    assert(allowed.includes("explicit-ingress"));
    await pack.configure({});
    assert.deepEqual(await about(), before);
  });
});
