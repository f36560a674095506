/** One process that is kept running: started, waited for, restarted when it dies, stopped. */
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { type Child, describeExit, type Exit, startChild } from "../process/child.ts";
import type { Keeper } from "./keeper-client.ts";
import { readable, type Log } from "./logs.ts";

export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Resolves when the process serves. A rejection means that it never will.
   * It ends early when the signal is aborted.
   */
  readonly ready: (signal: AbortSignal) => Promise<void>;
}

export interface SupervisedOptions {
  readonly name: string;
  /** Called for every start, so that a restarted process may get another port. */
  readonly launch: () => Promise<Launch>;
  readonly keeper: Keeper;
  readonly log: Log;
  /** What the supervisor itself has to say. */
  readonly note: Log;
  readonly limits?: Partial<SupervisedLimits>;
}

/** From its first start; `restarting` is the time between an end that nobody wanted and its next service. */
export type ProcessState = "starting" | "live" | "restarting" | "stopping";

export interface SupervisedLimits {
  /** How long a process may take until it serves. */
  readonly startWithinMs: number;
  /** How long it may take from SIGTERM to its end; then it is killed. */
  readonly graceMs: number;
  /** The pause before the first restart; it doubles with each further one. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** After so long a life the next pause is the first again. */
  readonly steadyAfterMs: number;
}

export const defaultLimits: SupervisedLimits = {
  startWithinMs: 30_000,
  graceMs: 2_000,
  firstPauseMs: 250,
  longestPauseMs: 10_000,
  steadyAfterMs: 10_000,
};

/** How many of a process's last lines are told when it fails to start. */
const tailLines = 20;

/** What of the developer's environment a process gets: no more than a program needs to run at all. */
export function bareEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ["PATH", "SystemRoot", "TMPDIR", "TEMP", "TMP"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

export class Supervised {
  readonly #options: SupervisedOptions;
  readonly #limits: SupervisedLimits;
  readonly #stop = new AbortController();
  #process: Child | undefined;
  #live = false;
  #starts = 0;
  #served = false;
  #startedAt: Date | undefined;
  #pauseMs: number;
  /** The loop that restarts; it ends with `stop`. */
  #watch: Promise<void> = Promise.resolve();

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#pauseMs = this.#limits.firstPauseMs;
  }

  /** True from the moment that the process serves until it ends or is told to. */
  get live(): boolean {
    return this.#live;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get state(): ProcessState {
    if (this.#stopped()) return "stopping";
    if (this.#live) return "live";
    return this.#served ? "restarting" : "starting";
  }

  /** When the present process was started, or the last one. */
  get startedAt(): Date | undefined {
    return this.#startedAt;
  }

  /**
   * SIGKILL to the process that serves; it is started again.
   * @returns its id, or undefined when none serves just now
   */
  kill(): number | undefined {
    const { pid } = this;
    if (!this.#live || pid === undefined) return undefined;
    // At once, so that nobody is sent to it who asks before its end is known.
    this.#live = false;
    this.#process?.kill();
    return pid;
  }

  /** How often the process was started. */
  get starts(): number {
    return this.#starts;
  }

  /**
   * Starts the process and waits until it serves. From then on it is restarted whenever it dies.
   * @throws Error with the process's last lines when this first start fails; nothing is left then
   */
  async start(): Promise<void> {
    const { ended } = await this.#attempt();
    this.#watch = this.#keepRunning(ended);
  }

  /** SIGTERM, and SIGKILL after the grace. Resolves when the process and its restarts are over. */
  async stop(graceMs = this.#limits.graceMs): Promise<void> {
    this.#live = false;
    this.#stop.abort();
    await this.#process?.stop(graceMs);
    await this.#watch;
  }

  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #keepRunning(firstEnd: Promise<Exit>): Promise<void> {
    const { note, name } = this.#options;
    let ended: Promise<Exit> | undefined = firstEnd;
    while (!this.#stopped()) {
      if (ended !== undefined) {
        const since = performance.now();
        const how = await ended;
        this.#live = false;
        if (this.#stopped()) return;
        if (performance.now() - since > this.#limits.steadyAfterMs) {
          this.#pauseMs = this.#limits.firstPauseMs;
        }
        note(`${name} ${describeExit(how)}; it starts again in ${this.#pauseMs / 1000} s`);
      }
      await wait(this.#pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stopped()) return;
      this.#pauseMs = Math.min(this.#pauseMs * 2, this.#limits.longestPauseMs);
      try {
        ({ ended } = await this.#attempt());
        note(`${name} serves again`);
      } catch (error) {
        ended = undefined;
        if (this.#stopped()) return;
        const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
        note(`${reason}; next try in ${this.#pauseMs / 1000} s`);
      }
    }
  }

  /** One start. Resolves once the process serves; `ended` says later how it ended. */
  async #attempt(): Promise<{ readonly ended: Promise<Exit> }> {
    const { name, keeper, log } = this.#options;
    const launch = await this.#options.launch();
    this.#stop.signal.throwIfAborted();
    this.#starts++;
    this.#startedAt = new Date();
    const tail: string[] = [];
    const child = startChild({
      ...launch,
      onLine: (line) => {
        tail.push(
          ...readable(line)
            .text.split("\n")
            .filter((part) => part.trim() !== ""),
        );
        tail.splice(0, tail.length - tailLines);
        log(line);
      },
    });
    const { pid, ended } = child;
    this.#process = child;
    if (pid !== undefined) {
      keeper.childStarted(pid);
      void ended.then(() => {
        keeper.childEnded(pid);
      });
    }

    const over = new AbortController();
    const limit = AbortSignal.timeout(this.#limits.startWithinMs);
    const signal = AbortSignal.any([over.signal, limit, this.#stop.signal]);
    try {
      await Promise.race([
        launch.ready(signal),
        ended.then((how) => {
          throw new Error(`${name} ${describeExit(how)} before it served`);
        }),
        once(signal, "abort").then(() => {
          throw new Error(
            this.#stop.signal.aborted
              ? `${name} was stopped before it served`
              : `${name} did not serve within ${this.#limits.startWithinMs / 1000} s`,
          );
        }),
      ]);
      this.#stop.signal.throwIfAborted();
      this.#live = true;
      this.#served = true;
      return { ended };
    } catch (error) {
      child.kill();
      await child.drained;
      const text = error instanceof Error ? error.message : String(error);
      const said = tail.length > 0 ? ["; its last lines:", ...tail.map((line) => `  ${line}`)] : [];
      throw new Error([text + (said[0] ?? ""), ...said.slice(1)].join("\n"), { cause: error });
    } finally {
      over.abort();
    }
  }
}
