import type { BrokerLimits } from "./broker.ts";
import { defaultConfig, type GatewayConfig } from "./config/options.ts";
import type { RawEndpointLimits } from "./raw/endpoint.ts";
import type { CallLimits } from "./rpc/calls.ts";

/** What the configuration does not say, and what it says in the words of the gateway's parts. */
export interface GatewayLimits extends RawEndpointLimits, BrokerLimits, CallLimits {
  /** The longest message that a client may send. */
  readonly maxMessageBytes: number;
  /** How many fragments a message may have; each costs memory, an empty one too. */
  readonly maxFragments: number;
  /** In how many pieces, as the network delivers them, a frame may arrive; each costs memory. */
  readonly maxBufferedChunks: number;
  /** Open connections and those about to open. */
  readonly maxConnections: number;
  /** What may wait for all peers together, each counted by itself though they share a message's bytes. */
  readonly maxTotalBacklogBytes: number;
  /** Of the filters of one client, and of all: a comparison costs 1, and takes half a KiB. */
  readonly maxFilterCost: number;
  readonly maxTotalFilterCost: number;
  /** Of the publications that the next ones are compared with, for subscribers with deltas. */
  readonly maxPredecessorBytes: number;
  /** How long NATS may take to confirm a subscription, or to hand out a history. */
  readonly subscribeMs: number;
  /** How long NATS may take to confirm a client's publication. */
  readonly publishMs: number;
  /**
   * Of publications in one answer, in characters of JSON or bytes; who missed more has not recovered, and
   * a longer history is cut.
   */
  readonly maxAnswerSize: number;
  /** Of all bodies of requests that are being read or worked on. */
  readonly maxTotalBodyBytes: number;
  /** How long a body may take to come. */
  readonly bodyMs: number;
  /** How long the gateway that holds a stream may take to confirm commands for it. */
  readonly emulateMs: number;
  /** How long NATS may be away before everybody is told to reconnect. */
  readonly brokerGraceMs: number;
  /** One request to the server API, all that are under way, and how many these may be. */
  readonly maxApiBodyBytes: number;
  readonly maxTotalApiBodyBytes: number;
  readonly maxApiRequests: number;
}

/** The limits that follow from the configuration. */
export function limitsOf({ client, websocket }: GatewayConfig): GatewayLimits {
  return {
    maxMessageBytes: websocket.message_size_limit,
    maxFragments: 64,
    maxBufferedChunks: 1_024,
    maxBacklogBytes: client.queue_max_size,
    maxTotalBacklogBytes: client.total_queue_max_size,
    maxUnconfirmedBytes: 8_388_608,
    maxConnections: client.connection_limit === 0 ? Infinity : client.connection_limit,
    maxFilterCost: 512,
    maxTotalFilterCost: 131_072,
    maxPredecessorBytes: 33_554_432,
    // A client waits for 5 s, then it connects anew.
    subscribeMs: 4_000,
    publishMs: 4_000,
    maxAnswerSize: 16_777_216,
    maxCallBytes: 67_108_864,
    pingIntervalMs: client.ping_interval,
    maxAgeMs: client.max_connection_age === 0 ? Infinity : client.max_connection_age,
    maxTotalBodyBytes: 33_554_432,
    bodyMs: 10_000,
    emulateMs: 4_000,
    brokerGraceMs: 10_000,
    maxApiBodyBytes: 4_194_304,
    maxTotalApiBodyBytes: 67_108_864,
    maxApiRequests: 1_024,
    closeGraceMs: 5_000,
    slowGraceMs: 1_000,
  };
}

export const defaultGatewayLimits: GatewayLimits = limitsOf(defaultConfig);
