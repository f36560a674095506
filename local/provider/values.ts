/** Reading resource properties, which come from outside and may be unknown in a preview. */
import type { Props } from "./backend.ts";

/** What a preview sends for a value that only an update can know. */
const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

export function isUnknown(value: unknown): boolean {
  return value === unknownValue;
}

export function isObject(value: unknown): value is Props {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Takes secrets out of their envelopes, at every depth. */
export function reveal(value: Props): Props {
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, revealValue(v)]));
}

function revealValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealValue);
  if (!isObject(value)) return value;
  return value[signatureKey] === secretSignature ? revealValue(value["value"]) : reveal(value);
}

/** The value at a path such as `networkInterfaces.0.networkIp`; undefined when there is none. */
export function at(value: unknown, path: string): unknown {
  let current = value;
  for (const step of path.split(".")) {
    if (Array.isArray(current)) current = (current as unknown[])[Number(step)];
    else if (isObject(current)) current = current[step];
    else return undefined;
  }
  return current;
}

/** The text at the path; undefined when it is absent, unknown or no text. */
export function textAt(value: unknown, path: string): string | undefined {
  const found = at(value, path);
  return typeof found === "string" && !isUnknown(found) ? found : undefined;
}

/** The number at the path; undefined when it is absent, unknown or no number. */
export function numberAt(value: unknown, path: string): number | undefined {
  const found = at(value, path);
  return typeof found === "number" ? found : undefined;
}

export function listAt(value: unknown, path: string): readonly unknown[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

export function objectAt(value: unknown, path: string): Props {
  const found = at(value, path);
  return isObject(found) ? found : {};
}

/** The last part of a path, id or link: resources are referred to in all of these forms. */
export function lastSegment(reference: string): string {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

/**
 * Equality of JSON values. Null and absent properties are the same, as on the wire; assets and
 * archives that carry a hash are compared by it, for their contents do not travel with old states.
 */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, index) => same(value, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return (a ?? undefined) === (b ?? undefined);
  const [hashA, hashB] = [assetHash(a), assetHash(b)];
  if (hashA !== undefined && hashB !== undefined) return hashA === hashB;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => same(a[key], b[key]));
}

function assetHash(value: Props): string | undefined {
  const hash = value["hash"];
  return value[signatureKey] !== undefined && typeof hash === "string" && hash !== ""
    ? hash
    : undefined;
}
