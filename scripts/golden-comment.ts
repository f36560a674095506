/**
 * `node scripts/golden-comment.ts --base <folder> --head <folder>`: prints, as a comment for a pull request,
 * how the golden files of two commits differ. The workflow that previews pull requests runs it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { decodeGolden, difference, type Golden } from "./golden-comment/difference.ts";
import { comment } from "./golden-comment/markdown.ts";

/** The golden files of a folder: name of the stack → what it declares. */
function goldenFiles(folder: string): Map<string, Golden> {
  return new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith(".json"))
      .map((file) => {
        const path = join(folder, file);
        return [file.slice(0, -".json".length), decodeGolden(readFileSync(path, "utf8"), path)];
      }),
  );
}

try {
  const { values } = parseArgs({
    options: { base: { type: "string" }, head: { type: "string" } },
  });
  if (values.base === undefined || values.head === undefined) {
    throw new Error("usage: node scripts/golden-comment.ts --base <folder> --head <folder>");
  }
  const [base, head] = [goldenFiles(values.base), goldenFiles(values.head)];
  const stacks = [...new Set([...base.keys(), ...head.keys()])];
  process.stdout.write(
    comment(
      Object.fromEntries(
        stacks.map((stack) => [stack, difference(base.get(stack), head.get(stack))]),
      ),
    ),
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
