/**
 * What a stack's state may make Pulumi do. The CLI starts the plugins that the state names, from where the
 * state says, and configures them as the state says: who may write the state would run programs, or send
 * tokens elsewhere, with the rights of whoever deploys next. This program needs one provider, so nothing
 * else may be there. What remains to such a person: resources in the state that the program does not have
 * are deleted by the next update.
 */
import { z } from "zod";
import { parseUrn } from "../../local/wire/urn.ts";
import { jsonOf, Refusal } from "./refusal.ts";

const resource = z.object({
  urn: z.string(),
  type: z.string(),
  provider: z.string().optional(),
  /** Its replacement is there, and it waits for its end. */
  delete: z.boolean().default(false),
  inputs: z.record(z.string(), z.unknown()).optional(),
  outputs: z.record(z.string(), z.unknown()).default({}),
});
const schema = z.object({
  deployment: z
    .object({
      resources: z.array(resource).nullish(),
      pending_operations: z.array(z.object({ type: z.string().default(""), resource })).nullish(),
    })
    .nullish(),
});

type StateResource = z.infer<typeof resource>;

const providerType = "pulumi:providers:gcp";
/** Settings that send requests elsewhere, as somebody else, or make it another program. */
const dangerous = /endpoint$|credentials$|token$|^impersonate|^universe|url$|^parameter|^envVar/i;

/** What a state holds. */
export interface State {
  readonly resources: readonly StateResource[];
  /** What an interrupted run left in the middle of something. */
  readonly pending: readonly { readonly type: string; readonly resource: StateResource }[];
}

/** @param json what `pulumi stack export` prints */
export function decodeState(json: string): State {
  const result = schema.safeParse(jsonOf(json, "pulumi stack export"));
  if (!result.success) {
    throw new Refusal(`The state has an unknown form: ${z.prettifyError(result.error)}`);
  }
  const { deployment } = result.data;
  return {
    resources: deployment?.resources ?? [],
    pending: deployment?.pending_operations ?? [],
  };
}

/**
 * @param configured the provider's settings in the stack file: those are the program's own wish
 * @returns what must not be there, and the versions of the provider that the state needs
 */
export function judgeState(
  { resources, pending }: State,
  configured: Readonly<Record<string, unknown>>,
): { problems: string[]; versions: string[] } {
  const all = [...resources, ...pending.map((operation) => operation.resource)];
  const versions = new Set<string>();
  const problems = all.flatMap(({ urn, type, provider, inputs = {}, outputs }) => {
    // Parts of the engine go by the one, parts by the other.
    if (typeOf(urn) !== type) return [`${urn}: type ${type}`];
    if (type === providerType) {
      const own = [inputs, outputs]
        .map(({ version }) => version)
        .filter((each) => each !== undefined);
      for (const version of own) {
        if (typeof version === "string" && isVersion(version)) versions.add(version);
      }
      return [
        ...own
          .filter((version) => typeof version !== "string" || !isVersion(version))
          .map((version) => `${urn}: version ${JSON.stringify(version)}`),
        ...[inputs, outputs]
          .flatMap((each) => strangeSettings(each, configured))
          .map((name) => `${urn}: setting ${name}`),
      ];
    }
    if (!/^(gcp:|appengine-realtime:|pulumi:pulumi:Stack$)/.test(type))
      return [`${urn}: type ${type}`];
    // A reference is the provider's URN and its id.
    if (provider !== undefined && typeOf(provider) !== providerType) {
      return [`${urn}: provider ${provider}`];
    }
    return [];
  });
  return { problems: [...new Set(problems)], versions: [...versions] };
}

/** Both, of what `pulumi stack export` prints. */
export function readState(
  json: string,
  configured: Readonly<Record<string, unknown>>,
): { problems: string[]; versions: string[] } {
  return judgeState(decodeState(json), configured);
}

function strangeSettings(
  settings: Readonly<Record<string, unknown>>,
  configured: Readonly<Record<string, unknown>>,
): string[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    // Where the engine keeps its own notes about the plugin.
    if (name === "__internal" && typeof value === "object" && value !== null) {
      return Object.entries(value)
        .filter(([note, noted]) => (note === "name" ? noted !== "gcp" : isStrange(note, noted)))
        .map(([note]) => `${name}.${note}`);
    }
    const isOwn = value !== undefined && value === configured[name];
    return !isOwn && isStrange(name, value) ? [name] : [];
  });
}

function isStrange(name: string, value: unknown): boolean {
  return dangerous.test(name) || JSON.stringify(value).includes("//");
}

/** Undefined for what is no URN. */
function typeOf(urn: string): string | undefined {
  try {
    return parseUrn(urn).type;
  } catch {
    return undefined;
  }
}

/** No range, no path and no address. */
function isVersion(text: string): boolean {
  return /^\d{1,4}\.\d{1,4}\.\d{1,4}$/.test(text);
}
