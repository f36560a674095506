/** Which documents have a table of settings, and what each of them has to be. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { parse } from "yaml";
import { stackNames } from "../../local/engine/stack-file.ts";
import { differencesTable, referenceTable, settingsFields, withTable } from "./reference.ts";

/** Document → its text as it has to be, from what it is now. */
export async function settingsDocuments(root: string): Promise<Map<string, string>> {
  const fields = settingsFields();
  const stacks = Object.fromEntries(
    // All but this machine.
    stackNames(root)
      .filter((stack) => stack !== "local")
      .map((stack) => {
        const text = readFileSync(join(root, `Pulumi.${stack}.yaml`), "utf8");
        return [stack, (parse(text) as { config: Record<string, unknown> }).config];
      }),
  );
  const written = new Map<string, string>();
  for (const [name, table] of [
    ["docs/config.md", referenceTable(fields)],
    ["docs/environments.md", differencesTable(fields, stacks)],
  ] as const) {
    const file = join(root, name);
    written.set(
      name,
      await format(withTable(readFileSync(file, "utf8"), table), {
        ...(await resolveConfig(file)),
        parser: "markdown",
      }),
    );
  }
  return written;
}
