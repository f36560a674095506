import { type Bus, BusError, type BusSubscription } from "../../lib/bus.ts";
import { topicSubject } from "../../lib/topic-subject.ts";
import { isRecord, parseJson } from "../json.ts";
import { type ClientInfo, decodeClientInfo } from "./client-info.ts";

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
  readonly #bus: Bus;
  readonly #limits: JoinLeaveLimits;

  constructor({ bus, limits }: { readonly bus: Bus; readonly limits?: Partial<JoinLeaveLimits> }) {
    this.#bus = bus;
    this.#limits = { ...defaultJoinLeaveLimits, ...limits };
  }

  /**
   * Sends the event without waiting. Those of one gateway arrive in the order in which they were sent,
   * once or, when the connection breaks, not at all.
   *
   * @returns false when it was not sent: there is no connection, or it is too large
   */
  publish(channel: string, type: JoinLeaveType, info: ClientInfo): boolean {
    const { user, client, conn_info, chan_info } = info;
    const data = Buffer.from(
      JSON.stringify({ type, info: { user, client, conn_info, chan_info } }),
    );
    if (data.length > this.#limits.maxBytes) return false;
    try {
      this.#bus.send(joinLeaveSubject(channel), data);
      return true;
    } catch (error) {
      if (error instanceof BusError) return false;
      throw error;
    }
  }

  /**
   * Calls back for each event of the channel, this gateway's own included. What is no event is left out.
   *
   * @throws BusError when the bus is closed
   */
  subscribe(channel: string, callback: (event: JoinLeaveEvent) => void): BusSubscription {
    return this.#bus.subscribe(joinLeaveSubject(channel), (data) => {
      const event = data.length > this.#limits.maxBytes ? undefined : decode(data);
      if (event !== undefined) callback(event);
    });
  }
}

function joinLeaveSubject(channel: string): string {
  return `j.${topicSubject(channel)}`;
}

function decode(data: Uint8Array): JoinLeaveEvent | undefined {
  const value = parseJson(data);
  if (!isRecord(value)) return undefined;
  const { type } = value;
  const info = decodeClientInfo(value["info"]);
  if (info === undefined || (type !== "join" && type !== "leave")) return undefined;
  return { type, info };
}
