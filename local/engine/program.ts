/** Runs a Pulumi program as the CLI's language host does, and serves what it calls. */
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { Monitor, MonitorServer } from "./monitor.ts";
import { startMonitor } from "./monitor.ts";
import { withCompileCache } from "../tools/compile-cache.ts";
import type { StackFile } from "./stack-file.ts";
import type { RunOptions } from "./types.ts";

export interface ProgramOptions {
  readonly stack: StackFile;
  /** `namespace:key` → text, laid over the stack's own. */
  readonly config: Readonly<Record<string, string>>;
  /** A preview: values that only an update can know stay unknown. */
  readonly dryRun: boolean;
  readonly monitor: Monitor;
  readonly onLog?: RunOptions["onLog"] | undefined;
  /** Ends the program; its caller knows why, so it is no problem of its own. */
  readonly signal?: AbortSignal | undefined;
  /** How long the program may be silent while nothing of it is being worked on. Default 60 s. */
  readonly idleMs?: number | undefined;
}

export interface ProgramEnd {
  /** The program ran to its end without an error. */
  readonly ok: boolean;
  readonly problems: readonly string[];
}

/** After a failure the program is told so; then this long it may take to leave by itself. */
const leaveMs = 2_000;
const tailLines = 20;

/** Never rejects for what the program does: its failures are in the result. */
export async function runProgram(options: ProgramOptions): Promise<ProgramEnd> {
  const problems: string[] = [];
  const stop = new AbortController();
  const idleMs = options.idleMs ?? 60_000;
  const server = await startMonitor({
    monitor: options.monitor,
    idleMs,
    onLog: (severity, text) => {
      if (severity === "error") problems.push(text);
      options.onLog?.(severity, text);
    },
    onIdle: () => {
      problems.push(
        `the program did nothing for ${idleMs / 1000} s while nothing was in progress: ` +
          `it waits for something that never comes`,
      );
      stop.abort();
    },
  });
  try {
    const child = spawnProgram(options, server);
    const tail = collectOutput(child, options.onLog);
    const onAbort = (): void => {
      void end(child);
    };
    const signals = options.signal === undefined ? [] : [options.signal];
    const aborted = AbortSignal.any([stop.signal, ...signals]);
    if (aborted.aborted) onAbort();
    else aborted.addEventListener("abort", onAbort, { once: true });
    const exit = await ended(child);
    aborted.removeEventListener("abort", onAbort);

    const ok = exit.code === 0 && server.finished() && problems.length === 0;
    if (!ok && problems.length === 0 && !aborted.aborted)
      problems.push(describeExit(exit, server, tail()));
    return { ok, problems };
  } finally {
    await server.stop();
  }
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

function spawnProgram(
  { stack, config, dryRun }: ProgramOptions,
  server: MonitorServer,
): ChildProcess {
  const resolve = createRequire(join(stack.root, "package.json")).resolve;
  const address = `127.0.0.1:${server.port}`;
  const nodeArgs = stack.runtimeOptions["nodeargs"];
  const stripped = stack.runtimeOptions["typescript"] === false;
  const args = [
    ...(stripped ? ["--import", new URL("lean-launcher.ts", import.meta.url).href] : []),
    ...(typeof nodeArgs === "string" ? nodeArgs.split(/\s+/).filter((arg) => arg !== "") : []),
    resolve("@pulumi/pulumi/cmd/run/index.js"),
    ...["--project", stack.project, "--stack", stack.stack, "--organization", "organization"],
    ...["--root-directory", stack.root, "--pwd", stack.root, "--parallel", "16"],
    ...(dryRun ? ["--dry-run"] : []),
    ...["--monitor", address, "--engine", address],
    stack.main ?? ".",
  ];
  const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith("PULUMI_"));
  return spawn(process.execPath, args, {
    cwd: stack.root,
    // The fourth carries nothing: see lean-launcher.ts.
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: {
      ...withCompileCache(Object.fromEntries(inherited)),
      PULUMI_CONFIG: JSON.stringify({ ...stack.config, ...config }),
      PULUMI_CONFIG_SECRET_KEYS: "[]",
      // The CLI's rule: the SDK's own compiler is used unless the project says no.
      PULUMI_NODEJS_TYPESCRIPT: String(!stripped),
    },
  });
}

/** Hands on what the program prints; the answer gives its last lines. */
function collectOutput(child: ChildProcess, onLog: RunOptions["onLog"]): () => string {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      if (lines.length > tailLines) lines.shift();
      onLog?.("info", line);
    });
  }
  return () => lines.join("\n");
}

function ended(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("error", (error) => {
      resolve({ code: null, signal: null, error });
    });
    child.once("close", (code, signal) => {
      resolve({ code, signal });
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  await wait(leaveMs, undefined, { ref: false });
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
}

function describeExit(exit: Exit, server: MonitorServer, tail: string): string {
  const printed = tail === "" ? "" : `; it printed:\n${tail}`;
  if (exit.error !== undefined) return `the program did not start: ${exit.error.message}`;
  if (exit.signal !== null) return `the program was ended by ${exit.signal}${printed}`;
  if (exit.code === 0 && !server.finished()) {
    return `the program left before it was done, with exit code 0 (process.exit?)${printed}`;
  }
  return `the program ended with exit code ${String(exit.code)}${printed}`;
}
