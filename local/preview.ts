/** `npm run preview -- --stack dev`: what an update would do, with no credentials and no cloud. */
import { enableCompileCache } from "node:module";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { readStackFile, stackNames } from "./engine/stack-file.ts";
import { withCompileCache } from "./process/compile-cache.ts";
import { placeOf } from "./provider/place.ts";
import { startRecorder } from "./provider-process.ts";

// For the engine, which is loaded below.
enableCompileCache(withCompileCache(process.env)["NODE_COMPILE_CACHE"]);

const root = resolve(import.meta.dirname, "..");

const usage = (): string =>
  [
    "usage: npm run preview -- --stack <name> [--json]",
    `  --stack  one of: ${stackNames(root).join(", ")}`,
    "  --json   one JSON document instead of the tree",
  ].join("\n");

/** Arguments; undefined when they are wrong, which has been said then. */
function readArguments(): { stack: string; json: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { stack: { type: "string" }, json: { type: "boolean", default: false } },
    });
    if (values.stack === undefined) throw new Error("--stack is missing");
    if (!stackNames(root).includes(values.stack)) throw new Error(`no stack "${values.stack}"`);
    return { stack: values.stack, json: values.json };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage()}`);
    return undefined;
  }
}

async function main(): Promise<number> {
  const given = readArguments();
  if (given === undefined) return 2;
  const { stack } = given;
  let place: ReturnType<typeof placeOf>;
  try {
    place = placeOf(readStackFile(root, stack).config);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }
  // The provider starts while the engine is still loaded, and both before the program asks.
  await using recorder = startRecorder(place);
  const [{ preview }, { emptyState }, { PreviewTree }] = await Promise.all([
    import("./engine/engine.ts"),
    import("./engine/types.ts"),
    import("./engine/preview-tree.ts"),
  ]);
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const tree = new PreviewTree();
  const result = await preview(
    {
      root,
      stack,
      providerPort: recorder.port,
      rehearse: true,
      signal: stop.signal,
      onStep: (event) => {
        tree.add(event);
      },
      onLog: (severity, text) => {
        if (severity === "info" || severity === "warning") tree.note(text);
      },
    },
    emptyState,
  );
  console.log(given.json ? tree.toJson(stack, result) : tree.toText(stack, result));
  return result.ok ? 0 : 1;
}

process.exitCode = await main();
