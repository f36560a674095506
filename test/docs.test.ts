import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { repository } from "./support/checkout.ts";

/** A document without what is in code, where brackets are no link and `#` is no heading. */
function proseOf(text: string): string {
  return text.replaceAll(/^ *(```+|~~~+)[^\n]*\n.*?^ *\1$/gms, "");
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(text).matchAll(/^#{1,6} +(.+?)(?: +#+)?$/gm)) {
    const base = heading
      // Of a link its text counts.
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = base;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${base}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Where the links of a document lead to, but for those to other sites. */
function linksOf(text: string): string[] {
  const prose = proseOf(text).replaceAll(/(`+)(?!`).*?[^`]\1(?!`)/g, "");
  return [
    ...prose.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g),
    ...prose.matchAll(/^\[[^\]]+\]: +<?([^\s>]+)/gm),
  ]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z][a-z+.-]*:/i.test(target));
}

/** The links of a document that lead nowhere. */
function brokenLinks(file: string, text: string): string[] {
  return linksOf(text).filter((link) => {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? file : join(dirname(file), decodeURIComponent(path));
    if (relative(repository, target).startsWith("..") || !existsSync(target)) return true;
    if (anchor === undefined) return false;
    if (!target.endsWith(".md") || statSync(target).isDirectory()) return true;
    const there = target === file ? text : readFileSync(target, "utf8");
    return !anchorsOf(there).has(decodeURIComponent(anchor));
  });
}

const docs = readdirSync(join(repository, "docs"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);

describe("the documents", () => {
  for (const name of ["README.md", ...docs]) {
    it(`${name}: every link to a file or a heading leads there`, () => {
      const file = join(repository, name);
      assert.deepEqual(brokenLinks(file, readFileSync(file, "utf8")), []);
    });
  }

  it("README.md leads to every document", () => {
    const found = new Set<string>();
    const follow = (name: string): void => {
      if (found.has(name) || !name.endsWith(".md") || !existsSync(join(repository, name))) return;
      found.add(name);
      for (const link of linksOf(readFileSync(join(repository, name), "utf8"))) {
        const [path = ""] = link.split("#");
        if (path !== "") follow(join(dirname(name), decodeURIComponent(path)));
      }
    };
    follow("README.md");
    assert.deepEqual(
      docs.filter((name) => !found.has(name)),
      [],
    );
  });

  it("README.md names every command of package.json, and none that there is not", () => {
    const text = readFileSync(join(repository, "README.md"), "utf8");
    const { scripts } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    // In a row of a table, or in a block that one is to type.
    const named = (name: string) =>
      text
        .split("\n")
        .some((line) => line.startsWith("| `npm run") && line.includes(`\`${name}\``)) ||
      new RegExp(`npm (run )?${name}(?![\\w:-])`).test(text);
    assert.deepEqual(
      Object.keys(scripts).filter((name) => !named(name)),
      [],
    );
    for (const name of ["README.md", ...docs]) {
      const document = readFileSync(join(repository, name), "utf8");
      for (const [, script = ""] of document.matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)) {
        assert(Object.hasOwn(scripts, script), `${name}: npm run ${script}`);
      }
    }
  });

  it("docs/structure.md: every place of the table is there", () => {
    const text = readFileSync(join(repository, "docs/structure.md"), "utf8");
    const table = text.slice(0, text.indexOf("##"));
    const places = [...table.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([^`<]+)`/g)].map(([, place = ""]) => place),
    );
    assert(places.length > 10);
    assert.deepEqual(
      places.filter((place) => !existsSync(join(repository, place))),
      [],
    );
  });

  it("would be caught with a link to a file or a heading that there is not", () => {
    const text = [
      "# It's `one` of _two_: here",
      "# Twice",
      "## Twice",
      "[a](#its-one-of-_two_-here) [b](#twice-1) [c](docs/config.md) [d](docs/)",
      "[e](docs/config.md#a-smaller-connector-is-another-connector) <https://example.com/x>",
      "[f](https://example.com/#y) `[g](not-a-link.md)`",
      "```sh",
      "# no heading",
      "[h](no-link.md)",
      "```",
      "[1](#twice-2) [2](docs/nothing.md) [3](docs/config.md#nothing) [4](#no-heading)",
      "[5](../outside.md) [6](index.ts#there) [7][reference]",
      "",
      "[reference]: docs/neither.md",
    ].join("\n");
    assert.deepEqual(brokenLinks(join(repository, "README.md"), text), [
      "#twice-2",
      "docs/nothing.md",
      "docs/config.md#nothing",
      "#no-heading",
      "../outside.md",
      "index.ts#there",
      "docs/neither.md",
    ]);
  });
});
