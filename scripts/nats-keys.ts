/**
 * `npm run nats-keys -- --stack dev`: new NKeys for the services that talk to NATS. The public keys go
 * into the stack file, the seeds into Secret Manager: over standard input, so that no list of processes
 * and no file ever holds one.
 *
 * Seeds first, the file last: the file is what `pulumi up` deploys, so it must never name a key of which
 * nobody has the seed. When a seed cannot be stored, the file stays as it was and the message says what
 * is where.
 */
import { spawn } from "node:child_process";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createUser } from "nkeys.js";
import { type Document, isMap } from "yaml";
import { seedSecretId } from "../components/lib/nkey.ts";
import { orUsage, Refusal } from "./deploy/refusal.ts";
import { readStackDocument } from "./deploy/stack-file.ts";

const keysPath = ["config", "appengine-realtime:natsKeys"];
const usage =
  "usage: npm run nats-keys -- --stack <stack> [--print]\n" +
  "  --print  show the commands that store the seeds instead of running them";

interface Pair {
  readonly service: string;
  readonly publicKey: string;
  readonly seed: Uint8Array;
}

async function main(argv: readonly string[]): Promise<void> {
  const { stack, print } = readArguments(argv);
  // npm runs scripts in the folder of package.json; that is where the stack files are.
  const file = join(process.cwd(), `Pulumi.${stack}.yaml`);
  const { document, project } = await readStackDocument(file, stack);
  const pairs = servicesOf(document, file).map((service): Pair => {
    const pair = createUser();
    return { service, publicKey: pair.getPublicKey(), seed: pair.getSeed() };
  });

  if (print) {
    printCommands(pairs, project);
  } else if (await gcloudIsThere()) {
    await store(pairs, project, stack);
  } else {
    // Seeds are shown to those alone who ask for them: the output may be a log that others read.
    throw new Refusal(
      "There is no gcloud on this machine, so nothing was changed. Install it, or add --print: that shows " +
        "the seeds, in commands to run where there is one.",
    );
  }
  for (const { service, publicKey } of pairs) document.setIn([...keysPath, service], publicKey);
  // Written beside and renamed: nobody ever finds half a file.
  await writeFile(`${file}.new`, document.toString({ lineWidth: 0 }));
  await rename(`${file}.new`, file);
  console.log(
    (print
      ? `Pulumi.${stack}.yaml names keys now that are not stored before you have run the lines above. Then: `
      : `Pulumi.${stack}.yaml has the new public keys. Next: `) +
      `npm run deploy -- --stack ${stack}\n` +
      "Until that is done, a service that connects anew has a key that the servers do not know yet.",
  );
}

function readArguments(argv: readonly string[]): { stack: string; print: boolean } {
  const { stack, print } = orUsage(usage, () => {
    const { values } = parseArgs({
      args: [...argv],
      options: { stack: { type: "string" }, print: { type: "boolean", default: false } },
    });
    if (values.stack === undefined || !/^[\w-]+$/.test(values.stack)) throw new Error("no stack");
    return { stack: values.stack, print: values.print };
  });
  if (stack === "local") throw new Refusal("npm start makes the keys of the stack local by itself");
  return { stack, print };
}

/** The services are those that the stack file has keys for already. */
function servicesOf(document: Document, file: string): string[] {
  const keys = document.getIn(keysPath);
  if (!isMap(keys) || keys.items.length === 0) {
    throw new Refusal(`${file}: ${keysPath.join(" > ")} names no service`);
  }
  return keys.items.map(({ key }) => String(key));
}

/** Asks for all secrets before it stores anything, so that what can be foreseen does not happen half-way. */
async function store(pairs: readonly Pair[], project: string, stack: string): Promise<void> {
  const missing: string[] = [];
  for (const { service } of pairs) {
    const asked = await gcloud([
      "secrets",
      "describe",
      seedSecretId(service),
      "--project",
      project,
    ]);
    if (asked.code !== 0) missing.push(`  ${seedSecretId(service)}: ${asked.text}`);
  }
  if (missing.length > 0) {
    throw new Refusal(
      [
        "Nothing was changed, since these secrets cannot be reached:",
        ...missing,
        "If they do not exist yet, declare them first:",
        `  npm run bootstrap -- --project ${project} --stack ${stack}`,
      ].join("\n"),
    );
  }
  const stored: string[] = [];
  for (const { service, seed } of pairs) {
    const done = await gcloud(addArguments(service, project), seed);
    if (done.code !== 0) {
      throw new Refusal(
        [
          `The seed of ${service} could not be stored: ${done.text}`,
          `Pulumi.${stack}.yaml is as it was: the servers go on with the old keys, and so does every service that is connected.`,
          stored.length === 0
            ? "No seed was stored."
            : `But ${stored.join(" and ")} already got a new seed, which the servers do not know: such a service cannot connect anew.`,
          "Run the same command again; it makes new pairs for all services.",
        ].join("\n"),
      );
    }
    stored.push(service);
    console.log(`${seedSecretId(service)}: stored a new seed`);
  }
}

function printCommands(pairs: readonly Pair[], project: string): void {
  console.log(
    "Run these lines. They hold secrets: clear the screen afterwards and keep them nowhere.\n" +
      "(Most shells do not remember a line that begins with a space.)\n",
  );
  for (const { service, seed } of pairs) {
    const text = new TextDecoder().decode(seed);
    console.log(` printf %s ${text} | gcloud ${addArguments(service, project).join(" ")}`);
  }
  console.log();
}

function addArguments(service: string, project: string): string[] {
  return [
    "secrets",
    "versions",
    "add",
    seedSecretId(service),
    "--data-file=-",
    "--project",
    project,
  ];
}

async function gcloudIsThere(): Promise<boolean> {
  try {
    return (await gcloud(["--version"])).code === 0;
  } catch {
    return false;
  }
}

/** Runs gcloud; answers its exit code and the error that it ended with. Rejects when there is none. */
function gcloud(
  args: readonly string[],
  input?: Uint8Array,
): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("gcloud", args, {
      stdio: ["pipe", "ignore", "pipe"],
      // On Windows gcloud is a script, which only a shell can start; all arguments are plain words.
      shell: process.platform === "win32",
    });
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => (text += part));
    child.once("error", reject);
    child.once("close", (code) => {
      // Warnings come before the error, and advice after it.
      resolve({ code, text: text.slice(Math.max(0, text.lastIndexOf("ERROR:"))).trim() });
    });
    // Who ends without reading breaks the pipe; the exit code then says so better.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
