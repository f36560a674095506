import { type ReadonlySignal, signal } from "@preact/signals";

/** How long it is silent at least, and at most while messages go on coming. */
const shortestMs = 5_000;
const longestMs = 60_000;

/**
 * What a screen reader says of the feeds, which themselves are silent: how much is new, from time to time and
 * ever more rarely while it goes on.
 */
export class Summary {
  readonly #text = signal("");
  readonly #said = new Map<string, number>();
  #silentMs = shortestMs;
  #last = Number.NEGATIVE_INFINITY;

  get text(): ReadonlySignal<string> {
    return this.#text;
  }

  /**
   * Time has gone on.
   *
   * @param feeds how many messages each has received; those that are left out are not spoken of for now
   */
  tick(now: number, feeds: ReadonlyMap<string, number>): void {
    const news: string[] = [];
    for (const [name, received] of feeds) {
      const count = received - (this.#said.get(name) ?? 0);
      if (count === 0) continue;
      // With the total no two are the same: a text that stays as it is would not be said again.
      news.push(
        `${count.toLocaleString("en")} new on ${name}, ${received.toLocaleString("en")} in all`,
      );
    }
    const silence = now - this.#last;
    if (news.length === 0 || silence < this.#silentMs) return;
    const goesOn = silence < this.#silentMs + shortestMs;
    this.#silentMs = goesOn ? Math.min(longestMs, 2 * this.#silentMs) : shortestMs;
    this.#last = now;
    for (const [name, received] of feeds) this.#said.set(name, received);
    this.#text.value = news.join("; ");
  }

  /** There is no such feed any more: another of its name begins anew. */
  forget(name: string): void {
    this.#said.delete(name);
  }
}
