/** Trying again: with growing waits, for a bounded time, and only what may pass by itself. */

/** Thrown by an attempt that another may follow. */
export class Passing extends Error {
  /** How long the other side asked to be left alone, in milliseconds. */
  readonly afterMs: number;

  constructor(message: string, afterMs = 0, options?: ErrorOptions) {
    super(message, options);
    this.afterMs = afterMs;
  }
}

export interface Pace {
  /** From the first attempt on; no attempt begins later. */
  readonly withinMs: number;
  readonly wait: (ms: number) => Promise<unknown>;
  /** Milliseconds, from any moment on; never goes back. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

const [firstMs, longestMs] = [500, 8_000];

/**
 * Repeats what fails with `Passing`; the waits double, and each is drawn from its upper half, so that
 * those who were refused together do not come back together.
 *
 * @throws what the last attempt threw, when the time is over; anything else at once
 */
export async function retrying<T>(attempt: () => Promise<T>, pace: Pace): Promise<T> {
  const end = pace.now() + pace.withinMs;
  for (let longest = firstMs; ; longest = Math.min(longest * 2, longestMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Passing)) throw error;
      const ms = Math.max(longest * (0.5 + pace.random() / 2), error.afterMs);
      if (pace.now() + ms >= end) throw error;
      await pace.wait(ms);
    }
  }
}
