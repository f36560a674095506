import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fromSeed } from "nkeys.js";
import { parse } from "yaml";
import { isUserKey } from "../../components/lib/nkey.ts";
import { withCompileCache } from "../../local/process/compile-cache.ts";

const { NODE_COMPILE_CACHE } = withCompileCache(process.env);

const script = join(import.meta.dirname, "..", "..", "scripts", "nats-keys.ts");
const stackFile = `# What this stack is for.
config:
  gcp:project: my-project
  appengine-realtime:nats:
    version: 2.15.1 # pinned
  # Whose keys these are.
  appengine-realtime:natsKeys:
    add: OLDADD # of add
    ws: OLDWS
`;

/** One call of the recorder that stands for gcloud. */
interface Call {
  readonly args: string[];
  readonly input: string;
}

describe(
  "npm run nats-keys",
  { skip: process.platform === "win32" && "Windows starts scripts in another way" },
  () => {
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "nats-keys-"));
      await mkdir(join(folder, "bin"));
      await writeFile(join(folder, "Pulumi.dev.yaml"), stackFile);
    });
    afterEach(() => rm(folder, { recursive: true, force: true }));

    /** Puts a gcloud there that writes down how it was called and fails where `fails` matches. */
    async function provideGcloud(
      fails = "^$",
      says = "a warning first\\nERROR: permission denied",
    ): Promise<void> {
      const file = join(folder, "bin", "gcloud");
      await writeFile(
        file,
        `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const call = { args: process.argv.slice(2), input: readFileSync(0, "utf8") };
appendFileSync(${JSON.stringify(join(folder, "calls"))}, JSON.stringify(call) + "\\n");
if (/${fails}/.test(call.args.join(" "))) {
  console.error("${says}");
  process.exitCode = 1;
}
`,
      );
      await chmod(file, 0o755);
    }

    async function calls(): Promise<Call[]> {
      const lines = (await readFile(join(folder, "calls"), "utf8")).split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line) as Call);
    }

    async function run(
      ...args: string[]
    ): Promise<{ code: number | null; stdout: string; stderr: string }> {
      const child = spawn(process.execPath, [script, ...args], {
        cwd: folder,
        // Nothing else in PATH: the machine's own gcloud must not be found.
        env: { PATH: join(folder, "bin"), NODE_COMPILE_CACHE },
      });
      let [stdout, stderr] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const [code] = (await once(child, "close")) as [number | null];
      return { code, stdout, stderr };
    }

    const publicKeyOf = (seed: string): string =>
      fromSeed(new TextEncoder().encode(seed)).getPublicKey();

    async function keysInFile(): Promise<Record<string, string>> {
      const text = await readFile(join(folder, "Pulumi.dev.yaml"), "utf8");
      const { config } = parse(text) as { config: Record<string, Record<string, string>> };
      return config["appengine-realtime:natsKeys"] ?? {};
    }

    it("stores each seed over standard input and writes the keys that belong to them", async () => {
      await provideGcloud();
      const { code, stdout, stderr } = await run("--stack", "dev");
      assert.deepEqual([code, stderr], [0, ""]);
      const made = await calls();
      assert.deepEqual(
        made.map(({ args }) => args.join(" ")),
        [
          "--version",
          "secrets describe nats-seed-add --project my-project",
          "secrets describe nats-seed-ws --project my-project",
          "secrets versions add nats-seed-add --data-file=- --project my-project",
          "secrets versions add nats-seed-ws --data-file=- --project my-project",
        ],
      );
      const [add = "", ws = ""] = made.slice(3).map(({ input }) => input);
      assert.notEqual(add, ws);
      assert.deepEqual(await keysInFile(), { add: publicKeyOf(add), ws: publicKeyOf(ws) });
      assert(!stdout.includes(add) && !stdout.includes(ws), "no seed is shown");
      assert.match(stdout, /Next: npm run deploy -- --stack dev\n/);
    });

    it("changes nothing in the stack file but the keys", async () => {
      await provideGcloud();
      await run("--stack", "dev");
      const { add = "", ws = "" } = await keysInFile();
      assert(isUserKey(add) && isUserKey(ws));
      assert.equal(
        await readFile(join(folder, "Pulumi.dev.yaml"), "utf8"),
        stackFile.replace("OLDADD", add).replace("OLDWS", ws),
      );
      assert(!(await readdir(folder)).some((name) => name.endsWith(".new")));
    });

    it("changes nothing but the keys in the stack files of this repository", async () => {
      await provideGcloud();
      for (const stack of ["dev", "prod"]) {
        const name = `Pulumi.${stack}.yaml`;
        const before = await readFile(join(dirname(script), "..", name), "utf8");
        await writeFile(join(folder, name), before);
        assert.equal((await run("--stack", stack)).code, 0);
        const now = await readFile(join(folder, name), "utf8");
        assert.notEqual(now, before);
        assert.equal(now.replace(/U[A-Z2-7]{55}/g, ""), before.replace(/U[A-Z2-7]{55}/g, ""));
      }
    });

    it("makes new keys every time", async () => {
      await provideGcloud();
      await run("--stack", "dev");
      const before = await keysInFile();
      await run("--stack", "dev");
      const now = await keysInFile();
      assert.notEqual(now["add"], before["add"]);
      assert.notEqual(now["ws"], before["ws"]);
    });

    it("stores nothing when a secret cannot be reached, and says how to declare it", async () => {
      await provideGcloud("describe nats-seed-ws");
      const { code, stderr } = await run("--stack", "dev");
      assert.equal(code, 1);
      assert.equal(
        stderr,
        `Nothing was changed, since these secrets cannot be reached:
  nats-seed-ws: ERROR: permission denied
If they do not exist yet, declare them first:
  npm run bootstrap -- --project my-project --stack dev
`,
      );
      assert(!(await calls()).some(({ args }) => args.includes("add")));
      assert.equal(await readFile(join(folder, "Pulumi.dev.yaml"), "utf8"), stackFile);
    });

    it("keeps the stack file when a seed cannot be stored, and says what is where", async () => {
      await provideGcloud("versions add nats-seed-ws");
      const { code, stdout, stderr } = await run("--stack", "dev");
      assert.equal(code, 1);
      assert.equal(stdout, "nats-seed-add: stored a new seed\n");
      assert.equal(
        stderr,
        `The seed of ws could not be stored: ERROR: permission denied
Pulumi.dev.yaml is as it was: the servers go on with the old keys, and so does every service that is connected.
But add already got a new seed, which the servers do not know: such a service cannot connect anew.
Run the same command again; it makes new pairs for all services.
`,
      );
      assert.equal(await readFile(join(folder, "Pulumi.dev.yaml"), "utf8"), stackFile);
    });

    it("finishes the work when it is run again after that", async () => {
      await provideGcloud("versions add nats-seed-ws");
      await run("--stack", "dev");
      await provideGcloud();
      assert.equal((await run("--stack", "dev")).code, 0);
      const [add = "", ws = ""] = (await calls()).slice(-2).map(({ input }) => input);
      assert.deepEqual(await keysInFile(), { add: publicKeyOf(add), ws: publicKeyOf(ws) });
    });

    it("prints what to run when it is asked to, and runs nothing", async () => {
      await provideGcloud();
      const { code, stdout, stderr } = await run("--stack", "dev", "--print");
      assert.deepEqual([code, stderr], [0, ""]);
      assert(stdout.startsWith("Run these lines."), stdout);
      const commands = [
        ...stdout.matchAll(
          /^ printf %s (\S+) \| gcloud secrets versions add nats-seed-(\w+) --data-file=- --project my-project$/gm,
        ),
      ];
      assert.deepEqual(
        Object.fromEntries(commands.map(([, seed = "", name]) => [name, publicKeyOf(seed)])),
        await keysInFile(),
      );
      assert.equal(commands.length, 2);
      assert.match(
        stdout,
        /names keys now that are not stored before you have run the lines above\./,
      );
      assert(!(await readdir(folder)).includes("calls"), "gcloud was not called");
    });

    it("shows no seed and changes nothing where there is no gcloud", async () => {
      const { code, stdout, stderr } = await run("--stack", "dev");
      assert.deepEqual([code, stdout], [1, ""]);
      assert.equal(
        stderr,
        "There is no gcloud on this machine, so nothing was changed. Install it, or add --print: " +
          "that shows the seeds, in commands to run where there is one.\n",
      );
      assert.equal(await readFile(join(folder, "Pulumi.dev.yaml"), "utf8"), stackFile);
    });

    it("passes on the whole of gcloud's error, without what it said before", async () => {
      await provideGcloud(
        "describe",
        "a warning first\\nERROR: not logged in\\nrun: gcloud auth login",
      );
      const { stderr } = await run("--stack", "dev");
      assert.match(stderr, /nats-seed-add: ERROR: not logged in\nrun: gcloud auth login\n/);
      assert(!stderr.includes("a warning first"));
    });

    for (const [what, args, message] of [
      ["no stack", [], /^no stack\nusage: npm run nats-keys -- --stack <stack> \[--print\]\n/],
      ["an unknown option", ["--stack", "dev", "--force"], /^Unknown option '--force'/],
      ["a stack that there is not", ["--stack", "test"], /^there is no stack "test": /],
      ["a path for a stack", ["--stack", "../dev"], /^no stack\n/],
      ["the stack of this machine", ["--stack", "local"], /^npm start makes the keys of the stack/],
    ] as const) {
      it(`refuses ${what}`, async () => {
        await provideGcloud();
        const { code, stderr } = await run(...args);
        assert.equal(code, 1);
        assert.match(stderr, message);
        assert(!stderr.includes("    at "), "no stack trace");
        assert(!(await readdir(folder)).includes("calls"), "gcloud was not called");
      });
    }
  },
);
