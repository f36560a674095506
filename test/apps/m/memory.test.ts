import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Change, Memory } from "../../../apps/m/memory.ts";

const key = fc.constantFrom(
  "",
  "a",
  "b",
  "0",
  "10",
  "9",
  "__proto__",
  "é",
  "\ud83d\ude00",
  "\uffee",
);
const patch = fc
  .array(fc.tuple(key, fc.constantFrom(null, "1", '"x"', "[2,{}]")), { maxLength: 5 })
  .map((pairs) => new Map<string, string | null>(pairs));
const history = fc
  .array(patch, { maxLength: 12 })
  .map((patches) => patches.map((each, index): Change => ({ rev: index + 1, patch: each })));

/** What a store would hold after these changes. */
function entriesAfter(changes: readonly Change[]): Map<string, string> {
  const entries = new Map<string, string>();
  for (const change of changes) {
    for (const [name, value] of change.patch) {
      if (value === null) entries.delete(name);
      else entries.set(name, value);
    }
  }
  return entries;
}

function memoryAt(changes: readonly Change[]): Memory {
  const memory = new Memory();
  for (const change of changes) assert.ok(memory.apply(change));
  return memory;
}

describe("the memory", () => {
  it("has the same bytes however it came to its revision", () => {
    fc.assert(
      fc.property(history, fc.nat(12), fc.boolean(), (changes, cut, read) => {
        const stepwise = memoryAt(changes);
        const jumping = memoryAt(changes.slice(0, Math.floor(cut / 2)));
        // What was read, or not, on the way must not show later.
        if (read) jumping.bytes();
        const known = changes.slice(0, cut);
        const shuffled = new Map([...entriesAfter(known)].reverse());
        jumping.replace({ rev: known.length, entries: shuffled });
        if (read) jumping.bytes();
        for (const change of changes.slice(cut)) assert.ok(jumping.apply(change));
        assert.equal(jumping.rev, stepwise.rev);
        assert.deepEqual(jumping.bytes(), stepwise.bytes());
        assert.equal(jumping.size, stepwise.size);
      }),
    );
  });

  it("holds what the changes say, read at each revision or at the last one only", () => {
    fc.assert(
      fc.property(history, (changes) => {
        const memory = new Memory();
        for (const [index, change] of changes.entries()) {
          memory.apply(change);
          const entries = entriesAfter(changes.slice(0, index + 1));
          const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
          const members = sorted.map(([name, value]) => `${JSON.stringify(name)}:${value}`);
          assert.equal(memory.bytes().toString(), `{${members.join(",")}}`);
          assert.equal(memory.size, members.join("").length + 160 * members.length);
          for (const [name, value] of entries) assert.equal(memory.value(name), value);
        }
      }),
    );
  });

  it("writes its keys in the order of their UTF-16 units, numbers and all", () => {
    const names = ["b", "10", "9", "a", "", "\uffee", "\ud83d\ude00", "A", "__proto__"];
    const memory = new Memory();
    memory.apply({ rev: 1, patch: new Map(names.map((name) => [name, "1"])) });
    assert.equal(
      memory.bytes().toString(),
      '{"":1,"10":1,"9":1,"A":1,"__proto__":1,"a":1,"b":1,"\ud83d\ude00":1,"\uffee":1}',
    );
  });

  it("only ever goes forward: by the next revision, or by a newer snapshot", () => {
    const memory = new Memory();
    const change = (rev: number): Change => ({ rev, patch: new Map([["a", String(rev)]]) });
    const entries = (text: string): Map<string, string> => new Map([["a", text]]);
    assert.equal(memory.replace({ rev: 0, entries: entries("0") }), false);
    assert.equal(memory.apply(change(2)), false);
    assert.equal(memory.apply(change(0)), false);
    assert.deepEqual([memory.rev, memory.bytes().toString()], [0, "{}"]);
    assert.equal(memory.apply(change(1)), true);
    assert.equal(memory.apply(change(1)), false);
    assert.equal(memory.replace({ rev: 5, entries: entries("5") }), true);
    assert.equal(memory.replace({ rev: 5, entries: entries("x") }), false);
    assert.equal(memory.replace({ rev: 4, entries: entries("4") }), false);
    assert.equal(memory.apply(change(5)), false);
    assert.equal(memory.apply(change(7)), false);
    assert.deepEqual([memory.rev, memory.value("a")], [5, "5"]);
    assert.equal(memory.apply(change(6)), true);
    assert.deepEqual([memory.rev, memory.bytes().toString()], [6, '{"a":6}']);
  });

  it("forgets with a snapshot what the snapshot does not have", () => {
    const memory = new Memory();
    memory.apply({ rev: 1, patch: new Map([["gone", "1"]]) });
    assert.equal(memory.bytes().toString(), '{"gone":1}');
    memory.replace({ rev: 3, entries: new Map([["kept", "2"]]) });
    assert.equal(memory.value("gone"), undefined);
    assert.equal(memory.bytes().toString(), '{"kept":2}');
    assert.equal(memory.size, '"kept":2'.length + 160);
  });

  it("makes its bytes once for each revision", () => {
    const memory = new Memory();
    memory.apply({ rev: 1, patch: new Map([["a", "1"]]) });
    const bytes = memory.bytes();
    assert.equal(memory.bytes(), bytes);
    memory.apply({ rev: 2, patch: new Map() });
    assert.notEqual(memory.bytes(), bytes);
    assert.equal(bytes.toString(), '{"a":1}', "who has them already keeps them as they were");
  });
});
