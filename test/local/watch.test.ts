import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ignored, Quiet, quietMs, watched, watchProgram } from "../../local/watch.ts";
import { temporaryFolder } from "../support/checkout.ts";
import { eventually } from "../support/eventually.ts";

describe("watching the program", () => {
  it("looks at what a program may read, and not at what editors write beside it", () => {
    for (const name of ["add/main.ts", "web/page/style.css", "ws/Dockerfile"]) {
      assert.ok(!ignored.test(name), name);
    }
    for (const name of [
      ...["add/.main.ts.swp", "add/main.ts~", "add/#main.ts#", "add/.#main.ts", "main.swp"],
      ...["add/main.ts.tmp", ".DS_Store", "node_modules/ws/index.js", "add/node_modules/x.js"],
    ]) {
      assert.ok(ignored.test(name), name);
    }
    assert.ok(watched.includes("Pulumi.local.yaml"));
    assert.ok(!watched.includes("Pulumi.dev.yaml"), "another stack's file changes nothing here");
  });

  it("tells many changes at once, sorted and each once, when it has been quiet", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const told: (readonly string[])[] = [];
    const quiet = new Quiet((files) => told.push(files));
    quiet.note("b.ts");
    t.mock.timers.tick(quietMs - 1);
    quiet.note("a.ts");
    quiet.note("b.ts");
    t.mock.timers.tick(quietMs - 1);
    assert.deepEqual(told, []);
    t.mock.timers.tick(1);
    assert.deepEqual(told, [["a.ts", "b.ts"]]);
    quiet.note("c.ts");
    t.mock.timers.tick(quietMs);
    assert.deepEqual(told[1], ["c.ts"]);
    quiet.note("d.ts");
    quiet.close();
    t.mock.timers.tick(quietMs);
    assert.equal(told.length, 2, "nothing more is told when it is closed");
  });

  it("sees a file of an app, of a component and of the root", async (t) => {
    const files = { "apps/add/main.ts": "", "components/x.ts": "", "index.ts": "", "notes.md": "" };
    const root = temporaryFolder(t, { ...files, "Pulumi.dev.yaml": "" });
    const seen = new Set<string>();
    const watch = watchProgram(root, (changed) => {
      for (const file of changed) seen.add(file);
    });
    try {
      await watch.ready;
      for (const file of ["notes.md", "Pulumi.dev.yaml", ...Object.keys(files)]) {
        writeFileSync(join(root, file), "changed");
      }
      await eventually("all are told", () => seen.size >= 3);
      assert.deepEqual([...seen].sort(), ["apps/add/main.ts", "components/x.ts", "index.ts"]);
    } finally {
      await watch.close();
    }
  });

  it("sees every save of a file, also of one that is saved by renaming another over it", async (t) => {
    const root = temporaryFolder(t, { "apps/add/main.ts": "", "Pulumi.local.yaml": "", sed: "" });
    const told: string[] = [];
    const watch = watchProgram(root, (changed) => told.push(...changed));
    try {
      await watch.ready;
      for (const file of ["apps/add/main.ts", "Pulumi.local.yaml"]) {
        for (let save = 1; save <= 4; save++) {
          told.length = 0;
          if (save < 4) {
            // Another name each time, as editors choose one.
            const beside = join(root, `.${file.replaceAll("/", "-")}.${save}`);
            writeFileSync(beside, `content ${save}`);
            renameSync(beside, join(root, file));
          } else {
            writeFileSync(join(root, file), "in place");
          }
          await eventually(`save ${save} of ${file} is told`, () => told.includes(file));
        }
      }
    } finally {
      await watch.close();
    }
  });
});
