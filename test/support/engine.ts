/** The embedded engine in tests: a real program, a real provider process, a cloud that takes notes. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { destroy, preview, up } from "../../local/engine/engine.ts";
import {
  emptyState,
  type RunOptions,
  type RunResult,
  type State,
  type StepEvent,
} from "../../local/engine/types.ts";

export const fixtures = join(import.meta.dirname, "..", "local", "engine", "fixtures");

/** A resource as the fixture `declared` declares it; see its index.ts. */
export interface Declaration {
  readonly type: string;
  readonly name: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly parent?: string;
  readonly dependsOn?: readonly string[];
  readonly options?: Readonly<Record<string, unknown>>;
}

export interface Run extends RunResult {
  readonly steps: readonly StepEvent[];
  /** What the provider asked of the cloud in this run, in order: `create Topic numbers`. */
  readonly calls: readonly string[];
}

export interface Bench extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  up(declared: readonly Declaration[], state?: State, options?: Partial<RunOptions>): Promise<Run>;
  preview(
    declared: readonly Declaration[],
    state?: State,
    options?: Partial<RunOptions>,
  ): Promise<Run>;
  destroy(state: State): Promise<Run>;
}

/** Starts a provider of its own; disposing of the bench ends it. */
export async function startBench(): Promise<Bench> {
  const child = spawn(process.execPath, [join(fixtures, "provider.ts")], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => {
      resolve();
    });
  });
  const calls: string[] = [];
  const marks = new Map<string, () => void>();
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const reached = marks.get(line);
      if (/^\d+$/.test(line)) resolve(Number(line));
      else if (reached !== undefined) reached();
      else calls.push(line);
    });
    void closed.then(() => {
      reject(new Error(`the provider ended: ${errors}`));
    });
  });

  /** The provider's notes travel apart from its answers: a mark comes back behind all of them. */
  async function takeCalls(): Promise<string[]> {
    const mark = `mark ${marks.size}`;
    const reached = new Promise<void>((resolve) => marks.set(mark, resolve));
    child.stdin.write(`${mark}\n`);
    await Promise.race([reached, closed]);
    return calls.splice(0, calls.length);
  }
  async function run(
    work: typeof up,
    declared: readonly Declaration[],
    state: State,
    options: Partial<RunOptions>,
  ): Promise<Run> {
    const steps: StepEvent[] = [];
    await takeCalls();
    const result = await work(
      {
        root: join(fixtures, "declared"),
        stack: "test",
        providerPort: port,
        config: { "declared:resources": JSON.stringify(declared) },
        onStep: (event) => steps.push(event),
        ...options,
      },
      state,
    );
    return { ...result, steps, calls: await takeCalls() };
  }
  return {
    port,
    pid: child.pid ?? 0,
    up: (declared, state = emptyState, options = {}) => run(up, declared, state, options),
    preview: (declared, state = emptyState, options = {}) => run(preview, declared, state, options),
    destroy: (state) => run(destroy, [], state, {}),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      child.kill("SIGKILL");
      await closed;
    },
  };
}

/** The resource of this logical name. */
export function named(state: State, name: string): State["resources"][number] {
  const found = state.resources.find((resource) => resource.name === name);
  if (found === undefined) throw new Error(`the state has no ${name}`);
  return found;
}
