import { channelSteps } from "./channel-steps.ts";
import { leavingSteps, refusalSteps } from "./refusal-steps.ts";
import { Stage, type StageOptions } from "./stage.ts";
import { tokenSteps } from "./token-steps.ts";

export interface DemoOptions extends StageOptions {
  readonly print: (line: string) => void;
}

/**
 * Goes through all that the gateway does for clients, and prints each outcome.
 *
 * @returns whether all were as they should be
 */
export async function runDemo({ print, ...options }: DemoOptions): Promise<boolean> {
  const stage = new Stage(options);
  const steps = {
    ...channelSteps(stage),
    ...refusalSteps(stage),
    ...(options.key === undefined ? {} : tokenSteps(stage)),
    ...leavingSteps(stage),
  };
  let wrong = 0;
  for (const [name, step] of Object.entries(steps)) {
    try {
      print(`ok    ${name}: ${await step()}`);
    } catch (error) {
      wrong += 1;
      print(`WRONG ${name}: ${error instanceof Error ? error.message : JSON.stringify(error)}`);
      // Who cannot connect need not wait for all the rest.
      if (name === "connect") break;
    }
  }
  stage.end();
  if (options.key === undefined) print("tokens were left out: there is no TOKEN_KEY");
  print(wrong === 0 ? "all as it should be" : `${wrong} of them not as it should be`);
  return wrong === 0;
}
