export interface PaceOptions {
  /** Shows what there is by now. */
  readonly draw: () => void;
  /** So long it takes at least from one drawing to the next. */
  readonly everyMs: number;
  /** Calls back before the next picture of the screen, as `requestAnimationFrame` does: for a hidden page not at all. */
  readonly frame: (callback: () => void) => unknown;
  readonly now: () => number;
}

/**
 * Draws in a frame of the screen, the first time at once and then no more often than a person can follow,
 * however often it is asked to.
 */
export class Pace {
  readonly #options: PaceOptions;
  #asked = false;
  #last = Number.NEGATIVE_INFINITY;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Something has changed. */
  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#options.frame(this.#framed);
  }

  readonly #framed = (): void => {
    const { draw, everyMs, frame, now } = this.#options;
    const at = now();
    // A clock that was set back must not stop it.
    if (at - this.#last < everyMs && at >= this.#last) {
      frame(this.#framed);
      return;
    }
    this.#last = at;
    this.#asked = false;
    draw();
  };
}
