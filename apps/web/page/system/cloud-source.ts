import { capitalized } from "../ui/format.ts";
import { complete } from "./merge.ts";
import type { InstancePart, Picture, ServicePart, VersionPart } from "./picture.ts";
import { answerOf, isFields, type SystemSource } from "./source.ts";

export interface CloudSourceOptions {
  readonly declared: Picture;
  /** Asks the gateway which processes are connected; null where it does not offer that. */
  readonly servicesMethod: string | null;
  readonly call: (method: string, data: unknown) => Promise<unknown>;
  readonly fetch: typeof fetch;
  /** Of the default service, which is no client of NATS. */
  readonly version: string;
}

/** A process, as the services themselves say it. */
interface Process {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly index: number | null;
  readonly startedAt: string | undefined;
  readonly serving: boolean;
}

const patienceMs = 5_000;

/**
 * What the services know of themselves: each that is connected to NATS answers for its process, and M says
 * which replicas it has. How traffic is split, only App Engine knows.
 */
export function cloudSource(options: CloudSourceOptions): SystemSource {
  const { declared, servicesMethod, call, fetch: get, version } = options;
  const hasM = declared.services.some(({ service }) => service === "m");
  return {
    look: async (signal) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
      const missing: string[] = [];
      const lacks = (error: unknown): undefined => {
        missing.push(sentence(error instanceof Error ? error.message : String(error)));
      };
      const asked =
        servicesMethod === null ? undefined : await call(servicesMethod, {}).catch(lacks);
      let processes = processesOf(asked, "services", "instance");
      const natsAnswers = processes.length > 0;
      let replicas: unknown;
      if (hasM && !processes.some(({ service }) => service === "m")) {
        // Whoever has no such method, or an m of before it, still has this.
        replicas = await answerOf("M", () => get("/m/replicas", { signal: limited })).catch(lacks);
        processes = [...processes, ...processesOf(replicas, "replicas", "replica")];
      }
      const [nats, ...others] = declared.nats;
      const picture = complete(
        {
          ...declared,
          services: withOthers(declared.services, processes).map((service) => {
            const own = processes.filter((process) => process.service === service.service);
            const unseen =
              asked === undefined && !(service.service === "m" && replicas !== undefined);
            // The default service has answered for this page.
            const first: VersionPart[] =
              service.service === "default" && version !== ""
                ? [{ version, share: null, instances: [] }]
                : [];
            return { ...service, unseen, versions: [...first, ...versionsOf(own)] };
          }),
          // Of several nobody here knows which ones live.
          nats:
            natsAnswers && nats !== undefined && others.length === 0
              ? [{ ...nats, state: "live" }]
              : declared.nats,
        },
        declared,
      );
      return { picture, ...(missing.length === 0 ? {} : { missing: missing.join(" ") }) };
    },
  };
}

/** Besides the services that are declared, those that answer nevertheless: of another release, perhaps. */
function withOthers(
  services: readonly ServicePart[],
  processes: readonly Process[],
): readonly ServicePart[] {
  const known = new Set(services.map(({ service }) => service));
  const others = new Set(processes.map(({ service }) => service).filter((one) => !known.has(one)));
  return [...services, ...[...others].map((service) => ({ service, versions: [], nats: true }))];
}

function sentence(text: string): string {
  return `${capitalized(text)}${text.endsWith(".") ? "" : "."}`;
}

function versionsOf(processes: readonly Process[]): VersionPart[] {
  const versions = new Map<string, InstancePart[]>();
  const ordered = [...processes].sort(
    (a, b) => (a.index ?? 0) - (b.index ?? 0) || (a.instance < b.instance ? -1 : 1),
  );
  for (const { service, version, instance, index, startedAt, serving } of ordered) {
    const instances = versions.get(version) ?? [];
    versions.set(version, instances);
    instances.push({
      // Those of App Engine begin alike.
      id: index === null ? instance.slice(-8) : `${service}.${index}`,
      index,
      state: serving ? "live" : "starting",
      ...(startedAt === undefined ? {} : { startedAt }),
    });
  }
  return [...versions].map(([version, instances]) => ({ version, share: null, instances }));
}

/** What of an answer can be read; the rest is left out. */
function processesOf(answer: unknown, list: string, id: string): Process[] {
  const entries = isFields(answer) ? answer[list] : undefined;
  if (!Array.isArray(entries)) return [];
  return entries.filter(isFields).flatMap((entry) => {
    const { service = "m", version = "", index = null, startedAt, serving } = entry;
    const instance = entry[id];
    if (typeof service !== "string" || typeof instance !== "string") return [];
    return {
      service,
      instance,
      version: typeof version === "string" ? version : "",
      index: typeof index === "number" ? index : null,
      startedAt: typeof startedAt === "string" ? startedAt : undefined,
      serving: serving === true,
    };
  });
}
