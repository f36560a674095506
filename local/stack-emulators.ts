/** What of the stack cannot run on this machine. */
import type { StackFile } from "./engine/stack-file.ts";
import { findEmulators } from "./tools/emulators.ts";

/**
 * Settings to lay over the stack's: without Google's emulators they leave out the service m, which is
 * all that needs them, so that the rest runs.
 */
export async function withoutEmulators(
  { project, config }: StackFile,
  note: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Readonly<Record<string, string>>> {
  const found = await findEmulators(["datastore", "pubsub"], env);
  if (!("missing" in found)) return {};
  const key = `${project}:m`;
  if ((config[key] ?? "null") !== "null") note(`the service m is left out: ${found.missing}`);
  return { [key]: "null" };
}
