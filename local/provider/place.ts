import type { Place } from "./types/type.ts";

/**
 * Where a stack is deployed to.
 * @param config `namespace:key` → text
 * @throws Error naming the setting that is missing
 */
export function placeOf(config: Readonly<Record<string, string>>): Place {
  return { project: setting(config, "gcp:project"), region: setting(config, "gcp:region") };
}

function setting(config: Readonly<Record<string, string>>, key: string): string {
  const value = config[key];
  if (value === undefined) throw new Error(`the stack's configuration has no ${key}`);
  return value;
}
