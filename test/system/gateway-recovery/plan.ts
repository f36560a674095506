/** What a run does, all of it decided by its seed. */
import type { clientKinds } from "../../support/client-kind.ts";
import { Random } from "../../support/random.ts";

/** The ways that clients speak. */
export type Spoken = keyof typeof clientKinds;

export const spoken: readonly Spoken[] = [
  // With fewer than all, it is two encodings on two transports that come first.
  "jsonWebsocket",
  "protobufHttpStream",
  "protobufWebsocket",
  "jsonSse",
  "jsonHttpStream",
];

/** What is kept of a channel, and how large publications are. */
export const variants = {
  /** Everything is kept: nothing may be lost. */
  "long history": { size: 4_000, reachable: 4_000, fillerBytes: [0, 200] },
  /** So little is kept that many recoveries must fail, and say so. */
  "short history": { size: 10, reachable: 10, fillerBytes: [0, 200] },
  /** Everything is kept, but more than a gateway will hold in memory. */
  "large messages": { size: 4_000, reachable: 4_000, fillerBytes: [2_000, 12_000] },
} as const;

export type Variant = keyof typeof variants;

/** `at` and all durations in ms from when everybody is subscribed. */
export type Step = { readonly at: number } & (
  | { readonly fault: "nats-server killed"; readonly downMs: number }
  | { readonly fault: "a gateway killed"; readonly gateway: number; readonly downMs: number }
  | {
      readonly fault: "a gateway paused";
      readonly gateway: number;
      readonly forMs: number;
      /** Whether the load balancer sees it and sends nobody there. */
      readonly noticed: boolean;
    }
  | { readonly fault: "a gateway drained"; readonly gateway: number; readonly downMs: number }
  | {
      readonly fault: "a gateway cut off from NATS";
      readonly gateway: number;
      readonly forMs: number;
    }
  | {
      readonly fault: "messages lost or repeated between NATS and a gateway";
      readonly gateway: number;
      readonly share: number;
      readonly forMs: number;
      readonly seed: number;
    }
  | {
      readonly fault: "connections cut";
      readonly share: number;
      readonly times: number;
      readonly everyMs: number;
      readonly seed: number;
    }
  | {
      readonly fault: "connections hang";
      readonly share: number;
      readonly forMs: number;
      readonly thenCut: boolean;
      readonly seed: number;
    }
);

export type Fault = Step["fault"];

export interface PublisherPlan {
  readonly name: string;
  /** `client`: over the protocol; `core`: plain NATS, unconfirmed; `stream`: plain NATS, confirmed by the stream. */
  readonly kind: "client" | "core" | "stream";
  /** How it speaks, if it is a client. */
  readonly speaks: Spoken;
  readonly channels: readonly string[];
  readonly everyMs: number;
  readonly seed: number;
}

export interface SubscriberPlan {
  readonly name: string;
  readonly speaks: Spoken;
  readonly channels: readonly string[];
  /** True: the server subscribes it, because its token says so. */
  readonly serverSide: boolean;
  /** When it comes; undefined: before everything. */
  readonly joinsAt: number | undefined;
  /** Unsubscribes again and again, to subscribe again at once or soon. */
  readonly restless: boolean;
  /** From where a late one wants to have everything. */
  readonly since: "now" | "the beginning" | "where another one was";
}

export interface Plan {
  readonly seed: number;
  readonly variant: Variant;
  readonly gateways: number;
  readonly channels: readonly string[];
  readonly publishers: readonly PublisherPlan[];
  readonly subscribers: readonly SubscriberPlan[];
  readonly steps: readonly Step[];
}

export const faults: readonly Fault[] = [
  "nats-server killed",
  "connections cut",
  "a gateway killed",
  "a gateway cut off from NATS",
  "a gateway paused",
  "connections hang",
  "a gateway drained",
  "messages lost or repeated between NATS and a gateway",
];

/** Published to from the beginning, but nobody comes before some time has passed. */
const lateChannel = "chat:late";
/** With and without namespace, with dots, private. */
const channels = ["news", "news.eu.west", "chat:room.1", "$chat:room.1", "chat:a:b", "zone:1"];

export interface PlanOptions {
  readonly steps?: number;
  readonly publishers?: number;
  readonly subscribers?: number;
}

/** The same seed makes the same plan. */
export function planFor(seed: number, options: PlanOptions = {}): Plan {
  const { steps: count = 8, publishers = 50, subscribers = 30 } = options;
  const random = new Random(seed);
  const gateways = 2 + (seed % 2);
  const variant = variantOf(seed);
  const steps = stepsFor(random, { count, gateways });
  const endsAt = steps.at(-1)?.at ?? 0;
  return {
    seed,
    variant,
    gateways,
    channels: [...channels, lateChannel],
    publishers: Array.from({ length: publishers }, (_, index) => ({
      name: `publisher ${index}`,
      kind: (["client", "core", "client", "stream"] as const)[index % 4] ?? "client",
      // Every second is a client. Few use streams, for which each publication is a request.
      speaks: index % 10 === 0 ? "protobufHttpStream" : speakingOnWebsocket(index >> 1),
      channels: some(random, [...channels, lateChannel], 1 + random.below(3)),
      everyMs: Math.round(random.between(60, 300)),
      seed: random.below(2 ** 31),
    })),
    subscribers: Array.from({ length: subscribers }, (_, index) => {
      const late = index % 5 === 4;
      return {
        name: `subscriber ${index}`,
        // Late ones are one in five, and the others that are special one in six.
        speaks: speakingOf(late ? Math.floor(index / 5) : index),
        channels: late
          ? [lateChannel, ...some(random, channels, random.below(2))]
          : some(random, channels, 1 + random.below(2)),
        serverSide: index % 6 === 3,
        restless: index % 6 === 1,
        joinsAt: late ? Math.round(random.between(0, endsAt)) : undefined,
        since: late && index % 6 !== 3 ? random.one(sinces) : "now",
      };
    }),
    steps,
  };
}

function speakingOnWebsocket(index: number): Spoken {
  return index % 2 === 0 ? "jsonWebsocket" : "protobufWebsocket";
}

/** How the client of an index speaks. */
export function speakingOf(index: number): Spoken {
  return spoken[index % spoken.length] ?? "jsonWebsocket";
}

const sinces = ["now", "the beginning", "where another one was"] as const;

function variantOf(seed: number): Variant {
  if (seed % 3 === 0) return "short history";
  return seed % 6 === 5 ? "large messages" : "long history";
}

/** Different ones, in an order of their own. */
function some<T>(random: Random, values: readonly T[], count: number): T[] {
  const rest = [...values];
  return Array.from({ length: count }, () => {
    const [value] = rest.splice(random.below(rest.length), 1);
    if (value === undefined) throw new Error("there are not so many");
    return value;
  });
}

/** Some overlap; but nothing is done to a gateway, or to NATS, to which something is being done. */
function stepsFor(
  random: Random,
  { count, gateways }: { count: number; gateways: number },
): Step[] {
  const steps: Step[] = [];
  /** When each gateway, and last NATS, is free again. */
  const freeAt = new Array<number>(gateways + 1).fill(0);
  let at = 300;
  let over = at;
  let order: Fault[] = [];
  for (let index = 0; index < count; index++) {
    // Every fault has its turn within as many steps as there are faults.
    if (order.length === 0) order = some(random, faults, faults.length);
    const fault = order.pop();
    const isNats = fault === "nats-server killed";
    const target = isNats ? gateways : random.below(gateways);
    at = Math.round(Math.max(at, freeAt[target] ?? 0));
    const { step, lastsMs } = stepOf(fault, at, target, random);
    steps.push(step);
    const ownTarget = isNats || "gateway" in step;
    if (ownTarget) freeAt[target] = at + lastsMs + 700;
    over = Math.max(over, at + lastsMs);
    at += random.chance(0.6) ? random.between(50, 500) : over - at + random.between(200, 600);
  }
  return steps;
}

function stepOf(
  fault: Fault | undefined,
  at: number,
  gateway: number,
  random: Random,
): { step: Step; lastsMs: number } {
  const ms = (low: number, high: number): number => Math.round(random.between(low, high));
  const share = (low: number, high: number): number => Number(random.between(low, high).toFixed(3));
  const seed = random.below(2 ** 31);
  switch (fault) {
    case "nats-server killed":
    case undefined: {
      const downMs = ms(0, 1_200);
      return { step: { at, fault: "nats-server killed", downMs }, lastsMs: downMs + 300 };
    }
    case "a gateway killed":
    case "a gateway drained": {
      const downMs = ms(0, 800);
      return { step: { at, fault, gateway, downMs }, lastsMs: downMs + 1_000 };
    }
    case "a gateway paused": {
      const forMs = ms(200, 3_000);
      return { step: { at, fault, gateway, forMs, noticed: random.chance(0.5) }, lastsMs: forMs };
    }
    case "a gateway cut off from NATS": {
      const forMs = ms(0, 1_500);
      return { step: { at, fault, gateway, forMs }, lastsMs: forMs };
    }
    case "messages lost or repeated between NATS and a gateway": {
      const forMs = ms(500, 2_000);
      const step: Step = { at, fault, gateway, share: share(0.02, 0.3), forMs, seed };
      return { step, lastsMs: forMs };
    }
    case "connections cut": {
      const [times, everyMs] = [1 + random.below(6), ms(30, 300)];
      const step: Step = { at, fault, share: share(0.1, 1), times, everyMs, seed };
      return { step, lastsMs: times * everyMs };
    }
    case "connections hang": {
      const forMs = ms(100, 2_000);
      const thenCut = random.chance(0.5);
      const step: Step = { at, fault, share: share(0.1, 0.6), forMs, thenCut, seed };
      return { step, lastsMs: forMs };
    }
  }
}
