import { createHash } from "node:crypto";
import { filterLimits } from "../protocol/filter-limits.ts";
import type { FilterNode } from "../protocol/messages.ts";
import { compareDecimals, type Decimal, parseDecimal } from "./decimal.ts";
import type { Tags } from "./tags.ts";

/** Which publications a subscriber wants. */
export interface TagsFilter {
  /** Filters with equal keys accept the same. */
  readonly key: string;
  /** What it takes, in memory and to be asked: 1 is about one comparison. */
  readonly cost: number;
  readonly accepts: (tags: Tags | undefined) => boolean;
}

const charactersPerCost = 64;

const noTags = Object.freeze(Object.create(null)) as Tags;

/** Thrown in here only. */
class Invalid extends Error {}

/** The filter that a client describes; a text says why it describes none. */
export function compileFilter(root: FilterNode): TagsFilter | string {
  try {
    const cost = measure(root);
    const { test, form } = compile(root);
    // It may be as long as the filter, and stays for as long.
    const key = createHash("sha256").update(JSON.stringify(form)).digest("base64");
    return { key, cost, accepts: (tags) => test(tags ?? noTags) };
  } catch (error) {
    if (error instanceof Invalid) return error.message;
    throw error;
  }
}

type Test = (tags: Tags) => boolean;

/** What a node does, and what it is made of: equal forms do the same. */
interface Compiled {
  readonly test: Test;
  readonly form: readonly unknown[];
}

/**
 * @returns its cost
 * @throws Invalid when it is too large
 */
function measure(root: FilterNode): number {
  let [nodes, values, characters] = [0, 0, 0];
  const visit = ({ key, val, vals, nodes: children }: FilterNode, depth: number): void => {
    nodes += 1;
    values += vals.length;
    characters += key.length + val.length;
    for (const value of vals) characters += value.length;
    const { depth: maxDepth, ...max } = filterLimits;
    if (depth > maxDepth) throw new Invalid("the filter is nested too deeply");
    if (nodes > max.nodes || values > max.values || characters > max.characters) {
      throw new Invalid("the filter is too large");
    }
    for (const child of children) visit(child, depth + 1);
  };
  visit(root, 1);
  return nodes + values + Math.ceil(characters / charactersPerCost);
}

function compile(node: FilterNode): Compiled {
  const { op, nodes } = node;
  if (op === "") return compileComparison(node);
  if (op !== "and" && op !== "or" && op !== "not")
    throw new Invalid("the filter has an unknown op");
  if (nodes.length === 0) throw new Invalid(`${op} needs nodes`);
  if (op === "not" && nodes.length !== 1) throw new Invalid("not needs exactly one node");
  const children = nodes.map(compile);
  const tests = children.map(({ test }) => test);
  const form = [op, ...children.map(({ form: each }) => each)];
  if (op === "and") return { form, test: (tags) => tests.every((test) => test(tags)) };
  if (op === "or") return { form, test: (tags) => tests.some((test) => test(tags)) };
  return { form, test: (tags) => !tests.some((test) => test(tags)) };
}

function compileComparison({ key, cmp, val, vals }: FilterNode): Compiled {
  if (cmp === "ex" || cmp === "nex") {
    if (val !== "" || vals.length > 0) throw new Invalid(`${cmp} takes neither val nor vals`);
    const wanted = cmp === "ex";
    return { form: [cmp, key], test: (tags) => (tags[key] !== undefined) === wanted };
  }
  if (key === "") throw new Invalid("a comparison needs a key");
  if (cmp === "in" || cmp === "nin") {
    if (val !== "") throw new Invalid(`${cmp} takes vals and no val`);
    if (vals.length === 0) throw new Invalid(`${cmp} needs vals`);
    const set = new Set(vals);
    const wanted = cmp === "in";
    // A tag that is not there is compared as an empty one.
    const test: Test = (tags) => set.has(tags[key] ?? "") === wanted;
    return { form: [cmp, key, [...set].sort()], test };
  }
  const test = comparisonWith(cmp, key, val);
  if (test === undefined) throw new Invalid("the filter has an unknown cmp");
  if (val === "") throw new Invalid(`${cmp} needs val`);
  if (vals.length > 0) throw new Invalid(`${cmp} takes val and no vals`);
  return { form: [cmp, key, val], test };
}

function comparisonWith(cmp: string, key: string, val: string): Test | undefined {
  switch (cmp) {
    case "eq":
      return (tags) => tags[key] === val;
    case "neq":
      return (tags) => tags[key] !== val;
    case "sw":
      return (tags) => tags[key]?.startsWith(val) === true;
    case "ew":
      return (tags) => tags[key]?.endsWith(val) === true;
    case "ct":
      return (tags) => tags[key]?.includes(val) === true;
    case "gt":
    case "gte":
    case "lt":
    case "lte":
      return comparedBy(key, val, orders[cmp]);
    default:
      return undefined;
  }
}

const orders = {
  gt: (order: number) => order > 0,
  gte: (order: number) => order >= 0,
  lt: (order: number) => order < 0,
  lte: (order: number) => order <= 0,
} as const;

/** What is no number is neither more nor less than one. */
function comparedBy(key: string, val: string, holds: (order: number) => boolean): Test {
  const bound = parseDecimal(val);
  if (bound === undefined) return () => false;
  return (tags) => {
    const number = numberIn(tags, key);
    return number !== undefined && holds(compareDecimals(number, bound));
  };
}

/** The numbers among the tags that were last asked: all filters of a channel ask the same ones in turn. */
const numbers = new Map<string, Decimal | undefined>();
let numbersOf: Tags | undefined;

function numberIn(tags: Tags, key: string): Decimal | undefined {
  if (tags !== numbersOf) {
    numbersOf = tags;
    numbers.clear();
  }
  const text = tags[key];
  if (text === undefined) return undefined;
  let number = numbers.get(key);
  if (number === undefined && !numbers.has(key)) {
    number = parseDecimal(text);
    numbers.set(key, number);
  }
  return number;
}
