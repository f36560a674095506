/** What differs between two golden files: pure, and bounded by nothing but the files. */
import { z } from "zod";

type Values = Readonly<Record<string, unknown>>;

/** A golden file: what a stack declares. */
export interface Golden {
  readonly outputs: Values;
  /** Types and name, e.g. `a:b:Component$gcp:pubsub/topic:Topic::name` → what is declared of it. */
  readonly resources: Readonly<Record<string, Values>>;
}

/** A line of a difference: gone, new, or a heading. */
export interface Line {
  readonly sign: "-" | "+" | " ";
  readonly text: string;
}

export interface ResourceDifference {
  readonly what: "removed" | "changed" | "added";
  /** Type and name without the types of its parents. */
  readonly title: string;
  readonly lines: readonly Line[];
}

export interface StackDifference {
  /** The dangerous first: removed, then changed, then added; each by its name. */
  readonly resources: readonly ResourceDifference[];
  /** Of the stack's outputs. */
  readonly outputs: readonly Line[];
}

const values = z.record(z.string(), z.unknown());
const schema = z.object({ outputs: values, resources: z.record(z.string(), values) });

/** @throws Error that names the file, when it is not a golden file */
export function decodeGolden(text: string, file: string): Golden {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${file} is not a golden file`, { cause: error });
  }
}

const nothing: Golden = { outputs: {}, resources: {} };

/** What differs; a stack that one side does not have declares nothing there. */
export function difference(base: Golden = nothing, head: Golden = nothing): StackDifference {
  const keys = [
    ...new Set([...Object.keys(base.resources), ...Object.keys(head.resources)]),
  ].sort();
  const resources = keys.flatMap((key): ResourceDifference[] => {
    const [before, after] = [base.resources[key], head.resources[key]];
    const what = before === undefined ? "added" : after === undefined ? "removed" : "changed";
    const lines = atChanges(compare("", before, after));
    if (what === "changed" && lines.length === 0) return [];
    // Of what goes, its name says enough; but not that somebody had guarded it.
    const guarded = before?.["protect"] === true ? " (protected)" : "";
    return [{ what, title: title(key) + guarded, lines: what === "removed" ? [] : lines }];
  });
  const order = ["removed", "changed", "added"];
  return {
    resources: resources.sort((a, b) => order.indexOf(a.what) - order.indexOf(b.what)),
    outputs: atChanges(compare("", base.outputs, head.outputs)),
  };
}

/** Beyond this, what two lines have in common from their start is left out but for what stands around it. */
const mostInCommon = 120;

/**
 * Long lines are cut at their end when they are shown: two that differ only there would look the same. So what
 * a line that is gone and the one in its place begin with is left out where it is long.
 */
function atChanges(lines: readonly Line[]): Line[] {
  const texts = lines.map(({ text }) => text);
  for (let start = 0; start < lines.length;) {
    const middle = endOf("-", start);
    const end = endOf("+", middle);
    for (let at = start; at < middle && middle + (at - start) < end; at++) {
      const other = middle + (at - start);
      const [before = "", after = ""] = [texts[at], texts[other]];
      const common = lengthInCommon(before, after);
      if (common <= mostInCommon) continue;
      const short = (text: string): string => `${text.slice(0, 60)} … ${text.slice(common - 40)}`;
      texts[at] = short(before);
      texts[other] = short(after);
    }
    start = Math.max(end, start + 1);
  }
  return lines.map(({ sign }, index) => ({ sign, text: texts[index] ?? "" }));

  function endOf(sign: Line["sign"], from: number): number {
    let to = from;
    while (lines[to]?.sign === sign) to++;
    return to;
  }
}

function lengthInCommon(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}

function title(key: string): string {
  const [types = "", ...name] = key.split("::");
  return `${types.replace(/^.*\$/, "")} ${name.join("::")}`;
}

/** The lines for one value; `path` is empty for the whole of a resource. */
function compare(path: string, before: unknown, after: unknown): Line[] {
  if (isObject(before) && isObject(after)) return compareObjects(path, before, after);
  if (path === "") return compareObjects(path, asObject(before), asObject(after));
  if (Array.isArray(before) && Array.isArray(after)) return compareLists(path, before, after);
  if (json(before) === json(after)) return [];
  return [
    ...(before === undefined ? [] : [gone(path, before)]),
    ...(after === undefined ? [] : [fresh(path, after)]),
  ];
}

function compareObjects(path: string, before: Values, after: Values): Line[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .flatMap((key) => compare(step(path, key), before[key], after[key]));
}

function compareLists(path: string, before: readonly unknown[], after: readonly unknown[]): Line[] {
  const plain = [...before, ...after].every((item) => typeof item !== "object");
  if (!plain && before.length === after.length) {
    return before.flatMap((item, index) => compare(`${path}[${index}]`, item, after[index]));
  }
  return listChanges(before.map(json), after.map(json)).map(({ sign, text }) => ({
    sign,
    text: `${path}[]: ${text}`,
  }));
}

const gone = (path: string, value: unknown): Line => ({
  sign: "-",
  text: `${path}: ${json(value)}`,
});
const fresh = (path: string, value: unknown): Line => ({
  sign: "+",
  text: `${path}: ${json(value)}`,
});

/** More than this many comparisons of items are not made: then all is gone and all is new. */
const mostComparisons = 4_000_000;

/** What has to be taken out of a list and put into it, in order: the longest common part stays. */
function listChanges(before: readonly string[], after: readonly string[]): Line[] {
  const all = (sign: Line["sign"], items: readonly string[]): Line[] =>
    items.map((text) => ({ sign, text }));
  const rows = before.length;
  const columns = after.length;
  if (rows * columns > mostComparisons) return [...all("-", before), ...all("+", after)];
  // common[i][j]: length of what before from i and after from j have in common.
  const width = columns + 1;
  const common = new Uint32Array((rows + 1) * width);
  const at = (row: number, column: number): number => common[row * width + column] ?? 0;
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      common[row * width + column] =
        before[row] === after[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const lines: Line[] = [];
  let row = 0;
  let column = 0;
  while (row < rows || column < columns) {
    if (row < rows && column < columns && before[row] === after[column]) {
      row++;
      column++;
    } else if (column === columns || (row < rows && at(row + 1, column) >= at(row, column + 1))) {
      lines.push(...all("-", before.slice(row, row + 1)));
      row++;
    } else {
      lines.push(...all("+", after.slice(column, column + 1)));
      column++;
    }
  }
  return lines;
}

function step(path: string, key: string): string {
  if (!/^[\w[\]-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

function json(value: unknown): string {
  return JSON.stringify(value);
}

function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Values {
  return isObject(value) ? value : {};
}
