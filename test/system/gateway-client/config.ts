import { hmacKey } from "../../support/gateway-pair.ts";

/** For the server API. */
export const apiKey = "a key of the server API that only tests know";

const history = { history_size: 100, history_ttl: "300s" };
const everything = {
  ...history,
  force_recovery: true,
  presence: true,
  join_leave: true,
  force_push_join_leave: true,
  allow_subscribe_for_client: true,
  allow_publish_for_client: true,
  allow_history_for_client: true,
  allow_presence_for_client: true,
};

/** Everybody needs a token; timers are short, so that tests need not wait for long. */
export const guarded = {
  client: {
    token: { hmac_secret_key: hmacKey },
    ping_interval: "2s",
    pong_timeout: "1s",
    stale_close_delay: "1s",
    expired_close_delay: "1s",
    expired_sub_close_delay: "1s",
  },
  channel: {
    without_namespace: everything,
    namespaces: [
      // What is not named is not allowed.
      { name: "closed" },
      { name: "bare", allow_subscribe_for_client: true },
      {
        name: "members",
        ...history,
        presence: true,
        allow_subscribe_for_client: true,
        allow_publish_for_subscriber: true,
        allow_history_for_subscriber: true,
        allow_presence_for_subscriber: true,
      },
      { name: "own", ...history, force_recovery: true, allow_publish_for_subscriber: true },
      { name: "users", ...everything, allow_user_limited_channels: true },
      { name: "odd", ...everything, channel_regex: "^[a-z]+$" },
    ],
  },
  rpc: { ping: { enabled: true } },
  http_stream: { enabled: true },
  sse: { enabled: true },
};

/** Everybody may do everything; namespaces differ in what they keep. */
export const open = {
  client: { insecure: true, token: { hmac_secret_key: hmacKey } },
  channel: {
    without_namespace: everything,
    namespaces: [
      { name: "plain" },
      { name: "short", history_size: 5, history_ttl: "300s", force_recovery: true },
      { name: "brief", history_size: 100, history_ttl: "1s", force_recovery: true },
      {
        name: "cache",
        history_size: 5,
        history_ttl: "300s",
        force_recovery: true,
        force_recovery_mode: "cache",
      },
      { name: "positioned", ...history, force_positioning: true },
      { name: "wish", ...history, allow_recovery: true, allow_positioning: true },
      { name: "shy", presence: true, join_leave: true },
    ],
  },
  http_stream: { enabled: true },
  sse: { enabled: true },
  prometheus: { enabled: true },
  shutdown: { timeout: "2s" },
};

const forClients = {
  allow_subscribe_for_client: true,
  allow_publish_for_client: true,
  allow_history_for_client: true,
  allow_presence_for_client: true,
};

/** For the table: a namespace for each kind of channel; tokens as in guarded, with more patience. */
export const table = {
  client: {
    token: { hmac_secret_key: hmacKey },
    expired_close_delay: "3s",
    expired_sub_close_delay: "3s",
    subscribe_to_user_personal_channel: { enabled: true, personal_channel_namespace: "own" },
  },
  channel: {
    without_namespace: everything,
    namespaces: [
      ...guarded.channel.namespaces,
      { name: "long", ...everything, ...forClients, history_size: 2_000 },
      {
        ...{ name: "delta", ...everything, ...forClients },
        ...{ allowed_delta_types: ["fossil"], delta_publish: true },
      },
      { name: "tags", ...everything, ...forClients, allow_tags_filter: true },
      ...open.channel.namespaces.map((namespace) => ({
        ...namespace,
        ...forClients,
        // Who may read the history may recover, too, but these are to ask for it.
        ...(namespace.name === "wish" ? { allow_history_for_client: false } : {}),
      })),
    ],
  },
  rpc: { ...guarded.rpc, without_namespace: { enabled: true } },
  http_api: { key: apiKey },
  http_stream: guarded.http_stream,
  sse: guarded.sse,
  prometheus: { enabled: true },
  shutdown: { timeout: "2s" },
};
