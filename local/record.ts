/** The whole resource graph of a program, as an engine would see it, without any provider. */
import { isAbsolute, relative, sep } from "node:path";
import type { Monitor } from "./engine/monitor.ts";
import { runProgram } from "./engine/program.ts";
import type { AliasSpec, Registration } from "./engine/registration.ts";
import { readStackFile } from "./engine/stack-file.ts";
import { placeholderOutputs } from "./provider/placeholders.ts";
import { makeUrn, stackType } from "./wire/urn.ts";
import { type Json, readable } from "./wire/values.ts";

export interface RecordOptions {
  /** The folder with Pulumi.yaml. */
  readonly root: string;
  readonly stack: string;
  /** `namespace:key` → text (JSON for objects), laid over what the stack files say. */
  readonly config?: Readonly<Record<string, string>>;
  /** Records a preview: computed outputs are unknown. Default false: they have plausible values. */
  readonly preview?: boolean;
  readonly signal?: AbortSignal;
}

/** One registration, readable: see `readable` in wire/values.ts for secrets, unknowns and assets. */
export interface RecordedResource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  /** URN; absent for the stack. */
  readonly parent?: string;
  /** Paths of assets below the project's folder are relative to it. */
  readonly inputs: Json;
  /** URNs, sorted. */
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace?: boolean;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly aliases: readonly AliasSpec[];
  /** Of the provider's SDK package, for example `9.37.0`; empty for components. */
  readonly version: string;
  /** The cloud's id of a thing to adopt. */
  readonly importId?: string;
  /** What the component registered as its outputs. */
  readonly outputs?: Json;
}

export interface RecordedGraph {
  /** False when the program failed; what it registered until then is in `resources`. */
  readonly ok: boolean;
  readonly problems: readonly string[];
  /** Sorted by URN, the stack included. */
  readonly resources: readonly RecordedResource[];
  /** Outputs of the stack. */
  readonly outputs: Json;
  /** Warnings and what the program printed. */
  readonly logs: readonly string[];
}

/**
 * Runs the program with the SDK's own launcher and writes down all that it registers.
 *
 * @throws Error for a root or stack that cannot be read; failures of the program are in the result
 */
export async function recordGraph(options: RecordOptions): Promise<RecordedGraph> {
  const stack = readStackFile(options.root, options.stack);
  const config = { ...stack.config, ...options.config };
  const preview = options.preview ?? false;
  const resources = new Map<string, RecordedResource>();
  const logs: string[] = [];
  const show = (value: unknown): Json =>
    readable(value, (path) => relativeTo(options.root, path)) as Json;

  const monitor: Monitor = {
    register(registration) {
      const urn = makeUrn({ ...registration, project: stack.project, stack: stack.stack });
      if (resources.has(urn)) throw new Error(`duplicate resource: ${urn}`);
      resources.set(urn, describe(urn, registration, show(registration.inputs)));
      if (!registration.custom) return Promise.resolve({ urn, outputs: {} });
      if (preview) return Promise.resolve({ urn, outputs: registration.inputs });
      return Promise.resolve({ urn, ...placeholderOutputs(registration, config) });
    },
    registerOutputs(urn, outputs) {
      const resource = resources.get(urn);
      if (resource !== undefined) resources.set(urn, { ...resource, outputs: show(outputs) });
    },
    invoke(token) {
      return Promise.reject(new Error(`the recorder cannot answer the data source ${token}`));
    },
  };
  const end = await runProgram({
    stack,
    config,
    dryRun: preview,
    monitor,
    signal: options.signal,
    onLog: (severity, text) => {
      if (severity === "info" || severity === "warning") logs.push(text);
    },
  });
  const sorted = [...resources.values()].sort((a, b) => (a.urn < b.urn ? -1 : 1));
  const root = sorted.find((resource) => resource.type === stackType);
  return {
    ok: end.ok,
    problems: options.signal?.aborted === true ? ["stopped on request"] : end.problems,
    resources: sorted,
    // A failed program registers an empty set of outputs, which must not look like its result.
    outputs: end.ok ? (root?.outputs ?? {}) : {},
    logs,
  };
}

function describe(urn: string, registration: Registration, inputs: Json): RecordedResource {
  const { type, name, custom, parent, deleteBeforeReplace, importId } = registration;
  return {
    urn,
    type,
    name,
    custom,
    ...(parent === undefined ? {} : { parent }),
    inputs,
    dependencies: registration.dependencies,
    propertyDependencies: registration.propertyDependencies,
    protect: registration.protect,
    retainOnDelete: registration.retainOnDelete,
    ...(deleteBeforeReplace === undefined ? {} : { deleteBeforeReplace }),
    ignoreChanges: registration.ignoreChanges,
    replaceOnChanges: registration.replaceOnChanges,
    aliases: registration.aliases,
    version: registration.version,
    ...(importId === "" ? {} : { importId }),
  };
}

function relativeTo(root: string, path: string): string {
  if (!isAbsolute(path)) return path;
  const inside = relative(root, path);
  return inside.startsWith("..") ? path : inside.split(sep).join("/");
}
