import assert from "node:assert/strict";
import { describe } from "node:test";
import { scene, type Stage, type ViewName, views } from "./stage.ts";

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
        const focused = (): Promise<string> =>
          visit.opened.run<string>("document.activeElement.textContent.trim()");
        await keyboard.press("Tab");
        assert.equal(await focused(), "Skip to the content");
        await keyboard.press("Enter");
        assert.equal(await focused(), views.System);
        for (const [name, title] of Object.entries(views)) {
          // Back from the heading to the links of the navigation, and on until the one is reached.
          await visit.opened.run("document.querySelector('nav a').focus()");
          while ((await focused()) !== name) await keyboard.press("Tab");
          await keyboard.press("Enter");
          await visit.page.getByRole("heading", { level: 2, name: title, exact: true }).waitFor();
          assert.equal(await focused(), title);
          assert.match(await visit.page.title(), new RegExp(`^${title} `));
          const current = visit.page.locator("nav [aria-current=page]");
          assert.deepEqual(await current.allTextContents(), [name]);
        }
      },
    );
  });
}
