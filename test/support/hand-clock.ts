import type { Clock, Instant } from "../../apps/m/clock.ts";

/** A clock that stands still until the test sets it forward. */
export class HandClock {
  #now: Instant = { monotonic: 1_000, wall: 1_000_000 };

  readonly read: Clock = () => this.#now;

  /** Lets time pass by both clocks. */
  pass(ms: number): void {
    const { monotonic, wall } = this.#now;
    this.#now = { monotonic: monotonic + ms, wall: wall + ms };
  }

  /** As a suspension of the machine does: only the wall clock goes on. */
  suspend(ms: number): void {
    this.#now = { ...this.#now, wall: this.#now.wall + ms };
  }
}
