import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/**
 * Checks the key of a request. Digests are compared, so that how long it takes says nothing of the key, nor
 * of its length.
 */
export function isKey(given: string, key: string): boolean {
  // An empty key opens nothing, whoever sends an empty one.
  return timingSafeEqual(digest(given), digest(key)) && key !== "";
}

/** The key that a request comes with, in one of the three places where it may be; undefined: none. */
export function keyOf(headers: IncomingHttpHeaders, query: URLSearchParams): string | undefined {
  const header = headers["x-api-key"];
  if (typeof header === "string") return header;
  const authorization = /^apikey +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  return authorization ?? query.get("api_key") ?? undefined;
}

/**
 * Whether a page sent it: browsers say where a request comes from, and no page can keep them from it.
 * (`sec-fetch-mode` says nothing: Node's own fetch sends it, too.)
 */
export function isFromBrowser(headers: IncomingHttpHeaders): boolean {
  const marks = ["origin", "sec-fetch-site", "sec-fetch-dest"];
  return marks.some((name) => headers[name] !== undefined);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
