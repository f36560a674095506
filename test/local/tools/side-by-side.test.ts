import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, it, type TestContext } from "node:test";
import { repository, temporaryFolder } from "../../support/checkout.ts";

/** What it prints and how it ends, in a folder whose package.json has these scripts. */
async function run(
  t: TestContext,
  scripts: Readonly<Record<string, string>>,
  ...rows: string[]
): Promise<{ lines: string[]; code: number | null }> {
  const folder = temporaryFolder(t, { "package.json": JSON.stringify({ scripts }) });
  const program = join(repository, "local/tools/side-by-side.ts");
  const child = spawn(process.execPath, [program, ...rows], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { lines: output.trim().split("\n"), code: child.exitCode };
}

const node = (code: string): string => `node -e "${code}"`;

describe("what runs side by side", () => {
  it("runs at the same time, one row after another where there is one", async (t) => {
    // The first of each row waits for what the other writes: alone, neither would end.
    const meet = (own: string, other: string): string =>
      node(
        `const fs = require('fs'); fs.writeFileSync('${own}', ''); ` +
          `const look = () => fs.existsSync('${other}') ? console.log('${own} met') : setTimeout(look, 10); look()`,
      );
    const scripts = { a: meet("a", "b"), b: meet("b", "a"), c: node("console.log('c')") };
    const { lines, code } = await run(t, scripts, "a,c", "b");
    assert.equal(code, 0);
    assert.deepEqual([...lines].sort(), ["a met", "a: well", "b met", "b: well", "c", "c: well"]);
    assert.ok(lines.indexOf("a: well") < lines.indexOf("c"));
    assert.equal(lines.indexOf("b: well"), lines.indexOf("b met") + 1, "its lines stay together");
  });

  it("fails when one of them fails, which ends its row and no other", async (t) => {
    const scripts = {
      bad: node("console.log('no'); process.exit(3)"),
      never: node("console.log('never')"),
      good: node("console.log('good')"),
    };
    const { lines, code } = await run(t, scripts, "bad,never", "good,good");
    assert.equal(code, 1);
    assert.deepEqual(
      lines.filter((line) => !line.startsWith("good")),
      ["no", "bad: failed"],
    );
    assert.equal(lines.filter((line) => line === "good: well").length, 2);
  });
});
