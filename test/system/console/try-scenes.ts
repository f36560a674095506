import assert from "node:assert/strict";
import { describe } from "node:test";
import { scene, type Stage } from "./stage.ts";

/** The forms for the service add. */
export function tryScenes(stage: () => Stage): void {
  describe("Try it", () => {
    scene(
      "shows sum and concat, whose results arrive over the connection, with the time from the click",
      stage,
      { hash: "#/try" },
      async (visit) => {
        await visit.connected();
        const row = (asked: string, result: string) =>
          visit
            .region("The last ten")
            .getByRole("row")
            .filter({ hasText: asked })
            .filter({ hasText: result });
        await visit.page
          .getByRole("form", { name: "Sum" })
          .getByLabel("a", { exact: true })
          .fill("40.5");
        await visit.button("Sum").click();
        // Both times in one row: that of the HTTP answer, and that of the arrival on the channel.
        await row("40.5 + 2", "42.5")
          .getByText(/^[\d.]+ m?s$/)
          .nth(1)
          .waitFor();
        await visit.button("Concat").click();
        await row("“real” & “time”", "realtime")
          .getByText(/^[\d.]+ m?s$/)
          .nth(1)
          .waitFor();
      },
    );

    scene(
      "asks by a call over the connection, too, and by keyboard",
      stage,
      { hash: "#/try" },
      async (visit) => {
        await visit.connected();
        await visit.page.getByText("Call over the connection").click();
        await visit.page
          .getByRole("form", { name: "Sum" })
          .getByLabel("a", { exact: true })
          .focus();
        await visit.page.keyboard.press("Control+A");
        await visit.page.keyboard.type("1");
        await visit.page.keyboard.press("Enter");
        const row = visit
          .region("The last ten")
          .getByRole("row")
          .filter({ hasText: "call" })
          .filter({ hasText: "1 + 2 = 3" });
        // That of the answer, and that of the arrival.
        await row
          .getByText(/^[\d.]+ m?s$/)
          .nth(1)
          .waitFor();
      },
    );

    scene(
      "says what is wrong with an operand, and asks nothing",
      stage,
      { hash: "#/try" },
      async (visit) => {
        await visit.connected();
        await visit.page
          .getByRole("form", { name: "Sum" })
          .getByLabel("a", { exact: true })
          .fill("forty");
        await visit.button("Sum").click();
        const invalid = visit.page.locator("[aria-invalid=true]");
        assert.equal(await invalid.count(), 1);
        await visit.sees("Nothing has been asked yet.");
      },
    );
  });
}
