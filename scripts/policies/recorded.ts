/** The recorded graph of a stack as the rules of `policies/` see resources. */
import type { RecordedResource } from "../../local/record.ts";
import type { Resource } from "../../policies/lib/rule.ts";

/** What the engine says for a text that is not known yet. */
const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

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
  if (value === "[unknown]") return unknownText;
  if (Array.isArray(value)) return value.map(wired);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [[key, inner] = []] = entries;
  if (entries.length === 1 && key === "[secret]") return wired(inner);
  if (entries.length === 1 && (key === "[asset]" || key === "[archive]")) return undefined;
  return Object.fromEntries(entries.map(([name, item]) => [name, wired(item)]));
}
