import { randomUUID } from "node:crypto";
import { pause } from "../../lib/within.ts";
import { ChannelMessage } from "../channel-message.ts";
import type { Anchor, WrittenAnchor } from "./anchor.ts";
import { anchorSlack, continuation, type HistoryLimits, type Tip } from "./continuation.ts";
import type { StoredMessage, StreamState } from "./jetstream.ts";

/** What a stream hands on as soon as it has stored it. */
export interface LiveMessage extends StoredMessage {
  /** Sequence of the message before it on its subject, 0 when none is stored. */
  readonly previous: number;
}

/** One channel's part of its stream and of the stream of anchors. */
export interface ChannelStore {
  subscribe(onMessage: (message: LiveMessage) => void): { unsubscribe(): void };
  /** Resolves when there is a connection, and the server knows the subscription. */
  subscribed(): Promise<void>;
  last(): Promise<StoredMessage | undefined>;
  read(fromSeq: number): Promise<StoredMessage[]>;
  state(): Promise<StreamState>;
  readAnchor(): Promise<WrittenAnchor | undefined>;
  /** Writes it if the last one still has this revision (0: there is none); the new one's revision. */
  writeAnchor(anchor: Anchor, revision: number): Promise<number | undefined>;
}

export interface ChannelPosition {
  readonly offset: number;
  readonly epoch: string;
}

/** What a subscriber is told when it joins. */
export interface Snapshot {
  readonly position: ChannelPosition;
  /** Absent when nothing was to be recovered. */
  readonly recovery?: { readonly recovered: boolean; readonly messages: readonly ChannelMessage[] };
}

export interface ChannelLogOptions {
  readonly store: ChannelStore;
  readonly limits: HistoryLimits;
  /** Called for each publication, in order, none missing and none twice. */
  readonly onMessage: (message: ChannelMessage) => void;
  /** Called when publications may be missing from now on, or when their numbering has begun anew. */
  readonly onLost: () => void;
  /** Told what went wrong; it tries again. */
  readonly onError: (error: unknown) => void;
}

/** The most payload that is kept of one channel; what is older is read again when somebody needs it. */
const maxTailBytes = 1_048_576;
/** The most that arrives while it is being found out what was missed; beyond, it is read instead. */
const maxArrived = 10_000;
/** Checks against the stream are at least so far apart, however many clients come. */
const checkSpacingMs = 20;
const retryMs = { min: 10, max: 500 } as const;

interface StoredEntry {
  readonly seq: number;
  readonly message: ChannelMessage & { readonly offset: number };
  readonly timeMs: number;
}

/**
 * One channel with history, as this process knows it: what was published, each publication with its
 * offset.
 *
 * Offsets count the publications of a channel from 1. No one hands them out: every gateway counts the
 * messages that the stream holds of the channel, from an anchor that all share. The stream's republished
 * messages name their predecessor, so a missing one is noticed at the next one; then it is read from the
 * stream. When it cannot be had any more, or when nobody can tell how many there were, the epoch ends, and
 * whoever subscribes is told.
 */
export class ChannelLog {
  readonly #options: ChannelLogOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #closing = new AbortController();
  #epoch = "";
  /** undefined until the channel was counted for the first time, or after its numbering was lost. */
  #tip: Tip | undefined;
  /** Ascending offsets without holes, up to the tip's. */
  #entries: StoredEntry[] = [];
  #bytes = 0;
  /** True while the entries hold all that clients may see. */
  #complete = false;
  #anchor: WrittenAnchor | undefined;
  #anchorWrittenAt = Number.NEGATIVE_INFINITY;
  #savingAnchor: Promise<void> | undefined;
  /** Publications after which this gateway moves the anchor; not the same everywhere, so that one does. */
  readonly #anchorStep: number;
  #arrived: LiveMessage[] = [];
  /** While the log follows the stream, undefined; else the work that lets it do so again. */
  #settling: Promise<void> | undefined;
  /** True when the work under way may have missed something. */
  #again = false;
  #checking: Promise<void> | undefined;
  #nextCheck: Promise<void> | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;

  constructor(options: ChannelLogOptions) {
    this.#options = options;
    const slack = anchorSlack(options.limits.size);
    this.#anchorStep = Math.ceil((slack / 4) * (1 + Math.random()));
    this.#subscription = options.store.subscribe((message) => {
      this.#take(message);
    });
    this.#settle();
  }

  /**
   * Resolves when publications from now on arrive, and those before are counted.
   * It waits for as long as the stream does not answer: the caller has a limit of its own.
   */
  async ready(): Promise<void> {
    while (this.#settling !== undefined) await this.#settling;
  }

  /** Resolves when everything is here that was stored when it was called. */
  async fresh(): Promise<void> {
    await this.ready();
    this.#nextCheck ??= this.#startCheck();
    await this.#nextCheck;
    await this.ready();
  }

  /** After a connection was lost: messages may have been missed. */
  reconnected(): void {
    this.#again = true;
    this.#settle();
  }

  /**
   * Compares with the stream, and keeps its anchor recent enough for it to be provable that nothing
   * was published after it.
   *
   * @param lastSeq a sequence that the stream had reached before the call
   */
  async verify(lastSeq: number): Promise<void> {
    await this.fresh();
    const tip = this.#tip;
    if (tip === undefined) return;
    if (lastSeq > tip.through) this.#tip = { ...tip, through: lastSeq };
    const idleMs = performance.now() - this.#anchorWrittenAt;
    if (idleMs > this.#options.limits.ttlMs / 3) await this.#saveAnchor();
  }

  /** Somebody has written an anchor of this channel. */
  anchorWritten(anchor: WrittenAnchor): void {
    const known = this.#anchor;
    if (known !== undefined && anchor.revision <= known.revision) return;
    this.#anchor = anchor;
    this.#anchorWrittenAt = performance.now();
    if (this.#tip !== undefined && anchor.epoch !== this.#epoch) {
      this.#tip = undefined;
      this.#settle();
    }
  }

  /**
   * What a new subscriber gets. It is right for this turn only: who attaches in the same turn misses
   * nothing and gets nothing twice. undefined: older publications must be loaded first (`load`).
   */
  snapshot(
    recover: ChannelPosition | undefined,
    { max, nowMs }: { readonly max: number; readonly nowMs: number },
  ): Snapshot | undefined {
    const position = this.position;
    if (recover === undefined) return { position };
    const failed: Snapshot = { position, recovery: { recovered: false, messages: [] } };
    const missing = position.offset - recover.offset;
    const sameEpoch = recover.epoch === "" || recover.epoch === position.epoch;
    if (!sameEpoch || missing < 0) return failed;
    if (missing === 0) return { position, recovery: { recovered: true, messages: [] } };
    if (missing > Math.min(max, this.#options.limits.size)) return failed;
    if (missing > this.#entries.length) return this.#complete ? failed : undefined;
    const entries = this.#entries.slice(-missing);
    const oldest = entries[0]?.timeMs ?? 0;
    if (oldest + this.#options.limits.ttlMs <= nowMs) return failed;
    const messages = entries.map(({ message }) => message);
    return { position, recovery: { recovered: true, messages } };
  }

  /** The last publication, if it may still be seen; undefined: `load` must be called first. */
  latest(nowMs: number): Snapshot | undefined {
    const { position } = this;
    const last = this.#entries.at(-1);
    if (last === undefined && !this.#complete) return undefined;
    const seen = last !== undefined && last.timeMs + this.#options.limits.ttlMs > nowMs;
    const messages = seen ? [last.message] : [];
    return { position, recovery: { recovered: seen, messages } };
  }

  /** Every publication that clients may see, oldest first; undefined: `load` must be called first. */
  visible(nowMs: number): readonly ChannelMessage[] | undefined {
    const { size, ttlMs } = this.#options.limits;
    if (!this.#complete && this.#entries.length < size) return undefined;
    const seen = this.#entries.slice(-size).filter((entry) => entry.timeMs + ttlMs > nowMs);
    return seen.map(({ message }) => message);
  }

  /** False while it is being found out what was missed; then positions and snapshots are not right. */
  get following(): boolean {
    return this.#settling === undefined;
  }

  get position(): ChannelPosition {
    return { offset: this.#tip?.offset ?? 0, epoch: this.#epoch };
  }

  /** Fetches what the stream holds beyond the tail; shared by all who ask at a time. */
  async load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  /** Writes the anchor down, if it has moved, and ends. */
  async close(): Promise<void> {
    this.#subscription.unsubscribe();
    this.#closing.abort();
    await this.#savingAnchor;
    await this.#saveAnchor().catch(this.#options.onError);
  }

  #take(message: LiveMessage): void {
    if (this.#settling !== undefined) {
      if (this.#arrived.length < maxArrived) this.#arrived.push(message);
      return;
    }
    if (this.#follows(message)) {
      this.#append(message);
      return;
    }
    this.#arrived.push(message);
    this.#settle();
  }

  #follows(message: LiveMessage): boolean {
    const { seq } = this.#tip ?? { seq: -1 };
    return message.previous === seq && message.seq > seq;
  }

  #append(stored: StoredMessage): void {
    const tip = this.#tip;
    if (tip === undefined) return;
    const entry = entryOf(stored, tip.offset + 1);
    this.#tip = {
      ...tip,
      offset: tip.offset + 1,
      seq: stored.seq,
      time: stored.time,
      through: Math.max(tip.through, stored.seq),
    };
    this.#entries.push(entry);
    this.#bytes += entry.message.data.length;
    this.#trim();
    this.#options.onMessage(entry.message);
    const behind = tip.offset + 1 - (this.#anchor?.tip.offset ?? 0);
    if (behind >= this.#anchorStep && this.#savingAnchor === undefined) {
      void this.#saveAnchor().catch(this.#options.onError);
    }
  }

  #trim(): void {
    const { size } = this.#options.limits;
    // One at a time would move all others each time.
    if (this.#entries.length >= size + Math.max(16, size / 8)) {
      this.#drop(this.#entries.length - size);
    }
    if (this.#bytes <= maxTailBytes) return;
    let dropped = 0;
    let bytes = this.#bytes;
    for (const { message } of this.#entries.slice(0, -1)) {
      if (bytes <= maxTailBytes * 0.75) break;
      bytes -= message.data.length;
      dropped += 1;
    }
    this.#drop(dropped);
    if (this.#entries.length < size) this.#complete = false;
  }

  #drop(count: number): void {
    for (const { message } of this.#entries.splice(0, count)) this.#bytes -= message.data.length;
  }

  /** Works until the log follows the stream; one at a time. */
  #settle(): void {
    this.#settling ??= this.#untilSettled().finally(() => {
      this.#settling = undefined;
    });
  }

  async #untilSettled(): Promise<void> {
    const { signal } = this.#closing;
    let waitMs: number = retryMs.min;
    while (!signal.aborted) {
      try {
        this.#again = false;
        await this.#options.store.subscribed();
        const settled = await (this.#tip === undefined ? this.#open() : this.#heal());
        if (settled && this.#drain() && !this.#isAgain()) return;
        if (settled) continue;
      } catch (error) {
        this.#options.onError(error);
      }
      await pause(waitMs, signal);
      waitMs = Math.min(waitMs * 2, retryMs.max);
    }
  }

  #isAgain(): boolean {
    return this.#again;
  }

  /** Appends what arrived meanwhile; false when something is missing before it. */
  #drain(): boolean {
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const [index, message] of arrived.entries()) {
      if (message.seq <= (this.#tip?.seq ?? -1)) continue;
      if (!this.#follows(message)) {
        this.#arrived = arrived.slice(index);
        return false;
      }
      this.#append(message);
    }
    // As many as this may not have been all.
    return arrived.length < maxArrived && this.#tip !== undefined;
  }

  /** Reads what followed the tip; false when the stream's replica lags. */
  async #heal(): Promise<boolean> {
    const { store } = this.#options;
    const tip = this.#tip;
    const [anchor, last] = await Promise.all([store.readAnchor(), store.last()]);
    if (tip === undefined || tip !== this.#tip) return true;
    if (anchor?.epoch !== this.#epoch) {
      this.#tip = undefined;
      return true;
    }
    this.#anchor = anchor;
    const found = await this.#followers(tip, last);
    if (found === "lagging") return false;
    if (tip !== this.#tip) return true;
    if (found === undefined) {
      this.#tip = undefined;
      return true;
    }
    for (const message of found) this.#append(message);
    return true;
  }

  /** Counts the channel from its anchor, or from the beginning with a new epoch. */
  async #open(): Promise<boolean> {
    const { store } = this.#options;
    const had = this.#epoch !== "";
    const [anchor, last] = await Promise.all([store.readAnchor(), store.last()]);
    const found = anchor === undefined ? undefined : await this.#followers(anchor.tip, last);
    if (found === "lagging") return false;
    let begun: { anchor: WrittenAnchor; followers: readonly StoredMessage[]; complete: boolean };
    if (anchor !== undefined && found !== undefined) {
      begun = { anchor, followers: found, complete: anchor.tip.offset === 0 };
    } else {
      const fresh = await this.#begin(anchor?.revision ?? 0, last);
      if (fresh === undefined) return false;
      begun = { ...fresh, complete: true };
    }
    // A newer anchor of another epoch was seen while this one was read.
    const seen = this.#anchor;
    if (seen !== undefined && seen.revision > begun.anchor.revision) {
      if (seen.epoch !== begun.anchor.epoch) return false;
    } else this.#anchor = begun.anchor;
    this.#epoch = begun.anchor.epoch;
    this.#entries = [];
    this.#bytes = 0;
    this.#complete = begun.complete;
    const { tip } = begun.anchor;
    if (had) {
      // The subscribers' offsets are of another numbering, or have a hole.
      const entries = begun.followers.map((stored, index) =>
        entryOf(stored, tip.offset + index + 1),
      );
      const at = begun.followers.at(-1);
      this.#tip = at === undefined ? tip : advanced(tip, at, entries.length);
      this.#entries = entries;
      this.#bytes = entries.reduce((sum, { message }) => sum + message.data.length, 0);
      this.#trim();
      this.#options.onLost();
      return true;
    }
    this.#tip = tip;
    for (const stored of begun.followers) this.#append(stored);
    return true;
  }

  /**
   * Begins an epoch: everything that is stored is counted from 1.
   *
   * @returns undefined when another gateway was faster or the stream's replica lags
   */
  async #begin(
    revision: number,
    last: StoredMessage | undefined,
  ): Promise<{ anchor: WrittenAnchor; followers: readonly StoredMessage[] } | undefined> {
    const { store } = this.#options;
    const state = await store.state();
    const followers = await store.read(0);
    if ((followers.at(-1)?.seq ?? 0) < (last?.seq ?? 0)) return undefined;
    const before = Math.max(0, (followers[0]?.seq ?? state.lastSeq + 1) - 1);
    const tip: Tip = { offset: 0, seq: 0, time: "", through: before, created: state.created };
    const epoch = randomUUID().slice(0, 8);
    const written = await store.writeAnchor({ epoch, tip }, revision);
    if (written === undefined) return undefined;
    return { anchor: { epoch, tip, revision: written }, followers };
  }

  /** What followed a tip, all of it; undefined when that is not certain. */
  async #followers(
    tip: Tip,
    last: StoredMessage | undefined,
  ): Promise<readonly StoredMessage[] | undefined | "lagging"> {
    const { store, limits } = this.#options;
    if (last !== undefined && last.seq === tip.seq) return last.time === tip.time ? [] : undefined;
    const stored = last === undefined ? [] : await store.read(tip.seq);
    if (last !== undefined && (stored.at(-1)?.seq ?? 0) < last.seq) {
      // Below the tip, the last can only be of another stream.
      return last.seq < tip.seq ? undefined : "lagging";
    }
    const needsState = tip.seq === 0 || stored[0]?.seq !== tip.seq;
    const state = needsState ? await store.state() : undefined;
    return continuation(tip, stored, state, limits, Date.now());
  }

  async #startCheck(): Promise<void> {
    await this.#checking?.catch(() => undefined);
    const waitMs = this.#checkedAt + checkSpacingMs - performance.now();
    if (waitMs > 0) await pause(waitMs, this.#closing.signal);
    this.#checking = this.#nextCheck;
    this.#nextCheck = undefined;
    this.#checkedAt = performance.now();
    const last = await this.#options.store.last();
    if (this.#settling !== undefined) return;
    const tip = this.#tip;
    if (tip === undefined || last?.seq !== tip.seq) {
      // Nothing was ever published, and nothing is there: as it should be.
      if (tip?.seq === 0 && last === undefined) return;
      // It may have arrived in the meantime.
      if (last !== undefined && tip !== undefined && this.#holds(last)) return;
      this.#settle();
    }
  }

  #holds(last: StoredMessage): boolean {
    return this.#entries.some(({ seq }) => seq === last.seq);
  }

  async #load(): Promise<void> {
    const { store } = this.#options;
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const stored = await store.read(0);
      await this.ready();
      const tip = this.#tip;
      if (tip === undefined) continue;
      const first = this.#entries[0];
      // What is in both tells the offsets of the others.
      const joint = first?.seq ?? tip.seq;
      const at = stored.findIndex(({ seq }) => seq === joint);
      const older = at === -1 ? stored.filter(({ seq }) => seq < joint) : stored.slice(0, at);
      if (at === -1 && first === undefined && stored.length > 0) continue;
      const firstOffset = first?.message.offset ?? tip.offset;
      const entries = older.map((each, index) => entryOf(each, firstOffset - older.length + index));
      const atTip = first === undefined && at !== -1 ? stored[at] : undefined;
      this.#entries = [
        ...entries,
        ...(atTip === undefined ? [] : [entryOf(atTip, tip.offset)]),
        ...this.#entries,
      ];
      this.#entries = this.#entries.slice(-this.#options.limits.size);
      this.#bytes = this.#entries.reduce((sum, { message }) => sum + message.data.length, 0);
      this.#complete = true;
      return;
    }
    throw new Error("the channel's history could not be read: its stream changes too quickly");
  }

  async #saveAnchor(): Promise<void> {
    this.#savingAnchor ??= this.#writeAnchor().finally(() => {
      this.#savingAnchor = undefined;
    });
    await this.#savingAnchor;
  }

  async #writeAnchor(): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const tip = this.#tip;
      const known = this.#anchor;
      if (tip === undefined || known === undefined) return;
      if (known.epoch === this.#epoch && known.tip.through >= tip.through) return;
      const anchor: Anchor = { epoch: this.#epoch, tip };
      const revision = await this.#options.store.writeAnchor(anchor, known.revision);
      if (revision !== undefined) {
        this.anchorWritten({ ...anchor, revision });
        return;
      }
      const other = await this.#options.store.readAnchor();
      if (other !== undefined) this.anchorWritten(other);
    }
  }
}

function entryOf(stored: StoredMessage, offset: number): StoredEntry {
  // What NATS hands out is a piece of a larger read buffer.
  const data = Buffer.from(stored.data);
  const message = new ChannelMessage(data, { offset, info: stored.header("Centrifuge-Info") });
  return {
    seq: stored.seq,
    timeMs: Date.parse(stored.time),
    message: message as ChannelMessage & { readonly offset: number },
  };
}

function advanced(tip: Tip, last: StoredMessage, count: number): Tip {
  return {
    ...tip,
    offset: tip.offset + count,
    seq: last.seq,
    time: last.time,
    through: Math.max(tip.through, last.seq),
  };
}
