/**
 * The table of settings in docs/config.md, made from what the schema says of each field. The prose
 * around it is written by hand.
 */
import { z } from "zod";
import { providerSchemas, schemas } from "../../config.ts";

/** One field that a stack may set. */
export interface Field {
  /** As in a stack file, levels joined by dots; without the namespace of the project. */
  readonly path: string;
  readonly optional: boolean;
  /** What it is, in Markdown. */
  readonly what: string;
  /** What a change of it does, in Markdown. */
  readonly changing: string;
}

const explanation = z.object({ description: z.string().min(1), changing: z.string().min(1) });

/**
 * Every field in the order of the schema: the values, and those groups that may be left out as a whole.
 *
 * @throws Error that names the fields of which the schema says nothing
 */
export function settingsFields(
  all: Readonly<Record<string, z.ZodType>> = { ...providerSchemas, ...schemas },
): Field[] {
  const fields: Field[] = [];
  const silent: string[] = [];
  const add = (path: string, schema: z.core.$ZodType): void => {
    const optional = schema instanceof z.ZodExactOptional;
    const inner = optional ? schema.unwrap() : schema;
    const isGroup = inner instanceof z.ZodObject;
    if (optional || !isGroup) {
      const said = explanation.safeParse(z.globalRegistry.get(schema));
      if (said.success) {
        const { description: what, changing } = said.data;
        fields.push({ path, optional, what, changing });
      } else {
        silent.push(path);
      }
    }
    if (isGroup) {
      for (const [key, part] of Object.entries(inner.shape)) {
        add(`${path}.${key}`, part as z.core.$ZodType);
      }
    }
  };
  for (const [key, schema] of Object.entries(all)) add(key, schema);
  if (silent.length > 0) {
    throw new Error(
      `config.ts explains none of these (wrap their schemas in \`explained\`): ${silent.join(", ")}`,
    );
  }
  return fields;
}

/** The fields as a Markdown table. */
export function referenceTable(fields: readonly Field[]): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|");
  return [
    "| field | what it is | changing it |",
    "| --- | --- | --- |",
    ...fields.map(
      ({ path, optional, what, changing }) =>
        `| \`${path}\`${optional ? " (optional)" : ""} | ${cell(what)} | ${cell(changing)} |`,
    ),
  ].join("\n");
}

const begin = "<!-- Written by `npm run config-reference` from config.ts: -->";
const end = "<!-- By hand again: -->";

/**
 * A document with another table between its two marks.
 *
 * @throws Error when there are no marks, or more than one pair
 */
export function withTable(document: string, table: string): string {
  const parts = document.split(begin);
  const rest = parts[1]?.split(end);
  if (parts.length !== 2 || rest?.length !== 2) {
    throw new Error(`the document needs one line ${begin} and after it one line ${end}`);
  }
  return `${parts[0] ?? ""}${begin}\n\n${table}\n\n${end}${rest[1] ?? ""}`;
}
