/** What requests say beside their bodies. Each function throws HttpError 400 for what it cannot read. */
import { createHash } from "node:crypto";
import { HttpError } from "../lib/http.ts";
import { encodePatch, type Patch } from "./patch.ts";

/** The tag of a revision (RFC 9110, section 8.8.3): a strong one, the bytes are the same everywhere. */
export function tagOf(rev: number): string {
  return `"${rev}"`;
}

/**
 * `If-Match`: the revision that must be the current one.
 *
 * @returns undefined when any will do: without the header and for `*`
 */
export function readIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === "*") return undefined;
  const rev = /^"(0|[1-9]\d{0,14})"$/.exec(header.trim())?.[1];
  if (rev !== undefined) return Number(rev);
  throw wrong("If-Match", header, 'one revision in quotes, as in ETag: "7"');
}

/** `If-None-Match` (RFC 9110, section 13.1.2): whether the caller has this revision. */
export function matchesNone(header: string | undefined, tag: string): boolean {
  if (header === undefined) return true;
  if (header === tag) return false;
  const tags = header.split(",").map((each) => each.trim().replace(/^W\//, ""));
  return !tags.includes("*") && !tags.includes(tag);
}

/** `If-Min-Rev`: the revision that the answer must have at least. */
export function readMinRev(header: string | undefined): number {
  if (header === undefined) return 0;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  throw wrong("If-Min-Rev", header, "a revision, a whole number from 0");
}

/** The longest that a POST may wait for its confirmation, in seconds. */
export const longestWaitSeconds = 60;

/** `?wait=`: how long a POST waits for its confirmation, in seconds; the answer is in milliseconds. */
export function readWait(query: unknown, fallbackMs: number): number {
  if (query === undefined) return fallbackMs;
  const seconds =
    typeof query === "string" && /^\d{1,3}(\.\d{1,3})?$/.test(query) ? Number(query) : NaN;
  if (seconds <= longestWaitSeconds) return seconds * 1000;
  const shown = typeof query === "string" ? query : "given several times";
  throw wrong("wait", shown, `seconds from 0 to ${longestWaitSeconds}, for example 2.5`);
}

/** `Idempotency-Key`: what makes a request safe to repeat, with a digest of what it asks for. */
export function readIdempotencyKey(
  header: string | undefined,
  patch: Patch,
): { readonly key: string; readonly digest: string } | undefined {
  if (header === undefined) return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw wrong("Idempotency-Key", header, "1 to 255 printable ASCII characters without spaces");
  }
  return { key: digest(header), digest: digest(encodePatch(patch)) };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function wrong(name: string, value: string, allowed: string): HttpError {
  const shown = JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  return new HttpError(400, "invalid_argument", `${name} is ${shown}; allowed: ${allowed}`);
}
