/**
 * The tables of settings in docs/config.md and docs/environments.md, made from what the schema says of
 * each field and from the stack files. The prose around them is written by hand.
 */
import { z } from "zod";
import { namespace, providerSchemas, schemas } from "../../config.ts";

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

/**
 * What differs between stacks, as a Markdown table: a row for each setting that is one value in each of
 * them. Keys differ everywhere, and are left out.
 *
 * @param stacks what `config` of each stack file says, by the stack's name
 */
export function differencesTable(
  fields: readonly Field[],
  stacks: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): string {
  const names = Object.keys(stacks);
  const rows = fields
    .filter(({ path }) => !path.startsWith("natsKeys."))
    .map(({ path }) => ({ path, values: names.map((name) => valueAt(stacks[name] ?? {}, path)) }))
    .filter(({ values }) => values.every((value) => typeof value !== "object"))
    .filter(({ values }) => new Set(values).size > 1);
  return [
    `| setting | ${names.map((name) => `\`${name}\``).join(" | ")} |`,
    `| --- | ${names.map(() => "---").join(" | ")} |`,
    ...rows.map(
      ({ path, values }) => `| \`${path}\` | ${values.map((value) => shown(value)).join(" | ")} |`,
    ),
  ].join("\n");
}

function shown(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function valueAt(config: Readonly<Record<string, unknown>>, path: string): unknown {
  const [key = "", ...rest] = path.split(".");
  return rest.reduce<unknown>(
    (value, part) =>
      typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined,
    config[key.includes(":") ? key : `${namespace}:${key}`],
  );
}

const begin = /<!-- Written by `npm run config-reference` from [^>]*: -->/g;
const end = "<!-- By hand again: -->";

/**
 * A document with another table between its two marks.
 *
 * @throws Error when there are no marks, or more than one pair
 */
export function withTable(document: string, table: string): string {
  const [mark, ...more] = document.match(begin) ?? [];
  const [before = "", rest = ""] = document.split(mark ?? end);
  const after = rest.split(end);
  if (mark === undefined || more.length > 0 || after.length !== 2) {
    throw new Error(`the document needs one line ${begin.source} and after it one line ${end}`);
  }
  return `${before}${mark}\n\n${table}\n\n${end}${after[1] ?? ""}`;
}
