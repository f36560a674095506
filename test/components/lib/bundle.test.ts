import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { apps } from "../../../components/lib/apps.ts";
import { type App, type Bundle, bundleApp, writeBundle } from "../../../components/lib/bundle.ts";
import {
  repository,
  temporaryCheckout,
  temporaryFolder,
  writeFiles,
} from "../../support/checkout.ts";

const page: App = {
  folder: "apps/page",
  files: { "page/index.html": "page/index.html", "logo.png": "logo.png" },
  browserBundles: { "page/page.js": "page/page.ts" },
};

/** An app with everything that can be in one, and much that must stay outside. */
const pageSources = {
  "apps/page/main.ts": [
    'import express from "express";',
    'import { WebSocketServer } from "ws";',
    'import { greeting } from "./greeting.ts";',
    "// A comment of ours.",
    "new WebSocketServer({ noServer: true });",
    // How this is compiled depends on TypeScript's settings.
    "console.error(new (class extends Array { field: unknown; own = 1; })());",
    "const app = express().get('/', (_, response) => response.send(greeting('you')));",
    "const server = app.listen(0, '127.0.0.1', () => {",
    "  console.log(typeof require, typeof __filename, typeof __dirname);",
    "  failDeliberately();",
    "});",
    "function failDeliberately(): void {",
    "  try { throw new Error('deliberate'); }",
    "  catch (error) { console.log((error as Error).stack); server.close(); }",
    "}",
  ].join("\n"),
  "apps/page/greeting.ts":
    "export const greeting = (who: string): string => `Good\n  day, ${who}`;\n",
  "apps/page/greeting.test.ts": "throw new Error('a test');\n",
  "apps/page/.env": "TOKEN=never-to-be-uploaded\n",
  "apps/page/page/index.html": "<!doctype html>\n<script type=module src=page.js></script>\n",
  "apps/page/page/page.ts": "document.title = 'The page' satisfies string;\n",
  "apps/page/page/tsconfig.json": "{}\n",
  "apps/page/logo.png": "\u0000\r\n",
};

describe("bundleApp", () => {
  it("puts exactly the declared files into the archive, sorted by path", (t) => {
    const bundle = bundleApp(temporaryCheckout(t, pageSources), page);
    assert.deepEqual(
      bundle.files.map(({ path }) => path),
      ["logo.png", "main.js", "package.json", "page/index.html", "page/page.js"],
    );
    assert.match(bundle.digest, /^[0-9a-f]{64}$/);
  });

  it("tells App Engine to install and build nothing", (t) => {
    const bundle = bundleApp(temporaryCheckout(t, pageSources), page);
    assert.deepEqual(JSON.parse(textOf(bundle, "package.json")), {
      private: true,
      type: "module",
      engines: { node: "24.x" },
      scripts: { start: "node main.js", "gcp-build": "" },
    });
  });

  it("makes a program that runs without its packages and names its functions in stack traces", (t) => {
    const folder = join(temporaryFolder(t), "out");
    writeBundle(bundleApp(temporaryCheckout(t, pageSources), page), folder);
    const output = execFileSync(process.execPath, ["main.js"], { cwd: folder, encoding: "utf8" });
    const [kinds, message, at] = output.split("\n");
    assert.equal(kinds, "function string string");
    assert.equal(message, "Error: deliberate");
    assert.match(at ?? "", /^ +at failDeliberately \(file:.*main\.js:\d{3,}:\d{1,3}\)$/);
  });

  it("keeps out what a browser and a server have no use for", (t) => {
    const checkout = temporaryCheckout(t, pageSources);
    assertNothingForeign(bundleApp(checkout, page), [checkout]);
  });

  it("has the same digest wherever the checkout is and whatever the machine's settings are", (t) => {
    const crlf = Object.fromEntries(
      Object.entries(pageSources).map(([path, text]) => [
        path,
        path.endsWith(".png") ? text : text.replaceAll("\n", "\r\n"),
      ]),
    );
    const plain = temporaryCheckout(t, pageSources);
    const deep = temporaryCheckout(t, crlf, "a b/ü/c/d");
    writeFiles(deep, { "tsconfig.json": '{"compilerOptions":{"target":"es5","jsx":"react"}}' });
    utimesSync(join(deep, "apps/page/main.ts"), 1, 1);
    const digests = [
      digestInProcess(plain, page, { LANG: "C", TZ: "UTC" }),
      digestInProcess(deep, page, {
        LANG: "tr_TR.UTF-8",
        LC_ALL: "tr_TR.UTF-8",
        TZ: "Pacific/Apia",
        NODE_ENV: "production",
        NODE_PATH: join(plain, "apps/page"),
      }),
      bundleApp(plain, page).digest,
    ];
    assert.deepEqual(new Set(digests).size, 1, digests.join("\n"));
  });

  it("has the same digest of each app of the repository in a copy of the checkout", (t) => {
    const copy = temporaryCheckout(t, {}, "copy/of/it");
    cpSync(join(repository, "apps"), join(copy, "apps"), { recursive: true });
    for (const [name, app] of Object.entries(apps)) {
      assert.equal(bundleApp(copy, app).digest, bundleApp(repository, app).digest, name);
    }
  });

  it("has another digest when any byte or name of any file changes", (t) => {
    const checkout = temporaryCheckout(t, pageSources);
    const digests = [bundleApp(checkout, page).digest];
    for (const [path, before, after] of [
      ["apps/page/greeting.ts", "day", "night"],
      ["apps/page/page/page.ts", "The page", "A page"],
      ["apps/page/page/index.html", "<!doctype html>", "<!doctype html> "],
      ["apps/page/logo.png", "\r\n", "\n"],
    ] as const) {
      const text = readFileSync(join(checkout, path), "utf8");
      assert(text.includes(before));
      writeFileSync(join(checkout, path), text.replace(before, after));
      digests.push(bundleApp(checkout, page).digest);
    }
    const { files } = page;
    assert(files !== undefined);
    digests.push(
      bundleApp(checkout, { ...page, files: { ...files, "page/a.html": "page/index.html" } })
        .digest,
      bundleApp(checkout, { ...page, files: { ...files, "page/b.html": "page/index.html" } })
        .digest,
    );
    assert.equal(new Set(digests).size, digests.length, digests.join("\n"));
  });

  it("takes no package from outside the checkout", (t) => {
    const checkout = temporaryCheckout(t, { "apps/lost/main.ts": 'import "only-there";\n' });
    const elsewhere = temporaryFolder(t, { "only-there/index.js": "" });
    assert.throws(
      () => digestInProcess(checkout, { folder: "apps/lost" }, { NODE_PATH: elsewhere }),
      {
        message: /apps\/lost\/main\.ts:1:8: Could not resolve "only-there"/,
      },
    );
  });

  it("does not depend on files that are not part of the app", (t) => {
    const checkout = temporaryCheckout(t, pageSources);
    const { digest } = bundleApp(checkout, page);
    writeFiles(checkout, { "apps/page/more.ts": "export {};", "apps/page/page/more.html": "more" });
    assert.equal(bundleApp(checkout, page).digest, digest);
  });

  it("names app, file and place of every mistake in the sources", (t) => {
    const checkout = temporaryCheckout(t, {
      "apps/broken/main.ts":
        'import { x } from "./nowhere.ts";\nconsole.log(x);\nimport "no-such";\n',
      "apps/typo/main.ts": "const a = 1;\nconst = 2;\n",
    });
    assert.throws(() => bundleApp(checkout, { folder: "apps/broken" }), {
      message: [
        "the app apps/broken cannot be bundled:",
        '  - apps/broken/main.ts:1:19: Could not resolve "./nowhere.ts"',
        '  - apps/broken/main.ts:3:8: Could not resolve "no-such"',
      ].join("\n"),
    });
    assert.throws(() => bundleApp(checkout, { folder: "apps/typo" }), {
      message: [
        "the app apps/typo cannot be bundled:",
        '  - apps/typo/main.ts:2:7: Expected identifier but found "="',
      ].join("\n"),
    });
  });

  it("refuses files that do not exist, are there twice or would be hidden or outside", (t) => {
    const checkout = temporaryCheckout(t, pageSources);
    assert.throws(() => bundleApp(checkout, { folder: "apps/none" }), {
      message: 'the app apps/none cannot be bundled:\n  - Could not resolve "./apps/none/main.ts"',
    });
    assert.throws(() => bundleApp(checkout, { ...page, files: { "a.css": "a.css" } }), {
      message: "the app apps/page cannot be bundled:\n  - apps/page/a.css: no such file",
    });
    assert.throws(
      () =>
        bundleApp(checkout, {
          ...page,
          files: {
            "main.js": "a.js",
            "page/page.js": "b.js",
            "../up": "c",
            "/root": "d",
            ".env": ".env",
          },
        }),
      {
        message: [
          "the app apps/page cannot be bundled:",
          "  - main.js: is in the archive already",
          "  - ../up: is no path in an archive; a/b.c, no hidden file",
          "  - /root: is no path in an archive; a/b.c, no hidden file",
          "  - .env: is no path in an archive; a/b.c, no hidden file",
          "  - page/page.js: is in the archive already",
        ].join("\n"),
      },
    );
  });
});

describe("the archives of the repository's apps", () => {
  const lists: Readonly<Record<keyof typeof apps, readonly string[]>> = {
    web: [...["main.js", "package.json", "page/console.css", "page/console.js", "page/index.html"]],
    add: ["main.js", "package.json"],
    ws: ["main.js", "package.json"],
    m: ["main.js", "package.json"],
  };
  for (const [name, app] of Object.entries(apps)) {
    it(`${name}: has the files that it needs and nothing foreign`, () => {
      const bundle = bundleApp(repository, app);
      assert.deepEqual(
        bundle.files.map(({ path }) => path),
        lists[name as keyof typeof apps],
      );
      assertNothingForeign(bundle, [repository]);
    });
  }
});

describe("writeBundle", () => {
  const bundle = (text: string): Bundle => ({
    digest: "not read here",
    files: [
      { path: "main.js", bytes: Buffer.from(text) },
      { path: "page/index.html", bytes: Buffer.from("<p>") },
    ],
  });

  it("writes every file below the folder and leaves nothing beside it", (t) => {
    const root = temporaryFolder(t);
    writeBundle(bundle("one"), join(root, "ws/one"));
    assert.equal(readFileSync(join(root, "ws/one/main.js"), "utf8"), "one");
    assert.equal(readFileSync(join(root, "ws/one/page/index.html"), "utf8"), "<p>");
    assert.deepEqual(readdirSync(join(root, "ws")), ["one"]);
  });

  it("does not touch a folder that holds the bundle", (t) => {
    const root = temporaryFolder(t);
    writeBundle(bundle("one"), join(root, "one"));
    const before = statSync(join(root, "one/main.js"));
    writeBundle(bundle("one"), join(root, "one"));
    const after = statSync(join(root, "one/main.js"));
    assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);
  });

  it("repairs a folder whose files were changed or lost", (t) => {
    const root = temporaryFolder(t, { "one/main.js": "changed" });
    writeBundle(bundle("one"), join(root, "one"));
    assert.equal(readFileSync(join(root, "one/main.js"), "utf8"), "one");
    assert(existsSync(join(root, "one/page/index.html")));
  });

  it("leaves no half-written folder when it fails", (t) => {
    const root = temporaryFolder(t);
    const broken: Bundle = {
      digest: "",
      files: [
        { path: "main.js", bytes: Buffer.from("one") },
        // A file cannot be a folder too: the second write fails.
        { path: "main.js/page.js", bytes: Buffer.from("two") },
      ],
    };
    assert.throws(() => {
      writeBundle(broken, join(root, "one"));
    }, /main\.js/);
    assert.deepEqual(readdirSync(root), []);
  });
});

function textOf(bundle: Bundle, path: string): string {
  const file = bundle.files.find((f) => f.path === path);
  assert(file !== undefined, `${path} is not in the bundle`);
  return new TextDecoder().decode(file.bytes);
}

/** No test, no source map, no path of this machine and nothing that looks secret. */
function assertNothingForeign(bundle: Bundle, folders: readonly string[]): void {
  const foreign = [
    ...folders,
    repository,
    join(repository, "node_modules"),
    process.env["HOME"] ?? "/root",
    "sourceMappingURL",
    "sourcesContent",
    "A comment of ours",
    "never-to-be-uploaded",
    "node:test",
  ];
  // A key with its content: libraries that read keys name the line that one begins with.
  const pem = /-----BEGIN [A-Z ]+-----(\\[nr]|\s)*[A-Za-z0-9+/]{32}/;
  // Private NKey seeds: S, the kind of key, and the rest in base32.
  const seed = /\bS[AUOCNX][A-Z2-7]{56}\b/;
  for (const { path } of bundle.files) {
    const text = textOf(bundle, path);
    for (const needle of foreign) assert(!text.includes(needle), `${path} has "${needle}" in it`);
    assert.doesNotMatch(text, seed, path);
    assert.doesNotMatch(text, pem, path);
    assert.doesNotMatch(text, /^\/\/ .*\.[jt]s$/m, `${path} has the path of a source in it`);
  }
}

/** The digest as a process with other settings computes it. */
function digestInProcess(root: string, app: App, env: Readonly<Record<string, string>>): string {
  const module = join(repository, "components/lib/bundle.ts");
  const program = `import { bundleApp } from ${JSON.stringify(module)};
    console.log(bundleApp(${JSON.stringify(root)}, ${JSON.stringify(app)}).digest);`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", program],
    { cwd: root, env: { PATH: process.env["PATH"], ...env }, encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
  return stdout.trim();
}
