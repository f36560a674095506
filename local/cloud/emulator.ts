/** One of Google's emulators: a process on a port of its own, the same one for as long as the cloud lives. */
import { mkdir, rm } from "node:fs/promises";
import type { Keeper } from "./keeper-client.ts";
import type { Log, Logs } from "./logs.ts";
import { freePort, loopback, releasePort } from "./ports.ts";
import { isOk, until } from "./probes.ts";
import { bareEnvironment, type Launch, Supervised, type SupervisedLimits } from "./supervised.ts";

export type EmulatorName = "datastore" | "pubsub";

export interface EmulatorPlace {
  readonly port: number;
  /** Where it may keep data. */
  readonly folder: string;
}

/** How emulators are started on this machine. */
export interface EmulatorCommands {
  command(
    name: EmulatorName,
    place: EmulatorPlace,
  ): Promise<{ readonly file: string; readonly args: readonly string[] }>;
}

export interface EmulatorOptions {
  readonly name: EmulatorName;
  /** @throws Error that says what is missing on this machine */
  readonly commands: () => Promise<EmulatorCommands>;
  readonly folder: string;
  readonly keeper: Keeper;
  readonly logs: Logs;
  readonly limits?: Partial<SupervisedLimits>;
  /** What else must be done at each start before it counts as serving. */
  readonly prepare?: (port: number, signal: AbortSignal) => Promise<void>;
}

/** Java ends in a third of a second; nothing that it would still write is kept. */
const graceMs = 1_000;
/** How long a restart is waited for. */
const restartMs = 30_000;

export class Emulator {
  readonly #options: EmulatorOptions;
  #port: Promise<number> | undefined;
  #process: Supervised | undefined;
  #started: Promise<void> | undefined;
  readonly #stopped = new AbortController();

  constructor(options: EmulatorOptions) {
    this.#options = options;
  }

  /** Its port, also before it is started. */
  port(): Promise<number> {
    this.#port ??= freePort();
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Resolves when it serves: it is started if that was not done, and waited for if it restarts.
   * @throws Error with its last lines when the first start fails; the next call tries again
   */
  async serving(): Promise<void> {
    this.#stopped.signal.throwIfAborted();
    this.#started ??= this.#start();
    await this.#started;
    const limit = AbortSignal.any([AbortSignal.timeout(restartMs), this.#stopped.signal]);
    await until(() => this.#process?.live === true, limit);
    this.#stopped.signal.throwIfAborted();
    if (limit.aborted) {
      throw new Error(`the ${this.#options.name} emulator does not come back`);
    }
  }

  /** Ends it and forgets its data. It can be started again. */
  async reset(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    this.#started = undefined;
    await process?.stop();
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error("the local cloud is stopping"));
    await this.#process?.stop();
    if (this.#port !== undefined) releasePort(await this.#port);
  }

  async #start(): Promise<void> {
    const { name, keeper, logs, limits } = this.#options;
    const process = new Supervised({
      name: `the ${name} emulator`,
      keeper,
      log: warningsOf(logs.of(name)),
      note: logs.of("cloud"),
      limits: { ...limits, graceMs },
      launch: () => this.#launch(),
    });
    // Known before it serves, so that a stop meanwhile finds it.
    this.#process = process;
    try {
      await process.start();
    } catch (error) {
      if (this.#process === process) this.#started = undefined;
      throw error;
    }
  }

  async #launch(): Promise<Launch> {
    const { name, folder, commands, logs, prepare } = this.#options;
    const known = await commands();
    const port = await this.port();
    await mkdir(folder, { recursive: true });
    const { file, args } = await known.command(name, { port, folder });
    if (this.#process?.starts === 0) {
      logs.of("cloud")(`starting the ${name} emulator on ${loopback}:${port}`);
    }
    return {
      ...{ file, args, cwd: folder, env: bareEnvironment() },
      ready: async (signal) => {
        await until(() => isOk(port, "/", signal), signal);
        if (!signal.aborted) await prepare?.(port, signal);
      },
    };
  }
}

/** Java's log is two lines for everything, and a dozen for each request; what is wrong is in few. */
function warningsOf(log: Log): Log {
  return (line) => {
    const [, level, message] = /^(WARNING|SEVERE): (.*)$/.exec(line) ?? [];
    if (message === undefined) return;
    log(JSON.stringify({ severity: level === "SEVERE" ? "ERROR" : "WARNING", message }));
  };
}
