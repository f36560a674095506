/** What the stack needs of Google's emulators, and what becomes of it without them. */
import type { StackFile } from "./engine/stack-file.ts";
import { findEmulators } from "./tools/emulators.ts";

export interface StackEmulators {
  /** True when the program will declare what they play, and they are there. */
  readonly needed: boolean;
  /** Settings to lay over the stack's. */
  readonly config: Readonly<Record<string, string>>;
}

/** Where they are missing, the service m, which is all that needs them, is left out and the rest runs. */
export async function emulatorsOf(
  { project, config }: StackFile,
  note: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<StackEmulators> {
  const key = `${project}:m`;
  const wanted = (config[key] ?? "null") !== "null";
  const found = await findEmulators(["datastore", "pubsub"], env);
  if (!("missing" in found)) return { needed: wanted, config: {} };
  if (wanted) note(`the service m is left out: ${found.missing}`);
  // Also where the stack has no m yet, for its file may get one while it runs.
  return { needed: false, config: { [key]: "null" } };
}
