import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { aliasUrns } from "../../../local/engine/aliases.ts";
import { withHashes } from "../../../local/engine/assets.ts";
import { deleteInOrder, dependentsOf } from "../../../local/engine/graph.ts";
import { keepOld, parsePath } from "../../../local/engine/paths.ts";
import type { AliasSpec, Registration } from "../../../local/engine/registration.ts";
import type { ResourceState } from "../../../local/engine/types.ts";
import { makeUrn, parseUrn } from "../../../local/wire/urn.ts";
import {
  assetSignature,
  readable,
  same,
  secretSignature,
  signatureKey,
  unknownValue,
} from "../../../local/wire/values.ts";

const registration: Registration = {
  ...{ type: "t:m:T", name: "web-topic", custom: true, inputs: {}, protect: false },
  ...{ dependencies: [], propertyDependencies: {}, retainOnDelete: false, ignoreChanges: [] },
  ...{ replaceOnChanges: [], aliases: [], version: "", importId: "" },
};

describe("names of resources", () => {
  it("carry the types of all parents but the stack's", () => {
    const where = { stack: "s", project: "p" };
    const stack = makeUrn({ ...where, type: "pulumi:pulumi:Stack", name: "p-s" });
    const group = makeUrn({ ...where, parent: stack, type: "a:b:C", name: "g" });
    assert.equal(group, "urn:pulumi:s::p::a:b:C::g");
    const child = makeUrn({ ...where, parent: group, type: "d:e:F", name: "x::y" });
    assert.equal(child, "urn:pulumi:s::p::a:b:C$d:e:F::x::y");
    assert.deepEqual(parseUrn(child), {
      ...{ ...where, qualifiedType: "a:b:C$d:e:F", type: "d:e:F", name: "x::y" },
    });
    assert.throws(() => parseUrn("urn:other"), /not a resource name/);
  });

  it("are looked for under all former ones, those of the parent included", () => {
    const parent = "urn:pulumi:s::p::a:b:C::web";
    const alias = (spec: AliasSpec, formerParent?: string): string[] =>
      aliasUrns({
        ...{ project: "p", stack: "s", formerParent },
        registration: { ...registration, parent, aliases: [spec] },
      });
    assert.deepEqual(alias({ urn: "urn:pulumi:s::p::x:y:Z::n" }), ["urn:pulumi:s::p::x:y:Z::n"]);
    assert.deepEqual(alias({ name: "old" }), ["urn:pulumi:s::p::a:b:C$t:m:T::old"]);
    assert.deepEqual(alias({ type: "t:m:Old" }), ["urn:pulumi:s::p::a:b:C$t:m:Old::web-topic"]);
    assert.deepEqual(alias({ parent: null }), ["urn:pulumi:s::p::t:m:T::web-topic"]);
    assert.deepEqual(alias({ stack: "o" }), ["urn:pulumi:o::p::a:b:C$t:m:T::web-topic"]);
    assert.deepEqual(alias({ type: "t:m:Old" }, "urn:pulumi:s::p::a:b:D::site"), [
      "urn:pulumi:s::p::a:b:C$t:m:Old::web-topic",
      "urn:pulumi:s::p::a:b:D$t:m:T::site-topic",
      "urn:pulumi:s::p::a:b:D$t:m:Old::site-topic",
    ]);
  });
});

describe("property paths", () => {
  it("are read as Pulumi writes them, and wildcards are refused", () => {
    assert.deepEqual(parsePath('a.b[0]["c d"]'), ["a", "b", 0, "c d"]);
    assert.throws(() => parsePath("a[*]"), /not supported/);
    assert.throws(() => parsePath(""), /empty/);
  });

  it("keep the old value, also when there was none", () => {
    const olds = { a: 1, deep: { list: [{ x: 1 }, { x: 2 }] } };
    const news = { a: 2, b: 3, deep: { list: [{ x: 8 }, { x: 9 }] } };
    assert.deepEqual(keepOld(["a", "b", "deep.list[1].x"], olds, news), {
      ...{ a: 1, deep: { list: [{ x: 8 }, { x: 2 }] } },
    });
    assert.deepEqual(keepOld([], olds, news), news);
  });
});

describe("wire values", () => {
  const key = signatureKey;
  const asset = assetSignature;

  it("are compared by the hash of assets, not by their paths", () => {
    const one = { [key]: asset, path: "/a", hash: "1" };
    assert.equal(same({ x: one }, { x: { ...one, path: "/b" } }), true);
    assert.equal(same({ x: one }, { x: { ...one, hash: "2" } }), false);
    assert.equal(same({ a: undefined, b: null }, {}), true);
    assert.equal(same([1], [1, 2]), false);
  });

  it("are shown with their unknowns, secrets and assets named", () => {
    const secret = { [key]: secretSignature, value: "x" };
    const value = {
      ...{ secret, unknown: unknownValue },
      file: { [key]: asset, path: "/r/a", __pulumiAsset: true },
    };
    assert.deepEqual(
      readable(value, (path) => path.slice(3)),
      {
        ...{ secret: { "[secret]": "x" }, unknown: "[unknown]" },
        file: { "[asset]": { path: "a" } },
      },
    );
  });

  it("get a hash of the bytes that an asset's path holds at the time", async () => {
    const root = mkdtempSync(join(tmpdir(), "assets-"));
    try {
      mkdirSync(join(root, "folder"));
      writeFileSync(join(root, "folder", "a"), "one");
      const inputs = { list: [{ [key]: asset, path: "folder" }] };
      const first = await withHashes(inputs, root);
      assert.deepEqual(await withHashes(inputs, root), first);
      writeFileSync(join(root, "folder", "a"), "two");
      assert.notDeepEqual(await withHashes(inputs, root), first);
      await assert.rejects(
        withHashes({ x: { [key]: asset, path: "gone" } }, root),
        /the asset .*gone cannot be read/,
      );
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});

describe("the order of deletions", () => {
  const state = (urn: string, dependencies: string[], parent?: string): ResourceState => ({
    ...{ urn, type: "t", name: urn, custom: true, inputs: {}, outputs: {}, dependencies },
    ...{ propertyDependencies: {}, protect: false, retainOnDelete: false },
    ...{ ignoreChanges: [], aliases: [] },
    ...(parent === undefined ? {} : { parent }),
  });
  const resources = [
    state("network", []),
    state("subnet", ["network"]),
    state("machine", ["subnet"], "group"),
    state("group", []),
    state("topic", []),
  ];

  it("is dependents and children first", async () => {
    const order: string[] = [];
    const left = await deleteInOrder(resources, ({ urn }) => {
      order.push(urn);
      return Promise.resolve();
    });
    assert.deepEqual(left, []);
    const at = (urn: string): number => order.indexOf(urn);
    assert.ok(at("machine") < at("subnet") && at("subnet") < at("network"));
    assert.ok(at("machine") < at("group"));
  });

  it("leaves what a failed deletion still needs, and deletes the rest", async () => {
    const left = await deleteInOrder(resources, ({ urn }) =>
      urn === "subnet" ? Promise.reject(new Error("in use")) : Promise.resolve(),
    );
    assert.deepEqual(
      left.map(({ urn }) => urn),
      ["network", "subnet"],
    );
  });

  it("finds what depends on a resource through others", () => {
    const [network] = resources;
    assert.ok(network);
    assert.deepEqual(
      dependentsOf(network, resources).map(({ urn }) => urn),
      ["subnet", "machine"],
    );
  });
});
