/**
 * The gateway's options as the gateway reads them. Names are those of the Centrifuge family's server;
 * what is this gateway's own says so. Durations are numbers of milliseconds, sizes are bytes.
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
  /** What a subscriber may have instead of whole payloads. */
  readonly allowed_delta_types: readonly "fossil"[];
  /** Publications go out as deltas to those who have asked, and not only those that say so themselves. */
  readonly delta_publish: boolean;
  /** Subscribers may ask for publications with certain tags only. */
  readonly allow_tags_filter: boolean;
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
  /** Connections of one gateway; 0: as many as come. Absent: what the memory bears. */
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
  /** Ours: what may wait for all connections together. Absent: a quarter of the memory. */
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

/** A way to connect without a websocket. */
export interface HttpTransportOptions {
  readonly enabled: boolean;
  readonly handler_prefix: string;
  /** Of the connect command. */
  readonly max_request_body_size: number;
}

/** Methods that services answer on NATS; all ours. */
export interface RpcMethodOptions {
  readonly enabled: boolean;
  /** How long a service may take to answer, ms. */
  readonly timeout: number;
  /** Also with an empty user id. */
  readonly allow_for_anonymous: boolean;
}

export interface RpcNamespaceOptions extends RpcMethodOptions {
  readonly name: string;
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
  readonly http_stream: HttpTransportOptions;
  readonly sse: HttpTransportOptions;
  /** Where clients of both send their other commands. */
  readonly emulation: { readonly handler_prefix: string; readonly max_request_body_size: number };
  readonly http_api: {
    readonly disabled: boolean;
    readonly handler_prefix: string;
    readonly key: Secret;
    readonly insecure: boolean;
    readonly error_mode: "" | "transport";
  };
  readonly rpc: {
    readonly ping: { readonly enabled: boolean; readonly method: string };
    readonly without_namespace: RpcMethodOptions;
    readonly namespaces: readonly RpcNamespaceOptions[];
    readonly namespace_boundary: ":";
    /** Ours: calls of one connection that are under way. */
    readonly connection_call_limit: number;
    /** Ours: calls of all connections of one gateway that are under way. */
    readonly total_call_limit: number;
  };
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
