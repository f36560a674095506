/** `pulumi up`, `preview` and `destroy` where there is no pulumi CLI. */
import { Deployment } from "./deployment.ts";
import { runProgram } from "./program.ts";
import { connectProvider, type ProviderClient, ProviderGone } from "./provider-client.ts";
import { readStackFile, type StackFile } from "./stack-file.ts";
import { text } from "./steps.ts";
import { noSteps, type RunOptions, type RunResult, type State } from "./types.ts";

const defaultStepMs = 300_000;

/** Runs the program and makes the state what it declares. Never rejects: problems are in the result. */
export function up(options: RunOptions, state: State): Promise<RunResult> {
  return guarded(state, (stack) => run(options, stack, state, false), options);
}

/** Says what `up` would do, with values that only it can know left unknown. The state stays as it is. */
export async function preview(options: RunOptions, state: State): Promise<RunResult> {
  const result = await guarded(state, (stack) => run(options, stack, state, true), options);
  return { ...result, state };
}

/** Deletes every resource of the state, unless one of them is protected. Runs no program. */
export function destroy(options: RunOptions, state: State): Promise<RunResult> {
  return guarded(
    state,
    async (stack) => {
      const session = open(options, stack, state, false);
      try {
        if (options.signal?.aborted !== true) await session.deployment.deleteTheRest();
        return result(session.deployment, options, [], {});
      } catch (error) {
        return failed(session.deployment, options, error);
      } finally {
        await session.close();
      }
    },
    options,
  );
}

async function run(
  options: RunOptions,
  stack: StackFile,
  state: State,
  dryRun: boolean,
): Promise<RunResult> {
  const session = open(options, stack, state, dryRun);
  const { deployment } = session;
  try {
    const end = await runProgram({
      stack,
      config: options.config ?? {},
      dryRun,
      monitor: deployment,
      onLog: options.onLog,
      idleMs: options.programIdleMs,
      signal: session.leave,
    });
    await deployment.settle();
    if (!end.ok || session.leave.aborted) return result(deployment, options, end.problems, {});
    const outputs = deployment.takeRootOutputs();
    await deployment.deleteTheRest();
    return result(deployment, options, end.problems, outputs);
  } catch (error) {
    return failed(deployment, options, error);
  } finally {
    await session.close();
  }
}

interface Session {
  readonly deployment: Deployment;
  /** Aborted when the program need not go on: a step failed, or the caller wants to stop. */
  readonly leave: AbortSignal;
  close(): Promise<void>;
}

function open(options: RunOptions, stack: StackFile, state: State, dryRun: boolean): Session {
  const failure = new AbortController();
  const provider = connect(options);
  const deployment = new Deployment(state, {
    project: stack.project,
    stack: stack.stack,
    root: stack.root,
    dryRun,
    rehearse: options.rehearse ?? false,
    provider,
    onStep: options.onStep,
    onOperation: options.onOperation,
    onFailure: () => {
      failure.abort();
    },
  });
  const cancel = (): void => {
    deployment.cancel();
  };
  const { signal } = options;
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  return {
    deployment,
    leave: AbortSignal.any([failure.signal, ...(signal === undefined ? [] : [signal])]),
    close: async () => {
      signal?.removeEventListener("abort", cancel);
      await provider.then(
        (client) => {
          client.close();
        },
        () => undefined,
      );
    },
  };
}

function connect({ providerPort, stepMs }: RunOptions): Promise<ProviderClient> {
  const client = Promise.resolve(providerPort).then(
    (port) => connectProvider(port, stepMs ?? defaultStepMs),
    (cause: unknown) => {
      throw new ProviderGone(cause instanceof Error ? cause.message : String(cause), { cause });
    },
  );
  // Whoever needs the provider awaits it; until then its failure is nobody's surprise.
  client.catch(() => undefined);
  return client;
}

function result(
  deployment: Deployment,
  { signal }: RunOptions,
  programProblems: readonly string[],
  outputs: RunResult["outputs"],
): RunResult {
  const problems = [
    ...deployment.problems,
    // After a failed step the program only repeats that it could not go on.
    ...(deployment.problems.length > 0 ? [] : programProblems),
    ...(signal?.aborted === true ? ["stopped on request"] : []),
  ];
  return {
    ok: problems.length === 0,
    state: deployment.state(),
    counts: deployment.counts,
    outputs: problems.length === 0 ? outputs : {},
    problems: [...new Set(problems)],
  };
}

/** Something that neither the program nor a step is to blame for; what was done until then is kept. */
function failed(deployment: Deployment, options: RunOptions, error: unknown): RunResult {
  const { problems, ...rest } = result(deployment, options, [], {});
  return { ...rest, ok: false, outputs: {}, problems: [...problems, text(error)] };
}

/** A stack that cannot be read is a problem like any other. */
async function guarded(
  state: State,
  work: (stack: StackFile) => Promise<RunResult>,
  { root, stack }: RunOptions,
): Promise<RunResult> {
  let file: StackFile;
  try {
    file = readStackFile(root, stack);
  } catch (error) {
    return {
      ok: false,
      state,
      counts: noSteps,
      outputs: {},
      problems: text(error).split("\n"),
    };
  }
  return work(file);
}
