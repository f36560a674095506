import { pause } from "../lib/within.ts";

/** What can be asked to end. */
export interface Closable {
  close(graceMs: number): void;
}

/** The time between two waves. */
const waveMs = 100;

/**
 * Asks all to close, evenly spread over the time, so that those who come back elsewhere do not come at
 * once.
 *
 * @param graceMs how long each has to answer the close frame
 */
export async function closeInWaves(
  all: readonly Closable[],
  overMs: number,
  graceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const waves = Math.max(1, Math.floor(overMs / waveMs));
  const perWave = Math.ceil(all.length / waves);
  for (let begin = 0; begin < all.length; begin += perWave) {
    if (begin > 0) await pause(waveMs, signal);
    for (const each of all.slice(begin, begin + perWave)) each.close(graceMs);
  }
}
