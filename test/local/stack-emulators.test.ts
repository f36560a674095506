import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutEmulators } from "../../local/stack-emulators.ts";
import { emulatorsMissing } from "../support/emulators.ts";

const stackFile = (config: Record<string, string>) => ({
  ...{ project: "appengine-realtime", stack: "local", root: "/", main: undefined },
  ...{ runtimeOptions: {}, config },
});
const withM = stackFile({ "appengine-realtime:m": '{"instances":3}' });

describe("a machine without Google's emulators", () => {
  const env = { PATH: "/nowhere" };

  it("runs the stack without m, and says so in one line", async () => {
    const lines: string[] = [];
    const laidOver = await withoutEmulators(withM, (line) => lines.push(line), env);
    assert.deepEqual(laidOver, { "appengine-realtime:m": "null" });
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? "",
      /^the service m is left out: the Google Cloud SDK is not installed .*gcloud components install/,
    );
  });

  it("says nothing where the stack has no m", async () => {
    for (const config of [{}, { "appengine-realtime:m": "null" }]) {
      const lines: string[] = [];
      await withoutEmulators(stackFile(config), (line) => lines.push(line), env);
      assert.deepEqual(lines, []);
    }
  });
});

describe("a machine with them", { skip: emulatorsMissing() ?? false }, () => {
  it("runs the stack as it is", async () => {
    const lines: string[] = [];
    assert.deepEqual(await withoutEmulators(withM, (line) => lines.push(line)), {});
    assert.deepEqual(lines, []);
  });
});
