/** The vocabulary of the embedded engine: what a run is given, what it reports, what it leaves. */

export interface ResourceState {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** False for components and the stack, which exist only in the graph. */
  readonly custom: boolean;
  /** The cloud's id; absent for components and in previews of creations. */
  readonly id?: string;
  readonly parent?: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
  /** URNs, sorted. */
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace?: boolean;
  readonly ignoreChanges: readonly string[];
  /** URNs that the program gave it as former names. */
  readonly aliases: readonly string[];
  /** Replaced by a living resource of the same URN, and still to be deleted. */
  readonly pendingDeletion?: true;
}

/** Every resource of a stack, dependencies before dependents. */
export interface State {
  readonly resources: readonly ResourceState[];
}

export const emptyState: State = { resources: [] };

/** `import` takes over a thing that the cloud has already; no request makes it. */
export const stepKinds = ["same", "import", "create", "update", "replace", "delete"] as const;
export type StepKind = (typeof stepKinds)[number];

export type StepCounts = Readonly<Record<StepKind, number>>;

export const noSteps: StepCounts = {
  ...{ same: 0, import: 0, create: 0, update: 0, replace: 0, delete: 0 },
};

/** One event of a run. `replace` is reported once, whatever its order of creation and deletion. */
export interface StepEvent {
  readonly phase: "start" | "done" | "failed";
  readonly kind: StepKind;
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** URN; absent for the stack. */
  readonly parent?: string;
  /** Top-level properties that differ, and those of them that force a replacement. */
  readonly diffs: readonly string[];
  readonly replaces: readonly string[];
  /** The resource's inputs (old ones for a delete), so that a listener can say what is being made. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

/** What the pulumi CLI's engine calls its operations, as far as this one does them. */
export type Op =
  "same" | "import" | "create" | "update" | "delete" | "create-replacement" | "delete-replaced";

/**
 * One operation that is over, as `pulumi up --json` tells it in `resOutputsEvent` and
 * `resOpFailedEvent`: a replacement is two of them.
 */
export interface Operation {
  readonly op: Op;
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly failed: boolean;
}

export interface RunResult {
  /** False when the program or any step failed; `state` then holds what was done. */
  readonly ok: boolean;
  readonly state: State;
  readonly counts: StepCounts;
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Diagnostics for people: program errors, refusals, failures. Empty when ok. */
  readonly problems: readonly string[];
}

export interface RunOptions {
  /** The folder with Pulumi.yaml. */
  readonly root: string;
  readonly stack: string;
  /** 127.0.0.1 port of the provider that plays `gcp`; it may still be starting. */
  readonly providerPort: number | Promise<number>;
  /** `project:key` → value (JSON text for objects), laid over what the stack files say. */
  readonly config?: Readonly<Record<string, string>>;
  readonly onStep?: (event: StepEvent) => void;
  readonly onOperation?: (operation: Operation) => void;
  /** Diagnostics as they come: warnings of the program, and what it prints. */
  readonly onLog?: (severity: "debug" | "info" | "warning" | "error", text: string) => void;
  /** Aborting ends the program and starts no further step; the result says so. */
  readonly signal?: AbortSignal;
  /** How long the program may be silent while nothing is in progress. Default 60 000. */
  readonly programIdleMs?: number;
  /** How long the provider may take over one request. Default 300 000. */
  readonly stepMs?: number;
  /**
   * In a preview, lets the provider also create what would be created, with values that are still
   * unknown, so that its checks between resources are made: only with a provider that records and
   * makes nothing real. Default false.
   */
  readonly rehearse?: boolean;
}
