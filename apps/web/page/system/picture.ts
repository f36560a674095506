/** What can be ended by hand, in the local cloud only; given back as it came. */
export type KillTarget =
  | { readonly service: string; readonly version: string; readonly index: number }
  | { readonly nats: string };

/** Whether two name the same process. */
export function isSame(a: KillTarget, b: KillTarget): boolean {
  if ("nats" in a || "nats" in b) return "nats" in a && "nats" in b && a.nats === b.nats;
  return a.service === b.service && a.version === b.version && a.index === b.index;
}

export interface InstancePart {
  readonly id: string;
  /** Of manual scaling, where it is known. */
  readonly index: number | null;
  readonly state: "starting" | "live" | "restarting" | "stopping";
  readonly starts?: number;
  readonly startedAt?: string;
  /** Of its process, while that one lives. */
  readonly pid?: number;
  readonly kill?: KillTarget;
}

export interface VersionPart {
  readonly version: string;
  /** 0 to 1, of its service's traffic; null where nobody says. */
  readonly share: number | null;
  readonly instances: readonly InstancePart[];
}

export interface ServicePart {
  readonly service: string;
  /** Both are unknown of a service that is there without being declared. */
  readonly kind?: "standard" | "flexible";
  readonly scaling?: "automatic" | "manual";
  readonly versions: readonly VersionPart[];
  /** Whether it is a client of NATS. */
  readonly nats?: boolean;
  /** Nobody could be asked whether it runs: that nothing of it is shown does not say that it does not. */
  readonly unseen?: boolean;
  /** How many more versions there are, without traffic and without instances. */
  readonly idleVersions?: number;
}

export interface NatsPart {
  readonly name: string;
  readonly state: "declared" | "starting" | "live" | "restarting";
  readonly starts?: number;
  readonly startedAt?: string;
  readonly pid?: number;
  readonly kill?: KillTarget;
}

export interface TopicPart {
  readonly name: string;
  readonly subscriptions: readonly {
    readonly name: string;
    readonly service: string;
    readonly version?: string;
    readonly index?: number;
  }[];
}

/** The system in one shape, whether declared, as the local cloud sees it, or as its services do. */
export interface Picture {
  readonly services: readonly ServicePart[];
  readonly rules: readonly { readonly path: string; readonly service: string }[];
  readonly nats: readonly NatsPart[];
  readonly topics: readonly TopicPart[];
}
