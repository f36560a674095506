import { HttpError } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { pause } from "../lib/within.ts";
import type { WriteOutcome, WriteRequest } from "./plan.ts";
import { type CommitResult, type Store, StoreError } from "./store.ts";

export interface WriterOptions {
  readonly store: Pick<Store, "commit">;
  readonly log: Log;
  /** Told of every commit, and of the replicas that it comes from, before those who wait for it. */
  readonly onCommitted: (result: CommitResult, origins: readonly string[]) => void;
  readonly limits?: Partial<WriterLimits>;
}

export interface WriterLimits {
  /** Requests that may wait: their number, and their characters. */
  readonly waiting: number;
  readonly waitingSize: number;
  /** How much one transaction may hold of the requests that wait: their number, and about their bytes. */
  readonly batchRequests: number;
  readonly batchSize: number;
  /** How long a request may wait, its transaction being repeated, before it is given up. */
  readonly giveUpMs: number;
  /** The wait before it is repeated is up to so long, and up to twice as long with each further time. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

const defaultLimits: WriterLimits = {
  waiting: 1_000,
  waitingSize: 8 * 1024 * 1024,
  batchRequests: 100,
  batchSize: 512 * 1024,
  giveUpMs: 4_000,
  firstPauseMs: 50,
  longestPauseMs: 1_000,
};

/** What an entity takes beside its key and value. A transaction with too many of them takes too long. */
const perKey = 200;

export interface Written {
  readonly outcome: WriteOutcome;
  /** How long the transaction took, with the wait for it. */
  readonly commitMs: number;
}

interface Waiting {
  readonly request: WriteRequest;
  readonly origin: string;
  readonly size: number;
  readonly since: number;
  readonly settle: PromiseWithResolvers<Written>;
}

/**
 * Commits what was posted here, one transaction at a time. What is posted meanwhile shares the next
 * one, so that many writers cost few transactions, and this replica never competes with itself.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #limits: WriterLimits;
  readonly #waiting: Waiting[] = [];
  #waitingSize = 0;
  #working = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  /**
   * Resolves when the request's fate is known.
   *
   * @param origin the replica to which it was posted
   * @throws HttpError 503: "contention", "unavailable", "busy" say that nothing was committed,
   *   "outcome_unknown" that it may have been
   */
  write(request: WriteRequest, origin: string): Promise<Written> {
    let size = 0;
    for (const [key, value] of request.patch) size += perKey + key.length + (value?.length ?? 0);
    const { waiting, waitingSize } = this.#limits;
    if (this.#waiting.length >= waiting || this.#waitingSize + size > waitingSize) {
      return Promise.reject(
        refusal("busy", "too many requests wait for their turn; nothing was committed"),
      );
    }
    const settle = Promise.withResolvers<Written>();
    this.#waiting.push({ request, origin, size, since: performance.now(), settle });
    this.#waitingSize += size;
    if (!this.#working) void this.#work();
    return settle.promise;
  }

  /** How long the first of those that wait has waited, in milliseconds. */
  get queueMs(): number {
    const [first] = this.#waiting;
    return first === undefined ? 0 : performance.now() - first.since;
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      if (batch.length === 0) continue;
      try {
        const result = await this.#commit(batch);
        this.#options.onCommitted(result, [...new Set(batch.map(({ origin }) => origin))]);
        const now = performance.now();
        for (const [index, { settle, since }] of batch.entries()) {
          const outcome = result.outcomes[index];
          if (outcome === undefined) throw new Error("a request has no outcome");
          settle.resolve({ outcome, commitMs: now - since });
        }
      } catch (error) {
        for (const { settle } of batch) settle.reject(error);
      }
    }
    this.#working = false;
  }

  #nextBatch(): Waiting[] {
    const { batchRequests, batchSize, giveUpMs } = this.#limits;
    this.#refuseOlderThan(giveUpMs);
    let size = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      size += waiting.size;
      if (count > 0 && (count >= batchRequests || size > batchSize)) break;
      count += 1;
    }
    return this.#take(count);
  }

  #take(count: number): Waiting[] {
    const taken = this.#waiting.splice(0, count);
    for (const { size } of taken) this.#waitingSize -= size;
    return taken;
  }

  /** What has waited for so long is expected by nobody any more. */
  #refuseOlderThan(ms: number): void {
    const oldest = performance.now() - ms;
    let count = 0;
    for (const { since } of this.#waiting) {
      if (since >= oldest) break;
      count += 1;
    }
    for (const { settle } of this.#take(count)) {
      settle.reject(refusal("busy", "it did not get its turn in time; nothing was committed"));
    }
  }

  async #commit(batch: readonly Waiting[]): Promise<CommitResult> {
    const requests = batch.map(({ request }) => request);
    const { store, log } = this.#options;
    const { giveUpMs, firstPauseMs, longestPauseMs } = this.#limits;
    const end = (batch[0]?.since ?? 0) + giveUpMs;
    let doubt: number | undefined;
    for (let attempt = 0; ; attempt++) {
      try {
        return await store.commit(requests, doubt);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        // What is committed since the first doubt is looked through each time: a later try may have
        // found a request there, and have left another in doubt.
        doubt ??= error.base;
        if (performance.now() >= end) {
          log.warn({ reason: error.message, attempts: attempt + 1 }, "a commit was given up");
          throw doubt === undefined ? notCommitted(error) : unknownOutcome(error);
        }
        const longest = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(attempt, 20));
        await pause(Math.random() * longest, new AbortController().signal);
      }
    }
  }
}

function notCommitted(cause: StoreError): HttpError {
  return cause.code === "contention"
    ? refusal(
        "contention",
        "others wrote at the same time, again and again; nothing was committed",
        {
          cause,
        },
      )
    : refusal("unavailable", "Datastore does not answer; nothing was committed", { cause });
}

export function unknownOutcome(cause: Error): HttpError {
  return refusal(
    "outcome_unknown",
    "Datastore did not say whether it committed; send the request again with the same Idempotency-Key, or look at M",
    { cause },
  );
}

function refusal(code: string, message: string, options: ErrorOptions = {}): HttpError {
  return new HttpError(503, code, message, { ...options, headers: { "retry-after": "1" } });
}
