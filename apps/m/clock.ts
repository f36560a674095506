/** A moment, by both clocks of this machine, in milliseconds. */
export interface Instant {
  /** Never set, but may stand still while a machine is suspended. */
  readonly monotonic: number;
  /** Goes on while a machine is suspended, but may be set. */
  readonly wall: number;
}

export type Clock = () => Instant;

export const systemClock: Clock = () => ({ monotonic: performance.now(), wall: Date.now() });

/** For who must not believe that less time has passed: whoever lives on a lease. */
export function longestBetween(earlier: Instant, later: Instant): number {
  return Math.max(later.monotonic - earlier.monotonic, later.wall - earlier.wall);
}

/**
 * For who must not believe that more time has passed: whoever waits for another's lease to end. The
 * clock that may stand still is the right one here, and one that is set could make the wait endless.
 */
export function shortestBetween(earlier: Instant, later: Instant): number {
  return later.monotonic - earlier.monotonic;
}
