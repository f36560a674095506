import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HttpError } from "../../../apps/lib/http.ts";
import { Memory } from "../../../apps/m/memory.ts";
import {
  decodePatch,
  encodePatch,
  parsePatch,
  type Patch,
  patchLimits,
} from "../../../apps/m/patch.ts";

/** A key that is likely to meet another one, or to be mistaken for something else. */
const key = fc.oneof(
  fc.constantFrom("", "__proto__", "constructor", "toString", "0", "10", "2", "-1", "\ud800"),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 4 }),
);

/** The text of a request's body: pairs as they were written, so that a key may come twice. */
const pairs = fc.array(fc.tuple(key, fc.oneof(fc.constant(null), fc.jsonValue())), {
  maxLength: 8,
});

function bodyOf(written: readonly (readonly [string, unknown])[]): string {
  const members = written.map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  return `{${members.join(",")}}`;
}

function decode(text: string): Patch {
  return decodePatch(JSON.parse(text));
}

/** An array in an array, so many times, around something. */
function nested(levels: number, inside: string): string {
  return "[".repeat(levels) + inside + "]".repeat(levels);
}

function assertRefused(body: unknown, message: string, status = 400): void {
  assert.throws(
    () => decodePatch(body),
    (error) => {
      assert.ok(error instanceof HttpError);
      assert.deepEqual(
        [error.status, error.code, error.message],
        [status, status === 400 ? "invalid_argument" : "too_large", message],
      );
      return true;
    },
  );
}

describe("a patch", () => {
  it("changes M as a merge patch of its top level does, whatever the keys and values", () => {
    fc.assert(
      fc.property(fc.array(pairs, { maxLength: 6 }), (bodies) => {
        const memory = new Memory();
        const expected = new Map<string, string>();
        for (const [index, body] of bodies.entries()) {
          assert.ok(memory.apply({ rev: index + 1, patch: decode(bodyOf(body)) }));
          // RFC 7396, with every value taken as a whole; the last of two equal names counts.
          for (const [name, value] of new Map(body)) {
            if (value === null) expected.delete(name);
            else expected.set(name, JSON.stringify(value));
          }
        }
        const held = JSON.parse(memory.bytes().toString()) as object;
        const entries = Object.entries(held).map(([name, value]) => [name, JSON.stringify(value)]);
        assert.deepEqual(
          entries.sort(),
          [...expected].map(([name, text]) => [name, JSON.stringify(JSON.parse(text))]).sort(),
        );
        for (const [name, text] of expected) assert.equal(memory.value(name), text);
      }),
    );
  });

  it("is the same after it was written down and read again", () => {
    fc.assert(
      fc.property(pairs, (body) => {
        const patch = decode(bodyOf(body));
        assert.deepEqual([...parsePatch(encodePatch(patch))], [...patch]);
      }),
    );
  });

  it("takes names that objects have already for what they are", () => {
    const patch = decode('{"__proto__":{"a":1},"constructor":2,"hasOwnProperty":null,"":3}');
    assert.deepEqual(
      [...patch],
      [
        ["__proto__", '{"a":1}'],
        ["constructor", "2"],
        ["hasOwnProperty", null],
        ["", "3"],
      ],
    );
    assert.deepEqual(
      [...decode('{"a":{"__proto__":{"b":1},"toJSON":2}}')],
      [["a", '{"__proto__":{"b":1},"toJSON":2}']],
    );
  });

  it("takes the last of two values with the same name, as JSON.parse does", () => {
    assert.deepEqual(
      [...decode('{"a":1,"b":2,"a":null}')],
      [
        ["a", null],
        ["b", "2"],
      ],
    );
  });

  it("has at most a thousand keys", () => {
    const body = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]));
    assert.equal(decodePatch(body(1_000)).size, 1_000);
    assert.throws(() => decodePatch(body(1_001)), {
      ...{ status: 413, code: "too_large" },
      message: "the body has 1001 keys; at most 1000 are allowed",
    });
  });

  it("keeps half a surrogate pair as it is, in keys and in values", () => {
    const patch = decode(String.raw`{"\ud800":"\udc00"}`);
    assert.deepEqual([...patch], [["\ud800", String.raw`"\udc00"`]]);
    const memory = new Memory();
    memory.apply({ rev: 1, patch: parsePatch(encodePatch(patch)) });
    assert.equal(memory.bytes().toString(), String.raw`{"\ud800":"\udc00"}`);
  });

  it("deletes by null at the top level alone", () => {
    assert.deepEqual(
      [...decode('{"a":null,"b":{"c":null},"d":[null]}')],
      [
        ["a", null],
        ["b", '{"c":null}'],
        ["d", "[null]"],
      ],
    );
  });

  it("refuses what is not an object, and says what it is", () => {
    const cases: [unknown, string][] = [
      [undefined, "absent"],
      [null, "null"],
      [[], "an array"],
      [1, "a number"],
      ["{}", "a string"],
      [true, "a boolean"],
    ];
    for (const [body, kind] of cases) {
      assertRefused(body, `the body must be a JSON object, not ${kind}`);
    }
  });

  it("takes a key of the longest length and refuses one more", () => {
    const longest = "k".repeat(patchLimits.keyLength);
    assert.deepEqual([...decodePatch({ [longest]: 1 })], [[longest, "1"]]);
    assertRefused(
      { [`${longest}k`]: 1 },
      `the key "${"k".repeat(32)}…" has 513 characters; at most 512 are allowed`,
    );
    // A character beyond the first 65,536 is two of JavaScript's.
    assert.equal(decodePatch({ ["😀".repeat(256)]: 1 }).size, 1);
    assertRefused(
      { ["😀".repeat(257)]: null },
      `the key "${"😀".repeat(16)}…" has 514 characters; at most 512 are allowed`,
    );
  });

  it("takes a value of the deepest nesting and refuses one level more", () => {
    const deepest = nested(patchLimits.depth, "1");
    assert.deepEqual([...decode(`{"a":${deepest}}`)], [["a", deepest]]);
    assertRefused(
      JSON.parse(`{"ok":1,"a":${nested(patchLimits.depth + 1, "1")}}`),
      'the value of "a" is nested deeper than 100 levels, which is the most',
    );
  });

  it("refuses nesting that would exhaust the stack of whoever writes it", () => {
    const body: unknown = JSON.parse(`{"a":${nested(100_000, "1")}}`);
    assertRefused(body, 'the value of "a" is nested deeper than 100 levels, which is the most');
  });

  it("refuses a number that it could only keep as null", () => {
    const message =
      'the value of "a" holds a number that is too large; IEEE 754 doubles are allowed';
    assertRefused(JSON.parse('{"a":1e999}'), message);
    assertRefused(JSON.parse('{"a":[{"b":-1e999}]}'), message);
    assert.deepEqual(
      [...decode('{"a":1.7976931348623157e308}')],
      [["a", "1.7976931348623157e+308"]],
    );
  });

  it("takes what fits into an entity when it is written down, and refuses more", () => {
    const numbers = (count: number): string => `{"a":[${"1e20,".repeat(count - 1)}1e20]}`;
    // Each number is written in 21 characters and a comma.
    const most = Math.floor((patchLimits.writtenBytes - '[["a","[]"]]'.length) / 22);
    assert.ok(numbers(most + 1).length < patchLimits.bodyBytes, "the body alone does not show it");
    assert.equal(decode(numbers(most)).size, 1);
    assertRefused(
      JSON.parse(numbers(most + 1)),
      "the patch is 1000021 bytes long when its numbers are written out; at most 1000000 are allowed",
      413,
    );
    const quotes = '"'.repeat(patchLimits.bodyBytes / 2 - 8);
    assert.equal(decodePatch({ a: quotes }).size, 1, "escapes only double");
  });

  it("cannot be read from anything but its own text", () => {
    const cases: [string, RegExp][] = [
      ["", /JSON/],
      ["{}", /^Error: a patch is a list of pairs$/],
      ["null", /^Error: a patch is a list of pairs$/],
      ...['[["a"]]', "[[1,null]]", '[["a",1]]', "[null]", '["ab"]', '[{"0":"a","1":null}]'].map(
        (text): [string, RegExp] => [
          text,
          /^Error: a patch holds pairs of a key and a JSON text or null$/,
        ],
      ),
    ];
    for (const [text, message] of cases) assert.throws(() => parsePatch(text), message);
  });
});
