import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { repository } from "../../../support/checkout.ts";

const page = join(repository, "apps/web/page");
const read = (path: string): string =>
  readFileSync(join(page, path), "utf8").replaceAll(/\/\*.*?\*\//gs, "");
const tokens = read("ui/tokens.css");
const kit = read("ui/ui.css");
const features = readdirSync(page, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".css") && file.includes("/") && !file.startsWith("ui/"),
);

/** The colours of both schemes, by their names. */
const colors = new Map(
  [...tokens.matchAll(/--([\w-]+): light-dark\((#[\da-f]{6}), (#[\da-f]{6})\);/g)].map(
    ([, name = "", light = "", dark = ""]) => [name, { light, dark }] as const,
  ),
);

/** WCAG's relative luminance. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function selectorsOf(css: string): string[] {
  return [...css.matchAll(/([^{}]+)\{/g)]
    .map(([, selector = ""]) => selector.trim())
    .filter((selector) => !/^(@|from$|to$|\d+%)/.test(selector))
    .flatMap((selector) => selector.replaceAll(/\([^()]*\)/g, "").split(","))
    .map((selector) => selector.trim());
}

const classesOf = (selector: string): string[] =>
  [...selector.matchAll(/\.([a-z][\w-]*)/gi)].map(([, name = ""]) => name);

describe("the look of the console", () => {
  const surfaces = ["ground", "panel", "sunken", "hover"];
  const pairs: [text: string, behind: string, atLeast: number][] = [
    ...surfaces.flatMap((behind): [string, string, number][] => [
      ["ink", behind, 7],
      ["quiet", behind, 4.5],
      ["accent", behind, 4.5],
    ]),
    ...["good", "busy", "alarm"].flatMap((tone): [string, string, number][] => [
      [tone, "ground", 4.5],
      [tone, "panel", 4.5],
      [tone, "sunken", 4.5],
      [tone, `${tone}-soft`, 4.5],
      ["ink", `${tone}-soft`, 7],
      ["accent", `${tone}-soft`, 4.5],
    ]),
    ["accent", "accent-soft", 4.5],
    ["ink", "accent-soft", 7],
    ["quiet", "accent-soft", 4.5],
    ["on-accent", "accent", 4.5],
    // Not text: what bounds a control, and lines of charts.
    ...["ground", "panel", "sunken"].map((behind): [string, string, number] => ["edge", behind, 3]),
    ...["1", "2", "3", "4"].map((n): [string, string, number] => [`series-${n}`, "panel", 3]),
  ];
  for (const scheme of ["light", "dark"] as const) {
    it(`has enough contrast in ${scheme} wherever text or a control stands`, () => {
      const poor = pairs.flatMap(([text, behind, atLeast]) => {
        const [front, back] = [colors.get(text), colors.get(behind)];
        assert.ok(front !== undefined && back !== undefined, `${text} on ${behind}`);
        const ratio = contrast(front[scheme], back[scheme]);
        return ratio >= atLeast ? [] : [`${text} on ${behind}: ${ratio.toFixed(2)} < ${atLeast}`];
      });
      assert.deepEqual(poor, []);
    });
  }

  it("takes every colour from the tokens, which there are", () => {
    const defined = new Set([...tokens.matchAll(/^ +--([\w-]+):/gm)].map(([, name]) => name));
    assert.ok(features.length >= 5);
    for (const file of ["ui/ui.css", ...features]) {
      const css = read(file);
      const own = new Set([...css.matchAll(/--([\w-]+):/g)].map(([, name]) => name));
      for (const [, name = ""] of css.matchAll(/var\(--([\w-]+)/g)) {
        assert.ok(defined.has(name) || own.has(name), `${file}: --${name} is not in tokens.css`);
      }
      const values = [...css.matchAll(/:\s([^;{}]+);/g)].map(([, value = ""]) => value);
      assert.deepEqual(
        values.filter((value) =>
          /#[\da-f]{3}|\b(?:rgba?|hsla?|hwb|oklch|oklab|lab|lch)\(|^(?:white|black|red|green|blue|orange|yellow|purple|gr[ae]y|silver)$/i.test(
            value,
          ),
        ),
        [],
        file,
      );
    }
  });

  it("has rules of a feature for nothing but what is the feature's", () => {
    const shared = new Set(selectorsOf(kit).flatMap(classesOf));
    for (const file of features) {
      const feature = file.slice(0, file.indexOf("/"));
      for (const selector of selectorsOf(read(file))) {
        const classes = classesOf(selector);
        const isOwn = (name: string): boolean => name.startsWith(`${feature}-`);
        assert.ok(classes.some(isOwn), `${file}: "${selector}" is not about .${feature}-…`);
        const foreign = classes.filter((name) => !isOwn(name) && !shared.has(name));
        assert.deepEqual(foreign, [], `${file}: ${selector}`);
      }
    }
  });
});
