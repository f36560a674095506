/** What runs, in the form in which the console draws it: `GET /_local/system`. */
import { lastSegment } from "../wire/values.ts";
import type { AppVersion } from "./app-version.ts";
import type { DispatchRule } from "./routing.ts";
import type { ProcessState } from "./supervised.ts";

/** Which process is meant; as the picture has it. */
export type KillTarget =
  | { readonly service: string; readonly version: string; readonly index: number }
  | { readonly nats: string };

interface ProcessPart {
  readonly state: ProcessState;
  readonly starts: number;
  readonly startedAt?: string;
  readonly pid?: number;
  readonly kill: KillTarget;
}

export interface Picture {
  readonly services: readonly {
    readonly service: string;
    readonly kind: "standard" | "flexible";
    readonly scaling: "automatic" | "manual";
    readonly versions: readonly {
      readonly version: string;
      /** 0 to 1. */
      readonly share: number;
      readonly instances: readonly ({
        readonly id: string;
        readonly index: number;
      } & ProcessPart)[];
    }[];
  }[];
  readonly rules: readonly { readonly path: string; readonly service: string }[];
  readonly nats: readonly ({ readonly name: string } & ProcessPart)[];
  readonly topics: readonly {
    readonly name: string;
    readonly subscriptions: readonly SubscriptionPart[];
  }[];
}

interface SubscriptionPart {
  readonly name: string;
  /** Empty for an endpoint that names no service. */
  readonly service: string;
  readonly version?: string;
  readonly index?: number;
}

/** A process as its supervisor knows it. */
export interface PicturedProcess {
  readonly state: ProcessState;
  readonly starts: number;
  readonly startedAt: Date | undefined;
  readonly pid: number | undefined;
}

export interface PictureParts {
  readonly services: ReadonlyMap<
    string,
    {
      readonly versions: ReadonlyMap<string, AppVersion>;
      readonly shares: ReadonlyMap<string, number>;
    }
  >;
  readonly rules: readonly DispatchRule[];
  readonly nats: ReadonlyMap<string, PicturedProcess>;
  /** By full name: the endpoints of its subscriptions, by their full names; undefined: pulled from. */
  readonly topics: ReadonlyMap<string, ReadonlyMap<string, string | undefined>>;
}

export function pictureOf({ services, rules, nats, topics }: PictureParts): Picture {
  return {
    services: [...services].map(([service, { versions, shares }]) => {
      const specs = [...versions.values()].map(({ spec }) => spec);
      return {
        service,
        kind: specs.at(-1)?.kind ?? "standard",
        scaling: specs.at(-1)?.manual === true ? "manual" : "automatic",
        versions: [...versions].map(([version, { instances }]) => ({
          version,
          share: shares.get(version) ?? 0,
          instances: instances.map((instance) => ({
            id: `${service}.${instance.index}`,
            index: instance.index,
            ...processPart(instance, { service, version, index: instance.index }),
          })),
        })),
      };
    }),
    rules: rules.map(({ path, service }) => ({ path, service })),
    nats: [...nats].map(([name, server]) => ({ name, ...processPart(server, { nats: name }) })),
    topics: [...topics].map(([name, subscriptions]) => ({
      name: lastSegment(name),
      subscriptions: [...subscriptions].map(([subscription, endpoint]) => ({
        name: lastSegment(subscription),
        ...receiver(endpoint),
      })),
    })),
  };
}

function processPart(process: PicturedProcess, kill: KillTarget): ProcessPart {
  const { state, starts, startedAt, pid } = process;
  return {
    ...{ state, starts, kill },
    ...(startedAt === undefined ? {} : { startedAt: startedAt.toISOString() }),
    ...(pid === undefined || state !== "live" ? {} : { pid }),
  };
}

/** Whom an endpoint names: `https://[[<instance>-dot-]<version>-dot-]<service>-dot-<host>/…`. */
function receiver(endpoint: string | undefined): Omit<SubscriptionPart, "name"> {
  const host = endpoint === undefined ? "" : (URL.parse(endpoint)?.hostname ?? "");
  const target = (host.split(".")[0] ?? "").split("-dot-").slice(0, -1);
  const [service, version, index] = target.toReversed();
  return {
    service: service ?? "",
    ...(version === undefined ? {} : { version }),
    ...(/^\d+$/.test(index ?? "") ? { index: Number(index) } : {}),
  };
}
