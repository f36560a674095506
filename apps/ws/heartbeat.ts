/** What is asked for a sign of life. */
export interface Pinged {
  /** Asks the peer, or gives it up when it did not answer the last time. */
  ping(): void;
}

/**
 * Pings everyone once per interval, the first time within one, with one timer. They are spread over the
 * interval, so that ten thousand pings do not hold up the messages of one moment.
 */
export class Heartbeat {
  readonly #slots: Set<Pinged>[];
  readonly #timer: NodeJS.Timeout;
  #next = 0;
  #turn = 0;

  constructor({ intervalMs, slots = 50 }: { intervalMs: number; slots?: number }) {
    this.#slots = Array.from({ length: slots }, () => new Set<Pinged>());
    this.#timer = setInterval(() => {
      this.#turn = (this.#turn + 1) % slots;
      for (const pinged of this.#slots[this.#turn] ?? []) pinged.ping();
    }, intervalMs / slots);
  }

  /** The returned function ends it. */
  add(pinged: Pinged): () => void {
    this.#next = (this.#next + 1) % this.#slots.length;
    const slot = this.#slots[this.#next];
    slot?.add(pinged);
    return () => slot?.delete(pinged);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
