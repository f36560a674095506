/**
 * The NKeys of the services on this machine: made once, kept in the cache folder for the user alone.
 * They open nothing but the nats-server that `npm start` runs.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import nkeys from "nkeys.js";
import { z } from "zod";

export interface NatsKey {
  /** `U…`; goes into the server's configuration. */
  readonly publicKey: string;
  /** `SU…`; goes to the service alone. */
  readonly seed: string;
}

const fileSchema = z.record(z.string(), z.string());

/**
 * The key of each service; new ones for services that have none. A damaged file is replaced, with
 * a note: what it held can be made anew at any time.
 */
export async function localNatsKeys(
  folder: string,
  services: readonly string[],
  note: (line: string) => void,
): Promise<Record<string, NatsKey>> {
  const file = join(folder, "nats-keys.json");
  const seeds = await readSeeds(file, note);
  const keys: Record<string, NatsKey> = {};
  let changed = false;
  for (const service of services) {
    const known = seeds[service];
    const publicKey = known === undefined ? undefined : publicKeyOf(known);
    if (known !== undefined && publicKey !== undefined) {
      keys[service] = { publicKey, seed: known };
      continue;
    }
    if (known !== undefined) note(`${file}: the key of ${service} is damaged; a new one is made`);
    const pair = nkeys.createUser();
    const seed = Buffer.from(pair.getSeed()).toString("ascii");
    keys[service] = { publicKey: pair.getPublicKey(), seed };
    seeds[service] = seed;
    changed = true;
  }
  if (changed) {
    await mkdir(folder, { recursive: true });
    // Written beside and renamed: who reads meanwhile finds the old file or the new one, whole.
    const partial = `${file}.${process.pid}`;
    await writeFile(partial, `${JSON.stringify(seeds, undefined, 2)}\n`, { mode: 0o600 });
    await rename(partial, file);
  }
  return keys;
}

async function readSeeds(
  file: string,
  note: (line: string) => void,
): Promise<Record<string, string>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    note(`${file} is damaged; new keys are made`);
    return {};
  }
}

function publicKeyOf(seed: string): string | undefined {
  try {
    const key = nkeys.fromSeed(Buffer.from(seed, "ascii")).getPublicKey();
    return key.startsWith("U") ? key : undefined;
  } catch {
    return undefined;
  }
}
