import { setTimeout as pause } from "node:timers/promises";

/** Waits for something. @throws Error that says what did not happen in time */
export async function until(
  what: string,
  happened: () => boolean,
  withinMs = 10_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!happened()) {
    if (performance.now() > end) throw new Error(`there was no ${what} within ${withinMs} ms`);
    await pause(5);
  }
}
