/** docs/costs.md: the tables between its marks, made from the estimates; the prose is by hand. */
import type { CostLine } from "./estimate.ts";
import { type Price, prices, sources } from "./prices.ts";

const begin = "<!-- costs: written by `npm run costs` -->";
const end = "<!-- /costs -->";

export function costTable(lines: readonly CostLine[]): string {
  const known = lines.flatMap(({ usd }) => usd ?? []);
  const unknown = lines.length - known.length;
  const total = known.reduce((all, usd) => all + usd, 0);
  return [
    "| what | US dollars a month | assumption |",
    "| --- | ---: | --- |",
    ...lines.map(({ what, usd, assumption }) => `| ${what} | ${dollars(usd)} | ${assumption} |`),
    `| **all of it** | **${dollars(total)}** | ${unknown === 0 ? "without traffic and without tax" : `without the ${unknown} unknown ones`} |`,
  ].join("\n");
}

export function priceTable(): string {
  const rows = Object.entries(prices).map(([name, price]: [string, Price]) => {
    const usd = Object.entries(price.usd).map(([region, value]) => `${region} ${value}`);
    return `| ${name} | ${usd.join(", ")} | ${price.per} | [page](${sources[price.source]}) | ${price.on} |`;
  });
  return [
    "| price | US dollars | per | source | written down |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/**
 * The document with other tables.
 *
 * @throws Error when it has lost its marks
 */
export function withCosts(
  text: string,
  estimates: ReadonlyMap<string, readonly CostLine[]>,
): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/costs.md needs the marks ${begin} and ${end}`);
  const tables = [...estimates].map(([stack, lines]) => `## ${stack}\n\n${costTable(lines)}`);
  const body = [...tables, `## Prices\n\n${priceTable()}`].join("\n\n");
  return `${text.slice(0, from)}${begin}\n\n${body}\n\n${text.slice(to)}`;
}

function dollars(usd: number | undefined): string {
  return usd === undefined
    ? "unknown"
    : usd === 0
      ? "0"
      : usd < 1
        ? usd.toFixed(2)
        : usd.toFixed(0);
}
