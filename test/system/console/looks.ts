import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { emulatorsMissing } from "../../support/emulators.ts";
import type { Stage } from "./stage.ts";
import { telling } from "./stage.ts";
import { type ConsoleState, visitState, widths, windowOf } from "./state.ts";
import { states } from "./states.ts";

/** So many states are looked at side by side: most of the time each waits for the browser. */
const concurrency = 3;

/** What holds in every state: no violation for axe-core, nothing in the console, nothing too wide. */
export function looks(stage: () => Stage): void {
  describe("every state is readable, light and dark, on a phone and on a desk", () => {
    describe("side by side", { concurrency }, () => {
      for (const state of states.filter(({ alone = false }) => !alone)) look(stage, state);
    });
    describe("one after the other", () => {
      for (const state of states.filter(({ alone = false }) => alone)) look(stage, state);
    });
  });
}

function look(stage: () => Stage, state: ConsoleState): void {
  const skip = state.withM === true ? (emulatorsMissing() ?? false) : false;
  it(state.name, { skip }, async () => {
    await using visit = await visitState(stage(), state);
    await telling(visit, async () => {
      // What a scheme changes, a width hardly does, and axe takes its time: each once is enough.
      for (const [index, width] of widths.entries()) {
        const colorScheme = index % 2 === 0 ? "dark" : "light";
        await visit.page.setViewportSize(windowOf(width));
        await visit.page.emulateMedia({ colorScheme });
        assert.deepEqual(await visit.violations(), [], `${width} px, ${colorScheme}`);
        assert.deepEqual(await visit.tooWide(), [], `${width} px`);
      }
      visit.noComplaints();
    });
  });
}
