import type { LogClock } from "../../../../../apps/ws/history/clock.ts";

interface Timer {
  readonly at: number;
  readonly ring: () => void;
}

/** Time that passes only when the test says so, but for moments that tell before from after. */
export class ModelTime implements LogClock {
  #now = 1_000;
  #timers: Timer[] = [];

  monotonic(): number {
    this.#now += 0.001;
    return this.#now;
  }

  wall(): number {
    return 1_790_000_000_000 + Math.floor(this.#now);
  }

  async pause(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer: Timer = { at: this.#now + ms, ring: resolve };
      this.#timers.push(timer);
      signal.addEventListener("abort", () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
        resolve();
      });
    });
  }

  /** How many wait for time to pass. */
  get waiting(): number {
    return this.#timers.length;
  }

  pass(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { ring } of due) ring();
  }
}
