/** Google's emulators for tests and benchmarks; `await using` ends one and removes its data. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmulatorName, type Emulators, findEmulators } from "../../local/tools/emulators.ts";
import { halted } from "./alive.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./ports.ts";

const found = await findEmulators(["datastore", "firestore", "pubsub"]);

/** Why tests that need emulators are skipped on this machine: `describe(…, { skip: emulatorsMissing() })`. */
export function emulatorsMissing(): string | undefined {
  return "missing" in found ? found.missing : undefined;
}

/** Starts an emulator on a free port and waits until it serves. */
export async function startEmulator(name: EmulatorName): Promise<Emulator> {
  if ("missing" in found) throw new Error(found.missing);
  const folder = await mkdtemp(join(tmpdir(), `${name}-emulator-test-`));
  const emulator = new Emulator(found, name, await freePort(), folder);
  try {
    await emulator.restart();
  } catch (error) {
    await emulator[Symbol.asyncDispose]();
    throw error;
  }
  return emulator;
}

export class Emulator implements AsyncDisposable {
  readonly name: EmulatorName;
  readonly port: number;
  /** For DATASTORE_EMULATOR_HOST or PUBSUB_EMULATOR_HOST. */
  readonly host: string;
  readonly #emulators: Emulators;
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #output = "";

  constructor(emulators: Emulators, name: EmulatorName, port: number, folder: string) {
    this.#emulators = emulators;
    this.name = name;
    this.port = port;
    this.host = `127.0.0.1:${port}`;
    this.#folder = folder;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`the ${this.name} emulator is not running`);
    return pid;
  }

  /**
   * Starts it again on the same port; it must not be running. The Datastore emulator has its data
   * again if it ended by SIGTERM; it writes it at its end and every 30 s, so SIGKILL loses what is
   * newer. The others forget everything.
   */
  async restart(): Promise<void> {
    const place = { port: this.port, folder: this.#folder };
    const { file, args } = await this.#emulators.command(this.name, place);
    const child = spawn(file, [...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    // Nothing of a test outlives its process, also when that ends before the test does.
    const clear = (): void => {
      child.kill("SIGKILL");
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    };
    process.once("exit", clear);
    child.once("exit", () => process.off("exit", clear));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-16_384);
      });
    }
    let ended = false;
    child.once("exit", () => (ended = true));
    await eventually(`the ${this.name} emulator serves`, async () => {
      if (ended) return "ended";
      return (await fetch(`http://${this.host}/`)).ok && "serves";
    }).then((state) => {
      if (state === "ended") throw new Error(`the ${this.name} emulator ended:\n${this.#output}`);
    });
  }

  /** Sends a signal (SIGKILL, SIGSTOP, SIGCONT …) and waits for the emulator's end or its stop. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    if (signal === "SIGSTOP" || signal === "SIGCONT") {
      child.kill(signal);
      if (signal === "SIGSTOP") await halted(this.pid);
      return;
    }
    this.#child = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signal("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }
}
