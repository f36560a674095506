import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { apps } from "../../components/lib/apps.ts";
import { bundleApp } from "../../components/lib/bundle.ts";
import { repository, temporaryFolder } from "../support/checkout.ts";

function bundle(...args: readonly string[]) {
  return spawnSync(process.execPath, [join(repository, "scripts/bundle.ts"), ...args], {
    encoding: "utf8",
  });
}

describe("npm run bundle", () => {
  it("writes the very files of the app's archive and prints their digest", (t) => {
    const folder = join(temporaryFolder(t), "a", "b");
    const { stdout, status } = bundle("ws", folder);
    const { files, digest } = bundleApp(repository, apps.ws);
    assert.equal(status, 0);
    assert.deepEqual(
      readdirSync(folder).sort(),
      files.map(({ path }) => path),
    );
    for (const { path, bytes } of files) {
      assert(readFileSync(join(folder, path)).equals(bytes), path);
    }
    assert.equal(stdout.split("\n").at(-2), `digest ${digest}`);
  });

  it("gives the image of ws everything that it copies, and copies everything", () => {
    const dockerfile = readFileSync(join(repository, "apps/ws/Dockerfile"), "utf8");
    const copied = [...dockerfile.matchAll(/^COPY (.*) \.\/$/gm)].flatMap(([, names = ""]) =>
      names.split(" "),
    );
    assert.deepEqual(
      copied.sort(),
      bundleApp(repository, apps.ws).files.map(({ path }) => path),
    );
    assert.match(dockerfile, /^USER node$/m);
    assert.match(dockerfile, /^CMD \["node", "main\.js"\]$/m);
  });

  it("says how it is used when it does not know the app or the folder", (t) => {
    const folder = join(temporaryFolder(t), "none");
    for (const args of [
      [],
      ["ws"],
      ["no-app", folder],
      ["toString", folder],
      ["ws", folder, "x"],
    ]) {
      const { stderr, status } = bundle(...args);
      assert.equal(status, 2);
      assert.equal(stderr, "usage: npm run bundle -- <web|add|ws|m> <folder>\n");
    }
    assert(!existsSync(folder));
  });

  it("says why it cannot write", (t) => {
    const root = temporaryFolder(t, { file: "" });
    const { stderr, status } = bundle("add", join(root, "file/below"));
    assert.equal(status, 1);
    assert.match(stderr, /^ENOTDIR: not a directory/);
  });
});
