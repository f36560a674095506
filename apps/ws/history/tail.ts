import { ChannelMessage } from "../channel-message.ts";
import type { Tip } from "./continuation.ts";
import type { StoredMessage } from "./jetstream.ts";

/** A publication with its offset, and where the stream has it. */
export interface Entry {
  readonly seq: number;
  /** When it was stored, as the stream says it. */
  readonly time: string;
  readonly message: ChannelMessage & { readonly offset: number };
}

/** The most payload that is kept of one channel; what is older is read again when somebody needs it. */
const maxBytes = 1_048_576;
/** What was read for one is kept for so long: in a reconnect storm the others need it, too. */
const keepMs = 5_000;

/** The newest publications of a channel: ascending offsets without holes, up to the last one counted. */
export class Tail {
  /** How many publications clients may see. */
  readonly #size: number;
  #entries: Entry[] = [];
  #bytes = 0;
  #complete = false;
  /** Nothing is dropped for its bytes before this. */
  #keepUntil = Number.NEGATIVE_INFINITY;

  constructor(size: number) {
    this.#size = size;
  }

  /** True while it holds all that clients may see. */
  get complete(): boolean {
    return this.#complete || this.#entries.length >= this.#size;
  }

  get length(): number {
    return this.#entries.length;
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

  /** @param complete whether no publication that clients may see is older than what is pushed next */
  clear(complete: boolean): void {
    this.#entries = [];
    this.#bytes = 0;
    this.#complete = complete;
    this.#keepUntil = Number.NEGATIVE_INFINITY;
  }

  push(entry: Entry, nowMs: number): void {
    this.#entries.push(entry);
    this.#bytes += entry.message.data.length;
    // One at a time would move all others each time.
    if (this.#entries.length >= this.#size + Math.max(16, this.#size / 8)) {
      this.#drop(this.#entries.length - this.#size);
    }
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
    for (const { message } of entries) this.#bytes += message.data.length;
    this.#complete = true;
    this.#keepUntil = nowMs + keepMs;
    return true;
  }

  /** Drops the oldest when they take too much memory. */
  trim(nowMs: number): void {
    if (this.#bytes <= maxBytes || nowMs < this.#keepUntil) return;
    let dropped = 0;
    let bytes = this.#bytes;
    for (const { message } of this.#entries) {
      // Not one at a time, and not the last.
      if (bytes <= maxBytes * 0.75 || dropped === this.#entries.length - 1) break;
      bytes -= message.data.length;
      dropped += 1;
    }
    this.#drop(dropped);
    this.#complete = false;
  }

  #drop(count: number): void {
    for (const { message } of this.#entries.splice(0, count)) this.#bytes -= message.data.length;
  }
}

export function entryOf(stored: StoredMessage, offset: number): Entry {
  // What NATS hands out is a piece of a larger read buffer.
  const data = Buffer.from(stored.data);
  const message = new ChannelMessage(data, { offset, info: stored.header("Centrifuge-Info") });
  return {
    seq: stored.seq,
    time: stored.time,
    message: message as ChannelMessage & { readonly offset: number },
  };
}
