import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compileFilter, type TagsFilter } from "../../../../apps/ws/channel/tags-filter.ts";
import { type Tags, tagsFrom } from "../../../../apps/ws/channel/tags.ts";
import type { FilterNode } from "../../../../apps/ws/protocol/messages.ts";

const node = (given: Partial<FilterNode>): FilterNode => ({
  ...{ op: "", key: "", cmp: "", val: "", vals: [], nodes: [] },
  ...given,
});
const leaf = (key: string, cmp: string, val: string | string[] = ""): FilterNode =>
  node({ key, cmp, ...(typeof val === "string" ? { val } : { vals: val }) });
const both = (op: string, ...nodes: FilterNode[]): FilterNode => node({ op, nodes });

function filter(root: FilterNode): TagsFilter {
  const compiled = compileFilter(root);
  if (typeof compiled === "string") assert.fail(compiled);
  return compiled;
}

const accepts = (root: FilterNode, tags?: Record<string, string>): boolean =>
  filter(root).accepts(tags && tagsFrom(Object.entries(tags)));

/** A number as a fraction of whole numbers: value = numerator / 10 ** scale. */
function fraction(text: string | undefined): { numerator: bigint; scale: bigint } | undefined {
  if (text === undefined || !/^[-+]?[0-9]+([.][0-9]+)?$/.test(text)) return undefined;
  const [whole = "", decimals = ""] = text.replace(/^[-+]/, "").split(".");
  const size = BigInt(whole + decimals);
  return {
    numerator: text.startsWith("-") ? -size : size,
    scale: BigInt(decimals.length),
  };
}

/** Says of a filter what the protocol's description says, as plainly as can be. */
function naive(root: FilterNode, tags: ReadonlyMap<string, string>): boolean {
  const { op, key, cmp, val, vals, nodes } = root;
  if (op === "and") return nodes.filter((each) => naive(each, tags)).length === nodes.length;
  if (op === "or") return nodes.filter((each) => naive(each, tags)).length > 0;
  if (op === "not") return nodes.filter((each) => naive(each, tags)).length === 0;
  const tag = tags.get(key);
  if (cmp === "ex") return tags.has(key);
  if (cmp === "nex") return !tags.has(key);
  if (cmp === "eq") return tags.has(key) && tag === val;
  if (cmp === "neq") return !tags.has(key) || tag !== val;
  if (cmp === "in") return vals.indexOf(tag ?? "") >= 0;
  if (cmp === "nin") return vals.indexOf(tag ?? "") < 0;
  if (cmp === "sw") return tag !== undefined && tag.slice(0, val.length) === val;
  if (cmp === "ew") return tag !== undefined && tag.slice(-val.length) === val;
  if (cmp === "ct") return tag !== undefined && tag.split(val).length > 1;
  const [a, b] = [fraction(tag), fraction(val)];
  if (a === undefined || b === undefined) return false;
  const difference = a.numerator * 10n ** b.scale - b.numerator * 10n ** a.scale;
  if (cmp === "gt") return difference > 0n;
  if (cmp === "gte") return difference >= 0n;
  if (cmp === "lt") return difference < 0n;
  return difference <= 0n;
}

const names = ["a", "b", "__proto__", "toString"];
const number = fc.oneof(
  fc.constantFrom("0", "-0", "00", "0.0", "-0.00", "1", "01.10", "1.1", "+1.1", "-1.1", "10", "9"),
  fc.stringMatching(/^[+-]?[0-9]{1,25}(\.[0-9]{1,25})?$/),
);
const value = fc.oneof(
  number,
  fc.constantFrom("1e3", ".5", "5.", "0x10", "NaN", "Infinity", " 1", "1 ", "--1", "1,5"),
  fc.string({ unit: fc.constantFrom("a", "b", "é", "😀"), minLength: 1, maxLength: 4 }),
);
const name = fc.constantFrom(...names);
const tagsOf = fc.dictionary(name, fc.oneof(value, fc.constant("")), { noNullPrototype: false });
const comparison: fc.Arbitrary<FilterNode> = fc.oneof(
  fc
    .tuple(fc.constantFrom("eq", "neq", "sw", "ew", "ct", "gt", "gte", "lt", "lte"), name, value)
    .map(([cmp, key, val]) => leaf(key, cmp, val)),
  fc
    .tuple(
      fc.constantFrom("in", "nin"),
      name,
      fc.array(fc.oneof(value, fc.constant("")), { minLength: 1, maxLength: 3 }),
    )
    .map(([cmp, key, vals]) => leaf(key, cmp, vals)),
  fc.tuple(fc.constantFrom("ex", "nex"), name).map(([cmp, key]) => leaf(key, cmp)),
);
const { tree } = fc.letrec<{ tree: FilterNode }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    comparison,
    fc
      .tuple(fc.constantFrom("and", "or"), fc.array(tie("tree"), { minLength: 1, maxLength: 3 }))
      .map(([op, nodes]) => both(op, ...nodes)),
    tie("tree").map((inner) => both("not", inner)),
  ),
}));

describe("a filter for tags", () => {
  it("accepts what a plain reading of its description accepts", () => {
    fc.assert(
      fc.property(tree, fc.array(tagsOf, { minLength: 1, maxLength: 5 }), (root, many) => {
        const compiled = filter(root);
        for (const tags of many) {
          const entries = Object.entries(tags);
          assert.equal(compiled.accepts(tagsFrom(entries)), naive(root, new Map(entries)));
        }
        assert.equal(compiled.accepts(undefined), naive(root, new Map()));
      }),
      { numRuns: 2_000 },
    );
  });

  it("compares numbers as decimals, and not as floating point or text", () => {
    for (const [tag, cmp, val, expected] of [
      ["100", "gt", "42", true],
      ["9", "gt", "10", false],
      ["42.00000001", "gte", "42", true],
      ["41.99999999", "gte", "42", false],
      ["9007199254740993", "gt", "9007199254740992", true],
      ["0.1000000000000000000000001", "gt", "0.1", true],
      ["-2", "lt", "-1.5", true],
      ["-0", "gte", "0.00", true],
      ["+7", "lte", "7", true],
      ["many", "gt", "1", false],
      ["many", "lte", "1", false],
      ["1", "gt", "few", false],
      ["1e3", "gt", "1", false],
      ["1".repeat(200), "gt", "1", true],
      ["1".repeat(201), "gt", "1", false],
    ] as const) {
      assert.equal(accepts(leaf("n", cmp, val), { n: tag }), expected, `${tag} ${cmp} ${val}`);
    }
    assert.equal(accepts(leaf("n", "lt", "1"), {}), false);
  });

  it("takes a tag that is not there for an empty one with in, and for another one with neq", () => {
    assert.equal(accepts(leaf("a", "in", ["", "x"])), true);
    assert.equal(accepts(leaf("a", "in", ["x"])), false);
    assert.equal(accepts(leaf("a", "nin", ["x"])), true);
    assert.equal(accepts(leaf("a", "neq", "x")), true);
    assert.equal(accepts(leaf("a", "eq", "x")), false);
  });

  it("is refused when it is none, and says why", () => {
    for (const [root, reason] of [
      [node({}), "a comparison needs a key"],
      [leaf("a", ""), "the filter has an unknown cmp"],
      [leaf("a", "like", "x"), "the filter has an unknown cmp"],
      [leaf("", "eq", "x"), "a comparison needs a key"],
      [leaf("", "in", ["x"]), "a comparison needs a key"],
      [leaf("a", "eq"), "eq needs val"],
      [leaf("a", "gt"), "gt needs val"],
      [node({ key: "a", cmp: "eq", val: "x", vals: ["y"] }), "eq takes val and no vals"],
      [leaf("a", "in"), "in needs vals"],
      [leaf("a", "nin", "x"), "nin takes vals and no val"],
      [leaf("a", "ex", "x"), "ex takes neither val nor vals"],
      [leaf("a", "nex", ["x"]), "nex takes neither val nor vals"],
      [both("and"), "and needs nodes"],
      [both("or"), "or needs nodes"],
      [both("not"), "not needs nodes"],
      [both("not", leaf("a", "ex"), leaf("b", "ex")), "not needs exactly one node"],
      [both("xor", leaf("a", "ex")), "the filter has an unknown op"],
      [both("and", leaf("a", "ex"), both("or", leaf("a", "eq"))), "eq needs val"],
    ] as const) {
      assert.equal(compileFilter(root), reason);
    }
    // Whether there are tags at all cannot be asked by name.
    assert.equal(accepts(leaf("", "nex"), { a: "x" }), true);
  });

  it("is bounded in depth, nodes, values and characters", () => {
    const deep = (depth: number): FilterNode =>
      depth === 1 ? leaf("a", "ex") : both("not", deep(depth - 1));
    assert.equal(typeof compileFilter(deep(32)), "object");
    assert.equal(compileFilter(deep(33)), "the filter is nested too deeply");
    const wide = (count: number) =>
      both("or", ...Array<FilterNode>(count - 1).fill(leaf("a", "ex")));
    assert.equal(filter(wide(64)).cost, 64 + 1);
    assert.equal(compileFilter(wide(65)), "the filter is too large");
    const many = (count: number) => leaf("a", "in", Array<string>(count).fill("x"));
    assert.equal(filter(many(256)).cost, 1 + 256 + 5);
    assert.equal(compileFilter(many(257)), "the filter is too large");
    const long = (length: number) => leaf("a", "eq", "x".repeat(length - 1));
    assert.equal(filter(long(4_096)).cost, 1 + 64);
    assert.equal(compileFilter(long(4_097)), "the filter is too large");
  });

  it("has the key of those that accept the same by their form, and of no other", () => {
    const key = (root: FilterNode): string => filter(root).key;
    assert.equal(key(leaf("a", "in", ["x", "y", "x"])), key(leaf("a", "in", ["y", "x"])));
    // What a comparison has beside its own fields says nothing.
    assert.equal(
      key(node({ key: "a", cmp: "ex", nodes: [leaf("b", "ex")] })),
      key(leaf("a", "ex")),
    );
    fc.assert(
      fc.property(tree, tree, tagsOf, (one, other, tags) => {
        const [a, b] = [filter(one), filter(other)];
        const given: Tags | undefined = tagsFrom(Object.entries(tags));
        if (a.key === b.key) assert.equal(a.accepts(given), b.accepts(given));
        assert.equal(a.key, filter(structuredClone(one)).key);
      }),
      { numRuns: 500 },
    );
  });
});
