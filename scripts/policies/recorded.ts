/** The recorded graph of a stack as the rules of `policies/` see resources. */
import type { RecordedResource } from "../../local/record.ts";
import { unknownValue } from "../../local/wire/values.ts";
import type { Resource } from "../../policies/lib/rule.ts";

export function ruleResources(recorded: readonly RecordedResource[]): Resource[] {
  return recorded.map(({ type, name, urn, inputs, outputs, protect }) => {
    const given = type === "pulumi:pulumi:Stack" ? (outputs ?? {}) : inputs;
    return {
      type,
      name,
      urn,
      inputs: Object.fromEntries(Object.entries(given).map(([key, value]) => [key, wired(value)])),
      protect,
    };
  });
}

/** Takes back what a recording does for people: see `readable` in local/wire/values.ts. */
function wired(value: unknown): unknown {
  if (value === "[unknown]") return unknownValue;
  if (Array.isArray(value)) return value.map(wired);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [[key, inner] = []] = entries;
  if (entries.length === 1 && key === "[secret]") return wired(inner);
  if (entries.length === 1 && (key === "[asset]" || key === "[archive]")) return undefined;
  return Object.fromEntries(entries.map(([name, item]) => [name, wired(item)]));
}
