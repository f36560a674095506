/**
 * The last message of each topic whose subscribers get deltas: what the next one is compared with. All
 * together are bounded; of topics whose last message is forgotten, the next message goes out in full.
 */
export class Predecessors<T> {
  readonly #maxBytes: number;
  readonly #keep: (message: T) => number;
  /** The first is the one that was set the longest ago. */
  readonly #messages = new Map<string, { readonly message: T; readonly bytes: number }>();
  #bytes = 0;

  /** @param keep makes a message fit to be kept for long, and says what it takes */
  constructor(maxBytes: number, keep: (message: T) => number) {
    this.#maxBytes = maxBytes;
    this.#keep = keep;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(topic: string): T | undefined {
    return this.#messages.get(topic)?.message;
  }

  set(topic: string, message: T): void {
    this.delete(topic);
    const bytes = this.#keep(message);
    this.#messages.set(topic, { message, bytes });
    this.#bytes += bytes;
    for (const [oldest] of this.#messages) {
      if (this.#bytes <= this.#maxBytes) return;
      this.delete(oldest);
    }
  }

  delete(topic: string): void {
    this.#bytes -= this.#messages.get(topic)?.bytes ?? 0;
    this.#messages.delete(topic);
  }
}
