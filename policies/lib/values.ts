/**
 * Inputs of resources as plain values.
 *
 * In a preview some inputs are not known yet. The policy SDK throws for whoever reads one of them, and turns
 * the rule into advice for that time, even if another input breaks it already. So rules read a copy in which
 * unknown values are texts that mean nothing, and say nothing about those: `pulumi up` asks them again, with
 * all values, before it changes anything.
 */
export type Inputs = Readonly<Record<string, unknown>>;

/** How the engine marks a value that is not known yet, by its type. */
const unknowns: ReadonlySet<unknown> = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

export function isUnknown(value: unknown): boolean {
  return unknowns.has(value);
}

/** A copy of what the SDK hands to a rule; assets are left out. */
export function plainInputs(props: object): Inputs {
  const copy = plain(props);
  return isObject(copy) ? copy : {};
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  // Descriptors, because the SDK's proxy throws when an unknown value is read in the ordinary way.
  const entries = Object.entries(Object.getOwnPropertyDescriptors(value)).map(
    ([key, descriptor]): [string, unknown] => [key, descriptor.value],
  );
  if (Array.isArray(value)) {
    return entries.filter(([key]) => key !== "length").map(([, item]) => plain(item));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype) return undefined;
  return Object.fromEntries(entries.map(([key, item]) => [key, plain(item)]));
}

export function isObject(value: unknown): value is Inputs {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path of property names; undefined where there is none. */
export function valueAt(inputs: Inputs, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => (isObject(inner) ? inner[key] : undefined), inputs);
}

/** The list at a path; empty where there is none. */
export function listAt(inputs: Inputs, ...path: readonly string[]): readonly unknown[] {
  const value = valueAt(inputs, ...path);
  return Array.isArray(value) ? value : [];
}

/** The texts of a list at a path that are known. */
export function textsAt(inputs: Inputs, ...path: readonly string[]): readonly string[] {
  return listAt(inputs, ...path).filter(
    (value) => typeof value === "string" && !isUnknown(value),
  ) as string[];
}

/** Calls `visit` for every value that is no object and no list, with its path; and for every object's keys. */
export function visitValues(
  value: unknown,
  visit: (path: readonly string[], value: unknown) => void,
  path: readonly string[] = [],
): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) visitValues(item, visit, [...path, String(index)]);
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) visitValues(item, visit, [...path, key]);
  } else if (!isUnknown(value)) {
    visit(path, value);
  }
}
