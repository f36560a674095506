import { type ReadonlySignal, signal } from "@preact/signals";

/** So many whole seconds are known. */
export const rateSeconds = 60;

/** What there is to see of a rate. */
export interface RateView {
  /** For a chart: seconds since 1970, and how many came in each of them; null before it began. */
  readonly columns: readonly [x: readonly number[], y: readonly (number | null)[]];
  /** In the last whole second. */
  readonly last: number;
  /** The most in one of the seconds that are known. */
  readonly peak: number;
  /** Of the seconds that are known. */
  readonly mean: number;
}

/** How many came in each second of the last minute. */
export class Rate {
  /** By second modulo their number; one more than is shown, for the second that is not over. */
  readonly #counts = new Uint32Array(rateSeconds + 1);
  readonly #began: number;
  /** The one that is not over. */
  #second: number;
  /** The one that was not over when somebody last looked. */
  #shown = 0;
  readonly #view: ReturnType<typeof signal<RateView>>;

  /** @param now milliseconds since 1970, here and below */
  constructor(now: number) {
    this.#began = Math.floor(now / 1_000);
    this.#second = this.#began;
    this.#view = signal(this.#look());
  }

  /** As of the last `tick`. */
  get view(): ReadonlySignal<RateView> {
    return this.#view as ReadonlySignal<RateView>;
  }

  count(now: number): void {
    this.#advance(now);
    const slot = this.#second % this.#counts.length;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
  }

  /** Time has gone on. */
  tick(now: number): void {
    if (this.#advance(now)) this.#view.value = this.#look();
  }

  /** @returns whether there is a whole second that has not been looked at */
  #advance(now: number): boolean {
    const second = Math.floor(now / 1_000);
    // A clock that was set back: what comes belongs to the second that was reached.
    if (second > this.#second) {
      const from = Math.max(this.#second + 1, second - rateSeconds);
      for (let each = from; each <= second; each += 1) this.#counts[each % this.#counts.length] = 0;
      this.#second = second;
    }
    return this.#shown !== this.#second;
  }

  #look(): RateView {
    this.#shown = this.#second;
    const x: number[] = [];
    const y: (number | null)[] = [];
    let [sum, known, peak, last] = [0, 0, 0, 0];
    for (let second = this.#second - rateSeconds; second < this.#second; second += 1) {
      x.push(second);
      if (second < this.#began) {
        y.push(null);
        continue;
      }
      last = this.#counts[second % this.#counts.length] ?? 0;
      y.push(last);
      sum += last;
      known += 1;
      peak = Math.max(peak, last);
    }
    return { columns: [x, y], last, peak, mean: known === 0 ? 0 : sum / known };
  }
}
