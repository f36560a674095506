/**
 * `npm run costs`: writes into docs/costs.md what dev and prod cost. `npm run costs -- --stack <name>` prints
 * the table of one stack.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { format } from "prettier";
import { readStackFile } from "../local/engine/stack-file.ts";
import { recordGraph } from "../local/record.ts";
import { costTable, withCosts } from "./costs/document.ts";
import { type CostLine, estimate } from "./costs/estimate.ts";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({ options: { stack: { type: "string" } } });

async function costsOf(stack: string): Promise<CostLine[]> {
  const graph = await recordGraph({ root, stack });
  if (!graph.ok) throw new Error(graph.problems.join("\n"));
  const resources = graph.resources
    .filter(({ custom }) => custom)
    .map(({ type, inputs }) => ({ type, inputs }));
  return estimate(resources, readStackFile(root, stack).config["gcp:region"] ?? "us-central1");
}

if (values.stack === undefined) {
  const file = join(root, "docs/costs.md");
  const estimates = new Map<string, CostLine[]>();
  for (const stack of ["dev", "prod"]) estimates.set(stack, await costsOf(stack));
  const text = withCosts(await readFile(file, "utf8"), estimates);
  await writeFile(file, await format(text, { parser: "markdown", printWidth: 100 }));
  console.log("docs/costs.md has the costs of dev and prod now");
} else {
  console.log(costTable(await costsOf(values.stack)));
}
