import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { apps } from "../../../../components/lib/apps.ts";
import { bundleApp } from "../../../../components/lib/bundle.ts";
import { repository } from "../../../support/checkout.ts";

const files = new Map<string, string>();

before(() => {
  for (const { path, bytes } of bundleApp(repository, apps.web).files) {
    if (path.startsWith("page/")) files.set(path, new TextDecoder().decode(bytes));
  }
});

describe("the console's page, as it is deployed", () => {
  it("is at most 100 KB compressed, in all", (t) => {
    const sizes = [...files].map(([path, text]) => {
      const size = gzipSync(text, { level: 9 }).length;
      t.diagnostic(`${path}: ${size} bytes compressed, ${Buffer.byteLength(text)} not`);
      return size;
    });
    assert.equal(sizes.length, 3);
    const all = sizes.reduce((sum, size) => sum + size, 0);
    t.diagnostic(`in all: ${all} bytes compressed`);
    assert.ok(all <= 100_000, `${all} bytes compressed`);
  });

  it("has no code that makes code, and none of a development build", () => {
    const script = files.get("page/console.js") ?? "";
    assert.ok(script.length > 10_000);
    assert.doesNotMatch(script, /\beval\(|\bnew Function\b|\bFunction\(["'`]/);
    assert.doesNotMatch(script, /preact\/debug|sourceMappingURL|process\.env/);
  });

  it("loads nothing by its style, neither from here nor from elsewhere", () => {
    const style = files.get("page/console.css") ?? "";
    assert.ok(style.length > 5_000);
    assert.doesNotMatch(style, /@import|url\(|https?:/);
  });
});
