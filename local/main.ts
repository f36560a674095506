/** `npm start`: the whole system on one machine. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { portInUse } from "./cloud/listen-on.ts";
import { whyNotFree } from "./cloud/ports.ts";
import { up } from "./engine/engine.ts";
import { readStackFile } from "./engine/stack-file.ts";
import { emptyState, type RunOptions, type RunResult, type State } from "./engine/types.ts";
import { placeOf } from "./provider/place.ts";
import { startCloudProcess } from "./provider-process.ts";
import { emulatorsOf } from "./stack-emulators.ts";
import { localPublicKeys } from "./stack-keys.ts";
import { changeLine, urlTable } from "./summary.ts";
import { watchProgram } from "./watch.ts";

const usage = `usage: npm start [-- [--port <number>] [--watch | --no-watch]]

Runs the stack "local" on this machine: NATS, every service, and one front door for all.
  --port <number>  of the front door, 1 to 65535 (default 8080)
  --watch          deploys again whenever the program or an app changes (default)
  --no-watch       deploys once
  --help           this text
Ctrl-C ends all of it.`;

const root = join(import.meta.dirname, "..");
const stack = "local";
/** The cloud has promised to be gone in 5 s; then it is killed, and its keeper clears up. */
const stopWithinMs = 6_000;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

interface Given {
  readonly port: number;
  readonly watch: boolean;
}

/** What the user asks for; undefined after a word to him. */
function readArguments(args: string[]): Given | undefined {
  try {
    const { values } = parseArgs({
      args,
      allowNegative: true,
      options: {
        port: { type: "string", default: "8080" },
        watch: { type: "boolean", default: true },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      say(usage);
      return undefined;
    }
    const port = Number(values.port);
    if (/^\d+$/.test(values.port) && port >= 1 && port <= 65_535) {
      return { port, watch: values.watch };
    }
    throw new Error(`--port "${values.port}" is not a number from 1 to 65535`);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exitCode = 2;
    return undefined;
  }
}

async function run({ port, watch }: Given, stopped: AbortController): Promise<number> {
  const began = performance.now();
  const problem = await whyNotFree(port);
  if (problem !== undefined) {
    console.error(problem === "EADDRINUSE" ? portInUse(port) : `port ${port}: ${problem}`);
    return 1;
  }
  const stackFile = readStackFile(root, stack);
  const [{ configKey, keys }, emulators] = await Promise.all([
    localPublicKeys(stackFile, say),
    emulatorsOf(stackFile, say),
  ]);

  say(`starting stack "${stack}" …`);
  const { project, region } = placeOf(stackFile.config);
  // The program starts at the same time: it needs the provider only when it registers something.
  const provider = startCloudProcess({
    frontDoorPort: port,
    project,
    region,
    emulators: emulators.needed,
    color: process.stdout.isTTY && process.env["NO_COLOR"] === undefined,
    onLine: say,
  });
  let code = 0;
  const fail = (why: string): void => {
    if (stopped.signal.aborted) return;
    console.error(why);
    code = 1;
    stopped.abort();
  };
  void provider.port.then(
    async () => {
      await provider.ended;
      fail("the local cloud ended unexpectedly; everything else is ended too");
    },
    (error: unknown) => {
      fail(error instanceof Error ? error.message : String(error));
    },
  );

  // From now on, for what is edited while the system starts is a change too.
  const changes = new Changes(stopped.signal);
  const watching = watch
    ? watchProgram(root, (files) => {
        changes.add(files);
      })
    : undefined;
  const options = {
    root,
    stack,
    providerPort: provider.port,
    config: { [configKey]: JSON.stringify(keys), ...emulators.config },
    onLog: (severity, text) => {
      if (severity !== "debug") say(text.trimEnd());
    },
    signal: stopped.signal,
  } satisfies RunOptions;
  try {
    const first = await up(options, emptyState);
    if (stopped.signal.aborted) return code;
    if (!first.ok) {
      console.error(first.problems.join("\n"));
      console.error(`the start failed; what had been started is stopped`);
      return 1;
    }
    say(`\n${urlTable(first.state, port)}\n`);
    say(`ready in ${((performance.now() - began) / 1000).toFixed(1)} s; Ctrl-C ends all`);
    await follow(options, first.state, changes);
    return code;
  } finally {
    await watching?.close();
    const wanted = stopped.signal.aborted && code === 0;
    stopped.abort();
    if (wanted) say("stopping …");
    await provider.stop(stopWithinMs);
  }
}

/** The files that changed since they were last asked for. */
class Changes {
  #files = new Set<string>();
  #wake: () => void = () => undefined;
  readonly #signal: AbortSignal;

  /** @param signal ends the wait */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => {
      this.#wake();
    });
  }

  add(files: readonly string[]): void {
    for (const file of files) this.#files.add(file);
    this.#wake();
  }

  /** Waits until there are some, or until the signal is aborted. */
  async take(): Promise<readonly string[]> {
    while (this.#files.size === 0 && !this.#signal.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const files = [...this.#files];
    this.#files = new Set();
    return files;
  }
}

/** Deploys again whenever something changes, until the signal is aborted. */
async function follow(
  options: RunOptions & { readonly signal: AbortSignal },
  first: State,
  changes: Changes,
): Promise<void> {
  const stopped = (): boolean => options.signal.aborted;
  let state = first;
  for (;;) {
    const files = await changes.take();
    if (stopped()) return;
    const shown =
      files.slice(0, 3).join(", ") + (files.length > 3 ? ` and ${files.length - 3} more` : "");
    const began = performance.now();
    const before = state;
    const result: RunResult = await up(options, state);
    state = result.state;
    if (stopped()) return;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    if (result.ok) say(`${shown} changed: ${changeLine(before, result)} (${seconds} s)`);
    else
      say(`${shown} changed, and what was deployed before goes on:\n${result.problems.join("\n")}`);
  }
}

const given = readArguments(process.argv.slice(2));
if (given !== undefined) {
  const stopped = new AbortController();
  // Ctrl-C comes twice under npm, from the terminal and from npm; the stop is bounded anyway.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      stopped.abort();
    });
  }
  process.stdout.on("error", () => {
    stopped.abort();
  });
  // A shell between npm and this process may die of a signal without passing it on.
  const parent = process.ppid;
  if (process.env["npm_lifecycle_event"] !== undefined) {
    setInterval(() => {
      if (process.ppid !== parent) stopped.abort();
    }, 500).unref();
  }
  let code = 1;
  try {
    code = await run(given, stopped);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  process.exit(code);
}
