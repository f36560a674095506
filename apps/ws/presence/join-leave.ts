import type { Bus, BusSubscription } from "../../lib/bus.ts";
import type { ClientInfo } from "./presence.ts";

export type JoinLeaveType = "join" | "leave";

export interface JoinLeaveEvent {
  readonly type: JoinLeaveType;
  readonly info: ClientInfo;
}

export interface JoinLeaveLimits {
  /** Larger events are neither sent nor taken. */
  readonly maxBytes: number;
}

export const defaultJoinLeaveLimits: JoinLeaveLimits = { maxBytes: 262_144 };

/** Tells who is in a channel that somebody has come or left, on whichever gateway. */
export class JoinLeave {
  constructor(options: { readonly bus: Bus; readonly limits?: Partial<JoinLeaveLimits> }) {
    void options;
  }

  /**
   * Sends the event without waiting; in order per publisher.
   *
   * @returns false when it was not sent: there is no connection, or it is too large
   */
  publish(channel: string, type: JoinLeaveType, info: ClientInfo): boolean {
    throw new Error(`not written yet: ${channel} ${type} ${info.client}`);
  }

  /** What is no event is left out. */
  subscribe(channel: string, callback: (event: JoinLeaveEvent) => void): BusSubscription {
    void callback;
    throw new Error(`not written yet: ${channel}`);
  }
}
