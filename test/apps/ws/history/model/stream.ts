import type { LiveMessage } from "../../../../../apps/ws/history/channel-store.ts";
import type { StoredMessage, StreamState } from "../../../../../apps/ws/history/jetstream.ts";

export interface ModelMessage {
  readonly subject: string;
  readonly seq: number;
  readonly time: string;
  readonly ms: number;
  /** Counts what was published on its subject, whatever became of it. */
  readonly id: number;
}

/** A JetStream stream as far as histories see it. */
export class ModelStream {
  maxPerSubject: number;
  maxAgeMs: number;
  replicas = 1;
  /** How long payloads are at least. */
  padding = 0;
  /** Called with each message once it is stored. */
  onStored: (message: LiveMessage, subject: string) => void = () => undefined;
  /** What each subject was ever given. */
  readonly published = new Map<string, number>();
  readonly #wall: () => number;
  #messages: readonly ModelMessage[] = [];
  #lastSeq = 0;
  #created: string;
  /** What replicas may still answer: the newest state last. */
  #states: (readonly ModelMessage[])[] = [[]];
  #ticks = 0;

  constructor(wall: () => number, limits: { maxPerSubject: number; maxAgeMs: number }) {
    this.#wall = wall;
    this.maxPerSubject = limits.maxPerSubject;
    this.maxAgeMs = limits.maxAgeMs;
    this.#created = this.#timeNow();
  }

  get messages(): readonly ModelMessage[] {
    return this.#messages;
  }

  of(subject: string): readonly ModelMessage[] {
    return this.#messages.filter((message) => message.subject === subject);
  }

  publish(subject: string): ModelMessage {
    this.expire();
    const previous = this.of(subject).at(-1)?.seq ?? 0;
    const id = (this.published.get(subject) ?? 0) + 1;
    this.published.set(subject, id);
    this.#lastSeq += 1;
    const message: ModelMessage = {
      subject,
      seq: this.#lastSeq,
      time: this.#timeNow(),
      ms: this.#wall(),
      id,
    };
    this.#set([...this.#messages, message]);
    this.#evict();
    this.onStored({ ...this.#storedOf(message), previous }, subject);
    return message;
  }

  expire(): void {
    const oldest = this.#wall() - this.maxAgeMs;
    const first = this.#messages.findIndex(({ ms }) => ms > oldest);
    const kept = first === -1 ? [] : this.#messages.slice(first);
    if (kept.length < this.#messages.length) this.#set(kept);
  }

  /** @param keep so many of the newest stay */
  purge({ subject, keep = 0 }: { subject?: string; keep?: number } = {}): void {
    const all = this.#messages.filter((each) => subject === undefined || each.subject === subject);
    const gone = new Set(all.slice(0, Math.max(0, all.length - keep)));
    this.#set(this.#messages.filter((message) => !gone.has(message)));
  }

  /** Deleted, and made anew under its name. */
  remake(): void {
    this.#lastSeq = 0;
    this.#created = this.#timeNow();
    this.#states = [];
    this.#set([]);
  }

  /** Loses what it stored last, as after a power failure. */
  rewind(count: number): void {
    this.#lastSeq = Math.max(0, this.#lastSeq - count);
    this.#set(this.#messages.filter(({ seq }) => seq <= this.#lastSeq));
  }

  /** Has again what it had, as a leader that has learnt what it did not know. */
  restore(messages: readonly ModelMessage[]): void {
    this.#lastSeq = messages.at(-1)?.seq ?? 0;
    this.#set(messages);
  }

  setMaxPerSubject(maxPerSubject: number): void {
    this.maxPerSubject = maxPerSubject;
    this.#evict();
  }

  last(subject: string): StoredMessage | undefined {
    this.expire();
    const last = this.of(subject).at(-1);
    return last && this.#storedOf(last);
  }

  first(subject: string, fromSeq: number): StoredMessage | undefined {
    this.expire();
    const first = this.of(subject).find(({ seq }) => seq >= fromSeq);
    return first && this.#storedOf(first);
  }

  /** @param lag by so many changes the replica that answers is behind */
  read(subject: string, fromSeq: number, lag = 0): StoredMessage[] {
    this.expire();
    const messages = this.#states.at(-1 - lag) ?? this.#states[0] ?? [];
    return messages
      .filter((each) => each.subject === subject && each.seq >= fromSeq)
      .map((each) => this.#storedOf(each));
  }

  state(subject: string): StreamState {
    this.expire();
    return {
      firstSeq: this.#messages[0]?.seq ?? this.#lastSeq + 1,
      lastSeq: this.#lastSeq,
      messages: this.#messages.length,
      count: this.of(subject).length,
      created: this.#created,
      replicas: this.replicas,
      maxPerSubject: this.maxPerSubject,
      maxAgeMs: this.maxAgeMs,
    };
  }

  #evict(): void {
    const counts = new Map<string, number>();
    const kept = this.#messages.toReversed().filter(({ subject }) => {
      const count = (counts.get(subject) ?? 0) + 1;
      counts.set(subject, count);
      return count <= this.maxPerSubject;
    });
    if (kept.length < this.#messages.length) this.#set(kept.reverse());
  }

  #set(messages: readonly ModelMessage[]): void {
    this.#messages = messages;
    this.#states.push(messages);
    if (this.#states.length > 8) this.#states.shift();
  }

  /** With nanoseconds, which no two messages share; zeros at the end are not written. */
  #timeNow(): string {
    this.#ticks += 1;
    const milliseconds = new Date(this.#wall()).toISOString().slice(0, -1);
    const decimals = `${milliseconds}${String(this.#ticks % 1_000_000).padStart(6, "0")}`;
    return `${decimals.replace(/\.?0+$/, "")}Z`;
  }

  #storedOf({ seq, time, id }: ModelMessage): StoredMessage {
    const data = Buffer.from(String(id).padEnd(this.padding));
    return { seq, time, data, header: () => undefined };
  }
}
