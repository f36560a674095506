import type { Log } from "../lib/log.ts";
import { pause } from "../lib/within.ts";
import type { Head, Store } from "./store.ts";

/** Publishes on the Pub/Sub topic, which pushes to every instance until it has taken the message. */
export interface Publisher {
  /** Resolves when Pub/Sub has the message. */
  publish(attributes: Readonly<Record<string, string>>): Promise<void>;
  close(): Promise<void>;
}

export interface OutboxOptions {
  readonly replica: string;
  readonly store: Pick<Store, "markPublished">;
  readonly publisher: Publisher;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** True while nothing but Pub/Sub brings the news: then every publication is at once. */
  readonly hurry?: () => boolean;
  /**
   * Otherwise the time between two publications: each is a push to every instance, which has had the
   * news over NATS already.
   */
  readonly spacingMs?: number;
  /** How long a revision may be unpublished before any replica publishes it. */
  readonly overdueMs?: number;
  /** The wait after a failure; it doubles up to sixteen times as much. */
  readonly retryMs?: number;
  /** Marks are written so long after a publication, several at once. */
  readonly markMs?: number;
}

/**
 * The revisions that Pub/Sub has not been told of: those above the mark in the store, up to the
 * current one. The mark is only raised after a publication, so none is forgotten when a writer dies
 * between its commit and its publication: every replica sees the difference and publishes in its
 * place. The news of a revision is news of all before it, so only the newest is published.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #overdueMs: number;
  #wanted = 0;
  #published = 0;
  #marked = 0;
  #working = false;
  #publishedAt = -Infinity;
  #marking: NodeJS.Timeout | undefined;
  #overdue: { readonly published: number; readonly since: number } | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#overdueMs = options.overdueMs ?? 2_000;
    options.signal.addEventListener("abort", () => {
      clearTimeout(this.#marking);
    });
  }

  /** A revision was committed here. */
  add(rev: number): void {
    if (rev <= this.#wanted) return;
    this.#wanted = rev;
    if (!this.#working) void this.#publish();
  }

  /** What the store says: when its mark has not moved for too long, this replica publishes. */
  notice({ rev, published }: Head): void {
    const now = performance.now();
    if (published >= rev) {
      this.#overdue = undefined;
    } else if (this.#overdue?.published !== published) {
      this.#overdue = { published, since: now };
    } else if (now - this.#overdue.since > this.#overdueMs) {
      this.#overdue = { published, since: now };
      if (this.#published >= rev) this.#mark();
      else this.add(rev);
    }
  }

  async #publish(): Promise<void> {
    const { signal, publisher, log, replica, hurry = () => true } = this.#options;
    const { retryMs = 250, spacingMs = 250 } = this.#options;
    let failures = 0;
    this.#working = true;
    while (this.#published < this.#wanted) {
      const waitMs = this.#publishedAt + spacingMs - performance.now();
      if (waitMs > 0 && !hurry()) await pause(waitMs, signal);
      if (signal.aborted) break;
      const rev = this.#wanted;
      try {
        await publisher.publish({ rev: String(rev), writer: replica });
        this.#published = rev;
        this.#publishedAt = performance.now();
        failures = 0;
        this.#mark();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn({ rev, reason }, "not published on Pub/Sub; it is tried again");
        await pause(retryMs * 2 ** Math.min(failures++, 4) * (0.5 + Math.random()), signal);
      }
    }
    this.#working = false;
  }

  #mark(): void {
    const { signal, store, log, markMs = 500 } = this.#options;
    if (this.#marking !== undefined || signal.aborted) return;
    this.#marking = setTimeout(() => {
      this.#marking = undefined;
      const rev = this.#published;
      store.markPublished(rev).then(
        () => {
          this.#marked = Math.max(this.#marked, rev);
          if (this.#published > this.#marked) this.#mark();
        },
        (error: unknown) => {
          // Somebody will find it overdue, and publish or mark it once more.
          const reason = error instanceof Error ? error.message : String(error);
          log.warn({ rev, reason }, "the mark of what is published was not written");
        },
      );
    }, markMs);
  }
}
