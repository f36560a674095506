import type { SessionState } from "./state.ts";

/** How many commands may be without an answer. A client that waits for each has one. */
export const maxUnderWay = 2_048;

/**
 * Whether one more command may be taken: `no`, it is to be answered with an error; `never`, the client went
 * on after many such answers.
 *
 * @param size of the command, in characters
 */
export function admit(state: SessionState, size: number): "yes" | "no" | "never" {
  const { command_rate_limit: rate, queue_max_size: maxSize } = state.client;
  if (rate > 0) {
    const earned = (Math.max(0, state.now - state.creditAt) / 1_000) * rate;
    state.creditAt = state.now;
    state.credit = Math.min(rate, state.credit + earned) - 1;
    if (state.credit < -rate) return "never";
    if (state.credit < 0) return "no";
  }
  const { underWay, keptSize } = state;
  const isFull = underWay >= maxUnderWay || (underWay > 0 && keptSize + size > maxSize);
  if (!isFull) {
    state.refusedInRow = 0;
    return "yes";
  }
  state.refusedInRow += 1;
  return state.refusedInRow > maxUnderWay ? "never" : "no";
}
