/** Child processes: each in a group of its own, its output in lines, its end bounded. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { ownGroup, signalGroup } from "./group.ts";
import { LineCutter } from "./lines.ts";

export interface ChildOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment: nothing is inherited. */
  readonly env: NodeJS.ProcessEnv;
  readonly onLine: (line: string, from: "stdout" | "stderr") => void;
  /** True gives it an input, which ends with this process at the latest. Default: it has none. */
  readonly input?: boolean;
  /** True gives it file descriptor 3, a pipe that carries nothing and closes when this process is gone. */
  readonly lifeline?: boolean;
}

/** How a process ended. */
export interface Exit {
  /** Null when a signal ended it, or when it never started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started. */
  readonly error?: Error;
}

export interface Child {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Resolves when the process is over; what it started itself is killed then. Never rejects. */
  readonly ended: Promise<Exit>;
  /**
   * Resolves when its last lines were handed on. A process that left its group may hold the pipe
   * open for ever, so it is half a second after the end at the latest.
   */
  readonly drained: Promise<void>;
  /** Writes to its input. */
  write(text: string): void;
  /** Asks it to end (SIGTERM), and kills it after the grace. Resolves when it is over. */
  stop(graceMs: number): Promise<void>;
  /** SIGKILL, to its group. */
  kill(): void;
}

/** How long the rest of the output is waited for when the process is over. */
const drainMs = 500;

/** Never throws: a process that cannot be started has ended with an `error`. */
export function startChild(options: ChildOptions): Child {
  const child = spawn(options.file, [...options.args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...options.env },
    stdio: [
      options.input === true ? "pipe" : "ignore",
      ...(["pipe", "pipe"] as const),
      ...(options.lifeline === true ? (["pipe"] as const) : []),
    ],
    // Ctrl-C at the terminal reaches this process alone, which then ends the child.
    detached: ownGroup,
  });
  const { pid } = child;
  // The pipe breaks when the process dies; its end is noticed below.
  child.stdin?.on("error", () => undefined);
  const outputs = (["stdout", "stderr"] as const).map(async (from) => {
    const stream = child[from];
    if (stream === null) return;
    const cutter = new LineCutter((line) => {
      options.onLine(line, from);
    });
    stream.on("data", (chunk: Buffer) => {
      cutter.push(chunk);
    });
    stream.once("end", () => {
      cutter.end();
    });
    if (!stream.destroyed) await once(stream, "close").catch(() => undefined);
  });
  let over = false;
  const ended = new Promise<Exit>((resolve) => {
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, error });
    });
    child.once("exit", (code, signal) => {
      // What it may have started itself must not live on without it.
      if (pid !== undefined) signalGroup(pid, "SIGKILL");
      over = true;
      resolve({ code, signal });
    });
  });
  const drained = ended.then(async () => {
    const late = new AbortController();
    await Promise.race([
      Promise.all(outputs),
      wait(drainMs, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
  });
  const signal = (name: NodeJS.Signals): void => {
    // The number may belong to another process by then.
    if (pid !== undefined && !over) signalGroup(pid, name);
  };
  return {
    pid,
    ended,
    drained,
    write: (text) => {
      child.stdin?.write(text);
    },
    async stop(graceMs) {
      signal("SIGTERM");
      const timer = setTimeout(() => {
        signal("SIGKILL");
      }, graceMs);
      await ended;
      clearTimeout(timer);
    },
    kill: () => {
      signal("SIGKILL");
    },
  };
}

/** For people, behind the name of the process: `ended with exit code 1`. */
export function describeExit({ code, signal, error }: Exit): string {
  if (error !== undefined) return `could not be started: ${error.message}`;
  return signal === null ? `ended with exit code ${code ?? "?"}` : `was ended by ${signal}`;
}
