import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { eventually } from "./eventually.ts";

const root = join(import.meta.dirname, "../..");

/** Nothing of a test outlives its process, however it ends. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export type LogRecord = Readonly<Record<string, unknown>>;

/** A service that runs in its own process, from source or from its bundle; `await using` ends it. */
export class ServiceProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  /** Every line of JSON that it wrote to stdout, in order. */
  readonly logs: LogRecord[] = [];
  /** What it wrote besides. */
  other = "";

  /**
   * @param file program; a relative path is relative to the repository's root
   * @param env  its whole environment beside PATH; PORT=0 lets the system choose
   */
  constructor(file: string, env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [resolve(root, file)], {
      cwd: root,
      env: { PATH: process.env["PATH"], HOST: "127.0.0.1", PORT: "0", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        try {
          this.logs.push(JSON.parse(line) as LogRecord);
        } catch {
          this.other += `${line}\n`;
        }
      }
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.other += text;
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error("the process did not start");
    return this.child.pid;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits for a log record with this message. */
  async logged(message: string): Promise<LogRecord> {
    return eventually(`the service logs "${message}"`, () => {
      const record = this.logs.find((each) => each["message"] === message);
      if (record === undefined && this.ended) throw new Error(`it ended\n${this.describe()}`);
      return record;
    });
  }

  /** Waits until it listens; its port. */
  async port(): Promise<number> {
    return (await this.logged("listening"))["port"] as number;
  }

  /** Waits until `/healthz/ready` answers 200; its base URL without a final slash. */
  async ready(): Promise<string> {
    const url = `http://127.0.0.1:${await this.port()}`;
    await eventually("the service is ready", async () => (await fetch(`${url}/healthz/ready`)).ok);
    return url;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends the signal and waits for the end; exit code (null: died of a signal) and how long it took. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<{ code: number | null; ms: number }> {
    const begin = performance.now();
    if (!this.ended) {
      const exit = once(this.child, "exit");
      this.child.kill(signal);
      await exit;
    }
    return { code: this.child.exitCode, ms: performance.now() - begin };
  }

  describe(): string {
    return `${this.logs.map((record) => JSON.stringify(record)).join("\n")}\n${this.other}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.ended) await this.end("SIGKILL");
  }
}
