import { randomUUID } from "node:crypto";
import type { Change, Snapshot } from "../../apps/m/memory.ts";
import { encodePatch, type Patch, parsePatch } from "../../apps/m/patch.ts";
import { plan, type UsedKey, type WriteRequest } from "../../apps/m/plan.ts";
import {
  type CommitResult,
  type Head,
  type LeaseRecord,
  type Store,
  StoreError,
  type StoreErrorCode,
} from "../../apps/m/store.ts";

export type StoreCall = Exclude<keyof Store, "close">;

/** What several stores have in common, as several processes have a database. */
interface Contents {
  rev: number;
  published: number;
  members: readonly string[];
  readonly entries: Map<string, string>;
  readonly changes: Map<number, { readonly patch: string; readonly request: string }>;
  readonly usedKeys: Map<string, UsedKey & { readonly expires: number }>;
  readonly leases: Map<string, LeaseRecord>;
}

function empty(): Contents {
  return {
    ...{ rev: 0, published: 0, members: [] },
    ...{ entries: new Map(), changes: new Map(), usedKeys: new Map(), leases: new Map() },
  };
}

/**
 * A store without a database, which a test can get in the way of. test/apps/m/store.test.ts holds it
 * to what the real ones do.
 */
export class MemoryStore implements Store {
  /** Every call so far. */
  readonly calls: StoreCall[] = [];
  /** Runs before a call takes effect. What it throws is the call's error, and nothing has happened. */
  before: (call: StoreCall) => void | Promise<void> = () => undefined;
  /** Runs after a call took effect. What it throws hides that it did. */
  after: (call: StoreCall) => void | Promise<void> = () => undefined;
  /** So many changes are kept. */
  readonly kept: number;
  readonly #contents: Contents;

  /** @param options.like another store, whose contents this one shares */
  constructor({ like, kept = 1_000 }: { like?: MemoryStore; kept?: number } = {}) {
    this.kept = kept;
    this.#contents = like === undefined ? empty() : like.#contents;
  }

  /** How often something was called. */
  count(call: StoreCall): number {
    return this.calls.filter((each) => each === call).length;
  }

  async commit(requests: readonly WriteRequest[], doubt?: number): Promise<CommitResult> {
    let base = 0;
    try {
      return await this.#call("commit", () => {
        const { rev, usedKeys } = this.#contents;
        base = rev;
        const done = new Map<string, number>();
        if (doubt !== undefined && rev - doubt > this.kept) {
          base = doubt;
          throw new StoreError("in doubt", "the changes that would tell are no longer kept");
        }
        for (let each = (doubt ?? rev) + 1; each <= rev; each++) {
          const change = this.#contents.changes.get(each);
          if (change !== undefined) done.set(change.request, each);
        }
        const { outcomes, changes } = plan(requests, rev, usedKeys, done);
        for (const { rev: own, patch, request } of changes) this.#write(own, patch, request);
        return { outcomes, changes };
      });
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "in doubt") throw error;
      throw new StoreError("in doubt", error.message, { cause: error, base });
    }
  }

  head(): Promise<Head> {
    return this.#call("head", () => {
      const { rev, published } = this.#contents;
      return { rev, published };
    });
  }

  changesAfter(rev: number, upTo: number): Promise<readonly Change[]> {
    return this.#call("changesAfter", () => {
      const changes: Change[] = [];
      for (let each = rev + 1; each <= Math.min(upTo, rev + 100); each++) {
        const change = this.#contents.changes.get(each);
        if (change === undefined) break;
        changes.push({ rev: each, patch: parsePatch(change.patch) });
      }
      return changes;
    });
  }

  snapshot(): Promise<Snapshot> {
    return this.#call("snapshot", () => {
      const { rev, entries } = this.#contents;
      return { rev, entries: new Map(entries) };
    });
  }

  join(lease: LeaseRecord): Promise<{ readonly rev: number }> {
    return this.#call("join", () => {
      const { rev, members, leases } = this.#contents;
      this.#contents.members = [...new Set([...members, lease.replica])];
      leases.set(lease.replica, lease);
      return { rev };
    });
  }

  renew(lease: LeaseRecord): Promise<boolean> {
    return this.#call("renew", () => {
      const { leases } = this.#contents;
      const known = leases.has(lease.replica);
      if (known) leases.set(lease.replica, lease);
      return known;
    });
  }

  leave(replica: string): Promise<void> {
    return this.#call("leave", () => {
      this.#end(replica);
    });
  }

  members(): Promise<readonly string[]> {
    return this.#call("members", () => this.#contents.members);
  }

  leases(replicas: readonly string[]): Promise<readonly LeaseRecord[]> {
    return this.#call("leases", () => replicas.flatMap((each) => this.lease(each) ?? []));
  }

  expel(replica: string, renewal: number): Promise<boolean> {
    return this.#call("expel", () => {
      const lease = this.lease(replica);
      if (lease !== undefined && lease.renewal !== renewal) return false;
      this.#end(replica);
      return true;
    });
  }

  markPublished(rev: number): Promise<void> {
    return this.#call("markPublished", () => {
      this.#contents.published = rev;
    });
  }

  forgetUsedKeys(): Promise<void> {
    return this.#call("forgetUsedKeys", () => {
      const { usedKeys } = this.#contents;
      for (const [key, { expires }] of usedKeys) if (expires < Date.now()) usedKeys.delete(key);
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** What is known of a replica, without a call. */
  lease(replica: string): LeaseRecord | undefined {
    return this.#contents.leases.get(replica);
  }

  async #call<T>(call: StoreCall, effect: () => T): Promise<T> {
    this.calls.push(call);
    await this.before(call);
    const result = effect();
    await this.after(call);
    return result;
  }

  #write(rev: number, patch: Patch, { id, idempotency }: WriteRequest): void {
    const { entries, changes, usedKeys } = this.#contents;
    this.#contents.rev = rev;
    changes.set(rev, { patch: encodePatch(patch), request: id });
    changes.delete(rev - this.kept);
    for (const [key, value] of patch) {
      if (value === null) entries.delete(key);
      else entries.set(key, value);
    }
    if (idempotency === undefined) return;
    const { key, digest } = idempotency;
    usedKeys.set(key, { rev, digest, expires: Date.now() + 86_400_000 });
  }

  #end(replica: string): void {
    const { members, leases } = this.#contents;
    this.#contents.members = members.filter((each) => each !== replica);
    leases.delete(replica);
  }
}

/** What a POST of these values asks for. */
export function writing(
  values: Readonly<Record<string, unknown>>,
  rest: Partial<WriteRequest> = {},
): WriteRequest {
  const patch = Object.entries(values).map(([key, value]): [string, string | null] => [
    key,
    value === null ? null : JSON.stringify(value),
  ]);
  return {
    id: randomUUID(),
    patch: new Map(patch),
    ifRev: undefined,
    idempotency: undefined,
    ...rest,
  };
}

/** The lease of a replica as it would write it. */
export function leaseOf(replica: string, rest: Partial<LeaseRecord> = {}): LeaseRecord {
  return {
    replica,
    instance: undefined,
    version: undefined,
    index: undefined,
    renewal: 1,
    rev: 0,
    serving: false,
    renewedAt: new Date(),
    leaseMs: 1_000,
    ...rest,
  };
}

export function failing(code: StoreErrorCode): StoreError {
  return new StoreError(code, `made to fail: ${code}`);
}

/** Holds calls until it is opened. */
export class Latch {
  #waiting = 0;
  readonly #opened = Promise.withResolvers<undefined>();

  /** How many wait, or have waited. */
  get waiting(): number {
    return this.#waiting;
  }

  async pass(): Promise<void> {
    this.#waiting += 1;
    await this.#opened.promise;
  }

  open(): void {
    this.#opened.resolve(undefined);
  }
}
