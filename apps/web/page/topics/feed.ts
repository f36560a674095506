import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { sizeOf } from "./payload.ts";

/** What a feed needs of a publication. */
export interface Publication {
  readonly data: unknown;
  /** Where the channel counts them. */
  readonly offset?: number;
  /** The client that published it; services are none. */
  readonly info?: { readonly user: string; readonly client: string };
}

/** What is said between messages. */
export type MarkKind =
  /** The connection is back, and with it what was missed: the rows above. */
  | "recovered"
  /** Something was missed that cannot be had any more. */
  | "gap"
  /** The subscription is back, and nobody knows what was missed: the channel keeps nothing. */
  | "resubscribed";

export interface Message {
  readonly kind: "message";
  /** Counts the rows of the feed from 1 on. */
  readonly number: number;
  /** When it arrived, in milliseconds since 1970. */
  readonly at: number;
  readonly publication: Publication;
  /** Whether it was published while this client was away. */
  readonly late: boolean;
}

export interface Mark {
  readonly kind: "mark";
  readonly number: number;
  readonly at: number;
  readonly mark: MarkKind;
  /** How many messages were recovered, or are missing; undefined: nobody knows. */
  readonly count: number | undefined;
}

export type Row = Message | Mark;

/** What there is to see of a feed. */
export interface FeedView {
  /** Counts the drawings. */
  readonly drawing: number;
  /** Newest first. */
  readonly rows: readonly Row[];
  /** How many rows are kept, shown or not. */
  readonly kept: number;
  /** Messages since the feed began, also those that are no longer kept. */
  readonly received: number;
  /** Messages that came while it is paused. */
  readonly waiting: number;
  /** Those of them that are not kept any more. */
  readonly lostWaiting: number;
}

export const caps = [100, 500, 1_000] as const;
export type Cap = (typeof caps)[number];
const largestCap = 1_000;

/** Payloads of about so many characters are kept; then the oldest go, however few there are. */
const keptCharacters = 4_000_000;

/** Rows that are shown at first, and one more time with each step. */
export const rowsPerStep = 50;
/** Rows that are shown at most: more of them nobody reads, and each one costs. */
export const maxRows = 300;

/** A mark in a slot; its count may grow. */
class MarkSlot {
  readonly mark: MarkKind;
  count: number | undefined;

  constructor(mark: MarkKind, count: number | undefined) {
    this.mark = mark;
    this.count = count;
  }
}

/**
 * The newest messages of a channel. A message costs a few writes into columns that are there already; what
 * is shown is made when somebody looks, from `view`, which changes with `draw`.
 */
export class Feed {
  /** By number modulo the largest cap, as the columns below. */
  readonly #entries = new Array<Publication | MarkSlot | undefined>(largestCap);
  readonly #at = new Float64Array(largestCap);
  readonly #late = new Uint8Array(largestCap);
  readonly #sizes = new Float64Array(largestCap);
  /** A row that was shown, so that it is the same the next time. */
  readonly #rows = new Array<Row | undefined>(largestCap);
  /** Of the oldest row that is kept, and of the next one to come. */
  #first = 1;
  #next = 1;
  #characters = 0;
  /** Messages among the rows that are kept. */
  #messages = 0;
  #received = 0;
  /** Of the newest message, where the channel counts. */
  #offset: number | undefined;
  #epoch: string | undefined;
  #recovery: MarkSlot | undefined;

  readonly #revision = signal(0);
  readonly #cap = signal<Cap>(500);
  readonly #wanted = signal(rowsPerStep);
  readonly #held = signal<
    { readonly rows: readonly Row[]; readonly received: number; readonly since: number } | undefined
  >(undefined);

  /** What is to be seen, as of the last drawing. */
  readonly view: ReadonlySignal<FeedView> = computed(() => {
    const [drawing, held] = [this.#revision.value, this.#held.value];
    const rows = held?.rows ?? this.#newest(this.#wanted.value);
    const waiting = held === undefined ? 0 : this.#received - held.received;
    return {
      drawing,
      rows: rows.length > this.#wanted.value ? rows.slice(0, this.#wanted.value) : rows,
      kept: held?.rows.length ?? this.#next - this.#first,
      received: this.#received,
      ...{ waiting, lostWaiting: Math.max(0, waiting - this.#messages) },
    };
  });

  get cap(): ReadonlySignal<Cap> {
    return this.#cap;
  }

  /** Since when nothing moves; undefined: it runs. */
  readonly pausedSince: ReadonlySignal<number | undefined> = computed(
    () => this.#held.value?.since,
  );

  /** Messages since the feed began. */
  get received(): number {
    return this.#received;
  }

  /** The position of the newest message, where the channel counts them. */
  get position(): { readonly offset: number; readonly epoch: string } | undefined {
    return this.#offset === undefined || this.#epoch === undefined
      ? undefined
      : { offset: this.#offset, epoch: this.#epoch };
  }

  add(publication: Publication, late: boolean, at: number): void {
    const { offset } = publication;
    if (offset !== undefined) {
      const missing = offset - (this.#offset ?? offset) - 1;
      if (missing > 0) this.#mark("gap", missing, at);
      this.#offset = offset;
    }
    if (!late) this.#recovery = undefined;
    else if (this.#recovery?.count !== undefined) this.#recovery.count += 1;
    this.#received += 1;
    this.#put(publication, at, late, sizeOf(publication.data));
  }

  /** The channel is subscribed to, for the first time or again. */
  subscribed(
    context: {
      readonly wasRecovering: boolean;
      readonly recovered: boolean;
      readonly streamPosition?: { readonly offset: number; readonly epoch: string };
    },
    first: boolean,
    at: number,
  ): void {
    const { wasRecovering, recovered, streamPosition: position } = context;
    this.#recovery = undefined;
    if (wasRecovering && recovered) {
      this.#recovery = this.#mark("recovered", 0, at);
    } else {
      if (!first) {
        const missing =
          position !== undefined && position.epoch === this.#epoch && this.#offset !== undefined
            ? position.offset - this.#offset
            : undefined;
        // Positions that are the same say that nothing is missing.
        if (missing !== 0) this.#mark(wasRecovering ? "gap" : "resubscribed", missing, at);
      }
      this.#offset = position?.offset;
    }
    this.#epoch = position?.epoch;
  }

  /** Makes what came visible: `view` changes. */
  draw(): void {
    this.#revision.value += 1;
  }

  /** What is shown stays as it is; what comes is kept, and counted. */
  pause(at: number): void {
    if (this.#held.peek() !== undefined) return;
    this.#held.value = { rows: this.#newest(largestCap), received: this.#received, since: at };
  }

  resume(): void {
    this.#held.value = undefined;
    this.#wanted.value = rowsPerStep;
  }

  /** Shows more of what is kept, and holds it still: what moves on nobody can read. */
  showOlder(at: number): void {
    this.pause(at);
    this.#wanted.value = Math.min(maxRows, this.#wanted.peek() + rowsPerStep);
  }

  /** Forgets the rows; the counts go on. */
  clear(): void {
    this.#keepFrom(this.#next);
    const held = this.#held.peek();
    if (held !== undefined) this.#held.value = { ...held, rows: [], received: this.#received };
    this.#wanted.value = rowsPerStep;
    this.draw();
  }

  setCap(cap: Cap): void {
    this.#cap.value = cap;
    this.#keepFrom(this.#next - cap);
    this.draw();
  }

  #mark(mark: MarkKind, count: number | undefined, at: number): MarkSlot {
    const slot = new MarkSlot(mark, count);
    this.#put(slot, at, false, 0);
    return slot;
  }

  #put(entry: Publication | MarkSlot, at: number, late: boolean, size: number): void {
    this.#keepFrom(this.#next - this.#cap.peek() + 1);
    const slot = this.#next % largestCap;
    this.#next += 1;
    this.#entries[slot] = entry;
    this.#at[slot] = at;
    this.#late[slot] = late ? 1 : 0;
    this.#sizes[slot] = size;
    this.#characters += size;
    if (!(entry instanceof MarkSlot)) this.#messages += 1;
    // The newest one is kept, whatever its size is: the gateway has a limit.
    while (this.#characters > keptCharacters && this.#first < this.#next - 1) {
      this.#keepFrom(this.#first + 1);
    }
  }

  /** Forgets all rows before this one. */
  #keepFrom(number: number): void {
    while (this.#first < number) {
      const slot = this.#first % largestCap;
      if (!(this.#entries[slot] instanceof MarkSlot)) this.#messages -= 1;
      this.#entries[slot] = undefined;
      this.#rows[slot] = undefined;
      this.#characters -= this.#sizes[slot] ?? 0;
      this.#first += 1;
    }
  }

  #newest(count: number): readonly Row[] {
    const rows: Row[] = [];
    for (let number = this.#next - 1; number >= this.#first && rows.length < count; number -= 1) {
      const row = this.#row(number);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }

  #row(number: number): Row | undefined {
    const slot = number % largestCap;
    const entry = this.#entries[slot];
    if (entry === undefined) return undefined;
    const known = this.#rows[slot];
    const at = this.#at[slot] ?? 0;
    if (entry instanceof MarkSlot) {
      const { mark, count } = entry;
      if (known?.kind === "mark" && known.count === count) return known;
      return (this.#rows[slot] = { kind: "mark", number, at, mark, count });
    }
    if (known !== undefined) return known;
    const late = this.#late[slot] === 1;
    return (this.#rows[slot] = { kind: "message", number, at, publication: entry, late });
  }
}
