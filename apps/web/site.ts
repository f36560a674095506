import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
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
  { path: "/console.css", name: "console.css", type: "text/css; charset=utf-8" },
  { path: "/console.js", name: "console.js", type: "text/javascript; charset=utf-8" },
] as const;

/**
 * Reads the site once; it is small and never changes while the service runs.
 *
 * @throws Error that names the file that cannot be read
 */
export function readSite(folder: string): readonly SiteFile[] {
  return files.map(({ path, name, type }) => {
    const body = read(join(folder, name));
    const digest = createHash("sha256").update(body).digest("base64url").slice(0, 22);
    return { path, type, body, etag: `"${digest}"` };
  });
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Error(
      `${file} cannot be read. The site's scripts are made when it is bundled: npm run bundle -- web <folder>, then node <folder>/main.js`,
      { cause },
    );
  }
}
