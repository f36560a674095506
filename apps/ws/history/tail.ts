import { ChannelMessage } from "../channel-message.ts";
import { detailsOf } from "../publication-headers.ts";
import type { Tip } from "./continuation.ts";
import type { StoredMessage } from "./jetstream.ts";
import type { Expendable, TailBudget } from "./tail-budget.ts";

/** A publication with its offset, and where the stream has it. */
export interface Entry {
  readonly seq: number;
  /** When it was stored, as the stream says it. */
  readonly time: string;
  readonly message: ChannelMessage & { readonly offset: number };
}

/** The most that is kept of one channel; what is older is read again when somebody needs it. */
const maxBytes = 2_097_152;
/** What was read for one is kept for so long: in a reconnect storm the others need it, too. */
const keepMs = 5_000;
/** What an entry takes beside its texts. */
const entryBytes = 256;

/** The newest publications of a channel: ascending offsets without holes, up to the last one counted. */
export class Tail implements Expendable {
  /** How many publications clients may see. */
  readonly #size: number;
  readonly #budget: TailBudget;
  #entries: Entry[] = [];
  #bytes = 0;
  #complete = false;
  #usedAt = Number.NEGATIVE_INFINITY;
  #tidiedAt = Number.NEGATIVE_INFINITY;
  /** Nothing is dropped for its bytes before this. */
  #keepUntil = Number.NEGATIVE_INFINITY;

  constructor(size: number, budget: TailBudget) {
    this.#size = size;
    this.#budget = budget;
    budget.add(this);
  }

  /** True while it holds all that clients may see. */
  get complete(): boolean {
    return this.#complete || this.#entries.length >= this.#size;
  }

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get usedAt(): number {
    return this.#usedAt;
  }

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  get last(): Entry | undefined {
    return this.#entries.at(-1);
  }

  newest(count: number): readonly Entry[] {
    return count === 0 ? [] : this.#entries.slice(-count);
  }

  /** The entry that the stream has at a sequence; undefined: it is not here. */
  at(seq: number): Entry | undefined {
    return this.#entries.findLast((entry) => entry.seq === seq);
  }

  /** Somebody is served from it. */
  use(nowMs: number): void {
    this.#usedAt = nowMs;
  }

  /** @param complete whether no publication that clients may see is older than what is pushed next */
  clear(complete: boolean): void {
    this.#drop(this.#entries.length);
    this.#complete = complete;
    this.#keepUntil = Number.NEGATIVE_INFINITY;
  }

  push(entry: Entry, nowMs: number): void {
    this.#usedAt = nowMs;
    this.#entries.push(entry);
    // One at a time would move all others each time.
    if (this.#entries.length >= this.#size + Math.max(16, this.#size / 8)) {
      this.#drop(this.#entries.length - this.#size);
    }
    this.#grow(bytesOf(entry));
    if (this.#bytes > maxBytes) this.trim(nowMs);
  }

  /**
   * Puts what was read before the first; then it holds all that clients may see.
   *
   * @param tip where the tail ends, and how many publications there were until then
   * @param stored what a replica had, from its beginning
   * @param oldest what the leader had first after that: behind it, nothing was dropped between
   * @returns false when what was read does not reach from there up to the tail
   */
  restore(
    tip: Pick<Tip, "offset" | "seq" | "time">,
    stored: readonly StoredMessage[],
    oldest: StoredMessage | undefined,
    nowMs: number,
  ): boolean {
    if (this.complete) return true;
    const { first } = this;
    const { seq, time } = first ?? tip;
    const offset = first === undefined ? tip.offset : first.message.offset - 1;
    let older: readonly StoredMessage[] = [];
    if (oldest !== undefined && oldest.seq <= seq) {
      const begin = stored.findIndex((each) => each.seq === oldest.seq);
      const joint = stored.findIndex((each) => each.seq === seq && each.time === time);
      if (begin === -1 || joint === -1) return false;
      const end = first === undefined ? joint + 1 : joint;
      // What a replica still has of the time before the epoch has no offset.
      older = stored.slice(Math.max(begin, end - this.#size, end - offset), end);
    }
    const before = offset - older.length;
    const entries = older.map((each, index) => entryOf(each, before + index + 1));
    this.#entries = [...entries, ...this.#entries];
    this.#complete = true;
    this.#usedAt = nowMs;
    this.#keepUntil = nowMs + keepMs;
    this.#grow(entries.reduce((sum, entry) => sum + bytesOf(entry), 0));
    return true;
  }

  /** To be called now and then: lets go of what is no longer needed. */
  tidy(nowMs: number): void {
    this.trim(nowMs);
    if (this.#usedAt <= this.#tidiedAt) return;
    this.#tidiedAt = nowMs;
    for (const { message } of this.#entries) message.tidy();
  }

  /** Drops the oldest when they take too much memory. */
  trim(nowMs: number): void {
    if (this.#bytes <= maxBytes || nowMs < this.#keepUntil) return;
    let dropped = 0;
    let bytes = this.#bytes;
    for (const entry of this.#entries) {
      // Not one at a time, and not the last.
      if (bytes <= maxBytes * 0.75 || dropped === this.#entries.length - 1) break;
      bytes -= bytesOf(entry);
      dropped += 1;
    }
    if (dropped === 0) return;
    this.#drop(dropped);
    this.#complete = false;
  }

  /** Drops everything: all tails together take too much memory. */
  letGo(): void {
    if (this.#entries.length === 0) return;
    this.#drop(this.#entries.length);
    this.#complete = false;
  }

  /** It is of no use to anybody any more. */
  end(): void {
    this.#budget.remove(this);
  }

  #drop(count: number): void {
    const dropped = this.#entries.splice(0, count);
    this.#grow(-dropped.reduce((sum, entry) => sum + bytesOf(entry), 0));
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.changed(this, bytes);
  }
}

/**
 * With what encoders keep of it, each a little longer than the payload; text takes twice as much if it is no
 * Latin.
 */
function bytesOf({ message: { size } }: Entry): number {
  return entryBytes + 4 * size;
}

export function entryOf(stored: StoredMessage, offset: number): Entry {
  // What NATS hands out is a piece of a larger read buffer.
  const data = Buffer.from(stored.data);
  const message = new ChannelMessage(data, { offset, ...detailsOf(stored) });
  return {
    seq: stored.seq,
    time: stored.time,
    message: message as ChannelMessage & { readonly offset: number },
  };
}
