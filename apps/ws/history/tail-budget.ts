/** Something that takes memory, and can be read again when it is let go. */
export interface Expendable {
  readonly bytes: number;
  /** When it was last of use, by the monotonic clock. */
  readonly usedAt: number;
  letGo(): void;
}

/** Bounds what the tails of all channels take together: those that were of use longest ago go first. */
export class TailBudget {
  readonly #maxBytes: number;
  readonly #all = new Set<Expendable>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(one: Expendable): void {
    this.#all.add(one);
    this.#bytes += one.bytes;
  }

  remove(one: Expendable): void {
    if (this.#all.delete(one)) this.#bytes -= one.bytes;
  }

  /** To be called after one of them has grown or shrunk. */
  changed(one: Expendable, bytes: number): void {
    if (!this.#all.has(one)) return;
    this.#bytes += bytes;
    if (bytes > 0 && this.#bytes > this.#maxBytes) this.#shrink(one);
  }

  /** @param used stays, whatever it takes: somebody is about to use it */
  #shrink(used: Expendable): void {
    const others = [...this.#all].filter((one) => one !== used && one.bytes > 0);
    others.sort((a, b) => a.usedAt - b.usedAt);
    for (const one of others) {
      // Not at each publication again.
      if (this.#bytes <= this.#maxBytes * 0.75) return;
      one.letGo();
    }
  }
}
