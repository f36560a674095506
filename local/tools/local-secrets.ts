/**
 * What the secrets of services hold on this machine, beside their NKeys: random texts, made once, kept
 * in the cache folder for the user alone. They open nothing but what `npm start` runs.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { readPrivateRecord, writePrivateRecord } from "./private-record.ts";

/** Calls wait for each other, or two new secrets would lose one of them. */
let last: Promise<unknown> = Promise.resolve();

/** The text of a secret; a new one for a secret that has none. */
export function localSecret(
  folder: string,
  id: string,
  note: (line: string) => void,
): Promise<string> {
  const result = last.then(async () => {
    const file = join(folder, "secrets.json");
    const texts = new Map(
      Object.entries(
        await readPrivateRecord(file, () => {
          note(`${file} is damaged; new secrets are made`);
        }),
      ),
    );
    const known = texts.get(id);
    if (known !== undefined && known !== "") return known;
    // Letters and digits, for it is pasted where tokens are made.
    const made = randomBytes(48).toString("base64url");
    await writePrivateRecord(file, Object.fromEntries(texts.set(id, made)));
    return made;
  });
  last = result.catch(() => undefined);
  return result;
}
