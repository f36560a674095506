/**
 * The NKeys of the services on this machine: made once, kept in the cache folder for the user alone.
 * They open nothing but the nats-server that `npm start` runs.
 */
import { join } from "node:path";
import nkeys from "nkeys.js";
import { readPrivateRecord, writePrivateRecord } from "./private-record.ts";

export interface NatsKey {
  /** `U…`; goes into the server's configuration. */
  readonly publicKey: string;
  /** `SU…`; goes to the service alone. */
  readonly seed: string;
}

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
  const seeds = await readPrivateRecord(file, () => {
    note(`${file} is damaged; new keys are made`);
  });
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
  if (changed) await writePrivateRecord(file, seeds);
  return keys;
}

function publicKeyOf(seed: string): string | undefined {
  try {
    const key = nkeys.fromSeed(Buffer.from(seed, "ascii")).getPublicKey();
    return key.startsWith("U") ? key : undefined;
  } catch {
    return undefined;
  }
}
