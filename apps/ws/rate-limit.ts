/** So many per second, and as many at once after a quiet second. */
export class RateLimit {
  readonly #perSecond: number;
  #tokens: number;
  #at: number;

  /** @param perSecond 0: no limit */
  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#at = now;
  }

  /** Whether one more may be now, ms; if so, it is counted. */
  take(now: number): boolean {
    if (this.#perSecond === 0) return true;
    const earned = (Math.max(0, now - this.#at) / 1_000) * this.#perSecond;
    this.#at = now;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + earned);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
