/**
 * A recorded graph as a file that people review: what a change of the program changes in the cloud.
 * What only code changes (digests of archives and the version ids made of them) has a placeholder, so
 * that the file stays as it is while the infrastructure does.
 */
import { join } from "node:path";
import { format } from "prettier";
import type { RecordedGraph, RecordedResource } from "../../local/record.ts";

export const root = join(import.meta.dirname, "..", "..");

export function goldenFile(stack: string): string {
  return join(import.meta.dirname, `${stack}.json`);
}

/** The text of the golden file of a graph. */
export async function goldenText({ resources, outputs }: RecordedGraph): Promise<string> {
  const hide = placeholders(resources);
  const shorten = dependencyReader(resources);
  const shown = Object.fromEntries(
    resources.map((resource) => [shortUrn(resource.urn), describe(resource, shorten)]),
  );
  const json = JSON.stringify(readable({ outputs, resources: shown }, hide));
  return format(json, { parser: "json", printWidth: 100 });
}

function describe(
  resource: RecordedResource,
  dependencies: (resource: RecordedResource) => string[],
): Record<string, unknown> {
  const { parent, protect, retainOnDelete, deleteBeforeReplace, importId } = resource;
  // A component hands what it waits for to what is in it; once is enough to read.
  const after = resource.custom ? dependencies(resource) : [];
  return {
    ...(parent === undefined ? {} : { parent: typeAndName(parent) }),
    ...(protect ? { protect } : {}),
    ...(retainOnDelete ? { retainOnDelete } : {}),
    ...(deleteBeforeReplace === undefined ? {} : { deleteBeforeReplace }),
    ...given("replaceOnChanges", resource.replaceOnChanges),
    ...given("ignoreChanges", resource.ignoreChanges),
    ...given("aliases", resource.aliases),
    ...(importId === undefined ? {} : { import: importId }),
    ...given("after", after),
    ...(resource.custom ? { inputs: resource.inputs } : {}),
  };
}

function given(key: string, list: readonly unknown[]): Record<string, unknown> {
  return list.length === 0 ? {} : { [key]: list };
}

/** Type and name with the types of the parents: the stack's and the project's name are the file's. */
function shortUrn(urn: string): string {
  return urn.split("::").slice(2).join("::");
}

/** The same without the types of the parents. */
export function typeAndName(urn: string): string {
  return shortUrn(urn)
    .replace(/^[^:]*(:[^$]*\$)+/, "")
    .replace(/^.*\$/, "");
}

/**
 * Writes dependencies as a person would: without those that another one implies, and with one line for
 * all that a component holds.
 */
function dependencyReader(
  resources: readonly RecordedResource[],
): (resource: RecordedResource) => string[] {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const reached = new Map<string, ReadonlySet<string>>();
  const reach = (urn: string): ReadonlySet<string> => {
    const known = reached.get(urn);
    if (known) return known;
    const all = new Set<string>();
    for (const next of byUrn.get(urn)?.dependencies ?? []) {
      all.add(next);
      for (const further of reach(next)) all.add(further);
    }
    reached.set(urn, all);
    return all;
  };
  const children = Map.groupBy(
    resources.filter(({ custom }) => custom),
    ({ parent }) => parent ?? "",
  );
  return ({ dependencies }) => {
    const needed = dependencies.filter(
      (one) => !dependencies.some((other) => other !== one && reach(other).has(one)),
    );
    const lines = new Set(needed);
    for (const [parent, members] of children) {
      if (members.length > 1 && members.every(({ urn }) => lines.has(urn))) {
        for (const { urn } of members) lines.delete(urn);
        lines.delete(parent);
        lines.add(`${parent} (all of it)`);
      }
    }
    return [...lines].map(typeAndName).sort();
  };
}

/** Replaces what derives from the code of an app by words. */
function placeholders(resources: readonly RecordedResource[]): (text: string) => string {
  const words = new Map<string, string>();
  for (const { type, inputs } of resources) {
    const { name, service, versionId } = inputs;
    if (type === "gcp:storage/bucketObject:BucketObject" && typeof name === "string") {
      const [, app = "", digest = ""] = /^(.+)\/([0-9a-f]{64})\.zip$/.exec(name) ?? [];
      if (digest !== "") words.set(digest, `<digest of ${app}>`);
    }
    if (typeof versionId === "string" && typeof service === "string") {
      words.set(versionId, `<version of ${service}>`);
    }
  }
  return (text) => [...words].reduce((all, [from, to]) => all.replaceAll(from, to), text);
}

/** Sorted keys; a text of several lines as a list of lines, so that a diff shows the one that changed. */
function readable(value: unknown, hide: (text: string) => string): unknown {
  if (typeof value === "string") {
    const text = hide(value);
    return text.includes("\n") ? { "[lines]": text.split("\n") } : text;
  }
  if (Array.isArray(value)) return value.map((item) => readable(item, hide));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]): [string, unknown] => [hide(key), readable(item, hide)])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
