import { createDelta } from "fossil-delta";

/** What differs may be longer only in part of the payloads; beyond, one search may take a tenth of a second. */
const maxBytes = 32_768;
/** Of all time, what may go into searches, and how much may be saved up. */
const share = 0.2;
const burstMs = 100;

/**
 * Looks for what two payloads have in common, as long as that takes no more than its share of the time of
 * the process: payloads can be made so that it takes 1,000 times as long as usual.
 */
export class Searcher {
  readonly #now: () => number;
  #creditMs = burstMs;
  #at: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#at = now();
  }

  /** A delta; undefined when the two are too large or there is no time left. */
  search(source: Uint8Array, target: Uint8Array): Uint8Array | undefined {
    if (source.length > maxBytes || target.length > maxBytes) return undefined;
    const start = this.#now();
    this.#creditMs = Math.min(burstMs, this.#creditMs + (start - this.#at) * share);
    this.#at = start;
    if (this.#creditMs <= 0) return undefined;
    const delta = createDelta(source, target);
    this.#creditMs -= this.#now() - start;
    return delta;
  }
}
