import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { chromiumMissing, findChromium, provideChromium } from "../../../local/tools/chromium.ts";
import { thisMachine } from "../../../local/tools/nats-server.ts";

/** A machine with just the programs that a test puts on its PATH, as real executables. */
describe("provideChromium", () => {
  let home: string;
  let tools: string;
  let lines: string[];
  let env: NodeJS.ProcessEnv;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "chromium-test-"));
    tools = join(home, "tools");
    await mkdir(tools);
    lines = [];
    env = { PATH: tools };
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  const tool = async (name: string, script: string): Promise<string> => {
    const file = join(tools, name);
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
    return file;
  };
  const provide = (root = true): Promise<string> => {
    const { run, progress } = thisMachine((line) => lines.push(line), env);
    return provideChromium({ env, root, run, progress });
  };
  const asked = async (): Promise<string> => readFile(join(home, "apt.log"), "utf8");
  /** Notes how it is called; `install` does what is given. */
  const aptGet = (install: string): Promise<string> =>
    tool(
      "apt-get",
      `echo "$DEBIAN_FRONTEND $*" >> ${home}/apt.log
       case "$*" in *install*) ${install};; esac`,
    );
  /** What a package that brings Chromium does. */
  const puts = (file: string): string =>
    `printf '#!/bin/sh\\nexit 0\\n' > ${file}; /bin/chmod +x ${file}`;

  it("uses the first that runs, and installs nothing then", async () => {
    await tool("chromium", "exit 1");
    const chrome = await tool("google-chrome", "exit 0");
    await aptGet("exit 0");
    assert.equal(findChromium(env), chrome);
    assert.equal(await provide(), chrome);
    assert.deepEqual(lines, []);
    await assert.rejects(asked(), { code: "ENOENT" });
  });

  it("installs Debian's as root without a question, and says so", async () => {
    await aptGet(puts(join(tools, "chromium")));
    assert.equal(await provide(), join(tools, "chromium"));
    assert.equal(
      await asked(),
      "noninteractive -qq -o DPkg::Lock::Timeout=300 update\n" +
        "noninteractive -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends chromium\n",
    );
    assert.deepEqual(lines, [
      "Chromium: installing with apt-get (once, about 300 MB) …",
      `Chromium: ready in ${join(tools, "chromium")}`,
    ]);
  });

  it("says in one line what to do where it may install nothing", async () => {
    await aptGet("exit 0");
    await assert.rejects(provide(false), { message: chromiumMissing });
    assert.ok(!chromiumMissing.includes("\n"));
    await assert.rejects(asked(), { code: "ENOENT" });
    await rm(join(tools, "apt-get"));
    await assert.rejects(provide(), { message: chromiumMissing });
  });

  it("says in the same line why apt-get failed, or that what it brought does not run", async () => {
    await aptGet("echo 'E: no such package' >&2; exit 100");
    await assert.rejects(provide(), (error: Error) => {
      assert.ok(error.message.startsWith(chromiumMissing));
      assert.match(error.message, /\(apt-get failed: .*E: no such package\)$/);
      return true;
    });
    await aptGet("exit 0");
    await assert.rejects(provide(), { message: chromiumMissing });
  });
});
