/** Reading resource properties, which come from outside and may be unknown in a preview. */
import { isObject, revealSecrets, unknownValue } from "../wire/values.ts";
import type { Props } from "./backend.ts";

export { isObject, lastSegment, same } from "../wire/values.ts";

export function isUnknown(value: unknown): boolean {
  return value === unknownValue;
}

/** Takes secrets out of their envelopes, at every depth. */
export function reveal(value: Props): Props {
  const revealed = revealSecrets(value);
  return isObject(revealed) ? revealed : {};
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
