import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { emulatorsOf } from "../../local/stack-emulators.ts";
import { emulatorsMissing } from "../support/emulators.ts";

const stackFile = (config: Record<string, string>) => ({
  ...{ project: "appengine-realtime", stack: "local", root: "/", main: undefined },
  ...{ runtimeOptions: {}, config },
});
const withM = stackFile({ "appengine-realtime:m": '{"instances":3}' });
const noM = [stackFile({}), stackFile({ "appengine-realtime:m": "null" })];

describe("a machine without Google's emulators", () => {
  const env = { PATH: "/nowhere" };
  const without = { needed: false, config: { "appengine-realtime:m": "null" } };

  it("runs the stack without m, and says so in one line", async () => {
    const lines: string[] = [];
    assert.deepEqual(await emulatorsOf(withM, (line) => lines.push(line), env), without);
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? "",
      /^the service m is left out: the Google Cloud SDK is not installed .*gcloud components install/,
    );
  });

  it("says nothing where the stack has no m", async () => {
    for (const none of noM) {
      const lines: string[] = [];
      assert.deepEqual(await emulatorsOf(none, (line) => lines.push(line), env), without);
      assert.deepEqual(lines, []);
    }
  });
});

describe("a machine with them", { skip: emulatorsMissing() ?? false }, () => {
  it("runs the stack as it is", async () => {
    const lines: string[] = [];
    const ask = (file: typeof withM) => emulatorsOf(file, (line) => lines.push(line));
    assert.deepEqual(await ask(withM), { needed: true, config: {} });
    for (const none of noM) assert.deepEqual(await ask(none), { needed: false, config: {} });
    assert.deepEqual(lines, []);
  });
});
