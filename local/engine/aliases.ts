/** Under which former names a resource may be in the state. */
import { makeUrn, parseUrn } from "../wire/urn.ts";
import type { AliasSpec, Registration } from "./registration.ts";

export interface AliasOptions {
  readonly registration: Registration;
  readonly project: string;
  readonly stack: string;
  /** The former URN of the parent, when it was found under an alias. */
  readonly formerParent: string | undefined;
}

/** URNs in the order in which they are to be tried, as the pulumi engine forms them. */
export function aliasUrns(options: AliasOptions): string[] {
  const { registration, formerParent } = options;
  const own = registration.aliases.map((spec) => aliasUrn(spec, options));
  if (registration.parent === undefined || formerParent === undefined) return [...new Set(own)];
  const parentName = parseUrn(registration.parent).name;
  const inherited = [registration, ...own.map((urn) => parseUrn(urn))].map(({ type, name }) =>
    makeUrn({
      ...options,
      parent: formerParent,
      type,
      name: renamed(name, parentName, parseUrn(formerParent).name),
    }),
  );
  return [...new Set([...own, ...inherited])];
}

function aliasUrn(spec: AliasSpec, { registration, project, stack }: AliasOptions): string {
  if ("urn" in spec) return spec.urn;
  const parent = spec.parent === null ? undefined : (spec.parent ?? registration.parent);
  return makeUrn({
    project: spec.project ?? project,
    stack: spec.stack ?? stack,
    parent,
    type: spec.type ?? registration.type,
    name: spec.name ?? registration.name,
  });
}

/** A child whose name begins with its parent's was named after the parent's former name too. */
function renamed(name: string, parentName: string, formerName: string): string {
  return name.startsWith(parentName) ? formerName + name.slice(parentName.length) : name;
}
