/**
 * Options that the family's server has and this gateway does not, so that who brings a configuration
 * along is told so, and not that they have misspelt something. Those of which the gateway knows a part
 * are in schema.ts.
 */

const proxies = "there are no proxies to a backend: clients bring tokens";
const calls = "services answer calls on NATS, where enabled is true";
const unidirectional =
  "there are no unidirectional transports: /ws/<topic> is for plain websockets";
const onNats = "publications, history and presence are on NATS: NATS_URL";
const ownServer = "PORT and HOST say where the gateway listens, TLS ends in front of it";
const logs = "logs go to stdout, as Cloud Logging reads them";
const maps = "there are no map subscriptions";
const polls = "there is no shared poll";
const goOnly = "it belongs to the family's implementation";

const ofChannels: Readonly<Record<string, string>> = {
  history_meta_ttl: "it is one for all channels: channel.history_meta_ttl",
  subscribe_proxy_enabled: proxies,
  subscribe_proxy_name: proxies,
  publish_proxy_enabled: proxies,
  publish_proxy_name: proxies,
  sub_refresh_proxy_enabled: proxies,
  sub_refresh_proxy_name: proxies,
  subscribe_stream_proxy_enabled: proxies,
  subscribe_stream_proxy_name: proxies,
  subscribe_stream_proxy_bidirectional: proxies,
};

/** By the path of the block that they would be in; an index is `[]`. */
const unsupported: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "": {
    admin: "there is no admin interface",
    broker: onNats,
    consumers: "whatever can publish on NATS reaches the channels",
    debug: goOnly,
    enable_unreleased_features: goOnly,
    engine: onNats,
    graphite: "metrics are for Prometheus",
    grpc_api: "the server API is HTTP",
    http_server: ownServer,
    log: logs,
    node: "the gateways find each other by themselves",
    opentelemetry: "metrics are for Prometheus",
    pid_file: "whoever starts the gateway knows its process",
    presence_manager: onNats,
    proxies,
    swagger: goOnly,
    uni_grpc: unidirectional,
    uni_http_stream: unidirectional,
    uni_sse: unidirectional,
    uni_websocket: unidirectional,
    usage_stats: "nothing is sent to anybody",
    webtransport: "App Engine has no HTTP/3",
  },
  client: {
    concurrency: goOnly,
    connect_code_to_unidirectional_disconnect: unidirectional,
    presence_update_interval: "presence is asked of the gateways and not written by clients",
    proxy: proxies,
  },
  channel: { proxy: proxies },
  "channel.without_namespace": ofChannels,
  "channel.namespaces[]": ofChannels,
  websocket: {
    compression_level: "there is no compression",
    compression_min_size: "there is no compression",
    read_buffer_size: goOnly,
    use_write_buffer_pool: goOnly,
    write_buffer_size: goOnly,
  },
  http_api: { external: "the gateway listens on one port" },
  prometheus: { instrument_http_handlers: goOnly },
  rpc: { proxy: calls },
  "rpc.without_namespace": { proxy_enabled: calls, proxy_name: calls },
  "rpc.namespaces[]": { proxy_enabled: calls, proxy_name: calls },
};

/**
 * Why an option cannot be set; undefined for a name that the family's server does not have either.
 *
 * @param block the names and indices that lead to the option's block
 */
export function whyUnsupported(block: readonly PropertyKey[], name: string): string | undefined {
  const pattern = block
    .map((part) => (typeof part === "number" ? "[]" : `.${String(part)}`))
    .join("")
    .slice(1);
  const reasons = unsupported[pattern];
  if (reasons !== undefined && Object.hasOwn(reasons, name)) return reasons[name];
  if (pattern === "channel.without_namespace" || pattern === "channel.namespaces[]") {
    if (name.startsWith("map_") || name === "map") return maps;
    if (name.startsWith("shared_poll") || name === "shared_poll") return polls;
  }
  return undefined;
}
