/**
 * `npm run deploy -- --stack dev`: the one command that people and pipelines deploy with.
 *
 * It is more than `pulumi up`, because an update that failed is recorded as done, and the next one says
 * "success" while App Engine still sends the traffic elsewhere. So after the update it asks App Engine
 * what is live, makes a traffic split anew that is not what the program wants, and asks again.
 *
 * Exit codes: 0 it is live; 1 Pulumi failed, and something may have changed; 2 nothing was changed; 3 the
 * update succeeded, but what is live is not what the program wants; 4 a preview that was to have no changes
 * has some; 128 + n: interrupted by signal n.
 */
import { AppEngine } from "./deploy/app-engine.ts";
import { readDeployArguments } from "./deploy/arguments.ts";
import { defaultCredentials } from "./deploy/credentials.ts";
import { deploy, type DeploymentArgs, rehearse, verify } from "./deploy/deployment.ts";
import type { Interrupts } from "./deploy/interrupts.ts";
import { Pulumi } from "./deploy/pulumi.ts";
import { runScript } from "./deploy/run-script.ts";
import { readStackFile } from "./deploy/stack-file.ts";

async function main(argv: readonly string[], interrupts: Interrupts): Promise<void> {
  const { stack, wsImage, routine, ...how } = readDeployArguments(argv);
  const file = await readStackFile(stack);
  const credentials = defaultCredentials(file.project);
  const { signal } = interrupts;
  const appEngine = AppEngine.of({ project: file.project, credentials, signal });
  await credentials();
  const { stdout, stderr } = process;
  const args: DeploymentArgs = {
    ...{ stack, file, wsImage, routine, appEngine },
    pulumi: new Pulumi({ stack, interrupts, stdout, stderr }),
    say: (line) => stdout.write(`${line}\n`),
  };
  if (how.verify) await verify(args);
  else if (how.dryRun) await rehearse(args, how.expectNoChanges);
  else await deploy(args);
}

await runScript(
  main,
  "Interrupted. Run the same command again: it goes on from where this one stopped.",
);
