import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { cacheFolder } from "../../local/tools/cache-folder.ts";
import { eventually } from "./eventually.ts";

const run = promisify(execFile);
const requirements = join(import.meta.dirname, "python-requirements.txt");

/** A Python with the official client, or why there is none. */
export type PythonClient =
  | { readonly python: string; readonly obstacle?: never }
  | { readonly python?: never; readonly obstacle: string };

/**
 * Makes a virtual environment with `centrifuge-python`, which is kept for later runs. Where there is no
 * Python that can do it, or nothing to install from, the tests that need it are to be skipped.
 *
 * @throws Error when what was installed is not what is pinned
 */
export async function pythonClient(): Promise<PythonClient> {
  const base = await findPython();
  if (base === undefined)
    return missing("there is no Python 3.10 or later with venv and pip 22.3 or later");
  const pins = await readFile(requirements);
  const key = createHash("sha256").update(pins).update(base.version).digest("hex").slice(0, 16);
  const folder = join(cacheFolder(), "python", key);
  const python = join(folder, "bin/python");
  if (await exists(python)) return { python };
  // Only what is complete gets the name that others look for. A virtual environment may be moved.
  const draft = `${folder}.${process.pid}`;
  try {
    await mkdir(join(cacheFolder(), "python"), { recursive: true });
    await run(base.command, ["-m", "venv", "--without-pip", draft]);
    // The pip that is there installs into it: another pip would take more time than all the rest.
    await run(base.command, [
      ...["-m", "pip", "--python", join(draft, "bin/python"), "install", "--no-input"],
      ...["--quiet", "--disable-pip-version-check"],
      ...["--retries", "1", "--timeout", "20", "--only-binary", ":all:", "--require-hashes"],
      ...["--requirement", requirements],
    ]);
    await rename(draft, folder).catch(async (error: unknown) => {
      // Another test was faster.
      if (!(await exists(python))) throw error;
    });
    return { python };
  } catch (error) {
    const { stderr = "" } = error as { readonly stderr?: string };
    if (stderr.includes("DO NOT MATCH THE HASHES")) throw error;
    return missing(`the Python client cannot be installed: ${lastLine(stderr) || String(error)}`);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function missing(obstacle: string): PythonClient {
  return { obstacle };
}

const probe = "import sys, venv, pip; print(*sys.version_info[:2], pip.__version__, sys.prefix)";

async function findPython(): Promise<{ command: string; version: string } | undefined> {
  for (const command of ["python3", "python"]) {
    try {
      const { stdout: version } = await run(command, ["-c", probe]);
      const [major, minor, pip = ""] = version.split(" ");
      if (major !== "3" || Number(minor) < 10) continue;
      // Since then pip installs into environments other than its own.
      if (pip.localeCompare("22.3", "en", { numeric: true }) >= 0) return { command, version };
    } catch {
      // The next one may do.
    }
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** What a Python program says: one object of JSON on each line. */
export type Said = Readonly<Record<string, unknown>> & { readonly what: string };

/** A Python program that says what happens; `await using` ends it. */
export class PythonProcess implements AsyncDisposable {
  readonly said: Said[] = [];
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #ended: Promise<unknown>;
  #hasEnded = false;
  #errors = "";

  constructor(python: string, file: string, args: readonly string[]) {
    this.#child = spawn(python, [file, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#ended = once(this.#child, "close").then(() => {
      this.#hasEnded = true;
    });
    let rest = "";
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.said.push(...lines.map((line) => JSON.parse(line) as Said));
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
  }

  /** Waits until it has said something so many times. */
  async says(what: string, times = 1): Promise<void> {
    const hasSaid = (): boolean => this.all(what).length >= times;
    await eventually(`the Python client says "${what}"`, () => hasSaid() || this.#hasEnded, {
      withinMs: 120_000,
    });
    if (!hasSaid()) {
      throw new Error(`it ended, and said ${JSON.stringify(this.said)}\n${this.#errors}`);
    }
  }

  all(what: string): readonly Said[] {
    return this.said.filter((each) => each.what === what);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
