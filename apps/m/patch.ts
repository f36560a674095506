import { HttpError } from "../lib/http.ts";

/** A change of M: key → the JSON text of its new value, or null where the key goes. */
export type Patch = ReadonlyMap<string, string | null>;

export const patchLimits = {
  /** Of a request's body. */
  bodyBytes: 256 * 1024,
  /** Each is an entity in the transaction. */
  keys: 1_000,
  /** Of a key, in UTF-16 units, as JavaScript and JSON count characters. */
  keyLength: 512,
  /** How deep a value may be nested: what writes JSON recurses. */
  depth: 100,
  /**
   * Of the patch as it is written down. 1e20 is sent in four characters and written in 21, and
   * Datastore takes 1,048,487 bytes.
   */
  writtenBytes: 1_000_000,
} as const;

/**
 * A JSON merge patch (RFC 7396) of the top level: each key is set to its value as a whole, `null`
 * deletes it.
 *
 * @param body decoded JSON of a request
 * @throws HttpError 400 or 413 that names what is wrong and what is allowed
 */
export function decodePatch(body: unknown): Patch {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    const kind = body === undefined ? "absent" : Array.isArray(body) ? "an array" : jsonKind(body);
    throw refusal(`the body must be a JSON object, not ${kind}`);
  }
  const entries = Object.entries(body as Readonly<Record<string, unknown>>);
  if (entries.length > patchLimits.keys) {
    throw new HttpError(
      413,
      "too_large",
      `the body has ${entries.length} keys; at most ${patchLimits.keys} are allowed`,
    );
  }
  const patch = new Map<string, string | null>();
  for (const [key, value] of entries) {
    if (key.length > patchLimits.keyLength) {
      const shown = JSON.stringify(`${key.slice(0, 32)}…`);
      throw refusal(
        `the key ${shown} has ${key.length} characters; at most ${patchLimits.keyLength} are allowed`,
      );
    }
    const problem = valueProblem(value);
    if (problem !== undefined) throw refusal(`the value of ${JSON.stringify(key)} ${problem}`);
    patch.set(key, value === null ? null : JSON.stringify(value));
  }
  const written = Buffer.byteLength(encodePatch(patch));
  if (written > patchLimits.writtenBytes) {
    throw new HttpError(
      413,
      "too_large",
      `the patch is ${written} bytes long when its numbers are written out; at most ${patchLimits.writtenBytes} are allowed`,
    );
  }
  return patch;
}

/** Why a value cannot be kept as it was sent; undefined when it can. */
function valueProblem(value: unknown): string | undefined {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > patchLimits.depth) {
      return `is nested deeper than ${patchLimits.depth} levels, which is the most`;
    }
    const next: unknown[] = [];
    for (const each of level) {
      // JSON.parse makes Infinity of 1e999, and JSON.stringify null of that.
      if (typeof each === "number" && !Number.isFinite(each)) {
        return "holds a number that is too large; IEEE 754 doubles are allowed";
      }
      if (typeof each === "object" && each !== null) {
        for (const inner of Object.values(each) as unknown[]) next.push(inner);
      }
    }
    level = next;
  }
  return undefined;
}

function jsonKind(value: unknown): string {
  return value === null ? "null" : `a ${typeof value}`;
}

function refusal(message: string): HttpError {
  return new HttpError(400, "invalid_argument", message);
}

/** The patch as text, for messages and for the log of changes in Datastore. */
export function encodePatch(patch: Patch): string {
  return JSON.stringify([...patch]);
}

/** @throws Error when the text is none of {@link encodePatch} */
export function parsePatch(text: string): Patch {
  const pairs: unknown = JSON.parse(text);
  if (!Array.isArray(pairs)) throw new Error("a patch is a list of pairs");
  const patch = new Map<string, string | null>();
  for (const pair of pairs as unknown[]) {
    const [key, value] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof key !== "string" || (typeof value !== "string" && value !== null)) {
      throw new Error("a patch holds pairs of a key and a JSON text or null");
    }
    patch.set(key, value);
  }
  return patch;
}
