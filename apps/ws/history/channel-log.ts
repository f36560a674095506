import { BusError } from "../../lib/bus.ts";
import { unlessAborted } from "../../lib/within.ts";
import type { ChannelMessage } from "../channel-message.ts";
import { AnchorKeeper } from "./anchor-keeper.ts";
import type { WrittenAnchor } from "./anchor.ts";
import { Arrivals } from "./arrivals.ts";
import { beginning } from "./beginning.ts";
import type { ChannelStore, LiveMessage } from "./channel-store.ts";
import { type LogClock, systemClock } from "./clock.ts";
import { type Continuation, continuation, type HistoryLimits, type Tip } from "./continuation.ts";
import { Count } from "./count.ts";
import { type StoredMessage, type StreamState } from "./jetstream.ts";
import {
  type ChannelPosition,
  latestOf,
  type Snapshot,
  snapshotOf,
  visibleOf,
} from "./snapshot.ts";
import type { TailBudget } from "./tail-budget.ts";

export interface ChannelLogOptions {
  readonly store: ChannelStore;
  readonly limits: HistoryLimits;
  /** How long the position of a channel is remembered that nobody follows. */
  readonly metaTtlMs: number;
  /** Of all tails together. */
  readonly budget: TailBudget;
  /** Called for each publication, in order, none missing and none twice. */
  readonly onMessage: (message: ChannelMessage) => void;
  /** Called when publications may be missing from now on, or when their numbering has begun anew. */
  readonly onLost: () => void;
  /** Told what went wrong; it tries again. */
  readonly onError: (error: unknown) => void;
  readonly clock?: LogClock;
}

/** Checks against the stream are at least so far apart, however many clients come. */
const checkSpacingMs = 20;
/** The first retry is at once, later ones wait for longer and longer. */
const retryMs = { min: 10, max: 500 } as const;
/** In a cluster, a new leader may for a moment not know all that the one before has handed on. */
const rewoundMs = 1_000;
const loadAttempts = 5;

/**
 * One channel with history, as this process knows it: what was published, each publication with its
 * offset.
 *
 * Offsets count the publications of a channel from 1. No one hands them out: every gateway counts the
 * messages that the stream holds of the channel, from an anchor that all share. The stream's republished
 * messages name their predecessor, so a missing one is noticed at the next one; then it is read from the
 * stream. When it cannot be had any more, or when nobody can tell how many there were, the epoch ends, and
 * whoever subscribes is told.
 *
 * A log either follows its stream, when each message from it is appended as it comes, or it settles:
 * messages that come are set aside until it is known what was before them.
 */
export class ChannelLog {
  readonly #options: ChannelLogOptions;
  readonly #clock: LogClock;
  readonly #count: Count;
  readonly #anchors: AnchorKeeper;
  readonly #subscription: { unsubscribe(): void };
  readonly #closing = new AbortController();
  /** An epoch whose count is known to be no longer true of the stream. */
  #refuted: string | undefined;
  #rewoundSince: number | undefined;
  readonly #arrivals = new Arrivals();
  /** The work after which the log follows the stream; undefined while it does. */
  #settling: Promise<void> | undefined;
  /** True when the work under way may have missed something. */
  #again = false;
  /** Everything that was stored before this moment is counted. */
  #freshAt = Number.NEGATIVE_INFINITY;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #verified: StreamState | undefined;
  #loading: Promise<void> | undefined;

  constructor(options: ChannelLogOptions) {
    const { store, limits, metaTtlMs, budget, onError, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#count = new Count(limits, budget, clock);
    this.#anchors = new AnchorKeeper({
      store,
      limits,
      metaTtlMs,
      clock,
      signal: this.#closing.signal,
      onError,
      current: () => this.#count.anchor,
      onOther: () => {
        this.#recount();
      },
    });
    this.#subscription = store.subscribe((message) => {
      this.#take(message);
    });
    this.#settle();
  }

  /** False while it is being found out what was missed; then it has no position and no snapshot. */
  get following(): boolean {
    return this.#settling === undefined && !this.#closing.signal.aborted;
  }

  get position(): ChannelPosition {
    return this.#count.position;
  }

  /** The sequence of the last message that is counted; 0: none. */
  get lastSeq(): number {
    return this.#count.tip?.seq ?? 0;
  }

  /** Where a message of the stream is in the channel; undefined: it is not counted, or not kept here. */
  positionOf(seq: number): ChannelPosition | undefined {
    if (!this.following) return undefined;
    const { epoch } = this.#count;
    if (this.lastSeq === seq) return this.position;
    const entry = this.#count.tail.at(seq);
    return entry && { offset: entry.message.offset, epoch };
  }

  /**
   * Resolves when publications from now on arrive, and those before are counted.
   * It waits for as long as the stream does not answer: the caller has a limit of its own.
   */
  async ready(): Promise<void> {
    while (this.#settling !== undefined) await this.#settling;
    if (this.#closing.signal.aborted) throw new BusError("closed", "the channel's log has ended");
  }

  /** Resolves when everything is here that was stored when it was called. */
  async fresh(): Promise<void> {
    const asked = this.#clock.monotonic();
    for (;;) {
      await this.ready();
      if (this.#freshAt >= asked) return;
      // Those who come while it waits for its turn share it.
      this.#checking ??= this.#check().finally(() => {
        this.#checking = undefined;
      });
      await this.#checking;
    }
  }

  /** Messages may have been missed, since a connection was lost or the stream was made anew. */
  reconnected(): void {
    this.#again = true;
    this.#settle();
  }

  /**
   * Compares with the stream, and keeps its anchor recent enough for it to be provable that nothing
   * was published after it.
   *
   * @param state of the stream, read before the call
   * @param asked when it was asked for, by the monotonic clock
   */
  async verify(state: StreamState, asked: number): Promise<void> {
    if (!this.following || !sameState(state, this.#verified)) await this.fresh();
    // Nothing was stored since it was verified before.
    else this.#freshAt = Math.max(this.#freshAt, asked);
    this.#count.reach(state);
    // More was stored by now, and that not all of it was removed again is not known.
    this.#verified = this.#count.tip?.through === state.lastSeq ? state : undefined;
    await this.#anchors.refresh();
  }

  /** To be called now and then: lets go of what was kept for a while. */
  tidy(): void {
    this.#count.tail.tidy(this.#clock.monotonic());
  }

  /** Somebody has written an anchor of this channel. */
  anchorWritten(anchor: WrittenAnchor): void {
    const newer = this.#anchors.note(anchor);
    if (this.#count.tip === undefined || anchor.epoch === this.#count.epoch) return;
    if (newer) this.#recount();
    // Not a late one, perhaps, but one of a stream of anchors that was made anew.
    else this.reconnected();
  }

  /**
   * What a new subscriber gets. It is right for this turn only: who attaches in the same turn misses
   * nothing and gets nothing twice. undefined: the log does not follow its stream (`ready`), or older
   * publications must be loaded first (`load`).
   */
  snapshot(
    recover: ChannelPosition | undefined,
    { max, nowMs }: { readonly max: number; readonly nowMs: number },
  ): Snapshot | undefined {
    if (!this.following) return undefined;
    this.#count.tail.use(this.#clock.monotonic());
    const { size, ttlMs } = this.#options.limits;
    return snapshotOf(this.#count.tail, this.position, recover, { size, ttlMs, max }, nowMs);
  }

  /**
   * The last publication, if it may still be seen and the subscriber has not got it; undefined as with
   * `snapshot`.
   */
  latest(nowMs: number, recover?: ChannelPosition): Snapshot | undefined {
    if (!this.following) return undefined;
    this.#count.tail.use(this.#clock.monotonic());
    return latestOf(this.#count.tail, this.position, recover, this.#options.limits, nowMs);
  }

  /** Every publication that clients may see, oldest first; undefined as with `snapshot`. */
  visible(nowMs: number): readonly ChannelMessage[] | undefined {
    if (!this.following) return undefined;
    this.#count.tail.use(this.#clock.monotonic());
    return visibleOf(this.#count.tail, this.#options.limits, nowMs);
  }

  /** Fetches what the stream holds beyond the tail; shared by all who ask at a time. */
  async load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  /** Ends it, and writes the anchor down if whoever opens the channel next will need it. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#subscription.unsubscribe();
    this.#closing.abort();
    this.#count.tail.end();
    await this.#anchors.finish();
  }

  #take(message: LiveMessage): void {
    if (this.#settling === undefined) {
      if (this.#isNext(message)) {
        this.#append(message);
        return;
      }
      if (this.#count.includes(message)) return;
    }
    this.#arrivals.push(message);
    this.#settle();
  }

  #isNext(message: LiveMessage): boolean {
    return this.#count.isNext(message, () => this.#clock.monotonic() - this.#freshAt);
  }

  #append(stored: StoredMessage): void {
    const message = this.#count.add(stored);
    if (message === undefined) return;
    this.#options.onMessage(message);
    this.#anchors.moved(message.offset);
  }

  /** The count is of no use any more: begins again from the channel's anchor. */
  #recount(): void {
    this.#count.lose();
    this.#settle();
  }

  /** Works until the log follows the stream; one at a time. */
  #settle(): void {
    this.#settling ??= this.#untilFollowing().finally(() => {
      this.#settling = undefined;
    });
  }

  async #untilFollowing(): Promise<void> {
    const { signal } = this.#closing;
    const { store, onError } = this.#options;
    let handedOn: LiveMessage | undefined;
    let waitMs = 0;
    const ended = (): boolean => signal.aborted;
    while (!ended()) {
      try {
        this.#again = false;
        await unlessAborted(store.subscribed(), signal);
        // What came until now is stored, and will be read.
        handedOn = this.#arrivals.take()?.at(-1) ?? handedOn;
        if (this.#count.tip === undefined) handedOn = undefined;
        const done = await (this.#count.tip === undefined ? this.#open() : this.#heal(handedOn));
        if (done && this.#drain() && !this.#isAgain()) return;
      } catch (error) {
        if (!ended()) onError(error);
      }
      if (waitMs > 0) await this.#clock.pause(waitMs, signal);
      waitMs = Math.min(Math.max(waitMs * 2, retryMs.min), retryMs.max);
    }
  }

  #isAgain(): boolean {
    return this.#again;
  }

  /** Appends what arrived meanwhile; false when something is missing before or after it. */
  #drain(): boolean {
    const messages = this.#arrivals.take();
    for (const message of messages ?? []) {
      if (this.#count.includes(message)) continue;
      if (!this.#isNext(message)) return false;
      this.#append(message);
    }
    return messages !== undefined && this.#count.tip !== undefined;
  }

  /**
   * Appends what followed the tip; false when more has to be done.
   *
   * @param handedOn the last message that the stream has handed on
   */
  async #heal(handedOn: LiveMessage | undefined): Promise<boolean> {
    const { store } = this.#options;
    const tip = this.#count.tip;
    if (tip === undefined) return false;
    const asked = this.#clock.monotonic();
    const [anchor, last] = await Promise.all([store.readAnchor(), store.last()]);
    const found = await this.#followers(tip, last);
    if (this.#count.tip === undefined) return false;
    this.#anchors.known = anchor;
    if (anchor !== undefined && anchor.epoch !== this.#count.epoch) {
      this.#count.lose();
      return false;
    }
    if (found.kind === "all") {
      for (const message of found.messages) this.#append(message);
      const { offset } = this.#count.tip;
      const counted = anchor === undefined || anchor.tip.offset <= offset;
      if (counted && (handedOn === undefined || this.#count.includes(handedOn))) {
        this.#rewoundSince = undefined;
        this.#freshAt = asked;
        // Anchors were lost; while a gateway goes on counting, the epoch need not be.
        if (anchor === undefined) this.#anchors.save().catch(this.#options.onError);
        return true;
      }
    }
    // A stream that does not hold what it has handed on, or others have counted, is rewound as well.
    const rewound = found.kind === "rewound" || found.kind === "all";
    if (found.kind === "lagging" || (rewound && this.#waitsForLeader())) return false;
    // Others may have counted on, and their anchor tells; but not when the count was wrong.
    if (found.kind !== "unknown") this.#refuted = this.#count.epoch;
    this.#count.lose();
    return false;
  }

  /** Counts the channel from its anchor, or from the beginning with a new epoch; false: try again. */
  async #open(): Promise<boolean> {
    const { store } = this.#options;
    const asked = this.#clock.monotonic();
    // What is written from now on is noted.
    this.#anchors.known = undefined;
    const [anchor, last] = await Promise.all([store.readAnchor(), store.last()]);
    if (anchor !== undefined && anchor.epoch !== this.#refuted) {
      const found = await this.#followers(anchor.tip, last);
      if (found.kind === "all") return this.#adopt(anchor, found.messages, asked);
      if (found.kind === "lagging") return false;
      if (found.kind === "rewound" && this.#waitsForLeader()) return false;
    }
    const begun = await beginning(store, last);
    if (begun === undefined) return false;
    const revision = await store.writeAnchor(begun, anchor?.revision ?? 0);
    // Another gateway was faster.
    if (revision === undefined) return false;
    return this.#adopt({ ...begun, revision, writtenMs: this.#clock.wall() }, [], asked);
  }

  /** Goes on from an anchor and the messages that followed it. */
  #adopt(anchor: WrittenAnchor, followers: readonly StoredMessage[], asked: number): boolean {
    const seen = this.#anchors.known;
    const newer = seen !== undefined && seen.revision > anchor.revision;
    if (newer && seen.epoch !== anchor.epoch) return false;
    if (!newer) this.#anchors.known = anchor;
    const had = this.#count.epoch !== "";
    this.#refuted = undefined;
    this.#rewoundSince = undefined;
    this.#freshAt = asked;
    this.#count.begin(anchor, followers);
    // Their offsets are of another numbering, or publications are missing before the next one.
    if (had) this.#options.onLost();
    return true;
  }

  async #followers(tip: Tip, last: StoredMessage | undefined): Promise<Continuation> {
    const { store, limits } = this.#options;
    return continuation(store, tip, last, limits, () => this.#clock.wall());
  }

  /** True for a moment, in which a replica may still learn what others know. */
  #waitsForLeader(): boolean {
    const now = this.#clock.monotonic();
    this.#rewoundSince ??= now;
    return now - this.#rewoundSince < rewoundMs;
  }

  /** Asks for the last message; when it is not here, the log settles. */
  async #check(): Promise<void> {
    const waitMs = this.#checkedAt + checkSpacingMs - this.#clock.monotonic();
    if (waitMs > 0) await this.#clock.pause(waitMs, this.#closing.signal);
    const asked = this.#clock.monotonic();
    this.#checkedAt = asked;
    const before = this.#count.tip;
    // Without a message there is nothing to compare with.
    if (before !== undefined && before.seq > 0) {
      const last = await this.#options.store.last();
      const tip = this.#count.tip;
      if (this.#settling !== undefined || tip === undefined) return;
      const known = last !== undefined && last.seq >= before.seq && last.seq <= tip.seq;
      const other = last?.seq === tip.seq && last.time !== tip.time;
      if (known && !other) {
        this.#freshAt = asked;
        return;
      }
    }
    this.reconnected();
  }

  async #load(): Promise<void> {
    const { store } = this.#options;
    for (let attempt = 0; attempt < loadAttempts; attempt += 1) {
      await this.fresh();
      if (this.#count.tail.complete) return;
      const stored = await store.read(1);
      // What is there now was there all the time, so nothing is missing behind it.
      const oldest = await store.first(1);
      await this.ready();
      const tip = this.#count.tip;
      const nowMs = this.#clock.monotonic();
      if (tip !== undefined && this.#count.tail.restore(tip, stored, oldest, nowMs)) return;
    }
    throw new BusError("unavailable", "the channel's history changes faster than it can be read");
  }
}

/** Nothing was stored or removed between the two. */
function sameState(a: StreamState, b: StreamState | undefined): boolean {
  return (
    a.created === b?.created &&
    a.firstSeq === b.firstSeq &&
    a.lastSeq === b.lastSeq &&
    a.messages === b.messages
  );
}
