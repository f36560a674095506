/** The options of a namespace that decide what may be done on its channels; names as in the configuration. */
export interface ChannelPermissions {
  readonly allow_subscribe_for_client: boolean;
  readonly allow_subscribe_for_anonymous: boolean;
  readonly allow_publish_for_client: boolean;
  readonly allow_publish_for_subscriber: boolean;
  readonly allow_publish_for_anonymous: boolean;
  readonly allow_presence_for_client: boolean;
  readonly allow_presence_for_subscriber: boolean;
  readonly allow_presence_for_anonymous: boolean;
  readonly allow_history_for_client: boolean;
  readonly allow_history_for_subscriber: boolean;
  readonly allow_history_for_anonymous: boolean;
  readonly allow_user_limited_channels: boolean;
  readonly channel_regex: string;
}

/** The options of a namespace that a token may set anew for one subscription. */
export interface OverridableOptions {
  readonly presence: boolean;
  readonly join_leave: boolean;
  readonly force_push_join_leave: boolean;
  readonly force_recovery: boolean;
  readonly force_positioning: boolean;
}

/** What a token says of the options of one subscription; what it does not name stays as configured. */
export type ChannelOverride = Partial<OverridableOptions>;

/** What the rules need of a namespace's options. */
export type RuledOptions = ChannelPermissions & OverridableOptions;

/** What the rules need of the configuration. */
export interface RulesConfig<Options extends RuledOptions> {
  readonly client: {
    readonly subscribe_to_user_personal_channel: {
      readonly enabled: boolean;
      readonly personal_channel_namespace: string;
    };
  };
  readonly channel: {
    readonly without_namespace: Options;
    readonly namespaces: readonly (Options & { readonly name: string })[];
    readonly max_length: number;
    readonly private_prefix: string;
    readonly namespace_boundary: string;
    readonly user_boundary: string;
    readonly user_separator: string;
  };
}

/** Who asks. An empty user id is an anonymous client; `insecure` is `client.insecure`: all is allowed. */
export interface Asker {
  readonly user: string;
  readonly insecure: boolean;
}

/** `token`: with a valid subscription token for this channel only. */
export type SubscribeAnswer = "yes" | "token" | "no";

/** The options of a channel as a token's override changes them. */
export function applyOverride<Options extends OverridableOptions>(
  options: Options,
  override: ChannelOverride,
): Options {
  return { ...options, ...override };
}

/** Which channels there can be, which options they have, and who may do what on them. Pure. */
export class ChannelRules<Options extends RuledOptions> {
  readonly #config: RulesConfig<Options>;

  constructor(config: RulesConfig<Options>) {
    this.#config = config;
  }

  /** Why a text cannot be a channel (error 107); undefined when it can. */
  problem(channel: string): string | undefined {
    throw new Error(`not built: ${channel}`);
  }

  /** The options of a channel's namespace; undefined when there is no such namespace (error 102). */
  options(channel: string): Options | undefined {
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
