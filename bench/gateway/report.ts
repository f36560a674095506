import { type Row, round } from "../table.ts";

/** A table without its last two columns' heads, which are the same for all: target, and whether it holds. */
export interface Report {
  readonly head: readonly string[];
  readonly rows: readonly Row[];
}

/** A ratio and what was promised of it; undefined: nothing. */
export interface Promised {
  readonly of: string;
  readonly value: number;
  readonly atMost: number | undefined;
}

/** What is told of one server: some numbers, then ratios, the first in the numbers' own row. */
export function rowsOf(
  name: string,
  numbers: readonly (number | string)[],
  ratios: readonly Promised[] = [],
): Row[] {
  const [first, ...more] = ratios.map(({ of, value, atMost }) => [
    `${round(value, 3)} × ${of}`,
    atMost === undefined ? "" : `≤ ${round(atMost, 3)}`,
    atMost === undefined ? "" : value <= atMost ? "yes" : "**no**",
  ]);
  const blank = numbers.map(() => "");
  return [
    [name, ...numbers, ...(first ?? ["", "", ""])],
    ...more.map((cells) => ["", ...blank, ...cells]),
  ];
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
