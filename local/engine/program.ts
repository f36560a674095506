/** Runs a Pulumi program as the CLI's language host does, and serves what it calls. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Child, describeExit, type Exit, startChild } from "../process/child.ts";
import { withCompileCache } from "../process/compile-cache.ts";
import type { Monitor, MonitorServer } from "./monitor.ts";
import { startMonitor } from "./monitor.ts";
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
    const tail: string[] = [];
    const child = startProgram(options, server, (line) => {
      tail.push(line);
      if (tail.length > tailLines) tail.shift();
      options.onLog?.("info", line);
    });
    const onAbort = (): void => {
      void child.stop(leaveMs);
    };
    const signals = options.signal === undefined ? [] : [options.signal];
    const aborted = AbortSignal.any([stop.signal, ...signals]);
    if (aborted.aborted) onAbort();
    else aborted.addEventListener("abort", onAbort, { once: true });
    const exit = await child.ended;
    await child.drained;
    aborted.removeEventListener("abort", onAbort);

    const ok = exit.code === 0 && server.finished() && problems.length === 0;
    if (!ok && problems.length === 0 && !aborted.aborted)
      problems.push(whyNotOk(exit, server, tail.join("\n")));
    return { ok, problems };
  } finally {
    await server.stop();
  }
}

function startProgram(
  { stack, config, dryRun }: ProgramOptions,
  server: MonitorServer,
  onLine: (line: string) => void,
): Child {
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
  return startChild({
    file: process.execPath,
    args,
    cwd: stack.root,
    // See lean-launcher.ts.
    lifeline: true,
    onLine,
    env: {
      ...withCompileCache(Object.fromEntries(inherited)),
      PULUMI_CONFIG: JSON.stringify({ ...stack.config, ...config }),
      PULUMI_CONFIG_SECRET_KEYS: "[]",
      // The CLI's rule: the SDK's own compiler is used unless the project says no.
      PULUMI_NODEJS_TYPESCRIPT: String(!stripped),
    },
  });
}

function whyNotOk(exit: Exit, server: MonitorServer, tail: string): string {
  const printed = tail === "" ? "" : `; it printed:\n${tail}`;
  if (exit.code === 0 && !server.finished()) {
    return `the program left before it was done, with exit code 0 (process.exit?)${printed}`;
  }
  return `the program ${describeExit(exit)}${printed}`;
}
