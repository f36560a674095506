import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ESLint } from "eslint";

const root = join(import.meta.dirname, "..");
const eslint = new ESLint({ cwd: root });

/** The import rule's complaints about a line in an existing file of the project. */
async function complaints(file: string, line: string): Promise<string[]> {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: join(root, file) });
  assert.ok(result !== undefined, file);
  return result.messages
    .filter((message) => message.ruleId === "import-x/no-restricted-paths")
    .map((message) => message.message);
}

describe("who may import whom (docs/structure.md)", () => {
  const refused: readonly (readonly [from: string, to: string])[] = [
    ["apps/add/main.ts", "../ws/main.ts"],
    ["apps/add/main.ts", "../../config.ts"],
    ["apps/add/main.ts", "../../components/arguments.ts"],
    ["apps/add/main.ts", "../../local/tools/nats-server.ts"],
    ["apps/lib/log.ts", "../add/main.ts"],
    ["components/arguments.ts", "../config.ts"],
    ["components/arguments.ts", "../apps/lib/log.ts"],
    ["components/arguments.ts", "../local/tools/nats-server.ts"],
    ["config.ts", "./index.ts"],
    ["index.ts", "./apps/lib/log.ts"],
    ["index.ts", "./local/tools/nats-server.ts"],
    ["local/tools/provision.ts", "../../components/arguments.ts"],
    ["local/tools/provision.ts", "../../apps/lib/log.ts"],
    ["local/tools/provision.ts", "../../index.ts"],
    ["local/tools/provision.ts", "../../test/support/eventually.ts"],
    ["scripts/nats-keys.ts", "../test/support/eventually.ts"],
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
    ["index.ts", "./components/arguments.ts"],
    ["local/tools/provision.ts", "./nats-server.ts"],
    ["test/lint.test.ts", "../components/arguments.ts"],
  ];
  for (const [from, to] of allowed) {
    it(`${from} may import ${to}`, async () => {
      assert.deepEqual(await complaints(from, `import ${JSON.stringify(to)};`), []);
    });
  }
});
