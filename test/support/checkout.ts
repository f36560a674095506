import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

/** The repository that is being tested. */
export const repository = join(import.meta.dirname, "..", "..");

/** Makes a temporary folder with `files` (path → content) in it, removed when the test ends. */
export function temporaryFolder(
  t: TestContext,
  files: Readonly<Record<string, string>> = {},
): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "appengine-realtime-test-")));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  writeFiles(folder, files);
  return folder;
}

/** The same with the repository's packages in its `node_modules`; its own code is modules too. */
export function temporaryCheckout(
  t: TestContext,
  files: Readonly<Record<string, string>> = {},
  below = ".",
): string {
  const folder = join(temporaryFolder(t), below);
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"), "dir");
  writeFiles(folder, { "package.json": '{"type":"module"}', ...files });
  return folder;
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}
