/**
 * `npm run policies -- --stack prod`: asks the rules of `policies/` about all that a stack declares, without an
 * account and without the pulumi CLI. `pulumi preview --policy-pack policies` asks the same rules.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stackNames } from "../local/engine/stack-file.ts";
import { recordGraph } from "../local/record.ts";
import { evaluate } from "../policies/evaluate.ts";
import { rules } from "../policies/rules.ts";
import { ruleResources } from "./policies/recorded.ts";

const root = join(import.meta.dirname, "..");
const usage = "usage: npm run policies [-- --stack <stack>]; without a stack all of them";

async function main(argv: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({ args: [...argv], options: { stack: { type: "string" } } });
  const stacks = values.stack === undefined ? stackNames(root) : [values.stack];
  let holds = true;
  for (const stack of stacks) {
    const graph = await recordGraph({ root, stack });
    const violations = evaluate(ruleResources(graph.resources));
    for (const problem of graph.problems) console.error(`${stack}: ${problem}`);
    for (const { rule, urn, problem } of violations) {
      const { description = "", remedy = "" } = rules.find(({ name }) => name === rule) ?? {};
      console.error(`${urn}\n  ${rule}: ${description}\n  ${problem}.\n  ${remedy}`);
    }
    if (graph.ok && violations.length === 0) {
      console.log(`${stack}: ${graph.resources.length} resources, ${rules.length} rules hold`);
    } else holds = false;
  }
  return holds;
}

try {
  if (!(await main(process.argv.slice(2)))) process.exitCode = 1;
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  process.exitCode = 2;
}
