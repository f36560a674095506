import type { Log } from "../lib/log.ts";
import { pause } from "../lib/within.ts";
import { type Change, Memory } from "./memory.ts";
import type { Head, Store } from "./store.ts";

/** What is kept of changes that came too early; the rest will be read from the store. */
const keptEarly = { changes: 256, size: 4 * 1024 * 1024 } as const;

export interface FollowerOptions {
  readonly store: Pick<Store, "head" | "changesAfter" | "snapshot">;
  readonly log: Log;
  /** Ends everything that the follower does. */
  readonly signal: AbortSignal;
  /** How long a revision that came too early waits for the ones before it before Datastore is asked. */
  readonly gapMs?: number;
  /** The wait after a failed read; it doubles up to the second with each further one. */
  readonly retryMs?: { readonly first: number; readonly longest: number };
}

/**
 * Keeps a replica's memory in step with the store. Changes come from anywhere, in any order and more
 * than once; what is missing is read from the store. A revision is only ever applied on top of the
 * one before it, or as part of a whole snapshot.
 */
export class Follower {
  readonly memory = new Memory();
  readonly #options: FollowerOptions;
  readonly #gapMs: number;
  readonly #retryMs: { readonly first: number; readonly longest: number };
  readonly #listeners = new Set<(rev: number) => void>();
  /** Changes that came before the ones before them, by revision. */
  readonly #early = new Map<number, Change>();
  #earlySize = 0;
  /** The highest revision that is said to exist. */
  #target = 0;
  #loaded = false;
  #syncing = false;
  #gap: NodeJS.Timeout | undefined;
  #asking: Promise<Head> | undefined;
  #behind: number | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#gapMs = options.gapMs ?? 10;
    this.#retryMs = options.retryMs ?? { first: 100, longest: 1_000 };
    options.signal.addEventListener("abort", () => {
      clearTimeout(this.#gap);
    });
  }

  get rev(): number {
    return this.memory.rev;
  }

  /** How many revisions are known to exist that this replica does not have. */
  get missing(): number {
    return Math.max(0, this.#target - this.rev);
  }

  /** The store's revision where it is lower than this replica's: it is not the store that it was. */
  get behind(): number | undefined {
    return this.#behind;
  }

  /** Calls back after each step forward; the returned function ends it. */
  onAdvance(listener: (rev: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Loads everything, however often it takes; rejects only when the signal aborts. */
  async load(): Promise<void> {
    await this.#untilDone("cannot load M", () => this.#reload());
  }

  /** Takes changes that were committed. */
  offer(changes: readonly Change[]): void {
    for (const change of changes) {
      if (this.memory.apply(change)) this.#applyEarly();
      else if (change.rev > this.rev) this.#keepEarly(change);
    }
    const last = changes.at(-1);
    if (last === undefined) return;
    this.#advanced();
    this.expect(last.rev);
  }

  /** Somebody says that a revision was committed; it is fetched soon, if it does not come by itself. */
  expect(rev: number): void {
    this.#target = Math.max(this.#target, rev);
    if (this.#target <= this.rev || this.#gap !== undefined || !this.#loaded) return;
    this.#gap = setTimeout(() => {
      this.#gap = undefined;
      this.#sync();
    }, this.#gapMs);
  }

  /**
   * Resolves once a committed revision is applied; fetches it at once. Rejects when the signal aborts.
   */
  async reach(rev: number, signal: AbortSignal): Promise<void> {
    if (this.rev >= rev) return;
    this.#target = Math.max(this.#target, rev);
    this.#sync();
    await this.#whenAt(rev, signal);
  }

  /** As `reach`, for a revision of which nobody knows whether it exists. */
  async seek(rev: number, signal: AbortSignal): Promise<void> {
    if (this.rev >= rev) return;
    const arrived = this.#whenAt(rev, signal);
    // No answer is no harm: the revision may come by itself.
    this.#look(rev).catch(() => undefined);
    await arrived;
  }

  /** Asks the store where it is, and follows. */
  async check(): Promise<Head> {
    const before = this.rev;
    const head = await this.#options.store.head();
    this.#behind = head.rev < before ? head.rev : undefined;
    this.expect(head.rev);
    return head;
  }

  /** Asks the store for a revision; those who look at the same time share one question. */
  async #look(rev: number): Promise<void> {
    // The answer to a question that was under way may be older than the revision.
    await this.#asking?.catch(() => undefined);
    if (this.#target >= rev || this.rev >= rev) return;
    this.#asking ??= this.check().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  #whenAt(rev: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(new Error("aborted", { cause: signal.reason }));
        return;
      }
      const end = (): void => {
        remove();
        signal.removeEventListener("abort", abort);
      };
      const abort = (): void => {
        end();
        reject(new Error("aborted", { cause: signal.reason }));
      };
      const remove = this.onAdvance((now) => {
        if (now < rev) return;
        end();
        resolve();
      });
      signal.addEventListener("abort", abort);
    });
  }

  #keepEarly(change: Change): void {
    if (this.#early.has(change.rev)) return;
    const size = sizeOf(change);
    if (this.#early.size >= keptEarly.changes || this.#earlySize + size > keptEarly.size) return;
    this.#early.set(change.rev, change);
    this.#earlySize += size;
  }

  #applyEarly(): void {
    for (;;) {
      const next = this.#early.get(this.rev + 1);
      if (next === undefined || !this.memory.apply(next)) return;
      this.#dropEarly(next);
    }
  }

  #dropEarly(change: Change): void {
    this.#early.delete(change.rev);
    this.#earlySize -= sizeOf(change);
  }

  #advanced(): void {
    for (const change of [...this.#early.values()]) {
      if (change.rev <= this.rev) this.#dropEarly(change);
    }
    for (const listener of [...this.#listeners]) listener(this.rev);
  }

  #sync(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    this.#untilDone("cannot catch up", () => this.#catchUp())
      .catch(() => undefined)
      .finally(() => {
        this.#syncing = false;
        // A revision may have become known while the last read was under way.
        if (this.#target > this.rev && !this.#options.signal.aborted) this.#sync();
      });
  }

  async #catchUp(): Promise<void> {
    while (this.#target > this.rev) {
      const before = this.rev;
      const changes = await this.#options.store.changesAfter(before, this.#target);
      for (const change of changes) {
        if (this.memory.apply(change)) this.#applyEarly();
      }
      if (this.rev > before) this.#advanced();
      else await this.#reload();
    }
  }

  /** A snapshot is the truth: a revision that it does not have does not exist. */
  async #reload(): Promise<void> {
    const target = this.#target;
    const snapshot = await this.#options.store.snapshot();
    this.#loaded = true;
    if (this.memory.replace(snapshot)) {
      this.#applyEarly();
      this.#advanced();
    }
    if (this.#target === target) this.#target = Math.min(target, this.rev);
  }

  async #untilDone(failure: string, work: () => Promise<void>): Promise<void> {
    const { signal, log } = this.#options;
    for (let pauseMs = this.#retryMs.first; ; pauseMs *= 2) {
      signal.throwIfAborted();
      try {
        await work();
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        log.warn({ reason: error instanceof Error ? error.message : String(error) }, failure);
        await pause(Math.min(pauseMs, this.#retryMs.longest) * (0.5 + Math.random() / 2), signal);
      }
    }
  }
}

function sizeOf({ patch }: Change): number {
  let size = 0;
  for (const [key, value] of patch) size += key.length + (value?.length ?? 0);
  return size;
}
