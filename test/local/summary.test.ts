import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { noSteps, type ResourceState, type State } from "../../local/engine/types.ts";
import { attaching, changeLine, deployed, urlTable } from "../../local/summary.ts";
import { repository } from "../support/checkout.ts";

function state(...declared: (readonly [type: string, inputs: ResourceState["inputs"]])[]): State {
  return {
    resources: declared.map(([type, inputs], index) => ({
      ...{ urn: `urn:${index}`, type, name: `n${index}`, custom: true, inputs, outputs: {} },
      ...{ dependencies: [], propertyDependencies: {}, protect: false, retainOnDelete: false },
      ...{ ignoreChanges: [], aliases: [] },
    })),
  };
}

const split = (service: string, ...versions: string[]) =>
  [
    "gcp:appengine/engineSplitTraffic:EngineSplitTraffic",
    { service, split: { allocations: Object.fromEntries(versions.map((id) => [id, "1"])) } },
  ] as const;

const system = state(
  split("ws", "w1"),
  split("add", "a1"),
  split("default", "d1"),
  ["gcp:appengine/flexibleAppVersion:FlexibleAppVersion", { service: "ws" }],
  [
    "gcp:appengine/applicationUrlDispatchRules:ApplicationUrlDispatchRules",
    { dispatchRules: [{ domain: "*", path: "/api/add*", service: "add" }] },
  ],
);

describe("what npm start prints of a deployment", () => {
  it("names the versions with traffic, the default service first", () => {
    assert.deepEqual(deployed(system), [
      { service: "default", version: "d1", websockets: false },
      { service: "add", version: "a1", websockets: false },
      { service: "ws", version: "w1", websockets: true },
    ]);
    assert.equal(deployed(state(split("add", "a1", "a2")))[0]?.version, "a1 + a2");
  });

  it("is a table of what can be opened, also of a service that no rule leads to", () => {
    assert.deepEqual(
      urlTable(system, 8080)
        .split("\n")
        .map((line) => line.trim().split(/ {2,}/)),
      [
        ["URL", "service", "version", "own host", "websockets"],
        [
          ...["http://localhost:8080/", "default", "d1"],
          ...["http://default-dot-appengine.localhost:8080/", "no"],
        ],
        [
          ...["http://localhost:8080/api/add*", "add", "a1"],
          ...["http://add-dot-appengine.localhost:8080/", "no"],
        ],
        ["ws", "w1", "http://ws-dot-appengine.localhost:8080/", "yes"],
      ],
    );
  });

  it("names the hosts of instances, where a version with traffic has them", () => {
    const version = (service: string, versionId: string, more: object) =>
      [
        "gcp:appengine/standardAppVersion:StandardAppVersion",
        { service, versionId, ...more },
      ] as const;
    const replicas = (instances: number) => ({ manualScaling: { instances } });
    const lines = urlTable(
      state(
        ...[split("default", "d1"), version("default", "d1", { automaticScaling: {} })],
        ...[split("m", "m2"), version("m", "m1", replicas(5)), version("m", "m2", replicas(3))],
        ...[split("one", "o1"), version("one", "o1", replicas(1))],
      ),
      8080,
    ).split("\n");
    assert.deepEqual(lines.slice(-2), [
      "  each instance of m: http://<i>-dot-m2-dot-m-dot-appengine.localhost:8080/  i = 0–2",
      "  each instance of one: http://<i>-dot-o1-dot-one-dot-appengine.localhost:8080/  i = 0",
    ]);
    assert.equal(lines.filter((line) => line.includes("<i>")).length, 2);
  });

  it("is one line on a change: versions that moved, else the numbers, else that there is none", () => {
    const line = (after: State, counts: Partial<typeof noSteps>): string =>
      changeLine(system, {
        ...{ ok: true, state: after, outputs: {}, problems: [] },
        counts: { ...noSteps, ...counts },
      });
    const moved = state(split("default", "d1"), split("add", "a2"), split("m", "m1"));
    assert.equal(line(moved, { create: 3, update: 1 }), "add a1 → a2, m (new) → m1");
    assert.equal(line(system, { same: 4, update: 2, delete: 1 }), "2 update, 1 delete");
    assert.equal(line(system, { same: 5 }), "nothing to change");
  });
});

describe("npm run local-provider", () => {
  it("prints what docs/pulumi-cli.md shows", () => {
    const page = readFileSync(join(repository, "docs", "pulumi-cli.md"), "utf8");
    const keys: Record<string, string> = {};
    for (const [, name = "", key = ""] of page.matchAll(
      /--config natsKeys\.(\w+)=(U[A-Z2-7]{55})/g,
    )) {
      keys[name] = key;
    }
    assert.deepEqual(Object.keys(keys), ["add", "ws", "m"]);
    const shown = page.replaceAll(/^ {3}/gm, "");
    assert.ok(shown.includes(`$ npm run local-provider\n${attaching(40_559, 8080, keys)}\n`));
    assert.ok(shown.includes("export PULUMI_DEBUG_PROVIDERS=gcp:40559\n"));
  });
});
