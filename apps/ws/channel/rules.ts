import type { ChannelOptions, GatewayConfig } from "../config/options.ts";

/** What a token may set anew for one subscription; what it does not name stays as configured. */
export type ChannelOverride = Partial<
  Pick<
    ChannelOptions,
    "presence" | "join_leave" | "force_push_join_leave" | "force_recovery" | "force_positioning"
  >
>;

/** What the rules need of the configuration. */
export interface RulesConfig {
  readonly client: Pick<GatewayConfig["client"], "subscribe_to_user_personal_channel">;
  readonly channel: Omit<GatewayConfig["channel"], "history_meta_ttl">;
}

/** Who asks. An empty user id is an anonymous client; `insecure` is `client.insecure`: all is allowed. */
export interface Asker {
  readonly user: string;
  readonly insecure: boolean;
}

/** `token`: with a valid subscription token for this channel only. */
export type SubscribeAnswer = "yes" | "token" | "no";

/** The options of a channel as a token's override changes them. */
export function applyOverride(options: ChannelOptions, override: ChannelOverride): ChannelOptions {
  return { ...options, ...override };
}

/** Which channels there can be, which options they have, and who may do what on them. Pure. */
export class ChannelRules {
  readonly #config: RulesConfig;

  constructor(config: RulesConfig) {
    this.#config = config;
  }

  /** Why a text cannot be a channel (error 107); undefined when it can. */
  problem(channel: string): string | undefined {
    throw new Error(`not built: ${channel}`);
  }

  /** The options of a channel's namespace; undefined when there is no such namespace (error 102). */
  options(channel: string): ChannelOptions | undefined {
    throw new Error(`not built: ${channel} ${this.#config.channel.max_length}`);
  }

  /** Whether a client may subscribe; `token` and `no` are error 103 without a token. */
  maySubscribe(who: Asker, channel: string): SubscribeAnswer {
    throw new Error(`not built: ${who.user} ${channel}`);
  }

  mayPublish(who: Asker, channel: string, subscribed: boolean): boolean {
    throw new Error(`not built: ${who.user} ${channel} ${subscribed}`);
  }

  mayPresence(who: Asker, channel: string, subscribed: boolean): boolean {
    throw new Error(`not built: ${who.user} ${channel} ${subscribed}`);
  }

  mayHistory(who: Asker, channel: string, subscribed: boolean): boolean {
    throw new Error(`not built: ${who.user} ${channel} ${subscribed}`);
  }

  /** The channel to which the gateway itself subscribes a user; undefined when there is none. */
  personalChannel(user: string): string | undefined {
    throw new Error(`not built: ${user}`);
  }
}
