/** The books of one run: what the last run left, what this one has made of it so far. */
import { makeUrn, stackType } from "../wire/urn.ts";
import type { Json } from "../wire/values.ts";
import { aliasUrns } from "./aliases.ts";
import type { Registration } from "./registration.ts";
import type { ResourceState, State } from "./types.ts";

/** What a step left of a resource. */
export interface Outcome {
  /** Absent for components, and in previews of creations. */
  readonly id: string | undefined;
  readonly inputs: Json;
  readonly outputs: Json;
}

export class Ledger {
  readonly #where: { readonly project: string; readonly stack: string };
  /** Living resources of the last run that this one has not dealt with yet. */
  readonly #olds: Map<string, ResourceState>;
  /** Replaced ones, of this run and of earlier ones that did not get to delete them. */
  #replaced: ResourceState[];
  readonly #news = new Map<string, ResourceState>();
  readonly #registered = new Set<string>();
  /** URNs of `#olds` that a registration of this run has found to be its own. */
  readonly #claimed = new Set<string>();
  /** New URN → the former one under which the resource was in the state. */
  readonly #former = new Map<string, string>();

  constructor(state: State, where: { readonly project: string; readonly stack: string }) {
    this.#where = where;
    const living = state.resources.filter((resource) => resource.pendingDeletion !== true);
    this.#olds = new Map(living.map((resource) => [resource.urn, resource]));
    this.#replaced = state.resources.filter((resource) => resource.pendingDeletion === true);
  }

  /** @throws Error when the program registers it twice */
  open(registration: Registration): { urn: string; old: ResourceState | undefined } {
    const urn = makeUrn({ ...registration, ...this.#where });
    if (this.#registered.has(urn)) throw new Error("it is registered twice");
    this.#registered.add(urn);
    const names = [urn, ...this.#aliasesOf(registration)];
    const found = names.find((name) => this.#olds.has(name) && !this.#claimed.has(name));
    if (found === undefined) return { urn, old: undefined };
    this.#claimed.add(found);
    if (found !== urn) this.#former.set(urn, found);
    return { urn, old: this.#olds.get(found) };
  }

  /** Old ones that no registration has asked for yet. */
  unclaimed(): ResourceState[] {
    return [...this.#olds.values()].filter(({ urn }) => !this.#claimed.has(urn));
  }

  replaced(): readonly ResourceState[] {
    return this.#replaced;
  }

  /** The resource is now as this run made it. */
  keep(
    urn: string,
    registration: Registration,
    old: ResourceState | undefined,
    now: Outcome,
  ): void {
    if (old !== undefined) this.#olds.delete(old.urn);
    const { type, name, custom, parent, deleteBeforeReplace } = registration;
    this.#news.set(urn, {
      urn,
      type,
      name,
      custom,
      ...(now.id === undefined ? {} : { id: now.id }),
      ...(parent === undefined ? {} : { parent }),
      inputs: now.inputs,
      outputs: now.outputs,
      dependencies: registration.dependencies,
      propertyDependencies: registration.propertyDependencies,
      protect: registration.protect,
      retainOnDelete: registration.retainOnDelete,
      ...(deleteBeforeReplace === undefined ? {} : { deleteBeforeReplace }),
      ignoreChanges: registration.ignoreChanges,
      aliases: this.#aliasesOf(registration),
    });
  }

  setOutputs(urn: string, outputs: Json): void {
    const resource = this.#news.get(urn);
    if (resource !== undefined) this.#news.set(urn, { ...resource, outputs });
  }

  /** URN of the stack itself, once it is registered. */
  root(): string | undefined {
    return [...this.#news.values()].find(({ type }) => type === stackType)?.urn;
  }

  /** Its replacement lives; it is only waiting for its end. */
  retire(old: ResourceState): void {
    this.#olds.delete(old.urn);
    this.#replaced.push({ ...old, pendingDeletion: true });
  }

  /** It is gone. */
  forget(resource: ResourceState): void {
    if (resource.pendingDeletion === true) {
      this.#replaced = this.#replaced.filter((other) => other !== resource);
    } else {
      this.#olds.delete(resource.urn);
    }
  }

  /** What there is now, dependencies before dependents. */
  state(): State {
    const now = new Map([...this.#former].map(([urn, former]) => [former, urn]));
    const rename = (urn: string): string => now.get(urn) ?? urn;
    // Those that were not reached may still refer to others by their former names.
    const leftovers = [...this.#olds.values(), ...this.#replaced].map((resource) => ({
      ...resource,
      ...(resource.pendingDeletion === true ? { urn: rename(resource.urn) } : {}),
      ...(resource.parent === undefined ? {} : { parent: rename(resource.parent) }),
      dependencies: resource.dependencies.map(rename),
    }));
    return { resources: [...this.#news.values(), ...leftovers] };
  }

  #aliasesOf(registration: Registration): string[] {
    const { parent } = registration;
    const formerParent = parent === undefined ? undefined : this.#former.get(parent);
    return aliasUrns({ ...this.#where, registration, formerParent });
  }
}
