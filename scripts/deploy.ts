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
import { AppEngine } from "./deploy/app-engine.ts";
import { readDeployArguments } from "./deploy/arguments.ts";
import { defaultCredentials } from "./deploy/credentials.ts";
import { deploy, type DeploymentArgs, rehearse } from "./deploy/deployment.ts";
import { Interrupts } from "./deploy/interrupts.ts";
import { Pulumi } from "./deploy/pulumi.ts";
import { Refusal } from "./deploy/refusal.ts";
import { readStackFile } from "./deploy/stack-file.ts";

async function main(argv: readonly string[], interrupts: Interrupts): Promise<void> {
  const { stack, wsImage, routine, dryRun } = readDeployArguments(argv);
  const file = await readStackFile(stack);
  const credentials = defaultCredentials(file.project);
  const appEngine = new AppEngine({
    project: file.project,
    credentials,
    signal: interrupts.signal,
    ...(process.env["APP_ENGINE_URL"] === undefined ? {} : { url: process.env["APP_ENGINE_URL"] }),
  });
  await credentials();
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
