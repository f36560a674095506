import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ESLint } from "eslint";

const root = join(import.meta.dirname, "..");
/** The project's rules as they are set, but only those about imports: they need no types, which take long. */
const eslint = only(
  (ruleId) =>
    ruleId === "no-restricted-imports" ||
    (ruleId.startsWith("import-x/no-") && ruleId !== "import-x/no-cycle"),
);
/** It reads all that a file imports, which the others do without. */
const cycles = only((ruleId) => ruleId === "import-x/no-cycle");

function only(wanted: (ruleId: string) => boolean): ESLint {
  return new ESLint({
    cwd: root,
    ruleFilter: ({ ruleId }) => wanted(ruleId),
    overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
  });
}

/** A rule's complaints about a line in an existing file of the project. */
async function complaints(
  file: string,
  line: string,
  rule = "import-x/no-restricted-paths",
  linter = eslint,
): Promise<string[]> {
  const [result] = await linter.lintText(`${line}\n`, { filePath: join(root, file) });
  assert.ok(result !== undefined, file);
  return result.messages
    .filter((message) => message.ruleId === rule)
    .map((message) => message.message);
}

describe("who may import whom (docs/structure.md)", () => {
  const refused: readonly (readonly [from: string, to: string])[] = [
    ["apps/add/main.ts", "../ws/main.ts"],
    ["apps/add/main.ts", "../../config.ts"],
    ["apps/add/main.ts", "../../components/lib/arguments.ts"],
    ["apps/add/main.ts", "../../local/tools/nats-server.ts"],
    ["apps/lib/log.ts", "../add/main.ts"],
    ["components/dispatch-rules.ts", "../config.ts"],
    ["components/dispatch-rules.ts", "../apps/lib/log.ts"],
    ["components/dispatch-rules.ts", "../local/tools/nats-server.ts"],
    ["components/lib/arguments.ts", "../../config.ts"],
    ["config.ts", "./index.ts"],
    ["index.ts", "./apps/lib/log.ts"],
    ["index.ts", "./local/tools/nats-server.ts"],
    ["index.ts", "./policies/rules.ts"],
    ["policies/rules.ts", "../components/lib/labels.ts"],
    ["policies/rules.ts", "../local/record.ts"],
    ["policies/rules.ts", "../config.ts"],
    ["local/tools/provision.ts", "../../components/lib/arguments.ts"],
    ["local/tools/provision.ts", "../../apps/lib/log.ts"],
    ["local/tools/provision.ts", "../../index.ts"],
    ["local/tools/provision.ts", "../../test/support/eventually.ts"],
    ["scripts/nats-keys.ts", "../test/support/eventually.ts"],
    ["local/engine/engine.ts", "../provider/provider.ts"],
    ["local/provider/provider.ts", "../engine/engine.ts"],
    ["local/provider/provider.ts", "../cloud/cloud.ts"],
    ["local/cloud/cloud.ts", "../provider/provider.ts"],
    ["local/process/child.ts", "../cloud/cloud.ts"],
    ["local/wire/urn.ts", "../engine/engine.ts"],
  ];
  for (const [from, to] of refused) {
    it(`${from} must not import ${to}`, async () => {
      assert.equal((await complaints(from, `import ${JSON.stringify(to)};`)).length, 1);
    });
  }

  const allowed: readonly (readonly [from: string, to: string])[] = [
    ["apps/add/main.ts", "../lib/log.ts"],
    ["apps/add/main.ts", "express"],
    ["index.ts", "./config.ts"],
    ["index.ts", "./components/dispatch-rules.ts"],
    ["components/dispatch-rules.ts", "./lib/arguments.ts"],
    ["local/tools/provision.ts", "./nats-server.ts"],
    ["policies/rules.ts", "./lib/rule.ts"],
    ["scripts/policies.ts", "../policies/rules.ts"],
    ["test/lint.test.ts", "../components/lib/arguments.ts"],
  ];
  for (const [from, to] of allowed) {
    it(`${from} may import ${to}`, async () => {
      assert.deepEqual(await complaints(from, `import ${JSON.stringify(to)};`), []);
    });
  }
});

describe("modules that import each other", () => {
  it("are refused", async () => {
    // The other imports this one.
    const line = 'import "./nats-server.ts";';
    const file = "local/tools/cache-folder.ts";
    const found = await complaints(file, line, "import-x/no-cycle", cycles);
    assert.equal(found.length, 1);
  });
});

describe("who may import which package (docs/structure.md)", () => {
  const declared = "import-x/no-extraneous-dependencies";
  const onlyPulumi = "no-restricted-imports";
  const refused: readonly (readonly [from: string, what: string, rule: string])[] = [
    ["local/tools/provision.ts", "protobufjs", declared],
    ["test/lint.test.ts", "protobufjs", declared],
    ["apps/add/main.ts", "yaml", declared],
    ["config.ts", "yaml", declared],
    ["components/dispatch-rules.ts", "zod", onlyPulumi],
    ["components/dispatch-rules.ts", "esbuild", onlyPulumi],
    ["components/lib/nkey.ts", "nats", onlyPulumi],
    ["policies/rules.ts", "@pulumi/pulumi", onlyPulumi],
    ["policies/rules.ts", "node:fs", onlyPulumi],
  ];
  for (const [from, what, rule] of refused) {
    it(`${from} must not import ${what}`, async () => {
      assert.equal((await complaints(from, `import "${what}";`, rule)).length, 1);
    });
  }

  const allowed: readonly (readonly [from: string, what: string])[] = [
    ["local/tools/provision.ts", "yaml"],
    ["local/tools/provision.ts", "google-protobuf/google/protobuf/struct_pb.js"],
    ["test/lint.test.ts", "eslint"],
    ["apps/add/main.ts", "express"],
    ["components/dispatch-rules.ts", "@pulumi/gcp/appengine/index.js"],
    ["components/dispatch-rules.ts", "node:path"],
    ["components/lib/bundle.ts", "esbuild"],
    ["policies/rules.ts", "zod"],
    ["policies/pack.ts", "@pulumi/policy"],
  ];
  for (const [from, what] of allowed) {
    it(`${from} may import ${what}`, async () => {
      for (const rule of [declared, onlyPulumi]) {
        assert.deepEqual(await complaints(from, `import "${what}";`, rule), []);
      }
    });
  }
});

describe("components/", () => {
  it("has one component in each file, which is named after it", () => {
    const files = readdirSync(join(root, "components")).filter((name) => name.endsWith(".ts"));
    assert(files.length > 0);
    for (const file of files) {
      const text = readFileSync(join(root, "components", file), "utf8");
      const classes = [...text.matchAll(/^export (?:abstract )?class (\w+) /gm)];
      const names = classes.map(([, name = ""]) => name.replace(/(?<=[a-z])[A-Z]/g, "-$&"));
      assert.deepEqual(
        names.map((name) => `${name.toLowerCase()}.ts`),
        [file],
      );
    }
  });
});
