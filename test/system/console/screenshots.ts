/** `npm run screenshots`: writes a picture of each state at each width to docs/images. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { repository } from "../../support/checkout.ts";
import { Stage } from "./stage.ts";
import { pictureName, visitState, widths, windowOf } from "./state.ts";
import { states } from "./states.ts";

const folder = join(repository, "docs/images");

await mkdir(folder, { recursive: true });
for (const name of await readdir(folder)) {
  if (name.endsWith(".png")) await rm(join(folder, name));
}
await using stage = await Stage.set();
for (const state of states) {
  await using visit = await visitState(stage, state);
  for (const width of widths) {
    await visit.page.setViewportSize(windowOf(width));
    const picture = await visit.page.screenshot({ fullPage: true, animations: "disabled" });
    await writeFile(join(folder, pictureName(state, width)), picture);
    console.log(`${pictureName(state, width)}: ${Math.ceil(picture.length / 1_024)} KB`);
  }
}
