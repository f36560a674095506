import { execFile } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const modules = join(import.meta.dirname, "../docs/go");

/** A program that was built, or why there is none. */
export type GoProgram =
  | { readonly file: string; readonly obstacle?: never }
  | { readonly file?: never; readonly obstacle: string };

/**
 * Builds a program that uses `centrifuge-go`, of the versions that `test/docs/go` pins. Go keeps what it
 * has fetched and compiled for later runs. Where there is no Go, or nothing to fetch from, the tests that
 * need it are to be skipped.
 *
 * @param folder an empty one, for the program
 * @throws Error when the program is wrong
 */
export async function goProgram(source: string, folder: string): Promise<GoProgram> {
  const env = {
    ...process.env,
    GOFLAGS: "-mod=readonly -buildvcs=false",
    // No other toolchain is fetched, should a module want a newer one.
    GOTOOLCHAIN: "local",
    CGO_ENABLED: "0",
  };
  const go = (args: readonly string[]) => run("go", args, { cwd: folder, env });
  await mkdir(folder, { recursive: true });
  await Promise.all([
    writeFile(join(folder, "main.go"), source),
    ...["go.mod", "go.sum"].map((name) => copyFile(join(modules, name), join(folder, name))),
  ]);
  try {
    await go(["mod", "download"]);
  } catch (error) {
    const { message, stderr = "" } = error as Error & { readonly stderr?: string };
    if (stderr.includes("SECURITY ERROR")) throw error;
    const reason = stderr.trim().split("\n").at(-1) || message;
    return { obstacle: `there is no Go 1.25, or its modules cannot be fetched: ${reason}` };
  }
  await go(["build", "-o", "program", "."]);
  return { file: join(folder, "program") };
}
