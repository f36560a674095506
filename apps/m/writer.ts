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
  /** Requests that may wait. */
  readonly waiting: number;
  /** How much one transaction may hold of the requests that wait: their number, and about their bytes. */
  readonly batchRequests: number;
  readonly batchSize: number;
  /** How long a transaction is repeated that others get in the way of, or that nobody answers. */
  readonly giveUpMs: number;
  /** The wait before it is repeated is up to so long, and up to twice as long with each further time. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

const defaultLimits: WriterLimits = {
  waiting: 1_000,
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
    if (this.#waiting.length >= this.#limits.waiting) {
      throw refusal("busy", "too many requests wait for their turn; nothing was committed");
    }
    let size = 0;
    for (const [key, value] of request.patch) size += perKey + key.length + (value?.length ?? 0);
    const settle = Promise.withResolvers<Written>();
    this.#waiting.push({ request, origin, size, since: performance.now(), settle });
    if (!this.#working) void this.#work();
    return settle.promise;
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      try {
        const result = await this.#commit(batch.map(({ request }) => request));
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
    const { batchRequests, batchSize } = this.#limits;
    let size = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      size += waiting.size;
      if (count > 0 && (count >= batchRequests || size > batchSize)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #commit(requests: readonly WriteRequest[]): Promise<CommitResult> {
    const { store, log } = this.#options;
    const { giveUpMs, firstPauseMs, longestPauseMs } = this.#limits;
    const end = performance.now() + giveUpMs;
    let doubt: number | undefined;
    for (let attempt = 0; ; attempt++) {
      try {
        return await store.commit(requests, doubt);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        // This try has read what the one before it did or did not commit.
        doubt = error.base ?? doubt;
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

function unknownOutcome(cause: StoreError): HttpError {
  return refusal(
    "outcome_unknown",
    "Datastore did not say whether it committed; send the request again with the same Idempotency-Key, or look at M",
    { cause },
  );
}

function refusal(code: string, message: string, options: ErrorOptions = {}): HttpError {
  return new HttpError(503, code, message, { ...options, headers: { "retry-after": "1" } });
}
