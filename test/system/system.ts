/** `npm start` as its user runs it, in a copy of the repository that a test may change. */
import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accepts } from "../../local/cloud/ports.ts";
import { alive } from "../support/alive.ts";
import { repository } from "../support/checkout.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/ports.ts";

const copied = [
  ...["apps", "components", "local", "index.ts", "config.ts", "package.json", "tsconfig.json"],
  ...["Pulumi.yaml", "Pulumi.local.yaml"],
];

export interface StartOptions {
  readonly port?: number;
  readonly args?: readonly string[];
  /** Laid over the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** May alter the copy before the start. */
  readonly change?: (folder: string) => void;
}

/** A file below the root, what is replaced in it, and by what. */
export type Edit = readonly [file: string, from: string | RegExp, to: string];

/**
 * Changes a file of a copy; fails when the text to be replaced is not in it.
 *
 * @returns the file's text before
 */
export function editFile(folder: string, [file, from, to]: Edit): string {
  const path = join(folder, file);
  const before = readFileSync(path, "utf8");
  const after = before.replace(from, to);
  assert.notEqual(after, before, `${file} has nothing like ${String(from)}`);
  writeFileSync(path, after);
  return before;
}

export class System implements AsyncDisposable {
  /** The copy of the repository. */
  readonly folder: string;
  readonly port: number;
  readonly npm: ChildProcess;
  readonly #temp: string;
  #output = "";

  private constructor(
    folder: string,
    temp: string,
    port: number,
    { args = [], env = {} }: Pick<StartOptions, "args" | "env">,
  ) {
    this.folder = folder;
    this.port = port;
    this.#temp = temp;
    this.npm = spawn("npm", ["start", "--", "--port", String(port), ...args], {
      cwd: folder,
      // A group of its own, as a terminal gives to each command.
      detached: true,
      env: { ...process.env, TMPDIR: temp, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.npm.stdout, this.npm.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    }
  }

  /** A copy of the repository with its packages. */
  static async start(options: StartOptions = {}): Promise<System> {
    const base = mkdtempSync(join(tmpdir(), "start-test-"));
    const folder = join(base, "checkout");
    const temp = join(base, "tmp");
    mkdirSync(folder);
    mkdirSync(temp);
    for (const path of copied) {
      cpSync(join(repository, path), join(folder, path), { recursive: true });
    }
    symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"), "dir");
    options.change?.(folder);
    return new System(folder, temp, options.port ?? (await freePort()), options);
  }

  get output(): string {
    return this.#output;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Waits until the output holds the text. */
  async prints(text: string | RegExp): Promise<void> {
    const printed = (): boolean =>
      typeof text === "string" ? this.#output.includes(text) : text.test(this.#output);
    const end = await eventually(
      `npm start prints ${String(text)}`,
      // Who has ended prints nothing more: there is nothing to wait for.
      () => printed() || (this.npm.exitCode !== null && "ended"),
      { withinMs: 120_000 },
    );
    if (end !== "ended") return;
    const words = eventually("its last words", printed, { withinMs: 2_000 });
    await words.catch(() => {
      throw new Error(this.#output);
    });
  }

  async ready(): Promise<void> {
    await this.prints(/^ready in [\d.]+ s/m);
  }

  /** Exit code of npm; null when a signal ended it. */
  async exitCode(): Promise<number | null> {
    if (this.npm.exitCode === null && this.npm.signalCode === null) await once(this.npm, "exit");
    return this.npm.exitCode;
  }

  /** Sends a signal to npm and everything in its group, as Ctrl-C does. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-(this.npm.pid ?? 0), signal);
  }

  /** Every process below npm: pid → command line. */
  processes(): Map<number, string> {
    const below = new Map<number, string>();
    const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" })
      .split("\n")
      .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line));
    const add = (parent: number): void => {
      for (const row of rows) {
        if (row === null || Number(row[2]) !== parent || below.has(Number(row[1]))) continue;
        below.set(Number(row[1]), row[3] ?? "");
        add(Number(row[1]));
      }
    };
    add(this.npm.pid ?? -1);
    return below;
  }

  /** The one process below npm whose command line fits. */
  pid(command: RegExp): number {
    const found = [...this.processes()].filter(([, args]) => command.test(args));
    const [first] = found;
    if (first === undefined || found.length > 1) {
      throw new Error(`${found.length} processes fit ${String(command)}`);
    }
    return first[0];
  }

  /** Waits until no process of those given, no port and no temporary folder is left. */
  async leavesNothing(processes: ReadonlyMap<number, string>): Promise<void> {
    await eventually("no process is left", () => {
      const left = [...processes].filter(([pid]) => alive(pid));
      if (left.length > 0) throw new Error(left.map(([pid, args]) => `${pid} ${args}`).join("\n"));
      return true;
    });
    await eventually("nothing listens", async () => !(await accepts(this.port)));
    await eventually("no temporary folder is left", () => {
      const left = readdirSync(this.#temp).filter((name) => name.startsWith("appengine-realtime-"));
      if (left.length > 0) throw new Error(left.join(", "));
      return true;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const processes = this.processes();
    if (this.npm.exitCode === null && this.npm.signalCode === null) {
      this.signalGroup("SIGTERM");
      await this.exitCode();
    }
    await eventually("the processes have ended", () =>
      [...processes.keys()].every((p) => !alive(p)),
    );
    rmSync(join(this.folder, ".."), { recursive: true, force: true });
    if (existsSync(this.folder)) throw new Error(`${this.folder} is still there`);
  }
}
