/** Names of resources: `urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>`. */

export const stackType = "pulumi:pulumi:Stack";

export interface UrnParts {
  readonly stack: string;
  readonly project: string;
  /** The type with those of its parents, for example `a:b:C$gcp:storage/bucket:Bucket`. */
  readonly qualifiedType: string;
  readonly type: string;
  readonly name: string;
}

/** @throws Error when the text is not a URN */
export function parseUrn(urn: string): UrnParts {
  // A name may hold "::" itself, so it is everything after the third one.
  const match = /^urn:pulumi:(.*?)::(.*?)::(.*?)::(.*)$/s.exec(urn);
  const [, stack, project, qualifiedType, name] = match ?? [];
  if (
    stack === undefined ||
    project === undefined ||
    qualifiedType === undefined ||
    name === undefined
  ) {
    throw new Error(`not a resource name of Pulumi: ${urn}`);
  }
  const type = qualifiedType.slice(qualifiedType.lastIndexOf("$") + 1);
  return { stack, project, qualifiedType, type, name };
}

export interface UrnOptions {
  readonly stack: string;
  readonly project: string;
  /** URN of the parent; the stack itself and no parent at all give the same name. */
  readonly parent?: string | undefined;
  readonly type: string;
  readonly name: string;
}

export function makeUrn({ stack, project, parent, type, name }: UrnOptions): string {
  const parentType = parent === undefined ? "" : parseUrn(parent).qualifiedType;
  const prefix = parentType === "" || parentType === stackType ? "" : `${parentType}$`;
  return `urn:pulumi:${stack}::${project}::${prefix}${type}::${name}`;
}
