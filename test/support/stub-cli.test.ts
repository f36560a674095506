import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { bySubcommand, inTurn, StubCli } from "./stub-cli.ts";

const run = promisify(execFile);

describe(
  "the stub of commands",
  { skip: process.platform === "win32" && "Windows starts scripts in another way" },
  () => {
    it("records how it was called and answers in turn, per subcommand", async () => {
      await using cli = await StubCli.create({
        pulumi: bySubcommand({
          up: inTurn({ code: 3, stderr: "no\n" }, "yes"),
          "stack output": (_, { input }) => input(),
        }),
      });
      const options = { cwd: cli.folder, env: { PATH: cli.path(""), A: "b" } };
      await assert.rejects(run("pulumi", ["up", "--yes"], options), { code: 3, stderr: "no\n" });
      assert.equal((await run("pulumi", ["up"], options)).stdout, "yes");
      assert.equal((await run("pulumi", ["up"], options)).stdout, "yes");
      await assert.rejects(run("pulumi", ["upwards"], options), { code: 64 });
      const reading = run("pulumi", ["stack", "output", "--json"], options);
      reading.child.stdin?.end("typed");
      assert.equal((await reading).stdout, "typed");
      assert.deepEqual(cli.lines("pulumi"), [
        "up --yes",
        "up",
        "up",
        "upwards",
        "stack output --json",
      ]);
      const [first] = cli.calls;
      assert.deepEqual([first?.env["A"], first?.cwd], ["b", cli.folder]);
    });

    it("waits for a signal where the test says so, and lives until it is answered", async () => {
      await using cli = await StubCli.create({
        docker: async ({ signals }, stub) => {
          stub.write("begun\n");
          await stub.signal();
          return { code: 7, stdout: signals.join() };
        },
      });
      const child = spawn("docker", { env: { PATH: cli.path("") } });
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text === "begun\n") child.kill("SIGTERM");
      });
      assert.deepEqual(await once(child, "close"), [7, null]);
      assert.equal(text, "begun\nSIGTERM");
    });
  },
);
