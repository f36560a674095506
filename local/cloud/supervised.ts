/** One process that is kept running: started, waited for, restarted when it dies, stopped. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import type { Keeper } from "./keeper-client.ts";
import { LineCutter } from "./lines.ts";
import { readable, type Log } from "./logs.ts";
import { ownGroup, signalGroup } from "./process-group.ts";

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
  #process: ChildProcess | undefined;
  #live = false;
  #starts = 0;
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
    const child = this.#process;
    if (child?.pid !== undefined) await endChild(child, child.pid, graceMs);
    await this.#watch;
  }

  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #keepRunning(firstEnd: Promise<string>): Promise<void> {
    const { note, name } = this.#options;
    let ended: Promise<string> | undefined = firstEnd;
    while (!this.#stopped()) {
      if (ended !== undefined) {
        const since = performance.now();
        const how = await ended;
        this.#live = false;
        if (this.#stopped()) return;
        if (performance.now() - since > this.#limits.steadyAfterMs) {
          this.#pauseMs = this.#limits.firstPauseMs;
        }
        note(`${name} ${how}; it starts again in ${this.#pauseMs / 1000} s`);
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
  async #attempt(): Promise<{ readonly ended: Promise<string> }> {
    const { name, keeper, log } = this.#options;
    const launch = await this.#options.launch();
    this.#stop.signal.throwIfAborted();
    this.#starts++;
    const child = spawn(launch.file, [...launch.args], {
      cwd: launch.cwd,
      env: { ...launch.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: ownGroup,
    });
    const pid = child.pid;
    this.#process = child;
    if (pid !== undefined) keeper.childStarted(pid);

    const tail: string[] = [];
    const onLine = (line: string): void => {
      tail.push(
        ...readable(line)
          .text.split("\n")
          .filter((part) => part.trim() !== ""),
      );
      tail.splice(0, tail.length - tailLines);
      log(line);
    };
    for (const stream of [child.stdout, child.stderr]) {
      const cutter = new LineCutter(onLine);
      stream.on("data", (chunk: Buffer) => {
        cutter.push(chunk);
      });
      stream.on("end", () => {
        cutter.end();
      });
    }
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => {
        resolve(`could not be started: ${error.message}`);
      });
      child.once("exit", (code, signal) => {
        if (pid !== undefined) {
          // What it may have started itself must not live on without it.
          signalGroup(pid, "SIGKILL");
          keeper.childEnded(pid);
        }
        resolve(signal === null ? `ended with exit code ${code ?? "?"}` : `was ended by ${signal}`);
      });
    });

    const over = new AbortController();
    const limit = AbortSignal.timeout(this.#limits.startWithinMs);
    const signal = AbortSignal.any([over.signal, limit, this.#stop.signal]);
    try {
      await Promise.race([
        launch.ready(signal),
        ended.then((how) => {
          throw new Error(`${name} ${how} before it served`);
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
      return { ended };
    } catch (error) {
      if (pid !== undefined) signalGroup(pid, "SIGKILL");
      await ended;
      // The last lines may still be in the pipe; a grandchild may hold it open for ever.
      await Promise.race([outputEnd(child), wait(500)]);
      const text = error instanceof Error ? error.message : String(error);
      const said = tail.length > 0 ? ["; its last lines:", ...tail.map((line) => `  ${line}`)] : [];
      throw new Error([text + (said[0] ?? ""), ...said.slice(1)].join("\n"), { cause: error });
    } finally {
      over.abort();
    }
  }
}

async function outputEnd(child: ChildProcess): Promise<void> {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream && !stream.readableEnded && !stream.destroyed) await once(stream, "close");
  }
}

async function endChild(child: ChildProcess, pid: number, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  signalGroup(pid, "SIGTERM");
  const timer = setTimeout(() => {
    signalGroup(pid, "SIGKILL");
  }, graceMs);
  await gone;
  clearTimeout(timer);
}
