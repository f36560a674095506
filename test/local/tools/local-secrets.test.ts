import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { platform } from "node:os";
import { join } from "node:path";
import { describe as suite, it } from "node:test";
import { localSecret } from "../../../local/tools/local-secrets.ts";
import { temporaryFolder } from "../../support/checkout.ts";

const quiet = (line: string): void => {
  assert.fail(line);
};

suite("the secrets of this machine", () => {
  it("are made once, each another one, for the user alone to read", async (t) => {
    const folder = join(temporaryFolder(t), "cache");
    const ids = ["ws-token-hmac", "ws-api-key", "x"];
    const made = await Promise.all(ids.map((id) => localSecret(folder, id, quiet)));
    assert.equal(new Set(made).size, ids.length);
    for (const text of made) assert.match(text, /^[\w-]{64}$/);
    assert.deepEqual(await Promise.all(ids.map((id) => localSecret(folder, id, quiet))), made);
    if (platform() !== "win32") {
      assert.equal(statSync(join(folder, "secrets.json")).mode & 0o777, 0o600);
    }
  });

  it("are made anew, with a note, when their file is damaged, and when one is empty", async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "secrets.json");
    writeFileSync(file, '{"ws-token-hmac": 1}');
    const notes: string[] = [];
    const made = await localSecret(folder, "ws-token-hmac", (line) => notes.push(line));
    assert.deepEqual(notes, [`${file} is damaged; new secrets are made`]);
    assert.equal(await localSecret(folder, "ws-token-hmac", quiet), made);
    writeFileSync(file, '{"ws-token-hmac": "", "ws-api-key": "kept"}');
    assert.match(await localSecret(folder, "ws-token-hmac", quiet), /^[\w-]{64}$/);
    assert.match(readFileSync(file, "utf8"), /"ws-api-key": "kept"/);
  });

  it("go on after one could not be read", async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "file"), "");
    await assert.rejects(localSecret(join(folder, "file"), "a", quiet), { code: "ENOTDIR" });
    assert.match(await localSecret(folder, "a", quiet), /^[\w-]{64}$/);
  });
});
