import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isDeeper, rawElements, rawFields } from "../../../../apps/ws/api/raw-json.ts";

/** JSON with white space where there may be some. */
const spaced = fc
  .tuple(fc.json({ maxDepth: 4 }), fc.constantFrom("", " ", "\n\t"))
  .map(([json, space]) => space + JSON.stringify(JSON.parse(json), null, space.length) + space);

describe("raw JSON", () => {
  it("has the fields of an object as they are written", () => {
    const json = ' {"a" : 1.0 ,"b":[1, {"c":"}]\\"" }],"\\u0061": 12345678901234567890 , "":{} } ';
    assert.deepEqual(
      [...rawFields(json)],
      [
        // The last of two with one name.
        ["a", "12345678901234567890"],
        ["b", '[1, {"c":"}]\\"" }]'],
        ["", "{}"],
      ],
    );
    assert.deepEqual([...rawFields("{ }")], []);
    assert.deepEqual(rawElements(" [ ] "), []);
    assert.deepEqual(rawElements('[1 , "a,]", [2,3]]'), ["1", '"a,]"', "[2,3]"]);
  });

  it("is cut into parts that mean what JSON.parse makes of them, whatever it is", () => {
    const objects = fc.dictionary(fc.string(), spaced, { maxKeys: 6 });
    const lists = fc.array(spaced, { maxLength: 6 });
    fc.assert(
      fc.property(objects, lists, (fields, elements) => {
        const object = Object.entries(fields).map(
          ([name, json]) => `${JSON.stringify(name)}:${json}`,
        );
        const parts = rawFields(`{${object.join(" ,")}}`);
        assert.deepEqual(
          new Map([...parts]),
          new Map(Object.entries(fields).map(([name, json]) => [name, json.trim()])),
        );
        assert.deepEqual(
          rawElements(`[${elements.join(",")}]`),
          elements.map((json) => json.trim()),
        );
      }),
    );
  });

  it("is as deep as its brackets outside of texts are nested", () => {
    const nested = (depth: number) => `${"[".repeat(depth)}"[[["${"]".repeat(depth)}`;
    assert.equal(isDeeper(nested(5), 5), false);
    assert.equal(isDeeper(nested(6), 5), true);
    assert.equal(isDeeper(`{"a":${nested(5)}}`, 5), true);
    // What is not closed, and a text that does not end, end nowhere else either.
    assert.equal(isDeeper("[".repeat(1_000_000), 500), true);
    assert.equal(isDeeper(`"${"[".repeat(10_000)}`, 5), false);
    assert.equal(isDeeper(`"${"\\".repeat(10_001)}`, 5), false);
  });
});
