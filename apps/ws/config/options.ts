/**
 * The gateway's options. Names and defaults are those of the Centrifuge family's server, so that its
 * documentation and people's configurations carry over; what is this gateway's own says so.
 * Decoded durations are numbers of milliseconds, sizes are bytes.
 */

/** What a channel can do and who may do it; every default is filled in. */
export interface ChannelOptions {
  readonly presence: boolean;
  readonly join_leave: boolean;
  /** Join and leave events also for clients that did not ask for them. */
  readonly force_push_join_leave: boolean;
  /** How many publications are kept; 0: the channel has no history. */
  readonly history_size: number;
  /** How long they are kept, ms; 0: the channel has no history. */
  readonly history_ttl: number;
  readonly force_positioning: boolean;
  readonly allow_positioning: boolean;
  readonly force_recovery: boolean;
  readonly allow_recovery: boolean;
  /** `cache`: a recovering client gets the latest publication only. */
  readonly force_recovery_mode: "stream" | "cache";
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
  /** `news#1,2` is for the users 1 and 2. */
  readonly allow_user_limited_channels: boolean;
  /** What a channel's name must match, without namespace and private prefix; "": anything. */
  readonly channel_regex: string;
}

export interface NamespaceOptions extends ChannelOptions {
  readonly name: string;
}

/** A secret that Secret Manager keeps: `projects/<project>/secrets/<id>`. */
export interface SecretReference {
  readonly secret: string;
}

/** How tokens are verified; "" and 0 mean that the option is not used. */
export interface TokenOptions<Secret = string> {
  readonly hmac_secret_key: Secret;
  readonly hmac_previous_secret_key: Secret;
  /** Seconds since 1970; 0: the previous key is valid without an end. */
  readonly hmac_previous_secret_key_valid_until: number;
  readonly rsa_public_key: string;
  readonly ecdsa_public_key: string;
  readonly jwks_public_endpoint: string;
  readonly audience: string;
  readonly audience_regex: string;
  readonly issuer: string;
  readonly issuer_regex: string;
  /** The claim that holds the user's id; "": `sub`. */
  readonly user_id_claim: string;
}

export interface SubscriptionTokenOptions<Secret = string> extends TokenOptions<Secret> {
  /** False: subscription tokens are verified as connection tokens are. */
  readonly enabled: boolean;
}

export interface ClientOptions<Secret = string> {
  /** Origins of browsers; null: only the gateway's own. */
  readonly allowed_origins: readonly string[] | null;
  /** For development: anonymous clients without a token, with every permission. */
  readonly insecure: boolean;
  readonly allow_anonymous_connect_without_token: boolean;
  readonly disallow_anonymous_connection_tokens: boolean;
  readonly insecure_skip_token_signature_verify: boolean;
  readonly ping_interval: number;
  readonly pong_timeout: number;
  readonly expired_close_delay: number;
  readonly expired_sub_close_delay: number;
  readonly stale_close_delay: number;
  readonly channel_limit: number;
  /** What may wait for one connection. */
  readonly queue_max_size: number;
  readonly channel_position_check_delay: number;
  /** 0: none. */
  readonly channel_position_max_time_lag: number;
  /** Connections of one gateway; 0: none. */
  readonly connection_limit: number;
  /** Connections of one user to one gateway; 0: none. */
  readonly user_connection_limit: number;
  /** New connections per second; 0: none. */
  readonly connection_rate_limit: number;
  readonly connect_include_server_time: boolean;
  readonly history_max_publication_limit: number;
  readonly recovery_max_publication_limit: number;
  /** The request header that a proxy in front puts the user's id in; "": none. */
  readonly user_id_http_header: string;
  /** Ours: commands per second of one connection; 0: none. */
  readonly command_rate_limit: number;
  /** Ours: when a connection is asked to reconnect at the latest, ms; 0: never. */
  readonly max_connection_age: number;
  /** Ours: what may wait for all connections together. */
  readonly total_queue_max_size: number;
  readonly token: TokenOptions<Secret>;
  readonly subscription_token: SubscriptionTokenOptions<Secret>;
  readonly subscribe_to_user_personal_channel: {
    readonly enabled: boolean;
    /** "": no namespace. */
    readonly personal_channel_namespace: string;
    readonly single_connection: boolean;
  };
}

/** All options; `Secret` is text once `resolveSecrets` has read what is referenced. */
export interface GatewayConfig<Secret = string> {
  readonly client: ClientOptions<Secret>;
  readonly channel: {
    readonly without_namespace: ChannelOptions;
    readonly namespaces: readonly NamespaceOptions[];
    /** Characters of a channel's name. */
    readonly max_length: number;
    readonly private_prefix: "$";
    readonly namespace_boundary: ":";
    readonly user_boundary: "#";
    readonly user_separator: ",";
    /** How long a channel's position outlives its history, ms. */
    readonly history_meta_ttl: number;
  };
  readonly websocket: {
    readonly disabled: boolean;
    readonly handler_prefix: string;
    readonly message_size_limit: number;
  };
  readonly http_api: {
    readonly disabled: boolean;
    readonly handler_prefix: string;
    readonly key: Secret;
    readonly insecure: boolean;
    readonly error_mode: "" | "transport";
  };
  readonly rpc: { readonly ping: { readonly enabled: boolean; readonly method: string } };
  readonly prometheus: { readonly enabled: boolean; readonly handler_prefix: string };
  /** `/healthz/…` answers in any case. */
  readonly health: { readonly enabled: boolean; readonly handler_prefix: string };
  readonly shutdown: {
    /** How long connections are closed in waves, ms. */
    readonly timeout: number;
  };
  /** Ours: the raw endpoint `/ws/:topic`. */
  readonly raw: { readonly disabled: boolean };
}

const noChannelOptions: ChannelOptions = {
  presence: false,
  join_leave: false,
  force_push_join_leave: false,
  history_size: 0,
  history_ttl: 0,
  force_positioning: false,
  allow_positioning: false,
  force_recovery: false,
  allow_recovery: false,
  force_recovery_mode: "stream",
  allow_subscribe_for_client: false,
  allow_subscribe_for_anonymous: false,
  allow_publish_for_client: false,
  allow_publish_for_subscriber: false,
  allow_publish_for_anonymous: false,
  allow_presence_for_client: false,
  allow_presence_for_subscriber: false,
  allow_presence_for_anonymous: false,
  allow_history_for_client: false,
  allow_history_for_subscriber: false,
  allow_history_for_anonymous: false,
  allow_user_limited_channels: false,
  channel_regex: "",
};

const noToken: TokenOptions = {
  hmac_secret_key: "",
  hmac_previous_secret_key: "",
  hmac_previous_secret_key_valid_until: 0,
  rsa_public_key: "",
  ecdsa_public_key: "",
  jwks_public_endpoint: "",
  audience: "",
  audience_regex: "",
  issuer: "",
  issuer_regex: "",
  user_id_claim: "",
};

/** What holds when nothing is configured. */
export const defaultConfig: GatewayConfig = {
  client: {
    allowed_origins: null,
    insecure: false,
    allow_anonymous_connect_without_token: false,
    disallow_anonymous_connection_tokens: false,
    insecure_skip_token_signature_verify: false,
    ping_interval: 25_000,
    pong_timeout: 8_000,
    expired_close_delay: 25_000,
    expired_sub_close_delay: 25_000,
    stale_close_delay: 10_000,
    channel_limit: 128,
    queue_max_size: 1_048_576,
    channel_position_check_delay: 40_000,
    channel_position_max_time_lag: 0,
    connection_limit: 0,
    user_connection_limit: 0,
    connection_rate_limit: 0,
    connect_include_server_time: false,
    history_max_publication_limit: 300,
    recovery_max_publication_limit: 300,
    user_id_http_header: "",
    command_rate_limit: 2_000,
    max_connection_age: 3_300_000,
    total_queue_max_size: 268_435_456,
    token: noToken,
    subscription_token: { enabled: false, ...noToken },
    subscribe_to_user_personal_channel: {
      enabled: false,
      personal_channel_namespace: "",
      single_connection: false,
    },
  },
  channel: {
    without_namespace: noChannelOptions,
    namespaces: [],
    max_length: 255,
    private_prefix: "$",
    namespace_boundary: ":",
    user_boundary: "#",
    user_separator: ",",
    history_meta_ttl: 2_592_000_000,
  },
  websocket: {
    disabled: false,
    handler_prefix: "/connection/websocket",
    message_size_limit: 65_536,
  },
  http_api: { disabled: false, handler_prefix: "/api", key: "", insecure: false, error_mode: "" },
  rpc: { ping: { enabled: false, method: "ping" } },
  prometheus: { enabled: false, handler_prefix: "/metrics" },
  health: { enabled: false, handler_prefix: "/health" },
  shutdown: { timeout: 10_000 },
  raw: { disabled: false },
};
