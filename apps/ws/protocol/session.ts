import type { ChannelRules } from "../channel/rules.ts";
import type { GatewayConfig } from "../config/options.ts";
import type { Effect, Input } from "./effects.ts";

export type * from "./effects.ts";

export interface SessionOptions {
  readonly config: GatewayConfig;
  readonly rules: ChannelRules;
  /** Names this connection; nobody may guess it. */
  readonly client: string;
  /** Of the gateway, for the connect result. */
  readonly version: string;
  /** The user that a trusted proxy has found out, from `client.user_id_http_header`. */
  readonly user?: string;
  /** Milliseconds of any clock that never goes back; all other times of the session are of the same. */
  readonly now: number;
  /** What that clock has to be added to for milliseconds since 1970: `Date.now() - now`. */
  readonly timeOrigin: number;
  /** From 0 up to 1: spreads the first pings of many sessions. */
  readonly random: number;
}

/** What a session has of a channel. */
export interface Subscription {
  /** The server has subscribed the client, which did not ask for it. */
  readonly serverSide: boolean;
}

/**
 * One client of the protocol: takes what comes from it and what came of earlier effects, and says what is
 * to be done. It does nothing itself and knows no time but what it is told.
 */
export class Session {
  readonly client: string;

  constructor(options: SessionOptions) {
    this.client = options.client;
  }

  /** The user's id, once it is known; empty: anonymous. */
  get user(): string | undefined {
    return undefined;
  }

  /** Whether the connect reply was given. */
  get connected(): boolean {
    return false;
  }

  /** The channels that it is subscribed to, replies given. */
  get channels(): ReadonlyMap<string, Subscription> {
    return new Map();
  }

  /** When a `tick` is due, at the latest; undefined: never. */
  get deadline(): number | undefined {
    return undefined;
  }

  /** One input, in the order in which they come. */
  receive(_input: Input, _now: number): readonly Effect[] {
    return [];
  }
}
