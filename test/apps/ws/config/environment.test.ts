import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { EnvironmentError, readEnvironment } from "../../../../apps/lib/environment.ts";
import { readConfigFrom } from "../../../../apps/ws/config/environment.ts";
import { defaultConfig, type ReferringConfig } from "../../../../apps/ws/config/options.ts";

const read = (env: Record<string, string>): ReferringConfig => readEnvironment(env, readConfigFrom);

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    read(env);
  } catch (error) {
    assert(error instanceof EnvironmentError, String(error));
    return error.problems;
  }
  return assert.fail("the environment was accepted");
}

describe("the gateway's options in the environment", () => {
  const folder = mkdtempSync(join(tmpdir(), "ws-config-"));
  after(() => {
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it("are the defaults when nothing is set", () => {
    assert.deepEqual(read({}), defaultConfig);
    assert.deepEqual(read({ WS_CONFIG: "  " }), defaultConfig);
  });

  it("are JSON in WS_CONFIG, or in the file that WS_CONFIG_FILE names", () => {
    const text = '{"client": {"insecure": true}, "shutdown": {"timeout": "2s"}}';
    for (const env of [
      { WS_CONFIG: text },
      { WS_CONFIG_FILE: file("right.json", text) },
      { WS_CONFIG_FILE: file("marked.json", `\uFEFF${text}\n`) },
    ]) {
      const config = read(env);
      assert.equal(config.client.insecure, true);
      assert.equal(config.shutdown.timeout, 2_000);
    }
  });

  it("follow the memory of the instance", () => {
    const { client } = read({ GAE_MEMORY_MB: "512" });
    assert.equal(client.total_queue_max_size, 134_217_728);
    assert.equal(client.connection_limit, 10_922);
    for (const odd of ["", "much", "0", "-1"]) {
      assert.deepEqual(read({ GAE_MEMORY_MB: odd }), defaultConfig);
    }
  });

  it("are reported with where they are from, and all of them", () => {
    const wrong = '{"client": {"insecur": true}, "shutdown": {"timeout": 2}}';
    const path = file("wrong.json", wrong);
    const problems = problemsOf({ WS_CONFIG_FILE: path });
    assert.equal(problems.length, 2);
    assert.match(
      problems[0] ?? "",
      /^WS_CONFIG_FILE .*wrong\.json: client\.insecur: is not known, perhaps insecure is meant; /,
    );
    assert.match(problemsOf({ WS_CONFIG: wrong })[1] ?? "", /^WS_CONFIG: shutdown\.timeout: 2; /);
  });

  it("are in one place only", () => {
    assert.deepEqual(problemsOf({ WS_CONFIG: "{}", WS_CONFIG_FILE: file("empty.json", "{}") }), [
      "WS_CONFIG and WS_CONFIG_FILE are both set: one holds all options",
    ]);
  });

  it("are not quoted when they are no JSON, for they may hold a secret", () => {
    const place = problemsOf({ WS_CONFIG: '{"http_api": {"key": "s3cret"' });
    assert.deepEqual(place, ["WS_CONFIG: is not JSON (line 1 column 30)"]);
    assert.deepEqual(problemsOf({ WS_CONFIG: '{"key": s3cret}' }), ["WS_CONFIG: is not JSON"]);
  });

  it("name a file that cannot be read", () => {
    const path = join(folder, "none.json");
    assert.deepEqual(problemsOf({ WS_CONFIG_FILE: path }), [
      `WS_CONFIG_FILE ${path}: cannot be read (ENOENT)`,
    ]);
    assert.deepEqual(problemsOf({ WS_CONFIG_FILE: folder }), [
      `WS_CONFIG_FILE ${folder}: cannot be read (EISDIR)`,
    ]);
  });
});
