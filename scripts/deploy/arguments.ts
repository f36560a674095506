/** The command line of `npm run deploy`. */
import { parseArgs } from "node:util";
import { isPinnedImage } from "../../components/lib/image.ts";
import { Refusal } from "./refusal.ts";
import { checkStack } from "./stack-file.ts";

const usage =
  "usage: npm run deploy -- --stack <stack> [--ws-image <image@sha256:…>] [--routine] [--dry-run]\n" +
  "  --ws-image  what ws runs from; without it, what it runs from now\n" +
  "  --routine   refuse what only a person may change; pipelines say so\n" +
  "  --dry-run   show the preview, and whether what was deployed last is live; change nothing";

export interface DeployOptions {
  readonly stack: string;
  readonly wsImage: string | undefined;
  readonly routine: boolean;
  readonly dryRun: boolean;
}

/** @throws Refusal that says what is wrong, and how it is used */
export function readDeployArguments(argv: readonly string[]): DeployOptions {
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
