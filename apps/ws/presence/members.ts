import type { Bus } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";

export interface MembersLimits {
  /** How often each gateway says that it is there. */
  readonly helloIntervalMs: number;
  /** After so many intervals of silence NATS is asked whether the gateway is still subscribed. */
  readonly maxMisses: number;
  /**
   * How long a gateway counts that is subscribed and says nothing, as one that is paused. Longer than
   * its clients wait for its ping: after that they are on other gateways.
   */
  readonly forgetMs: number;
  /** How long the others have to answer the first hello, and the first after each reconnect. */
  readonly settleMs: number;
  /** How many gateways are kept in mind at most. */
  readonly maxMembers: number;
}

export const defaultMembersLimits: MembersLimits = {
  helloIntervalMs: 2_000,
  maxMisses: 3,
  forgetMs: 60_000,
  settleMs: 200,
  maxMembers: 1_000,
};

export interface MembersOptions {
  readonly bus: Bus;
  /** A uuid made at the start of this process, so that none ever comes back. */
  readonly gatewayId: string;
  readonly log: Log;
  readonly limits?: Partial<MembersLimits>;
}

/** Whether a gateway that has no subscriber at its subject may still be on its way back to NATS. */
export type Absence = "gone" | "perhaps returning";

/** The gateways that know each other over NATS. */
export class Members {
  constructor(options: MembersOptions) {
    void options;
  }

  /** The ids of the other gateways. */
  get others(): readonly string[] {
    throw new Error("not written yet");
  }

  /** True while there is a connection and the others had the time to answer the hello on it. */
  get settled(): boolean {
    throw new Error("not written yet");
  }

  /** Resolves when `settled` is true; rejects never, and resolves at `stop` too. */
  whenSettled(): Promise<void> {
    throw new Error("not written yet");
  }

  /** Says that NATS knows no subscriber at a subject of this gateway. */
  absent(id: string): Absence {
    throw new Error(`not written yet: ${id}`);
  }

  /** Says goodbye and ends all timers and subscriptions. Idempotent. */
  stop(): void {
    throw new Error("not written yet");
  }
}

/** The subject that a gateway listens at; what is below it is its own too. */
export function gatewaySubject(id: string): string {
  return `g.${id}`;
}
