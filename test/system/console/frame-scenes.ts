import assert from "node:assert/strict";
import { describe } from "node:test";
import { scene, type Stage, type ViewName, views } from "./stage.ts";

/** Runs in the page. */
const isFocused = (element: unknown): boolean =>
  element === Reflect.get(Reflect.get(globalThis, "document") as object, "activeElement");

/** Header, navigation and focus: what every view stands in. */
export function frameScenes(stage: () => Stage): void {
  describe("its frame", () => {
    scene("connects by itself, and says so in every view", stage, {}, async (visit) => {
      await visit.connected();
      for (const view of Object.keys(views) as ViewName[]) {
        await visit.go(view);
        await visit.connected();
      }
    });

    scene(
      "is walked through by keyboard alone, each view telling where one is",
      stage,
      { hash: "#/system", width: 1_280, height: 800 },
      async (visit) => {
        await visit.connected();
        const keyboard = visit.page.keyboard;
        await keyboard.press("Tab");
        await visit.focused("Skip to the content");
        await keyboard.press("Enter");
        await visit.focused(views.System);
        for (const [name, title] of Object.entries(views)) {
          // From the heading back to the navigation, and to the one link by the next ones.
          const link = visit.page.getByRole("link", { name, exact: true });
          for (let presses = 0; !(await link.evaluate(isFocused)); presses += 1) {
            assert.ok(presses < 20, `${name} is not reached by the keyboard`);
            await keyboard.press("Shift+Tab");
          }
          await keyboard.press("Enter");
          await visit.page.locator("h2:focus").filter({ hasText: title }).waitFor();
          assert.match(await visit.page.title(), new RegExp(`^${title} `));
          const current = visit.page.locator("nav [aria-current=page]");
          assert.deepEqual(await current.allTextContents(), [name]);
        }
      },
    );
  });
}
