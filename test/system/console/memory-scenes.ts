import assert from "node:assert/strict";
import { describe } from "node:test";
import { emulatorsMissing } from "../../support/emulators.ts";
import { scene, type Stage, type Visit } from "./stage.ts";

/** Sets a key by the editor, and waits until it is everywhere. */
export async function setKey(visit: Visit, key: string, value: string): Promise<void> {
  const editor = visit.region("Change a key");
  await editor.getByLabel("Key").fill(key);
  await editor.getByLabel("Value").fill(value);
  await editor.getByRole("button", { name: "Set", exact: true }).click();
  await editor.getByText("Everywhere").waitFor();
  await row(visit, key, JSON.stringify(JSON.parse(value))).waitFor();
}

function row(visit: Visit, key: string, value = ""): ReturnType<Visit["region"]> {
  return visit
    .region("Data")
    .getByRole("row")
    .filter({ has: visit.page.getByRole("rowheader", { name: key, exact: true }) })
    .filter({ hasText: value });
}

/** The replicated memory. */
export function memoryScenes(stage: () => Stage): void {
  describe("M", { skip: emulatorsMissing() ?? false }, () => {
    scene(
      "sets a key, which every replica is seen to have",
      stage,
      { hash: "#/memory" },
      async (visit) => {
        await setKey(visit, "colour", '"green"');
        const said = await visit.region("Change a key").getByRole("status").innerText();
        const rev = /revision (\d+), committed in [\d.]+ m?s, confirmed by 3 replicas/.exec(
          said,
        )?.[1];
        assert.ok(rev, said);
        await visit
          .region("Replicas")
          .getByText(/^All 3 replicas at revision \d+\.$/)
          .waitFor();
        const replicas = visit.region("Replicas").getByRole("listitem");
        assert.equal(await replicas.count(), 3);
        for (const text of await replicas.allInnerTexts()) {
          assert.match(text, /Up to date/);
          assert.match(text, /Lease renewed [\d.]+ s ago, of [\d.]+ s/);
        }
        // The same from any of them.
        const answer = await fetch(`${stage().url}/m`);
        assert.equal(((await answer.json()) as Record<string, unknown>)["colour"], "green");
      },
    );

    scene(
      "changes and deletes a key without the pointer",
      stage,
      { hash: "#/memory" },
      async (visit) => {
        await setKey(visit, "fruit", '"apple"');
        const { keyboard } = visit.page;
        await visit.button("Edit fruit").focus();
        await keyboard.press("Enter");
        await keyboard.press("Control+A");
        await keyboard.type('{"pear": 2}');
        await keyboard.press("Tab");
        await keyboard.press("Enter");
        await row(visit, "fruit", '{"pear":2}').waitFor();
        await visit.button("Delete fruit").focus();
        await keyboard.press("Enter");
        await visit.focused("Cancel");
        await keyboard.press("Tab");
        await keyboard.press("Enter");
        await row(visit, "fruit").waitFor({ state: "detached" });
      },
    );

    scene("overwrites nobody's change unasked", stage, { hash: "#/memory" }, async (visit) => {
      await setKey(visit, "shared", "1");
      await visit.button("Edit shared").click();
      await visit.region("Change a key").getByLabel("Value").fill("2");
      await stage().post("/m", { shared: 3 });
      await visit.sees("Somebody has changed this key meanwhile.");
      await visit.button("Go on with mine").click();
      await visit.region("Change a key").getByRole("button", { name: "Set", exact: true }).click();
      await row(visit, "shared", "2").waitFor();
    });

    scene("says what is no JSON, and sends nothing", stage, { hash: "#/memory" }, async (visit) => {
      const editor = visit.region("Change a key");
      await editor.getByLabel("Key").fill("broken");
      await editor.getByLabel("Value").fill("{");
      await editor.getByRole("button", { name: "Set", exact: true }).click();
      await editor.locator("[aria-invalid=true]").waitFor();
      assert.equal(await row(visit, "broken").count(), 0);
    });

    scene(
      "draws how long commits and confirmations take",
      stage,
      { hash: "#/memory" },
      async (visit) => {
        await visit.button("Write one a second").click();
        const updates = visit.region("Updates from this page");
        const log = updates.getByRole("list", { name: "The last updates" }).getByRole("listitem");
        await log
          .filter({ hasText: /confirmed by 3 after/ })
          .nth(2)
          .waitFor();
        await visit.button("Stop writing").click();
        await updates.getByRole("figure", { name: /^The last 60 updates/ }).waitFor();
        await updates
          .getByText(/^The last was committed in .+ Confirmations of \d+: .+ at most\.$/)
          .waitFor();
      },
    );
  });
}
