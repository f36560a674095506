/** How benchmarks print: one table each, readable in a terminal and as Markdown. */

export type Row = readonly (string | number)[];

/** A Markdown table whose columns line up; numbers are aligned to the right. */
export function table(head: readonly string[], rows: readonly Row[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => String(cell)));
  const widths = head.map((_, i) => Math.max(3, ...cells.map((row) => row[i]?.length ?? 0)));
  const right = head.map((_, i) => rows.every((row) => typeof row[i] === "number"));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((w, i) => (row[i] ?? "")[right[i] === true ? "padStart" : "padEnd"](w)).join(" | ")} |`;
  const rule = `| ${widths.map((w, i) => (right[i] === true ? `${"-".repeat(w - 1)}:` : "-".repeat(w))).join(" | ")} |`;
  const [first = [], ...rest] = cells;
  return [line(first), rule, ...rest.map(line)].join("\n");
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error("the median of nothing");
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** A number with `digits` decimals, as a number again, so that tables align it. */
export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}
