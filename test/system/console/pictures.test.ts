import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { repository } from "../../support/checkout.ts";
import { pictureName, widths } from "./state.ts";
import { states } from "./states.ts";

const folder = join(repository, "docs/images");
/** Of one, and of all: who clones the repository has every version of them. */
const mostBytes = 150 * 1_024;
const mostInAll = 3 * 1_024 * 1_024;

describe("the pictures in docs/images", () => {
  it("are those of the console's states, one for each width: npm run screenshots", async () => {
    const there = (await readdir(folder)).filter((name) => name.endsWith(".png"));
    const wanted = states.flatMap((state) => widths.map((width) => pictureName(state, width)));
    assert.deepEqual(there.sort(), wanted.sort());
  });

  it("are as wide as they say, and small", async () => {
    let all = 0;
    for (const name of await readdir(folder)) {
      const file = join(folder, name);
      const { size } = await stat(file);
      assert.ok(size <= mostBytes, `${name} is too large`);
      all += size;
      // The width is in a PNG's first chunk.
      const width = (await readFile(file)).readUInt32BE(16);
      assert.equal(width, Number(/-(\d+)\.png$/.exec(name)?.[1]), name);
    }
    assert.ok(all <= mostInAll, `they have ${all} bytes`);
  });
});
