import type { Bus } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";
import type { Members, MembersLimits } from "./members.ts";

/** Who a client is, as other clients may see it. */
export interface ClientInfo {
  readonly user: string;
  readonly client: string;
  /** JSON text. */
  readonly conn_info?: string;
  /** JSON text. */
  readonly chan_info?: string;
}

export interface PresenceLimits {
  /** From the question to the answer, whatever the other gateways do. */
  readonly askMs: number;
  /** How many clients an answer has at most. */
  readonly maxClients: number;
  /** How much their infos may take together. */
  readonly maxBytes: number;
  /** What one message between gateways carries at most; NATS takes 1 MB. */
  readonly maxPageBytes: number;
  /** How many channels are asked for at a time; more wait. */
  readonly maxRounds: number;
  /** How long a question may wait for another one about the same channel to end. */
  readonly gatherMs: number;
}

export const defaultPresenceLimits: PresenceLimits = {
  askMs: 500,
  maxClients: 10_000,
  maxBytes: 8_388_608,
  maxPageBytes: 131_072,
  maxRounds: 256,
  gatherMs: 50,
};

export interface Presence {
  /** By client id. Shared by those who asked together. */
  readonly clients: ReadonlyMap<string, ClientInfo>;
  /** False when a gateway did not answer in time, or a limit was reached. */
  readonly complete: boolean;
}

export interface PresenceStats {
  readonly numClients: number;
  readonly numUsers: number;
  readonly complete: boolean;
}

export interface PresenceOptions {
  readonly bus: Bus;
  /** A uuid made at the start of this process. */
  readonly gatewayId: string;
  /** The clients of this gateway that are present in a channel, by client id. */
  readonly local: (channel: string) => ReadonlyMap<string, ClientInfo>;
  readonly log: Log;
  readonly limits?: Partial<PresenceLimits & MembersLimits>;
}

/** Who is in a channel, asked of all gateways. */
export class PresenceService {
  constructor(options: PresenceOptions) {
    void options;
  }

  get members(): Members {
    throw new Error("not written yet");
  }

  /** Never rejects; the answer is never older than the question. */
  ask(channel: string): Promise<Presence> {
    throw new Error(`not written yet: ${channel}`);
  }

  /** Never rejects. */
  stats(channel: string): Promise<PresenceStats> {
    throw new Error(`not written yet: ${channel}`);
  }

  /** Says goodbye to the other gateways and ends all timers and subscriptions. Idempotent. */
  stop(): void {
    throw new Error("not written yet");
  }
}
