import type { ChannelMessage } from "../channel-message.ts";
import type { Anchor } from "./anchor.ts";
import type { LiveMessage } from "./channel-store.ts";
import type { LogClock } from "./clock.ts";
import type { HistoryLimits, Tip } from "./continuation.ts";
import { compareTimes, type StoredMessage, type StreamState } from "./jetstream.ts";
import type { ChannelPosition } from "./snapshot.ts";
import type { TailBudget } from "./tail-budget.ts";
import { entryOf, Tail } from "./tail.ts";

/** A channel's publications, counted: up to which one, and the newest of them. */
export class Count {
  readonly tail: Tail;
  readonly #limits: HistoryLimits;
  readonly #clock: LogClock;
  /** Empty until the channel was counted for the first time. */
  #epoch = "";
  #tip: Tip | undefined;

  constructor(limits: HistoryLimits, budget: TailBudget, clock: LogClock) {
    this.tail = new Tail(limits.size, budget);
    this.#limits = limits;
    this.#clock = clock;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** undefined while the channel is not counted, or when its count cannot be gone on with. */
  get tip(): Tip | undefined {
    return this.#tip;
  }

  get position(): ChannelPosition {
    return { offset: this.#tip?.offset ?? 0, epoch: this.#epoch };
  }

  /** What an anchor would say; undefined while nothing is counted. */
  get anchor(): Anchor | undefined {
    return this.#tip && { epoch: this.#epoch, tip: this.#tip };
  }

  /** Counts from an anchor, which the messages followed. */
  begin({ epoch, tip }: Anchor, followers: readonly StoredMessage[]): void {
    this.#epoch = epoch;
    this.#tip = tip;
    this.tail.clear(tip.offset === 0);
    for (const stored of followers) this.add(stored);
  }

  /** It cannot be gone on with. */
  lose(): void {
    this.#tip = undefined;
  }

  /**
   * Nothing is between the tip and this message. One without a predecessor may follow others that have
   * left already, unless it is too early for that.
   *
   * @param sinceMs how long ago all was counted that was stored
   */
  isNext(message: LiveMessage, sinceMs: () => number): boolean {
    const tip = this.#tip;
    if (tip === undefined || message.seq <= tip.seq) return false;
    if (message.previous !== 0) return message.previous === tip.seq;
    const ttlMs = this.#limits.ttlMs;
    const left = tip.seq === 0 || Date.parse(tip.time) + ttlMs <= Date.parse(message.time);
    // With the half of it, clocks need not be the same, nor this what other versions have for a limit.
    return left && message.seq > tip.through && sinceMs() < ttlMs / 2;
  }

  /**
   * True of a message that came late or again. In a stream that was made anew, what is new has
   * sequences that were there before, and what is of the old one is older than the stream.
   */
  includes(message: LiveMessage): boolean {
    const tip = this.#tip;
    if (tip === undefined) return false;
    if (compareTimes(message.time, tip.created) < 0) return true;
    return message.seq <= tip.seq && compareTimes(message.time, tip.time) <= 0;
  }

  /** Counts the next message; undefined when nothing is counted. */
  add(stored: StoredMessage): (ChannelMessage & { readonly offset: number }) | undefined {
    const tip = this.#tip;
    if (tip === undefined) return undefined;
    const { seq, time } = stored;
    const offset = tip.offset + 1;
    const through = Math.max(tip.through, seq);
    this.#tip = { offset, seq, time, through, created: tip.created };
    const entry = entryOf(stored, offset);
    this.tail.push(entry, this.#clock.monotonic());
    return entry.message;
  }

  /** Everything is counted that the stream held in this state. */
  reach({ created, lastSeq }: StreamState): void {
    const tip = this.#tip;
    if (tip?.created === created && tip.through < lastSeq) this.#tip = { ...tip, through: lastSeq };
  }
}
