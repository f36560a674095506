/** `npm run config-reference`: writes the tables of settings into the documents. */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { settingsDocuments } from "./config-reference/documents.ts";

const root = resolve(import.meta.dirname, "..");
for (const [name, text] of await settingsDocuments(root)) {
  const isCurrent = (await readFile(join(root, name), "utf8")) === text;
  if (!isCurrent) await writeFile(join(root, name), text);
  console.log(`${name} ${isCurrent ? "is as it has to be" : "has the settings of today now"}`);
}
