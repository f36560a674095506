import { pause } from "../../lib/within.ts";

/** Time as a channel's log sees it, so that tests can set it. */
export interface LogClock {
  /** Milliseconds that only grow. */
  monotonic(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Waits, or less long when the signal aborts; never rejects. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: LogClock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  pause,
};
