/** What the engine's decisions are made of. */
import { isObject, type Json, same } from "../wire/values.ts";
import type { ProviderClient } from "./provider-client.ts";
import type { Registration } from "./registration.ts";
import type { StepKind } from "./types.ts";

/** What a step is about, before its outcome is known. */
export interface Step {
  readonly kind: StepKind;
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly parent?: string;
  readonly inputs: Json;
  readonly diffs?: readonly string[];
  readonly replaces?: readonly string[];
}

export async function checked(
  provider: ProviderClient,
  urn: string,
  olds: Json,
  news: Json,
): Promise<Json> {
  const { inputs, failures } = await provider.check(urn, olds, news);
  if (failures.length === 0) return inputs;
  throw new Error(
    failures
      .map(({ property, reason }) => (property === "" ? reason : `${property}: ${reason}`))
      .join("; "),
  );
}

export function head(
  urn: string,
  { type, name, parent }: Registration,
): Pick<Step, "urn" | "type" | "name" | "parent"> {
  return { urn, type, name, ...(parent === undefined ? {} : { parent }) };
}

export function replacesOn({ replaceOnChanges }: Registration, key: string): boolean {
  return replaceOnChanges.some((path) => path === "*" || path.split(/[.[]/)[0] === key);
}

/** Top-level properties that differ, sorted; names with two leading lines are the provider's own. */
export function changedKeys(before: Json, after: Json): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => !key.startsWith("__") && !same(before[key], after[key]))
    .sort();
}

export function describe(
  resource: { readonly type: string; readonly name: string },
  what: string,
): string {
  return `${resource.type} "${resource.name}": ${what}`;
}

export function text(error: unknown): string {
  if (error instanceof Error) return error.message;
  return isObject(error) ? JSON.stringify(error) : String(error);
}
