import { createHash } from "node:crypto";

const digits = 10;

/** An id of the right form, for what reckons with its length. */
export const versionIdExample = `v${"0".repeat(digits)}`;

/** True for what {@link versionIdOf} may have made. */
export function isVersionId(text: string): boolean {
  return /^v[0-9a-f]{10}$/.test(text);
}

/**
 * Names a version by everything that defines it. A version is immutable: a changed one has another
 * id and is created beside the old one, and a failed creation is repeated by the next `up`, where a
 * failed update would be taken for done.
 *
 * @param definition every argument of the version but its id; plain values
 * @returns `v` and 10 hex digits; the same for the same definition, whatever the order of its keys
 * @throws TypeError for what is not plain, because its value is not known yet
 */
export function versionIdOf(definition: object): string {
  const digest = createHash("sha256").update(canonical(definition, "version")).digest("hex");
  return `v${digest.slice(0, digits)}`;
}

function canonical(value: unknown, path: string): string {
  if (Array.isArray(value)) {
    return `[${value.map((item, i) => canonical(item, `${path}[${i}]`)).join(",")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype) throw new TypeError(`${path} is not a plain value`);
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field, `${path}.${key}`)}`);
    return `{${fields.join(",")}}`;
  }
  if (typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) {
    return JSON.stringify(value);
  }
  throw new TypeError(`${path} is not a plain value`);
}
