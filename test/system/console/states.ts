import { frameStates } from "./frame-states.ts";
import { liveStates } from "./live-states.ts";
import { memoryStates } from "./memory-states.ts";
import type { ConsoleState } from "./state.ts";
import { systemStates } from "./system-states.ts";
import { topicsStates } from "./topics-states.ts";
import { tryStates } from "./try-states.ts";

/** Every state that a view was designed for. */
export const states: readonly ConsoleState[] = [
  ...frameStates(),
  ...liveStates(),
  ...topicsStates(),
  ...tryStates(),
  ...memoryStates(),
  ...systemStates(),
];
