/** Where shell parts of pipelines run in tests: a folder, a PATH with little on it, and commands that record. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { temporaryFolder, writeFiles } from "../support/checkout.ts";
import { StubCli, type StubCall, type StubTool } from "../support/stub-cli.ts";

/** What scripts of the pipelines take for granted on the machines that they run on. */
const ordinary = [
  ...["base64", "bash", "cat", "cut", "env", "git", "head", "mkdir", "sed", "sha256sum", "tail"],
  ...["tar", "tee"],
];

/** The tools are GNU's there. */
export const unlessLinux = process.platform !== "linux" && "the pipelines run on Linux";

export interface Sandbox extends AsyncDisposable {
  /** The checkout, empty but for the files that were asked for. */
  readonly folder: string;
  /** Ordinary commands and the stubs, and nothing else. */
  readonly path: string;
  readonly cli: StubCli;
}

/** @param tools the commands that are played; `sleep` is one of them unless given, and takes no time */
export async function makeSandbox(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  tools: Readonly<Record<string, StubTool>>,
): Promise<Sandbox> {
  const root = temporaryFolder(t);
  const folder = join(root, "workspace");
  const bin = join(root, "bin");
  for (const made of [folder, bin]) mkdirSync(made);
  writeFiles(folder, files);
  for (const name of ordinary) symlinkSync(realPath(name), join(bin, name));
  const cli = await StubCli.create({ sleep: () => "", ...tools });
  return {
    folder,
    path: cli.path(bin),
    cli,
    [Symbol.asyncDispose]: () => cli[Symbol.asyncDispose](),
  };
}

const paths = new Map<string, string>();
function realPath(name: string): string {
  const known = paths.get(name);
  if (known !== undefined) return known;
  const found = execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
  paths.set(name, found);
  return found;
}

/** The same commands, but the one at `index` of all calls fails, as often as it is called. */
export function failingAt(
  index: number,
  tools: Readonly<Record<string, StubTool>>,
): Record<string, StubTool> {
  let next = 0;
  return Object.fromEntries(
    Object.entries(tools).map(([name, tool]): [string, StubTool] => [
      name,
      (call, process) =>
        next++ === index ? { code: 1, stderr: `${name} failed\n` } : tool(call, process),
    ]),
  );
}

/** A call as one line; what is before the colon is its command. */
export function lineOf({ tool, argv }: StubCall): string {
  return [tool, ...argv].join(" ");
}
