/** What becomes of each resource that a program registers: the engine's decisions. */
import { type Json, unknownValue } from "../wire/values.ts";
import { withHashes } from "./assets.ts";
import { deleteInOrder, dependentsOf } from "./graph.ts";
import { Ledger } from "./ledger.ts";
import { type Answer, type Monitor, RunStopped } from "./monitor.ts";
import { keepOld } from "./paths.ts";
import { type ProviderClient, ProviderGone } from "./provider-client.ts";
import type { Registration } from "./registration.ts";
import { changedKeys, checked, describe, head, replacesOn, type Step, text } from "./steps.ts";
import { noSteps } from "./types.ts";
import type { Op, ResourceState, RunOptions, State, StepEvent, StepKind } from "./types.ts";

export interface DeploymentOptions {
  readonly project: string;
  readonly stack: string;
  /** The program's folder: relative paths of assets start there. */
  readonly root: string;
  readonly dryRun: boolean;
  readonly rehearse: boolean;
  readonly provider: Promise<ProviderClient>;
  readonly onStep: RunOptions["onStep"];
  readonly onOperation: RunOptions["onOperation"];
  /** Called once, when a step has failed: the program need not go on. */
  readonly onFailure: () => void;
}

type Named = Pick<ResourceState, "urn" | "type" | "name">;

export class Deployment implements Monitor {
  readonly problems: string[] = [];
  readonly counts: Record<StepKind, number> = { ...noSteps };
  readonly #options: DeploymentOptions;
  readonly #ledger: Ledger;
  /** Deleted before their replacement is made, by URN, until they are registered. */
  readonly #deletedFirst = new Map<string, ResourceState>();
  readonly #inFlight = new Set<Promise<unknown>>();
  #rootOutputs: Json = {};
  #failed = false;
  #cancelled = false;

  constructor(state: State, options: DeploymentOptions) {
    this.#options = options;
    this.#ledger = new Ledger(state, options);
  }

  state(): State {
    return this.#ledger.state();
  }

  /** Starts no further step; those under way are finished. */
  cancel(): void {
    this.#cancelled = true;
  }

  /** Waits for the steps under way. */
  async settle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.allSettled([...this.#inFlight]);
  }

  register(registration: Registration): Promise<Answer> {
    if (this.#failed || this.#cancelled) return Promise.reject(new RunStopped("the run is over"));
    const work = this.#register(registration);
    this.#inFlight.add(work);
    return work.finally(() => {
      this.#inFlight.delete(work);
    });
  }

  registerOutputs(urn: string, outputs: Json): void {
    // A failing program sends an empty set for the stack: only its end tells what to make of it.
    if (urn === this.#ledger.root()) this.#rootOutputs = outputs;
    else this.#ledger.setOutputs(urn, outputs);
  }

  /** The stack's outputs; only for a program that succeeded. */
  takeRootOutputs(): Json {
    const root = this.#ledger.root();
    if (root !== undefined) this.#ledger.setOutputs(root, this.#rootOutputs);
    return this.#rootOutputs;
  }

  async invoke(token: string, args: Json): Promise<Json> {
    const provider = await this.#options.provider;
    return provider.invoke(token, args);
  }

  /** Deletes what was replaced and what the program no longer registers. */
  async deleteTheRest(): Promise<void> {
    const unwanted = this.#ledger.unclaimed();
    const shielded = unwanted.filter((resource) => resource.protect);
    for (const resource of shielded) {
      this.#fail(
        resource,
        "it is protected and cannot be deleted; take protect away in one update, delete it in the next",
      );
    }
    if (shielded.length > 0) return;
    for (const gone of this.#deletedFirst.values()) {
      // It was deleted before its replacement, which then did not come: that operation was told then.
      await this.#step({ ...gone, kind: "delete" }, () => Promise.resolve(), { told: true });
    }
    await deleteInOrder([...this.#ledger.replaced(), ...unwanted], async (resource) => {
      if (this.#cancelled) throw new RunStopped("the run is over");
      await this.#delete(resource, resource.pendingDeletion === true);
    });
  }

  async #register(registration: Registration): Promise<Answer> {
    let opened: { urn: string; old: ResourceState | undefined } | undefined;
    try {
      opened = this.#ledger.open(registration);
      const { urn, old } = opened;
      return await (registration.custom
        ? this.#registerCustom(urn, registration, old)
        : this.#registerComponent(urn, registration, old));
    } catch (error) {
      if (error instanceof RunStopped) throw error;
      if (this.#options.dryRun && opened !== undefined && !(error instanceof ProviderGone)) {
        // A preview notes the refusal and goes on, so that one run finds them all.
        this.problems.push(describe(registration, text(error)));
        const { inputs } = registration;
        this.#ledger.keep(opened.urn, registration, opened.old, {
          id: undefined,
          inputs,
          outputs: inputs,
        });
        return { urn: opened.urn, outputs: inputs };
      }
      this.#fail(registration, text(error));
      throw new RunStopped("a step failed", { cause: error });
    }
  }

  /** Components: they exist only in the graph. */
  async #registerComponent(
    urn: string,
    registration: Registration,
    old: ResourceState | undefined,
  ): Promise<Answer> {
    const { inputs } = registration;
    const diffs = old === undefined ? [] : changedKeys(old.inputs, inputs);
    const kind = old === undefined ? "create" : diffs.length > 0 ? "update" : "same";
    await this.#step({ ...head(urn, registration), kind, inputs, diffs }, () => Promise.resolve());
    this.#ledger.keep(urn, registration, old, {
      id: undefined,
      inputs,
      outputs: old?.outputs ?? {},
    });
    return { urn, outputs: {} };
  }

  async #registerCustom(
    urn: string,
    registration: Registration,
    old: ResourceState | undefined,
  ): Promise<Answer> {
    if (!registration.type.startsWith("gcp:")) {
      throw new Error("nothing local plays this package: only gcp is played");
    }
    const provider = await this.#options.provider;
    const wanted = await withHashes(registration.inputs, this.#options.root);
    const news = keepOld(registration.ignoreChanges, old?.inputs ?? {}, wanted);
    const inputs = await checked(provider, urn, old?.inputs ?? {}, news);
    const about = head(urn, registration);
    if (old?.id === undefined) {
      const again = this.#deletedFirst.delete(urn);
      // The local cloud is made as the program wants it, also what it would have had before.
      const adopts = registration.importId !== "";
      const kind = again ? "replace" : adopts ? "import" : "create";
      return this.#create({ ...about, kind, inputs }, registration, old);
    }

    const { id } = old;
    const answer = await provider.diff(id, urn, old.outputs, inputs);
    const diffs = changedKeys(old.inputs, inputs);
    const forced = diffs.filter((key) => replacesOn(registration, key));
    const replaces = [...new Set([...answer.replaces, ...forced])].sort();
    if (replaces.length > 0) {
      const step = { ...about, kind: "replace" as const, inputs: news, diffs, replaces };
      return this.#replace(step, registration, old, answer.deleteBeforeReplace);
    }
    if (!(answer.changes ?? diffs.length > 0)) {
      await this.#step({ ...about, kind: "same", inputs }, () => Promise.resolve());
      this.#ledger.keep(urn, registration, old, { id, inputs, outputs: old.outputs });
      return { urn, id, outputs: old.outputs };
    }
    const outputs = await this.#step({ ...about, kind: "update", inputs, diffs }, () =>
      // A preview knows the inputs; what the cloud computes may change and is unknown.
      this.#options.dryRun
        ? Promise.resolve(inputs)
        : provider.update(id, urn, old.outputs, inputs),
    );
    this.#ledger.keep(urn, registration, old, { id, inputs, outputs });
    return { urn, id, outputs };
  }

  async #create(
    step: Step,
    registration: Registration,
    old: ResourceState | undefined,
  ): Promise<Answer> {
    const { urn, inputs } = step;
    const { dryRun, rehearse } = this.#options;
    const provider = await this.#options.provider;
    const { id, outputs } = await this.#step(step, async () => {
      if (!dryRun) return provider.create(urn, inputs);
      if (rehearse) await provider.create(urn, inputs);
      return { id: undefined, outputs: inputs };
    });
    this.#ledger.keep(urn, registration, old, { id, inputs, outputs });
    return { urn, id, outputs };
  }

  /** @param step holds the new inputs as the program gave them, not yet checked */
  async #replace(
    step: Step,
    registration: Registration,
    old: ResourceState,
    providerDeletesFirst: boolean,
  ): Promise<Answer> {
    if (registration.protect && !registration.retainOnDelete) {
      throw new Error(
        `it is protected and cannot be replaced, which the change of ${(step.replaces ?? []).join(", ")} asks for; take protect away first`,
      );
    }
    const provider = await this.#options.provider;
    // Without the old inputs the provider makes up new names where it made up the old ones.
    const inputs = await checked(provider, step.urn, {}, step.inputs);
    const deletesFirst = registration.deleteBeforeReplace ?? providerDeletesFirst;
    if (deletesFirst) await this.#deleteFirst(old);
    const answer = await this.#create({ ...step, inputs }, registration, undefined);
    // Should the creation have failed, the old one lives on.
    if (!deletesFirst) this.#ledger.retire(old);
    return answer;
  }

  /** Deletes the resource and, before it, all dependents that its going forces to be replaced too. */
  async #deleteFirst(old: ResourceState): Promise<void> {
    const doomed: ResourceState[] = [old];
    for (const dependent of dependentsOf(old, this.#ledger.unclaimed())) {
      if (await this.#fallsWith(dependent, doomed)) doomed.push(dependent);
    }
    const blocker = doomed.slice(1).find((resource) => resource.protect);
    if (blocker !== undefined) {
      throw new Error(
        `it must be deleted before it is made anew, and ${blocker.urn} with it, which is protected`,
      );
    }
    const left = await deleteInOrder(doomed, async (resource) => {
      await this.#delete(resource, true);
      if (resource !== old) this.#deletedFirst.set(resource.urn, resource);
    });
    if (left.length > 0) throw new RunStopped("the old one could not be deleted");
  }

  /** Asks the provider: would it be replaced if what comes from the doomed ones were unknown? */
  async #fallsWith(dependent: ResourceState, doomed: readonly ResourceState[]): Promise<boolean> {
    const { id, urn, inputs, outputs, propertyDependencies } = dependent;
    if (!dependent.custom || id === undefined) return false;
    const touched = Object.entries(propertyDependencies)
      .filter(([, sources]) => doomed.some((resource) => sources.includes(resource.urn)))
      .map(([property]) => [property, unknownValue] as const);
    if (touched.length === 0) return false;
    const provider = await this.#options.provider;
    const news = { ...inputs, ...Object.fromEntries(touched) };
    return (await provider.diff(id, urn, outputs, news)).replaces.length > 0;
  }

  /** @param silent the end of a replaced one belongs to its replacement, which is reported */
  async #delete(resource: ResourceState, silent: boolean): Promise<void> {
    const { id, urn, outputs } = resource;
    const forget = this.#options.dryRun || resource.retainOnDelete || !resource.custom;
    const work = async (): Promise<void> => {
      if (forget || id === undefined) return;
      const provider = await this.#options.provider;
      await provider.delete(id, urn, outputs);
    };
    try {
      await (silent
        ? this.#operation("delete-replaced", resource, work)
        : this.#step({ ...resource, kind: "delete" }, work));
    } catch (error) {
      this.#fail(resource, `it could not be deleted: ${text(error)}`);
      throw error;
    }
    this.#ledger.forget(resource);
  }

  async #operation<T>(op: Op, { urn, type, name }: Named, work: () => Promise<T>): Promise<T> {
    const tell = (failed: boolean): void => {
      this.#options.onOperation?.({ op, urn, type, name, failed });
    };
    try {
      const result = await work();
      tell(false);
      return result;
    } catch (error) {
      tell(true);
      throw error;
    }
  }

  /** @param told true where the operation that the step comes down to was told before */
  async #step<T>(step: Step, work: () => Promise<T>, { told = false } = {}): Promise<T> {
    const { kind, urn, type, name, inputs, parent, diffs = [], replaces = [] } = step;
    const event: Omit<StepEvent, "phase"> = {
      ...{ kind, urn, type, name, inputs, diffs, replaces },
      ...(parent === undefined ? {} : { parent }),
    };
    this.#options.onStep?.({ ...event, phase: "start" });
    try {
      const op = kind === "replace" ? "create-replacement" : kind;
      const result = await (told ? work() : this.#operation(op, step, work));
      this.counts[kind] += 1;
      this.#options.onStep?.({ ...event, phase: "done" });
      return result;
    } catch (error) {
      this.#options.onStep?.({ ...event, phase: "failed", error: text(error) });
      throw error;
    }
  }

  #fail(resource: { readonly type: string; readonly name: string }, problem: string): void {
    this.problems.push(describe(resource, problem));
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onFailure();
  }
}
