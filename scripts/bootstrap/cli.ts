/** Runs the tools that bootstrap stands on: gcloud, pulumi, npm. */
import { spawn, type ChildProcess } from "node:child_process";
import { Refusal } from "../deploy/refusal.ts";

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Laid over the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For its standard input, which is empty otherwise: nothing waits for an answer that nobody gives. */
  readonly input?: string;
  /** Shows what it prints while it runs. */
  readonly show?: boolean;
}

export interface Cli {
  /** @throws Refusal when there is no such tool */
  run(line: readonly string[], options?: RunOptions): Promise<Outcome>;
}

/** What to do about a tool that is missing. */
const whereFrom: Readonly<Record<string, string>> = {
  gcloud: "install the Google Cloud SDK: https://cloud.google.com/sdk/docs/install",
  pulumi: "install Pulumi's CLI: https://www.pulumi.com/docs/install/",
  npm: "it comes with Node: https://nodejs.org",
};

export class LocalCli implements Cli {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #print: (text: string) => void;
  readonly #running = new Set<ChildProcess>();

  /**
   * @param folder where the tools run
   * @param env what they find in their environment
   * @param print takes what they print, where that is to be seen
   */
  constructor(
    folder: string,
    env: Readonly<Record<string, string | undefined>>,
    print: (text: string) => void,
  ) {
    this.#folder = folder;
    this.#env = env;
    this.#print = print;
  }

  run(line: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const [tool = "", ...args] = line;
    return new Promise((resolve, reject) => {
      const child = spawn(tool, args, {
        cwd: this.#folder,
        env: { ...this.#env, ...options.env },
        stdio: ["pipe", "pipe", "pipe"],
        // On Windows these are scripts, which only a shell can start.
        shell: process.platform === "win32",
      });
      this.#running.add(child);
      let [stdout, stderr] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (part: string) => {
        stdout += part;
        if (options.show === true) this.#print(part);
      });
      child.stderr.setEncoding("utf8").on("data", (part: string) => {
        stderr += part;
        if (options.show === true) this.#print(part);
      });
      child.once("error", (error: NodeJS.ErrnoException) => {
        this.#running.delete(child);
        reject(
          error.code === "ENOENT"
            ? new Refusal(`There is no ${tool} on the PATH: ${whereFrom[tool] ?? "install it"}`)
            : error,
        );
      });
      child.once("close", (code) => {
        this.#running.delete(child);
        resolve({ code, stdout, stderr });
      });
      // Who ends without reading breaks the pipe; the exit code then says so better.
      child.stdin.on("error", () => undefined);
      child.stdin.end(options.input);
    });
  }

  /** Hands a signal on to what runs. */
  signal(signal: NodeJS.Signals): void {
    for (const child of this.#running) child.kill(signal);
  }
}

/** A command line as one types it into a shell. */
export function shellLine(line: readonly string[]): string {
  return line
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}
