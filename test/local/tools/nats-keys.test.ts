import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { platform } from "node:os";
import { join } from "node:path";
import { describe as suite, it } from "node:test";
import nkeys from "nkeys.js";
import { localNatsKeys } from "../../../local/tools/nats-keys.ts";
import { temporaryFolder } from "../../support/checkout.ts";

const quiet = (line: string): void => {
  assert.fail(line);
};

suite("the keys of the services on this machine", () => {
  it("are made once, one pair for each, for the user alone to read", async (t) => {
    const folder = join(temporaryFolder(t), "cache");
    const first = await localNatsKeys(folder, ["add"], quiet);
    const both = await localNatsKeys(folder, ["add", "ws"], quiet);
    assert.deepEqual(both["add"], first["add"]);
    assert.notEqual(both["ws"]?.seed, both["add"]?.seed);
    for (const { seed, publicKey } of Object.values(both)) {
      assert.match(publicKey, /^U[A-Z2-7]{55}$/);
      assert.equal(nkeys.fromSeed(Buffer.from(seed)).getPublicKey(), publicKey);
    }
    if (platform() !== "win32") {
      assert.equal(statSync(join(folder, "nats-keys.json")).mode & 0o777, 0o600);
    }
  });

  for (const [what, text] of [
    ["no JSON", "{"],
    ["nothing", ""],
    ["something else", "[1]"],
  ] as const) {
    it(`are made anew, with a note, when their file holds ${what}`, async (t) => {
      const folder = temporaryFolder(t);
      const file = join(folder, "nats-keys.json");
      writeFileSync(file, text);
      const notes: string[] = [];
      const keys = await localNatsKeys(folder, ["add"], (line) => notes.push(line));
      assert.deepEqual(notes, [`${file} is damaged; new keys are made`]);
      assert.deepEqual(await localNatsKeys(folder, ["add"], quiet), keys);
    });
  }

  it("are made anew one by one when only one is damaged", async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "nats-keys.json");
    const before = await localNatsKeys(folder, ["add", "ws"], quiet);
    const seeds = JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
    writeFileSync(file, JSON.stringify({ ...seeds, ws: "SUBROKEN" }));
    const notes: string[] = [];
    const after = await localNatsKeys(folder, ["add", "ws"], (line) => notes.push(line));
    assert.deepEqual(after["add"], before["add"]);
    assert.notDeepEqual(after["ws"], before["ws"]);
    assert.deepEqual(notes, [`${file}: the key of ws is damaged; a new one is made`]);
  });

  it("say what is wrong when their file cannot be read", async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, "nats-keys.json"));
    await assert.rejects(localNatsKeys(folder, ["add"], quiet), /EISDIR/);
  });
});
