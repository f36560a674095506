/** A Pulumi provider that plays `gcp`: it checks and compares as the real one does. */
import { randomBytes } from "node:crypto";
import type {
  CheckFailure,
  CheckResult,
  CreateResult,
  DiffResult,
  InvokeResult,
  Provider,
  ReadResult,
  UpdateResult,
} from "@pulumi/pulumi/provider/index.js";
import { parseUrn } from "../wire/urn.ts";
import type { Backend, Props, Resource } from "./backend.ts";
import { Registry } from "./registry.ts";
import { isPartlyUnknown } from "./types/checks.ts";
import { declared } from "./types/declared.ts";
import { resourceTypes } from "./types/index.ts";
import { projectNumber } from "./types/numbers.ts";
import { type Place, Refusal, type ResourceType } from "./types/type.ts";
import { at, isObject, reveal, same } from "./values.ts";

export type ProviderOptions = Place;

/** Names that the provider made up, as the real one notes them. */
const defaultsKey = "__defaults";
/** The inputs among a resource's outputs: only they are compared with the next inputs. */
const givenKey = "__given";
/** What the provider fills in where the program is silent. */
const placeKeys: readonly string[] = ["project", "region", "zone", "location"];

/**
 * @param options what `gcp:project` and its like would configure: the SDK's server hands a provider
 *   no configuration
 * @param backend told of every resource that passed all checks; its rejection is the cloud's refusal
 */
export function createProvider(options: ProviderOptions, backend: Backend): Provider {
  const live = new Registry();
  const busy = new Set<string>();

  /** Keeps a second creation of the same thing from slipping in while the first is under way. */
  async function alone<T>(resource: Resource, work: () => Promise<T>): Promise<T> {
    const key = `${resource.type} ${resource.id}`;
    if (busy.has(key)) throw new Refusal(`Error 409: ${resource.id} is being changed already`);
    busy.add(key);
    try {
      return await work();
    } finally {
      busy.delete(key);
    }
  }

  /** @param before the id of the thing that is to be changed */
  function resourceOf(
    urn: string,
    wire: Props,
    before?: string,
  ): { type: ResourceType; resource: Resource } {
    const token = typeOf(urn);
    const type = knownType(token);
    const inputs = without(reveal(wire), [defaultsKey]);
    const kept = type.numbered === true ? before : undefined;
    const id = kept ?? type.id(inputs, options);
    const outputs = { ...type.computed?.(inputs, options, id), ...inputs };
    return { type, resource: { type: token, urn, id, inputs, outputs } };
  }

  return {
    version: "9.37.0",

    check(urn: string, olds: unknown, news: unknown): Promise<CheckResult> {
      return settle(() => check(urn, asProps(olds), asProps(news), options));
    },

    diff(_id: string, urn: string, olds: unknown, news: unknown): Promise<DiffResult> {
      return settle(() => diff(typeOf(urn), asProps(olds), asProps(news)));
    },

    async create(urn: string, inputs: unknown): Promise<CreateResult> {
      const wire = asProps(inputs);
      const { type, resource } = resourceOf(urn, wire);
      await alone(resource, async () => {
        const before = live.get(resource.type, resource.id);
        // Where a part of the id is still unknown, nothing can be said of a conflict.
        if (before !== undefined && type.upsert === undefined && !isPartlyUnknown(resource.id)) {
          throw new Refusal(`Error 409: ${resource.id} already exists`);
        }
        type.admit?.(resource, live, options);
        await (before === undefined ? backend.create(resource) : backend.update(resource, before));
        live.put(resource);
      });
      return { id: resource.id, outs: outsOf(resource, wire) };
    },

    read(id: string, urn: string): Promise<ReadResult> {
      return settle(() => {
        const resource = live.get(typeOf(urn), id);
        // An empty id says that the thing is gone; the engine then drops it from the state.
        if (resource === undefined) return { id: "", props: {} };
        return { id, props: outsOf(resource, resource.inputs), inputs: resource.inputs };
      });
    },

    async update(id: string, urn: string, olds: unknown, news: unknown): Promise<UpdateResult> {
      const wire = asProps(news);
      const { type, resource } = resourceOf(urn, wire, id);
      const before = live.get(resource.type, id);
      if (before === undefined) {
        throw new Refusal(
          `${id} is not in the local cloud, which forgets everything when it stops; run pulumi refresh`,
        );
      }
      if (resource.id !== id) {
        throw new Refusal(
          `the change would make another thing, ${resource.id}, and leave ${id} behind unmanaged; ` +
            `declare it under a new logical name`,
        );
      }
      await alone(resource, async () => {
        type.admit?.(resource, live, options);
        const { changed } = compare(type, asProps(olds), wire);
        // This one steers the provider and is never sent.
        if (changed.some((property) => property !== "deletionPolicy")) {
          await backend.update(resource, before);
        }
        live.put(resource);
      });
      return { outs: outsOf(resource, wire) };
    },

    async delete(id: string, urn: string, props: unknown): Promise<void> {
      const token = typeOf(urn);
      const found = live.get(token, id);
      if (found === undefined) return;
      const type = knownType(token);
      // The flags count as they were in the state.
      const resource = { ...found, inputs: given(asProps(props)) };
      const policy = resource.inputs["deletionPolicy"];
      if (policy === "PREVENT") {
        throw new Refusal(`deletionPolicy is PREVENT: ${id} must not be deleted`);
      }
      if (policy === "ABANDON" || type.onDelete?.(resource, live) === "keep") return;
      for (const gone of [...(type.alsoDeleted?.(resource, live) ?? []), resource]) {
        await backend.delete(gone);
        live.remove(gone);
      }
    },

    invoke(token: string): Promise<InvokeResult> {
      return settle(() => invoke(token, options));
    },
  };
}

function check(urn: string, olds: Props, news: Props, place: Place): CheckResult {
  const token = typeOf(urn);
  const type = resourceTypes.get(token);
  const properties = declared.get(token);
  if (type === undefined || properties === undefined) {
    return { inputs: news, failures: [{ property: "", reason: unknownType(token) }] };
  }
  const failures: CheckFailure[] = [];
  const report = (property: string, reason: string): void => {
    failures.push({ property, reason });
  };
  const inputs = named(urn, type, olds, without(news, [defaultsKey]));
  const plain = without(reveal(inputs), [defaultsKey]);
  for (const key of properties.required) {
    if (plain[key] === undefined || plain[key] === null) report(key, "is missing");
  }
  const known = new Set([...properties.required, ...properties.optional]);
  for (const key of Object.keys(plain)) {
    if (!known.has(key)) report(key, `is not a property of ${token}`);
  }
  const policy = plain["deletionPolicy"];
  if (typeof policy === "string" && !/^(DELETE|PREVENT|ABANDON|DISABLE)$/.test(policy)) {
    report("deletionPolicy", `"${policy}" is not one of DELETE, PREVENT, ABANDON`);
  }
  type.check?.(plain, report, place);
  return { inputs, failures };
}

/** Makes up the name that was left out, or keeps the one that was made up before. */
function named(urn: string, type: ResourceType, olds: Props, news: Props): Props {
  const property = type.autoNamed;
  if (property === undefined) return news;
  if (news[property] !== undefined && news[property] !== null) return news;
  const kept = asList(olds[defaultsKey]).includes(property) ? olds[property] : undefined;
  const made = kept ?? `${parseUrn(urn).name}-${randomBytes(4).toString("hex").slice(0, 7)}`;
  return { ...news, [property]: made, [defaultsKey]: [property] };
}

function diff(token: string, olds: Props, news: Props): DiffResult {
  const type = knownType(token);
  const { changed, replaces } = compare(type, olds, news);
  const madeUp = asList(news[defaultsKey]).includes(type.autoNamed);
  const deleteBeforeReplace =
    type.deleteBeforeReplace === "always" || (type.deleteBeforeReplace === "when named" && !madeUp);
  return {
    changes: changed.length > 0,
    replaces,
    deleteBeforeReplace: replaces.length > 0 && deleteBeforeReplace,
  };
}

/** @param olds the old outputs @param news the new inputs */
function compare(
  type: ResourceType,
  olds: Props,
  news: Props,
): { changed: string[]; replaces: string[] } {
  const outputs = reveal(olds);
  const after = without(reveal(news), [defaultsKey]);
  const before = withPlace(given(olds), outputs, after);
  type.customizeDiff?.(before, after);
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = keys
    .filter(
      (key) => !same(before[key], after[key]) && type.suppressDiff?.(key, before, after) !== true,
    )
    .sort();
  const replaces = [
    ...type.replaces.filter((path) => !same(at(before, path), at(after, path))),
    ...(type.replacesWhen?.(before, after) ?? []),
  ].map((path) => path.split(".")[0] ?? path);
  return { changed, replaces: [...new Set(replaces)].filter((key) => changed.includes(key)) };
}

/** What the provider filled in is neither new when it is said, nor gone when it is not. */
function withPlace(inputs: Props, outputs: Props, after: Props): Props {
  const place = placeKeys
    .filter((key) => after[key] !== undefined && outputs[key] !== undefined)
    .map((key) => [key, outputs[key]] as const);
  return { ...without(inputs, placeKeys), ...Object.fromEntries(place) };
}

function invoke(token: string, place: Place): InvokeResult {
  const { project } = place;
  switch (token) {
    case "gcp:organizations/getProject:getProject":
      return {
        outputs: {
          id: `projects/${project}`,
          projectId: project,
          name: project,
          number: projectNumber(project),
        },
      };
    default:
      throw new Refusal(`the local provider does not know the data source ${token}`);
  }
}

/** The whole state of a resource: secrets stay in their envelopes. */
function outsOf(resource: Resource, wire: Props): Props {
  const inputs = without(wire, [defaultsKey]);
  return withoutUndefined({
    ...resource.outputs,
    ...inputs,
    [givenKey]: Object.keys(inputs).sort(),
  });
}

/** The inputs among a resource's outputs. */
function given(outs: Props): Record<string, unknown> {
  const keys = asList(outs[givenKey]);
  const plain = reveal(outs);
  return Object.fromEntries(Object.entries(plain).filter(([key]) => keys.includes(key)));
}

function typeOf(urn: string): string {
  return parseUrn(urn).type;
}

function knownType(token: string): ResourceType {
  const type = resourceTypes.get(token);
  if (type === undefined) throw new Refusal(unknownType(token));
  return type;
}

function unknownType(token: string): string {
  return `the local provider does not know the resource type ${token}; describe it in local/provider/types`;
}

function without(props: Props, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(props).filter(([key]) => !keys.includes(key)));
}

/** The wire has no undefined: the SDK fails with "Unexpected struct type." on it. */
function withoutUndefined(props: Props): Props {
  return Object.fromEntries(Object.entries(props).filter(([, value]) => value !== undefined));
}

function asProps(value: unknown): Props {
  return isObject(value) ? value : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A throw becomes a rejection, which the SDK's server answers as an error. */
function settle<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}
