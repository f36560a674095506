import { type ReadonlySignal, signal } from "@preact/signals";

/** What happened to the connection and to what it carries. */
export type Happening =
  | { readonly kind: "connecting" }
  | {
      readonly kind: "connected";
      readonly transport: string;
      readonly client: string;
      /** How long it took since the connection was lost, or since it was wanted. */
      readonly tookMs: number;
    }
  | { readonly kind: "lost"; readonly code: number; readonly reason: string }
  | { readonly kind: "disconnected"; readonly code: number; readonly reason: string }
  | {
      readonly kind: "subscribed";
      readonly channel: string;
      /** The newest publication, where the channel counts them. */
      readonly offset: number | undefined;
    }
  /** A channel that was away has all that it missed, so many publications. */
  | { readonly kind: "recovered"; readonly channel: string; readonly messages: number }
  /** Something that was missed on the channel cannot be had any more. */
  | { readonly kind: "gap"; readonly channel: string }
  | {
      readonly kind: "unsubscribed";
      readonly channel: string;
      readonly code: number;
      readonly reason: string;
    }
  | { readonly kind: "error"; readonly text: string };

export type LiveEvent = Happening & {
  /** Counts from 1 on. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
};

/** What has happened since the page was opened, also what is no longer among the events. */
export interface Totals {
  readonly lost: number;
  readonly recoveries: number;
  /** That recoveries have brought. */
  readonly messages: number;
  readonly gaps: number;
}

const nothing: Totals = { lost: 0, recoveries: 0, messages: 0, gaps: 0 };

/** The last of what happened, oldest first. */
export class EventLog {
  readonly #events = signal<readonly LiveEvent[]>([]);
  readonly #totals = signal(nothing);
  readonly #kept: number;
  readonly #now: () => number;
  #count = 0;

  /** @param kept so many events; older ones are forgotten */
  constructor(kept: number, now: () => number) {
    this.#kept = kept;
    this.#now = now;
  }

  get events(): ReadonlySignal<readonly LiveEvent[]> {
    return this.#events;
  }

  get totals(): ReadonlySignal<Totals> {
    return this.#totals;
  }

  add(happening: Happening): void {
    const event: LiveEvent = { ...happening, number: ++this.#count, at: this.#now() };
    this.#events.value = [...this.#events.peek(), event].slice(-this.#kept);
    const { lost, recoveries, messages, gaps } = this.#totals.peek();
    if (event.kind === "lost") this.#totals.value = { lost: lost + 1, recoveries, messages, gaps };
    if (event.kind === "gap") this.#totals.value = { lost, recoveries, messages, gaps: gaps + 1 };
    if (event.kind === "recovered") {
      this.#totals.value = {
        ...{ lost, gaps },
        ...{ recoveries: recoveries + 1, messages: messages + event.messages },
      };
    }
  }

  /** Forgets the events; the totals stay. */
  clear(): void {
    this.#events.value = [];
  }
}
