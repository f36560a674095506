/** The public keys that stand in for the stack's own on this machine. */
import { z } from "zod";
import type { StackFile } from "./engine/stack-file.ts";
import { cacheFolder } from "./tools/cache-folder.ts";
import { localNatsKeys } from "./tools/nats-keys.ts";

/** For each service that the stack file has a key of: the one whose seed is on this machine. */
export async function localPublicKeys(
  { project, config }: StackFile,
  note: (line: string) => void,
): Promise<{ readonly configKey: string; readonly keys: Readonly<Record<string, string>> }> {
  const configKey = `${project}:natsKeys`;
  const declared = z.record(z.string(), z.string()).parse(JSON.parse(config[configKey] ?? "{}"));
  const pairs = await localNatsKeys(cacheFolder(), Object.keys(declared), note);
  const keys: Record<string, string> = {};
  for (const [service, { publicKey }] of Object.entries(pairs)) keys[service] = publicKey;
  return { configKey, keys };
}
