import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeTags, encodeTags, tagsFrom, tagsProblem } from "../../../../apps/ws/channel/tags.ts";

const text = fc.string({ unit: "binary", maxLength: 20 });
const entries = fc.uniqueArray(fc.tuple(fc.oneof(text, fc.constant("__proto__")), text), {
  selector: ([name]) => name,
  minLength: 1,
  maxLength: 12,
});

const numbered = (count: number, value = "x") =>
  tagsFrom(Array.from({ length: count }, (_, index) => [`tag${index}`, value])) ?? {};

describe("tags of a publication", () => {
  it("come back from a header as they went into it, whatever they are called", () => {
    fc.assert(
      fc.property(entries, (given) => {
        const tags = tagsFrom(given);
        assert.ok(tags !== undefined && tagsProblem(tags) === undefined);
        const back = decodeTags(encodeTags(tags));
        // Half of a surrogate pair is no character, and nothing to keep.
        const readable = (part: string) => part.toWellFormed();
        assert.deepEqual(
          Object.entries(back ?? {})
            .map((entry) => entry.map(readable))
            .sort(),
          given.map((entry) => entry.map(readable)).sort(),
        );
      }),
    );
  });

  it("have no name that nobody gave them", () => {
    const tags = decodeTags('{"a":"1"}') ?? {};
    assert.deepEqual(
      ["toString", "__proto__", "a"].map((name) => name in tags),
      [false, false, true],
    );
    assert.equal(decodeTags('{"__proto__":"1"}')?.["__proto__"], "1");
  });

  it("are at most 64, of at most 8,192 bytes in all", () => {
    assert.equal(tagsProblem(numbered(64)), undefined);
    assert.equal(tagsProblem(numbered(65)), "there are more than 64 tags");
    const long = (length: number) => tagsFrom([["a", "é".repeat(length / 2)]]) ?? {};
    const around = '{"a":""}'.length;
    assert.equal(tagsProblem(long(8_192 - around)), undefined);
    assert.equal(tagsProblem(long(8_194 - around)), "the tags take more than 8192 bytes");
    assert.notEqual(decodeTags(encodeTags(numbered(64))), undefined);
    assert.equal(decodeTags(encodeTags(numbered(65))), undefined);
    assert.notEqual(decodeTags(encodeTags(long(8_192 - around))), undefined);
    assert.equal(decodeTags(encodeTags(long(8_194 - around))), undefined);
  });

  it("are none where a header is no object of texts", () => {
    for (const header of [
      undefined,
      "",
      "x",
      "null",
      "[]",
      '["a"]',
      "1",
      "{}",
      '{"a":1}',
      '{"a":null}',
    ]) {
      assert.equal(decodeTags(header), undefined, header);
    }
  });
});
