import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One file of the site, in memory. */
export interface SiteFile {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
  /** Strong: the same bytes have the same tag on every instance. */
  readonly etag: string;
}

const files = [
  { path: "/", name: "index.html", type: "text/html; charset=utf-8" },
  { path: "/style.css", name: "style.css", type: "text/css; charset=utf-8" },
  { path: "/page.js", name: "page.js", type: "text/javascript; charset=utf-8" },
] as const;

/**
 * Reads the site once; it is small and never changes while the service runs.
 *
 * @throws Error of the file system when a file is missing
 */
export async function readSite(folder: string): Promise<readonly SiteFile[]> {
  return Promise.all(
    files.map(async ({ path, name, type }) => {
      const body = await read(folder, name);
      const digest = createHash("sha256").update(body).digest("base64url").slice(0, 22);
      return { path, type, body, etag: `"${digest}"` };
    }),
  );
}

async function read(folder: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, name));
  } catch (error) {
    if (!name.endsWith(".js")) throw error;
    // Started from source there is no page.js yet. Node's own type stripping makes it.
    const { stripTypeScriptTypes } = await import("node:module");
    const source = await readFile(join(folder, name.replace(/js$/, "ts")), "utf8");
    return Buffer.from(stripTypeScriptTypes(source));
  }
}
