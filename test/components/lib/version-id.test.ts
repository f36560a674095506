import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { isVersionId, versionIdExample, versionIdOf } from "../../../components/lib/version-id.ts";

type Json = string | number | boolean | Json[] | { [key: string]: Json };

const key = fc.string({ minLength: 1, maxLength: 8 }).filter((k) => k !== "__proto__");
const leaf = fc.oneof(
  fc.string(),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
);
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const definition = fc.dictionary(key, value, { minKeys: 1, maxKeys: 6, noNullPrototype: true });

/** The same value with the keys of every object the other way round. */
function reversed(json: Json): Json {
  if (Array.isArray(json)) return json.map(reversed);
  if (typeof json !== "object") return json;
  return Object.fromEntries(
    Object.entries(json)
      .map(([k, v]) => [k, reversed(v)] as const)
      .reverse(),
  );
}

/** Every value that differs from `json` in one leaf or one key. */
function neighbours(json: Json): Json[] {
  if (Array.isArray(json)) {
    return [
      [...json, 0],
      ...json.map((_, i) => json.toSpliced(i, 1)),
      ...json.flatMap((item, i) => neighbours(item).map((other) => json.with(i, other))),
    ];
  }
  if (typeof json === "object") {
    return [
      { ...json, [`${Object.keys(json).join("")}+`]: 0 },
      ...Object.entries(json).flatMap(([k, v]) => [
        Object.fromEntries(Object.entries(json).filter(([other]) => other !== k)),
        ...neighbours(v).map((other) => ({ ...json, [k]: other })),
      ]),
    ];
  }
  if (typeof json === "string") return [`${json} `, [json], { [json]: "" }];
  if (typeof json === "number") return [String(json), json === 0 ? 1 : -json];
  return [!json, String(json)];
}

describe("versionIdOf", () => {
  it("is a letter and ten hex digits, which App Engine takes as a version's id", () => {
    fc.assert(
      fc.property(definition, (d) => {
        assert.match(versionIdOf(d), /^v[0-9a-f]{10}$/);
      }),
    );
  });

  it("is the same for the same definition, whatever the order of its keys", () => {
    fc.assert(
      fc.property(definition, (d) => {
        assert.equal(versionIdOf(reversed(d) as object), versionIdOf(structuredClone(d)));
      }),
    );
  });

  it("changes with every single value and key", () => {
    fc.assert(
      fc.property(definition, (d) => {
        const ids = neighbours(d).map((other) => versionIdOf(other as object));
        assert(!ids.includes(versionIdOf(d)), "a changed definition has the old id");
      }),
    );
  });

  it("changes with the order of a list", () => {
    assert.notEqual(versionIdOf({ a: ["x", "y"] }), versionIdOf({ a: ["y", "x"] }));
  });

  it("takes what is undefined for absent, as the API does", () => {
    assert.equal(versionIdOf({ a: 1, b: undefined }), versionIdOf({ a: 1 }));
  });

  it("stays what it is: other ids would redeploy everything", () => {
    assert.equal(versionIdOf({ service: "add", env: { LEVEL: "info" } }), "v85bcda1393");
  });

  it("refuses what is not known yet, instead of naming a version by something else", () => {
    for (const [definition, place] of [
      [{ a: { b: [pulumi.output("x")] } }, "version.a.b[0]"],
      [{ a: Promise.resolve("x") }, "version.a"],
      [{ a: null }, "version.a"],
      [{ a: NaN }, "version.a"],
      [{ a: () => "x" }, "version.a"],
      [{ a: new Date(0) }, "version.a"],
    ] as const) {
      assert.throws(() => versionIdOf(definition), {
        name: "TypeError",
        message: `${place} is not a plain value`,
      });
    }
  });
});

describe("isVersionId", () => {
  it("takes every id that is made, and the example", () => {
    assert(isVersionId(versionIdExample));
    fc.assert(fc.property(definition, (d) => isVersionId(versionIdOf(d))));
  });

  it("refuses every other text", () => {
    for (const text of ["", "latest", "v012345678", "v01234567890", "v012345678G", "0123456789a"]) {
      assert(!isVersionId(text), text);
    }
  });
});
