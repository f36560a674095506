/**
 * `npm run screenshots`: writes a picture of each state at each width to docs/images; with names of states
 * (`npm run screenshots -- topics system`) of these alone. Pictures of what is no state are removed.
 */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { repository } from "../../support/checkout.ts";
import { smallPng } from "../../support/png.ts";
import { Stage } from "./stage.ts";
import { pictureName, visitState, widths, windowOf } from "./state.ts";
import { states } from "./states.ts";

const folder = join(repository, "docs/images");

await mkdir(folder, { recursive: true });
const wanted = process.argv.slice(2);
const chosen = states.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const names = new Set(states.flatMap((state) => widths.map((width) => pictureName(state, width))));
for (const name of await readdir(folder)) {
  if (name.endsWith(".png") && !names.has(name)) await rm(join(folder, name));
}
await using stage = await Stage.set();
for (const state of chosen) {
  await using visit = await visitState(stage, state);
  for (const width of widths) {
    await visit.page.setViewportSize(windowOf(width));
    // From its top, where a header belongs that sticks to the window.
    await visit.opened.run("document.activeElement?.blur(); scrollTo(0, 0)");
    const picture = smallPng(
      await visit.page.screenshot({ fullPage: true, animations: "disabled" }),
    );
    await writeFile(join(folder, pictureName(state, width)), picture);
    console.log(`${pictureName(state, width)}: ${Math.ceil(picture.length / 1_024)} KB`);
  }
}
