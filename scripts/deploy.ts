/**
 * `npm run deploy -- --stack dev`: the one command that people and pipelines deploy with.
 *
 * It is more than `pulumi up`, because an update that failed is recorded as done, and the next one says
 * "success" while App Engine still sends the traffic elsewhere. So after the update it asks App Engine
 * what is live, makes a traffic split anew that is not what the program wants, and asks again.
 *
 * Exit codes: 0 it is live; 1 Pulumi failed, and something may have changed; 2 nothing was changed; 3 the
 * update succeeded, but what is live is not what the program wants; 128 + n: interrupted by signal n.
 */
import { parseArgs } from "node:util";
import { isPinnedImage } from "../components/lib/image.ts";
import { AppEngine } from "./deploy/app-engine.ts";
import { defaultCredentials } from "./deploy/credentials.ts";
import { deploy, type DeploymentArgs, rehearse } from "./deploy/deployment.ts";
import { Interrupts } from "./deploy/interrupts.ts";
import { Pulumi } from "./deploy/pulumi.ts";
import { Refusal } from "./deploy/refusal.ts";
import { checkStack, readStackFile } from "./deploy/stack-file.ts";

const usage =
  "usage: npm run deploy -- --stack <stack> [--ws-image <image@sha256:…>] [--routine] [--dry-run]\n" +
  "  --ws-image  what ws runs from; without it, what it runs from now\n" +
  "  --routine   refuse what only a person may change; pipelines say so\n" +
  "  --dry-run   show the preview, and whether what was deployed last is live; change nothing";

interface Options {
  readonly stack: string;
  readonly wsImage: string | undefined;
  readonly routine: boolean;
  readonly dryRun: boolean;
}

function readArguments(argv: readonly string[]): Options {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        stack: { type: "string" },
        "ws-image": { type: "string" },
        routine: { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
  const { routine, "ws-image": wsImage, "dry-run": dryRun } = values;
  if (wsImage !== undefined && !isPinnedImage(wsImage)) {
    throw new Refusal(
      `--ws-image: "${wsImage}" can change its content; <registry>/<name>@sha256:<64 hex digits>`,
    );
  }
  return { stack: checkStack(values.stack, usage), wsImage, routine, dryRun };
}

async function main(argv: readonly string[], interrupts: Interrupts): Promise<void> {
  const { stack, wsImage, routine, dryRun } = readArguments(argv);
  const file = await readStackFile(stack);
  const appEngine = new AppEngine({
    project: file.project,
    credentials: await defaultCredentials(),
    signal: interrupts.signal,
    ...(process.env["APP_ENGINE_URL"] === undefined ? {} : { url: process.env["APP_ENGINE_URL"] }),
  });
  const { stdout, stderr } = process;
  const args: DeploymentArgs = {
    ...{ stack, file, wsImage, routine, appEngine },
    pulumi: new Pulumi({ stack, interrupts, stdout, stderr }),
    say: (line) => stdout.write(`${line}\n`),
  };
  await (dryRun ? rehearse(args) : deploy(args));
}

{
  using interrupts = new Interrupts((text) => {
    console.error(text);
  });
  try {
    await main(process.argv.slice(2), interrupts);
  } catch (error) {
    if (interrupts.exitCode !== undefined) {
      console.error(
        "Interrupted. Run the same command again: it goes on from where this one stopped.",
      );
    } else if (error instanceof Refusal) {
      console.error(error.message);
      process.exitCode = error.exitCode;
    } else {
      throw error;
    }
  }
  // Also of a Pulumi that came to a good end after it was asked to stop.
  process.exitCode = interrupts.exitCode ?? process.exitCode;
}
