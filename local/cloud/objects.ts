/** Objects in buckets: the archives that the program uploads, unpacked. */
import { copyFile, cp, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize, resolve, sep } from "node:path";
import { z } from "zod";
import { archiveSignature, assetSignature, signatureKey } from "../wire/values.ts";

const archiveSchema = z.object({
  [signatureKey]: z.literal(archiveSignature),
  assets: z.record(z.string(), z.unknown()),
});
const assetSchema = z.object({
  [signatureKey]: z.literal(assetSignature),
  path: z.string().optional(),
  text: z.string().optional(),
});

export class Objects {
  readonly #folder: string;
  readonly #root: string;
  readonly #unpacked = new Map<string, string>();
  #uploads = 0;

  /** @param root the program's folder, to which the paths of its files are relative */
  constructor(folder: string, root: string) {
    this.#folder = folder;
    this.#root = root;
  }

  /**
   * Takes an upload: the files are copied now, so that what runs later is what was uploaded.
   * @throws Error that names the object and the entry that cannot be unpacked
   */
  async put(bucket: string, name: string, source: unknown): Promise<void> {
    const key = `${bucket}/${name}`;
    const archive = archiveSchema.safeParse(source);
    // Other objects than archives are only recorded: no process reads them here.
    if (!archive.success) return;
    const target = join(this.#folder, `upload-${this.#uploads++}`);
    for (const [entry, value] of Object.entries(archive.data.assets)) {
      const file = inside(target, entry);
      if (file === undefined) {
        throw new Error(`${key}: the archive's entry "${entry}" leads out of it`);
      }
      const asset = assetSchema.safeParse(value);
      await mkdir(dirname(file), { recursive: true });
      if (asset.success && asset.data.text !== undefined && asset.data.text !== "") {
        await writeFile(file, asset.data.text);
      } else if (asset.success && asset.data.path !== undefined && asset.data.path !== "") {
        await copyFile(resolve(this.#root, asset.data.path), file);
      } else {
        throw new Error(
          `${key}: the archive's entry "${entry}" is neither a file nor a text; the local cloud unpacks only these`,
        );
      }
    }
    await mkdir(target, { recursive: true });
    const before = this.#unpacked.get(key);
    this.#unpacked.set(key, target);
    if (before !== undefined) await rm(before, { recursive: true, force: true });
  }

  async remove(bucket: string, name: string): Promise<void> {
    const folder = this.#unpacked.get(`${bucket}/${name}`);
    this.#unpacked.delete(`${bucket}/${name}`);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }

  /**
   * Copies an object's files, as a deployment does: the version lives on when the object is gone.
   * @param url `https://storage.googleapis.com/<bucket>/<object>`
   */
  async copyTo(url: string, target: string): Promise<void> {
    const prefix = "https://storage.googleapis.com/";
    const key = url.startsWith(prefix) ? decodeURIComponent(url.slice(prefix.length)) : undefined;
    const folder = key === undefined ? undefined : this.#unpacked.get(key);
    if (folder === undefined) {
      throw new Error(`no archive was uploaded to ${url}`);
    }
    const partial = `${target}.partial`;
    await rm(partial, { recursive: true, force: true });
    await cp(folder, partial, { recursive: true });
    await rm(target, { recursive: true, force: true });
    await rename(partial, target);
  }
}

/** The path of an entry below a folder; undefined when it would be elsewhere. */
function inside(folder: string, entry: string): string | undefined {
  const clean = normalize(entry);
  if (entry === "" || isAbsolute(clean) || entry.includes("\0")) return undefined;
  if (clean === "." || clean === ".." || clean.startsWith(`..${sep}`)) return undefined;
  return join(folder, clean);
}
