import { setTimeout as wait } from "node:timers/promises";

/**
 * Waits until `probe` answers something other than undefined or false, or throws no more.
 * The limit is generous on purpose: it only says when a test gives up, never how fast a thing must be.
 *
 * @throws Error that names what was awaited and the last failure
 */
export async function eventually<T>(
  description: string,
  probe: () => T | Promise<T>,
  { withinMs = 30_000, everyMs = 20 }: { withinMs?: number; everyMs?: number } = {},
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`never happened within ${withinMs} ms: ${description}`, { cause: last });
    }
    await wait(everyMs);
  }
}
