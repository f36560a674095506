/**
 * How long a connection lasts: 10/11 to 11/11 of the most, so 50 to 55 minutes of 55. Those that were
 * opened together do not end together.
 *
 * @param random from 0 to below 1
 */
export function lifetimeMs(maxAgeMs: number, random = Math.random()): number {
  return maxAgeMs * (1 - random / 11);
}
