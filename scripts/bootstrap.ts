/**
 * `npm run bootstrap -- --project my-project-dev --stack dev`: what a person does once for an environment.
 * It shows every step first, asks, and does those that are not done yet; so it can be run again at any time.
 */
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { bootstrap } from "./bootstrap/bootstrap.ts";
import { LocalCli } from "./bootstrap/cli.ts";
import { declaredBy } from "./bootstrap/declared.ts";
import { Refusal } from "./deploy/refusal.ts";

const root = resolve(import.meta.dirname, "..");
const stop = new AbortController();
const cli = new LocalCli(root, process.env, (text) => process.stdout.write(text));
// A terminal sends SIGINT to the tools, too; pulumi then ends what it is at and gives its lock back.
process.on("SIGINT", () => {
  stop.abort();
});
process.on("SIGTERM", () => {
  stop.abort();
  cli.signal("SIGTERM");
});

async function answer(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await terminal.question(question, { signal: stop.signal });
  } catch {
    // Ended instead of answered.
    return "";
  } finally {
    terminal.close();
  }
}

try {
  process.exitCode = await bootstrap(process.argv.slice(2), {
    cli,
    root,
    declaredBy,
    print: (line) => {
      console.log(line);
    },
    answer,
    signal: stop.signal,
  });
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}
