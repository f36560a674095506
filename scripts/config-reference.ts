/** `npm run config-reference`: writes the table of settings into docs/config.md. */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { format, resolveConfig } from "prettier";
import { referenceTable, settingsFields, withTable } from "./config-reference/reference.ts";

const file = join(resolve(import.meta.dirname, ".."), "docs", "config.md");
const before = await readFile(file, "utf8");
const after = await format(withTable(before, referenceTable(settingsFields())), {
  ...(await resolveConfig(file)),
  parser: "markdown",
});
if (after === before) {
  console.log("docs/config.md is as it has to be");
} else {
  await writeFile(file, after);
  console.log("docs/config.md has the settings of config.ts now");
}
