import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { repository } from "./checkout.ts";
import { eventually } from "./eventually.ts";

/** `npm run realtime` as a process; `await using` ends it. */
export class RealtimeScript implements AsyncDisposable {
  readonly #child;
  #output = "";

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [join(repository, "scripts/realtime.ts"), ...args], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    }
  }

  /** All that it has printed. */
  get output(): string {
    return this.#output;
  }

  async prints(text: string | RegExp): Promise<void> {
    await eventually(`it prints ${String(text)}`, () => {
      if (typeof text === "string" ? this.#output.includes(text) : text.test(this.#output)) {
        return true;
      }
      throw new Error(this.#output);
    });
  }

  type(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Ends its input, as Ctrl-D does. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Waits for its end. */
  async exitCode(): Promise<number | null> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) await once(this.#child, "close");
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exitCode();
  }
}
