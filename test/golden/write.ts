/** `npm run golden`: writes what each stack would declare, for the next review. */
import { writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { stackNames } from "../../local/engine/stack-file.ts";
import { recordGraph } from "../../local/record.ts";
import { goldenFile, goldenText, root } from "./golden.ts";

for (const stack of stackNames(root)) {
  const graph = await recordGraph({ root, stack });
  if (graph.ok) {
    await writeFile(goldenFile(stack), await goldenText(graph));
    console.log(`${relative(root, goldenFile(stack))}: ${graph.resources.length} resources`);
  } else {
    console.error(`${stack}: ${graph.problems.join("\n")}`);
    process.exitCode = 1;
  }
}
