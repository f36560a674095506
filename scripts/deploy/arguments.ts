/** The command line of `npm run deploy`. */
import { parseArgs } from "node:util";
import { isPinnedImage } from "../../components/lib/image.ts";
import { orUsage, Refusal } from "./refusal.ts";
import { checkStack } from "./stack-file.ts";

const usage =
  "usage: npm run deploy -- --stack <stack> [--ws-image <image@sha256:…>] [--routine]\n" +
  "                         [--dry-run [--expect-no-changes] | --verify]\n" +
  "  --ws-image  what ws runs from; without it, what it runs from now\n" +
  "  --routine   refuse what only a person may change; pipelines say so\n" +
  "  --dry-run   show the preview, and whether what was deployed last is live; change nothing\n" +
  "  --expect-no-changes   fail when the preview has any\n" +
  "  --verify    only look whether what was deployed last is live";

export interface DeployOptions {
  readonly stack: string;
  readonly wsImage: string | undefined;
  readonly routine: boolean;
  readonly dryRun: boolean;
  readonly verify: boolean;
  readonly expectNoChanges: boolean;
}

/** @throws Refusal that says what is wrong, and how it is used */
export function readDeployArguments(argv: readonly string[]): DeployOptions {
  const { values } = orUsage(usage, () =>
    parseArgs({
      args: [...argv],
      options: {
        stack: { type: "string" },
        "ws-image": { type: "string" },
        routine: { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
        "expect-no-changes": { type: "boolean", default: false },
        verify: { type: "boolean", default: false },
      },
    }),
  );
  const { routine, verify, "ws-image": wsImage, "dry-run": dryRun } = values;
  const expectNoChanges = values["expect-no-changes"];
  if (expectNoChanges && !dryRun) {
    throw new Refusal(`--expect-no-changes goes with --dry-run alone\n${usage}`);
  }
  if (routine && dryRun) {
    throw new Refusal(
      `--routine is about what is changed, and --dry-run changes nothing\n${usage}`,
    );
  }
  if (verify && (dryRun || routine || wsImage !== undefined)) {
    throw new Refusal(`--verify looks at what is live, and takes no other option\n${usage}`);
  }
  if (wsImage !== undefined && !isPinnedImage(wsImage)) {
    throw new Refusal(
      `--ws-image: "${wsImage}" can change its content; <registry>/<name>@sha256:<64 hex digits>`,
    );
  }
  const stack = checkStack(values.stack, usage);
  return { stack, wsImage, routine, dryRun, expectNoChanges, verify };
}
