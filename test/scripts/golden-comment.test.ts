import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeGolden, difference, type Golden } from "../../scripts/golden-comment/difference.ts";
import { comment, marker, mostBytes } from "../../scripts/golden-comment/markdown.ts";
import { repository, temporaryFolder } from "../support/checkout.ts";

const topic = "appengine-realtime:app:ReplicatedService$gcp:pubsub/topic:Topic::m-changes";
const graph = (
  resources: Readonly<Record<string, Record<string, unknown>>>,
  outputs: Readonly<Record<string, unknown>> = {},
): Golden => ({ outputs, resources });

/** The lines of one resource that is there on both sides. */
function changes(before: Record<string, unknown>, after: Record<string, unknown>): string[] {
  const { resources } = difference(graph({ [topic]: before }), graph({ [topic]: after }));
  return resources.flatMap(({ lines }) => lines.map(({ sign, text }) => `${sign} ${text}`));
}

describe("the difference of golden files", () => {
  it("is nothing between equal ones, however their keys are ordered", () => {
    const one = graph({ [topic]: { inputs: { a: 1, b: [1, { c: 2 }] } } }, { url: "x" });
    const other = graph({ [topic]: { inputs: { b: [1, { c: 2 }], a: 1 } } }, { url: "x" });
    assert.deepEqual(difference(one, other), { resources: [], outputs: [] });
  });

  it("names what is gone, changed and new, in this order, by type and name", () => {
    const base = graph({ "a:A::gone": { protect: true }, "a:A::kept": { x: 1 }, "a:A::same": {} });
    const head = graph({ "a:A::added": { x: 1 }, "a:A::kept": { x: 2 }, "a:A::same": {} });
    assert.deepEqual(
      difference(base, head).resources.map(({ what, title }) => `${what} ${title}`),
      ["removed a:A gone (protected)", "changed a:A kept", "added a:A added"],
    );
    const [first] = difference(undefined, graph({ [topic]: {} })).resources;
    assert.equal(first?.title, "gcp:pubsub/topic:Topic m-changes");
    assert.deepEqual(difference(base, undefined).resources[0]?.lines, []);
  });

  it("says which property was what, and is what", () => {
    assert.deepEqual(
      changes(
        { inputs: { ttl: "1s", "odd key": 1, env: { A: "a", B: "b" } }, retainOnDelete: true },
        { inputs: { ttl: "2s", "odd key": 2, env: { A: "a", C: "c" } } },
      ),
      [
        '- inputs.env.B: "b"',
        '+ inputs.env.C: "c"',
        '- inputs["odd key"]: 1',
        '+ inputs["odd key"]: 2',
        '- inputs.ttl: "1s"',
        '+ inputs.ttl: "2s"',
        "- retainOnDelete: true",
      ],
    );
  });

  it("shows where two long texts differ, however late that is", () => {
    const long = "x".repeat(500);
    const conditions = (limit: number) => [{ query: `${long} < ${limit}` }, { query: long }];
    const shown = (before: unknown, after: unknown): string[] =>
      comment({
        dev: difference(graph({ [topic]: { a: before } }), graph({ [topic]: { a: after } })),
      })
        .split("\n")
        .filter((line) => /^[-+] {3}/.test(line));
    for (const [before, after] of [
      [`${long} < 1.5`, `${long} < 2.5`],
      [conditions(1.5), conditions(2.5)],
      [conditions(1.5), conditions(2.5).slice(0, 1)],
      [
        [`${long} < 1.5`, "same"],
        ["same", `${long} < 2.5`, "more"],
      ],
    ]) {
      const lines = shown(before, after);
      assert.ok(
        lines.some((line) => line.startsWith("-") && line.includes("< 1.5")),
        lines.join("\n"),
      );
      assert.ok(
        lines.some((line) => line.startsWith("+") && line.includes("< 2.5")),
        lines.join("\n"),
      );
    }
  });

  it("tells false, null and nothing apart", () => {
    assert.deepEqual(changes({ a: null, b: false, c: 0 }, { b: null, c: false }), [
      "- a: null",
      ...["- b: false", "+ b: null"],
      ...["- c: 0", "+ c: false"],
    ]);
  });

  it("shows of a text of many lines those that changed", () => {
    const text = (...lines: string[]) => ({ inputs: { script: { "[lines]": lines } } });
    assert.deepEqual(changes(text("a", "b", "c", "d"), text("a", "x", "c", "d", "e")), [
      '- inputs.script.[lines][]: "b"',
      '+ inputs.script.[lines][]: "x"',
      '+ inputs.script.[lines][]: "e"',
    ]);
    assert.deepEqual(changes(text("a", "b"), text("b", "a")).length, 2);
  });

  it("goes into the items of a list, unless some were taken out or put in", () => {
    const rules = (...ports: number[]) => ({ allows: ports.map((port) => ({ port, at: "x" })) });
    assert.deepEqual(changes(rules(1, 2), rules(1, 3)), [
      "- allows[1].port: 2",
      "+ allows[1].port: 3",
    ]);
    assert.deepEqual(changes(rules(1, 2), rules(2)), ['- allows[]: {"port":1,"at":"x"}']);
  });

  it("takes two very long lists for wholly different, instead of comparing for minutes", () => {
    const long = (from: number) => ({ a: Array.from({ length: 5000 }, (_, i) => from + i) });
    const lines = changes(long(0), long(1));
    assert.equal(lines.length, 10_000);
  });

  it("turns the one list into the other, whatever they are", () => {
    const lists = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 8 });
    fc.assert(
      fc.property(lists, lists, (before, after) => {
        const lines = changes({ a: before }, { a: after });
        const value = (line: string): number => Number(line.split(": ")[1]);
        const gone = lines.filter((line) => line.startsWith("-")).map(value);
        const fresh = lines.filter((line) => line.startsWith("+")).map(value);
        const without = (list: readonly number[], taken: readonly number[]): number[] => {
          const rest = [...taken];
          return list.filter((item) => {
            const found = rest.indexOf(item);
            if (found >= 0) rest.splice(found, 1);
            return found < 0;
          });
        };
        assert.deepEqual(without(before, gone).sort(), without(after, fresh).sort());
        assert.equal(JSON.stringify(before) === JSON.stringify(after), lines.length === 0);
      }),
    );
  });

  it("is not made of a file that is no golden file", () => {
    assert.throws(() => decodeGolden("{}", "x.json"), { message: "x.json is not a golden file" });
    assert.throws(() => decodeGolden("no", "x.json"), { message: "x.json is not a golden file" });
  });
});

/** Inside and outside of the blocks of code. */
function parts(text: string): { readonly outside: string[]; readonly inside: string[] } {
  const outside: string[] = [];
  const inside: string[] = [];
  let fence: string | undefined;
  for (const line of text.split("\n")) {
    const [, ticks] = /^ {0,3}(`{3,})/.exec(line) ?? [];
    if (fence === undefined && ticks !== undefined) fence = ticks;
    // As CommonMark has it: at least as many, and nothing behind them.
    else if (fence !== undefined && ticks !== undefined && ticks.length >= fence.length)
      fence = undefined;
    else (fence === undefined ? outside : inside).push(line);
  }
  return { outside, inside };
}

const ownLine =
  /^(|<!-- the golden graph of this pull request -->|### What the golden graph says|What this would change in the cloud, beside the code of the services:|<details><summary><b>dev<\/b>: [\w ,]+<\/summary>|<\/details>)$/;

describe("the comment on a pull request", () => {
  it("says what changes, each stack for itself", () => {
    const base = graph({ [topic]: { inputs: { labels: { a: "b" } } }, "a:A::gone": {} });
    const head = graph({ [topic]: { inputs: { labels: { a: "c" } } } }, { url: "https://x" });
    assert.equal(
      comment({ prod: difference(base, head), dev: difference(head, head), local: difference() }),
      [
        marker,
        "### What the golden graph says",
        "",
        "What this would change in the cloud, beside the code of the services:",
        "",
        "<details><summary><b>prod</b>: 1 removed, 1 changed, outputs changed</summary>",
        "",
        "```diff",
        "- a:A gone",
        "! gcp:pubsub/topic:Topic m-changes",
        '-   inputs.labels.a: "b"',
        '+   inputs.labels.a: "c"',
        "! outputs of the stack",
        '+   url: "https://x"',
        "```",
        "",
        "</details>",
        "",
        "The same as before: dev, local.",
        "",
      ].join("\n"),
    );
  });

  it("says that nothing changes", () => {
    const text = comment({ dev: difference() });
    assert.match(text, /^Nothing changes in the cloud but code\.$/m);
    assert.doesNotMatch(text, /```|<details>/);
  });

  it("is no markup, whatever the golden files hold", () => {
    const nasty = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({
        unit: fc.constantFrom(
          "`",
          "~",
          "<",
          ">",
          "@",
          "#",
          "[",
          "\n",
          "\r",
          " ",
          "\u2028",
          "\u202e",
          "\0",
        ),
      }),
      fc.constantFrom("```", "`````\n</details>", "@everyone", "<!-- -->", "\n\n# big\n", "::x::`"),
    );
    const values = fc.dictionary(nasty, fc.oneof(nasty, fc.array(nasty, { maxLength: 3 })), {
      maxKeys: 3,
    });
    const goldens = fc.record({
      outputs: values,
      resources: fc.dictionary(nasty, values, { maxKeys: 3 }),
    });
    fc.assert(
      fc.property(goldens, goldens, (base, head) => {
        const found = difference(base, head);
        fc.pre(found.resources.length + found.outputs.length > 0);
        const { outside, inside } = parts(comment({ dev: found }));
        for (const line of outside) assert.match(line, ownLine);
        for (const line of inside) assert.match(line, /^([-+!] |… | {4}…|$)/);
        // Nothing that cannot be seen, or turns around what can.
        assert.doesNotMatch(inside.join(""), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
      { numRuns: 100 },
    );
  });

  it("refuses a stack whose name is markup", () => {
    assert.throws(() => comment({ "<b>": difference() }), {
      message: 'not the name of a stack: "<b>"',
    });
  });

  it("is as long as GitHub takes, and says what it leaves out", () => {
    const many = (text: string, count: number): Golden =>
      graph(
        Object.fromEntries(
          Array.from({ length: count }, (_, i) => [
            `a:A::n${i}`,
            Object.fromEntries(Array.from({ length: 60 }, (_, j) => [`k${j}`, text])),
          ]),
        ),
      );
    for (const text of ["x".repeat(500), "€".repeat(500), "😀".repeat(500), "`".repeat(500)]) {
      const all = comment({
        dev: difference(undefined, many(text, 100)),
        prod: difference(undefined, many(text, 100)),
        small: difference(undefined, many(text, 1)),
      });
      assert(Buffer.byteLength(all) <= mostBytes, `${Buffer.byteLength(all)}`);
      assert(Buffer.byteLength(all) > mostBytes / 3, `${Buffer.byteLength(all)}`);
      // Not by assert.match, which would print all of it.
      const has = (line: RegExp): boolean => parts(all).outside.some((each) => line.test(each));
      for (const stack of ["dev", "prod"]) assert(has(new RegExp(`<b>${stack}</b>: 100 added`)));
      const { inside } = parts(all);
      assert(inside.filter((line) => /^… \d+ more lines$/.test(line)).length >= 2);
      if (text.startsWith("x")) assert(inside.includes("    … 20 more"));
      assert(all.isWellFormed());
      assert.equal(
        parts(all).inside.some((line) => line.includes("<details>")),
        false,
      );
    }
  });

  it("names every resource before the lines of any, where there is no room for all", () => {
    const long = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`k${i}`, "x".repeat(300)]),
    );
    const base = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`a:A::n${i}`, long]));
    const head = Object.fromEntries(Object.keys(base).map((key) => [key, {}]));
    const text = comment({
      dev: difference(
        graph(base),
        graph({ ...head, "gcp:projects/iAMMember:IAMMember::evil": {} }),
      ),
    });
    assert(Buffer.byteLength(text) <= mostBytes);
    const { inside } = parts(text);
    assert.equal(inside[20], "+ gcp:projects/iAMMember:IAMMember evil");
    assert.equal(inside[21], "");
    assert.equal(inside[22], "! a:A n0");
  });

  it("is printed for two folders of golden files, and not for others", (t) => {
    const folder = temporaryFolder(t, {
      "base/dev.json": JSON.stringify(graph({ "a:A::x": {} })),
      "head/dev.json": JSON.stringify(graph({})),
      "head/notes.txt": "no golden file",
      "bad/dev.json": "{}",
    });
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [join(repository, "scripts/golden-comment.ts"), ...args], {
        cwd: folder,
        encoding: "utf8",
      });
    const good = run("--base", "base", "--head", "head");
    assert.equal(good.status, 0, good.stderr);
    assert.match(good.stdout, /^- a:A x$/m);
    for (const [args, message] of [
      [["--base", "base"], /^usage: /],
      [["--base", "base", "--head", "bad"], /^bad\/dev\.json is not a golden file\n$/],
    ] as const) {
      const { status, stdout, stderr } = run(...args);
      assert.equal(status, 1);
      assert.equal(stdout, "");
      assert.match(stderr, message);
    }
  });
});
