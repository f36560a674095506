import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { declared } from "../../../local/provider/types/declared.ts";
import { resourceTypes } from "../../../local/provider/types/index.ts";

const gcp = dirname(createRequire(import.meta.url).resolve("@pulumi/gcp/package.json"));

/** The source of the class with this type token: its constructor lists every property. */
function sourceOf(token: string): string {
  const module = /^gcp:([^/]+)\//.exec(token)?.[1] ?? "";
  const folder = join(gcp, module);
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".js"))) {
    const source = readFileSync(join(folder, file), "utf8");
    if (source.includes(`__pulumiType = '${token}'`)) return source;
  }
  throw new Error(`@pulumi/gcp has no ${token}`);
}

function all(source: string, pattern: RegExp): string[] {
  return [...new Set([...source.matchAll(pattern)].map((match) => match[1] ?? ""))].sort();
}

describe("the table of declared properties", () => {
  for (const [token, properties] of declared) {
    it(`agrees with the installed package on ${token}`, () => {
      const source = sourceOf(token);
      const required = all(source, /Missing required property '(\w+)'/g);
      const inputs = all(source, /resourceInputs\["(\w+)"\] = \(?args/g);
      assert.deepEqual([...properties.required].sort(), required);
      assert.deepEqual(
        [...properties.required, ...properties.optional].sort(),
        [...new Set([...inputs, ...required])].sort(),
      );
      assert.deepEqual(
        [...properties.computed].sort(),
        all(source, /resourceInputs\["(\w+)"\] = undefined \/\*out\*\//g),
      );
    });
  }

  it("has exactly the types that the provider plays", () => {
    assert.deepEqual([...declared.keys()].sort(), [...resourceTypes.keys()].sort());
  });

  it("names only declared properties as reasons to replace", () => {
    for (const [token, type] of resourceTypes) {
      const properties = declared.get(token);
      const known = [...(properties?.required ?? []), ...(properties?.optional ?? [])];
      for (const path of type.replaces) {
        assert.ok(known.includes(path.split(".")[0] ?? ""), `${token} has no ${path}`);
      }
      if (type.autoNamed !== undefined) {
        assert.ok(known.includes(type.autoNamed), token);
      }
    }
  });
});
