/** A resource as the program asks for it. */
import type { Alias } from "@pulumi/pulumi/proto/alias_pb.js";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import { fromStruct } from "../wire/struct.ts";
import type { Json } from "../wire/values.ts";

/** One alias: a whole URN, or what differs from the resource's own. */
export type AliasSpec =
  | { readonly urn: string }
  | {
      readonly name?: string;
      readonly type?: string;
      readonly stack?: string;
      readonly project?: string;
      /** URN of the former parent; null when it had none. */
      readonly parent?: string | null;
    };

/** One registration, decoded. */
export interface Registration {
  readonly type: string;
  readonly name: string;
  /** False for components. */
  readonly custom: boolean;
  /** URN. */
  readonly parent?: string;
  /** As on the wire, envelopes included. */
  readonly inputs: Json;
  /** URNs, sorted. */
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace?: boolean;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly aliases: readonly AliasSpec[];
  readonly version: string;
  /** The cloud's id of a thing to adopt; empty when it is to be created. */
  readonly importId: string;
}

/** @throws Error naming an option that this engine does not carry out, so that none is lost in silence */
export function decodeRegistration(request: RegisterResourceRequest): Registration {
  const name = request.getName();
  const refuse = (what: string): never => {
    throw new Error(`${request.getType()} "${name}": the embedded engine does not support ${what}`);
  };
  if (request.getRemote()) refuse("remote components");
  const explicit = request.getProvider() !== "" || request.getProvidersMap().getLength() > 0;
  if (explicit || request.getType().startsWith("pulumi:providers:")) {
    refuse("explicit providers: every resource goes to the one that plays gcp");
  }
  if (request.getDeletedwith() !== "") refuse("the option deletedWith");
  if (request.getReplaceWithList().length > 0) refuse("the option replaceWith");
  if (request.hasReplacementTrigger()) refuse("the option replacementTrigger");
  if (request.getTransformsList().length > 0) refuse("transforms");
  if (request.getStateMigrationsList().length > 0) refuse("state migrations");

  const propertyDependencies: Record<string, readonly string[]> = {};
  const entries = [...request.getPropertydependenciesMap().entries()];
  for (const [key, urns] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (urns.getUrnsList().length > 0) propertyDependencies[key] = urns.getUrnsList().sort();
  }
  return {
    type: request.getType(),
    name,
    custom: request.getCustom(),
    ...(request.getParent() === "" ? {} : { parent: request.getParent() }),
    inputs: fromStruct(request.getObject()),
    dependencies: request.getDependenciesList().sort(),
    propertyDependencies,
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    ...(request.getDeletebeforereplacedefined()
      ? { deleteBeforeReplace: request.getDeletebeforereplace() }
      : {}),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    aliases: request.getAliasesList().map(decodeAlias),
    version: request.getVersion(),
    importId: request.getImportid(),
  };
}

function decodeAlias(alias: Alias): AliasSpec {
  const spec = alias.getSpec();
  if (spec === undefined) return { urn: alias.getUrn() };
  const [name, type, stack] = [spec.getName(), spec.getType(), spec.getStack()];
  const project = spec.getProject();
  return {
    ...(name === "" ? {} : { name }),
    ...(type === "" ? {} : { type }),
    ...(stack === "" ? {} : { stack }),
    ...(project === "" ? {} : { project }),
    ...(spec.getNoparent() ? { parent: null } : {}),
    ...(spec.hasParenturn() && spec.getParenturn() !== "" ? { parent: spec.getParenturn() } : {}),
  };
}
