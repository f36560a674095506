/** Content hashes of assets: the program sends paths, and the same path may hold other bytes. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isAsset, isObject, type Json } from "../wire/values.ts";

/**
 * The inputs with a `hash` in the envelope of every asset and archive, as the pulumi engine adds one.
 *
 * @param root what relative paths are relative to: the program's folder
 * @throws Error naming a file that cannot be read
 */
export async function withHashes(inputs: Json, root: string): Promise<Json> {
  const entries = Object.entries(inputs).map(
    async ([key, value]) => [key, await hashed(value, root)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

async function hashed(value: unknown, root: string): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((v) => hashed(v, root)));
  if (!isObject(value)) return value;
  if (!isAsset(value)) return withHashes(value, root);
  const hash = createHash("sha256");
  await feed(hash, value, root);
  return { ...value, hash: hash.digest("hex") };
}

async function feed(hash: ReturnType<typeof createHash>, asset: Json, root: string): Promise<void> {
  const { path, text, uri, assets } = asset;
  if (typeof path === "string") {
    await feedPath(hash, resolve(root, path));
  } else if (isObject(assets)) {
    for (const name of Object.keys(assets).sort()) {
      hash.update(`${name}\0`);
      const inner = assets[name];
      if (isObject(inner)) await feed(hash, inner, root);
    }
  } else {
    hash.update(`${String(text ?? uri)}\0`);
  }
}

async function feedPath(hash: ReturnType<typeof createHash>, path: string): Promise<void> {
  let folder: boolean;
  try {
    folder = (await stat(path)).isDirectory();
  } catch (error) {
    throw new Error(`the asset ${path} cannot be read`, { cause: error });
  }
  if (!folder) {
    const bytes = await readFile(path);
    hash.update(`${bytes.length}\0`).update(bytes);
    return;
  }
  for (const name of (await readdir(path)).sort()) {
    hash.update(`${name}\0`);
    await feedPath(hash, join(path, name));
  }
}
