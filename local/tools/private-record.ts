/** A file of texts by name that only its user can read: what is made once on this machine and kept. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";

const fileSchema = z.record(z.string(), z.string());

/**
 * What the file holds; nothing when there is none.
 *
 * @param damaged is told that the file holds something else; what it held counts as lost
 */
export async function readPrivateRecord(
  file: string,
  damaged: () => void,
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
    damaged();
    return {};
  }
}

export async function writePrivateRecord(
  file: string,
  record: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // Written beside and renamed: who reads meanwhile finds the old file or the new one, whole.
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
  await rename(partial, file);
}
