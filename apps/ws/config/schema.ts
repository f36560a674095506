/**
 * What may be configured: every option of the family that this gateway has, with its default, and what
 * is allowed. Some options are known only so that they can be refused with the reason; those never
 * reach the decoded configuration.
 */
import { createPublicKey } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
// As a whole, so that a bundle leaves out what it does not use, such as messages in 40 languages.
import * as z from "zod";
import { durationRule, durationText, parseDuration } from "./duration.ts";

/** The instance's memory where nobody says how much it is. */
export const usualMemoryBytes = 1_073_741_824;

const dayMs = 86_400_000;

/** A value of one kind; `allowed` says in words which, and is what a mistake is answered with. */
const text = (allowed: string, isAllowed: (value: string) => boolean = () => true) =>
  z.string({ error: allowed }).refine(isAllowed, { error: allowed });
const flag = z.boolean({ error: "true or false" });
const off = flag.default(false);
const whole = (min: number, max: number) => {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: values.map((value) => JSON.stringify(value)).join(", ") });
const object = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: ({ code }) =>
      code === "unrecognized_keys"
        ? Object.keys(shape).join(", ")
        : `an object with ${Object.keys(shape).join(", ")}`,
  });

/** Text to milliseconds. A number is refused, for nothing says of what. */
const duration = (minMs: number, maxMs: number, { orNone = false } = {}) => {
  const range = `${durationText(minMs)} to ${durationText(maxMs)}${orNone ? ", or 0s" : ""}`;
  const error = `${durationRule}, ${range}`;
  return z.string({ error }).transform((value, context) => {
    const ms = parseDuration(value);
    if (ms !== undefined && ((ms >= minMs && ms <= maxMs) || (orNone && ms === 0))) return ms;
    context.addIssue({ code: "custom", message: error, input: value });
    return z.NEVER;
  });
};

/** An option that can only have values with which it does nothing. */
const refused = (reason: string, ...harmless: readonly unknown[]) =>
  z
    .unknown()
    .superRefine((value, context) => {
      if (harmless.some((one) => isDeepStrictEqual(one, value))) return;
      const params = { refused: true };
      context.addIssue({ code: "custom", message: reason, input: value, params });
    })
    .optional();
const notSupported = "is not supported by this gateway";
const notYet = "is not supported yet";

const pattern = text("a regular expression as JavaScript has them", (value) => {
  try {
    return new RegExp(value, "u") instanceof RegExp;
  } catch {
    return false;
  }
}).default("");

const publicKey = (kind: "rsa" | "ec", name: string) =>
  text(`an ${name} public key as PEM (-----BEGIN PUBLIC KEY-----)`, (value) => {
    if (value === "") return true;
    if (value.includes("PRIVATE KEY")) return false;
    try {
      return createPublicKey(value).asymmetricKeyType === kind;
    } catch {
      return false;
    }
  }).default("");

/** The form of a secret's name; `components/lib/gateway-config.ts` makes such names. */
export const isSecretName = (name: string): boolean =>
  /^projects\/[^/\s]+\/secrets\/[\w-]{1,255}$/.test(name);

const secret = z
  .union([z.string(), z.strictObject({ secret: z.string().refine(isSecretName) })], {
    error: 'text, or {"secret": "projects/<project>/secrets/<id>"}',
  })
  .default("");

const path = (standard: string) =>
  text(
    'a path such as "/connection/websocket", but none below /ws or /healthz',
    (value) =>
      /^(\/[\w.~-]+)+$/.test(value) && !/^\/(ws|healthz)(\/|$)/.test(value) && value.length <= 255,
  ).default(standard);

const tokenShape = {
  hmac_secret_key: secret,
  hmac_previous_secret_key: secret,
  hmac_previous_secret_key_valid_until: whole(0, 253_402_300_799).default(0),
  rsa_public_key: publicKey("rsa", "RSA"),
  ecdsa_public_key: publicKey("ec", "elliptic curve"),
  jwks_public_endpoint: text("a URL of https or http, without placeholders", (value) => {
    if (value === "") return true;
    const url = URL.parse(value);
    return ["https:", "http:"].includes(url?.protocol ?? "") && !/[{}]/.test(value);
  }).default(""),
  audience: text("text").default(""),
  audience_regex: pattern,
  issuer: text("text").default(""),
  issuer_regex: pattern,
  user_id_claim: text("letters and _", (value) => /^[a-zA-Z_]*$/.test(value)).default(""),
};

type Token = z.infer<z.ZodObject<typeof tokenShape>>;
type Report = (problem: string, ...at: PropertyKey[]) => void;

/** Lets a check of how options fit together name the option that is wrong. */
const reporter =
  (context: z.core.$RefinementCtx): Report =>
  (message, ...at) => {
    context.addIssue({
      code: "custom",
      message,
      path: at,
      input: undefined,
      params: { refused: true },
    });
  };

/** Whether a token's signature can be checked at all. */
const hasKey = (token: Token): boolean =>
  token.hmac_secret_key !== "" ||
  token.rsa_public_key !== "" ||
  token.ecdsa_public_key !== "" ||
  token.jwks_public_endpoint !== "";

function checkToken(token: Token, report: Report): void {
  if (token.hmac_previous_secret_key !== "" && token.hmac_secret_key === "") {
    report("needs hmac_secret_key", "hmac_previous_secret_key");
  }
  if (token.hmac_previous_secret_key_valid_until > 0 && token.hmac_previous_secret_key === "") {
    report("needs hmac_previous_secret_key", "hmac_previous_secret_key_valid_until");
  }
  for (const name of ["audience", "issuer"] as const) {
    if (token[name] !== "" && token[`${name}_regex`] !== "") {
      report(`cannot be given together with ${name}`, `${name}_regex`);
    }
  }
}

const token = object(tokenShape).superRefine((value, context) => {
  checkToken(value, reporter(context));
});

const subscriptionToken = object({ enabled: off, ...tokenShape }).superRefine((value, context) => {
  const report = reporter(context);
  checkToken(value, report);
  if (value.enabled) {
    if (!hasKey(value)) report("needs a key or jwks_public_endpoint beside it", "enabled");
    return;
  }
  for (const [name, given] of Object.entries(value)) {
    if (name !== "enabled" && given !== "" && given !== 0) {
      report("does nothing without enabled: true beside it", name);
    }
  }
});

const client = object({
  allowed_origins: z
    .array(
      text(
        'an origin such as "https://example.com" or "https://*.example.com" in small letters, or "*"',
        (value) => value === "*" || /^[a-z][a-z0-9+.-]*:\/\/[^\sA-Z/?#@]*$/.test(value),
      ),
      { error: "a list of origins, or null" },
    )
    .nullable()
    .default(null),
  insecure: off,
  allow_anonymous_connect_without_token: off,
  disallow_anonymous_connection_tokens: off,
  insecure_skip_token_signature_verify: off,
  ping_interval: duration(1_000, 3_600_000).prefault("25s"),
  pong_timeout: duration(1, 3_600_000).prefault("8s"),
  expired_close_delay: duration(0, dayMs).prefault("25s"),
  expired_sub_close_delay: duration(0, dayMs).prefault("25s"),
  stale_close_delay: duration(1, 3_600_000).prefault("10s"),
  channel_limit: whole(1, 100_000).default(128),
  queue_max_size: whole(1_024, 1_073_741_824).default(1_048_576),
  channel_position_check_delay: duration(100, dayMs).prefault("40s"),
  channel_position_max_time_lag: duration(1, dayMs, { orNone: true })
    .prefault("0s")
    .refine((ms) => ms === 0, {
      error: "0s; positions are compared with the stream itself, whatever the time",
    }),
  connection_limit: whole(0, 10_000_000).optional(),
  user_connection_limit: whole(0, 10_000_000).default(0),
  connection_rate_limit: whole(0, 1_000_000).default(0),
  connect_include_server_time: off,
  history_max_publication_limit: whole(1, 100_000).default(300),
  recovery_max_publication_limit: whole(1, 100_000).default(300),
  user_id_http_header: text("the name of an HTTP header", (value) =>
    /^[\w!#$%&'*+.^`|~-]{0,100}$/.test(value),
  ).default(""),
  // A client that publishes as fast as it is answered stays below; a loop gone wild does not.
  command_rate_limit: whole(0, 1_000_000).default(2_000),
  // App Engine flexible cuts after 60 minutes.
  max_connection_age: duration(1_000, dayMs, { orNone: true }).prefault("55m0s"),
  total_queue_max_size: whole(1_024, 1_099_511_627_776).optional(),
  token: token.prefault({}),
  subscription_token: subscriptionToken.prefault({}),
  subscribe_to_user_personal_channel: object({
    enabled: off,
    personal_channel_namespace: text("the name of a namespace").default(""),
    single_connection: off,
  }).prefault({}),
}).superRefine((value, context) => {
  const report = reporter(context);
  if (value.ping_interval % 1_000 !== 0) {
    report("is not in whole seconds, in which clients are told it", "ping_interval");
  }
  if (value.pong_timeout >= value.ping_interval) {
    report("is not shorter than ping_interval", "pong_timeout");
  }
  if ((value.total_queue_max_size ?? Number.POSITIVE_INFINITY) < value.queue_max_size) {
    report("is smaller than queue_max_size", "total_queue_max_size");
  }
});

const channelShape = {
  presence: off,
  join_leave: off,
  force_push_join_leave: off,
  history_size: whole(0, 1_000_000).default(0),
  // A year; JetStream has no shorter time than a tenth of a second.
  history_ttl: duration(100, 365 * dayMs, { orNone: true }).prefault("0s"),
  force_positioning: off,
  allow_positioning: off,
  force_recovery: off,
  allow_recovery: off,
  force_recovery_mode: oneOf(["", "stream", "cache"])
    .transform((mode) => (mode === "" ? "stream" : mode))
    .prefault(""),
  allowed_delta_types: z
    .array(oneOf(["fossil"]), { error: 'a list of "fossil", or null' })
    .nullable()
    .default(null)
    .transform((types) => types ?? []),
  delta_publish: off,
  allow_tags_filter: off,
  allow_subscribe_for_client: off,
  allow_subscribe_for_anonymous: off,
  allow_publish_for_client: off,
  allow_publish_for_subscriber: off,
  allow_publish_for_anonymous: off,
  allow_presence_for_client: off,
  allow_presence_for_subscriber: off,
  allow_presence_for_anonymous: off,
  allow_history_for_client: off,
  allow_history_for_subscriber: off,
  allow_history_for_anonymous: off,
  allow_user_limited_channels: off,
  channel_regex: pattern,
  publication_data_format: refused(`${notYet}: a publication may be anything`, ""),
};

type Channel = z.infer<z.ZodObject<typeof channelShape>>;

function checkChannel(value: Channel, context: z.core.$RefinementCtx): void {
  const report = reporter(context);
  if (value.history_size > 0 && value.history_ttl === 0) {
    report("needs history_ttl: a history is bounded by both", "history_size");
  }
  if (value.history_ttl > 0 && value.history_size === 0) {
    report("needs history_size: a history is bounded by both", "history_ttl");
  }
  if (value.history_size === 0 || value.history_ttl === 0) {
    for (const name of [
      "force_positioning",
      "allow_positioning",
      "force_recovery",
      "allow_recovery",
    ] as const) {
      if (value[name]) report("needs history_size and history_ttl", name);
    }
  }
  if (value.force_push_join_leave && !value.join_leave) {
    report("needs join_leave", "force_push_join_leave");
  }
}

/** Without the options that are only known to be refused. */
function channelOptions<T extends Channel>({ publication_data_format: _format, ...options }: T) {
  return options;
}

const namespaceName = text(
  "2 or more letters, digits, _ or - (a dot would split NATS's subjects)",
  (value) => /^[\w-]{2,64}$/.test(value),
);

function checkNames(namespaces: readonly { readonly name: string }[], report: Report): void {
  const seen = new Set<string>();
  for (const [index, { name }] of namespaces.entries()) {
    if (seen.has(name)) report("is the name of another namespace", "namespaces", index, "name");
    seen.add(name);
  }
}

const namespace = object({
  name: namespaceName,
  ...channelShape,
})
  .superRefine(checkChannel)
  .transform(({ name, ...value }) => ({ name, ...channelOptions(value) }));

const fixed = <const T extends string>(value: T) =>
  refused(`${notSupported} with another value than ${JSON.stringify(value)}`, value).transform(
    () => value,
  );

const channel = object({
  without_namespace: object(channelShape)
    .superRefine(checkChannel)
    .transform(channelOptions)
    .prefault({}),
  namespaces: z.array(namespace, { error: "a list of namespaces" }).default([]),
  // A subject, in which a character may take four bytes, has to fit into a line of NATS's protocol.
  max_length: whole(1, 512).default(255),
  // They are part of how channels become subjects, which all gateways and publishers must agree on.
  private_prefix: fixed("$"),
  namespace_boundary: fixed(":"),
  user_boundary: fixed("#"),
  user_separator: fixed(","),
  history_meta_ttl: duration(1_000, 3_650 * dayMs).prefault("720h0m0s"),
  publication_data_format: refused(`${notYet}: a publication may be anything`, ""),
})
  .superRefine((value, context) => {
    const report = reporter(context);
    checkNames(value.namespaces, report);
    const ttls: [number, ...PropertyKey[]][] = [
      [value.without_namespace.history_ttl, "without_namespace"],
      ...value.namespaces.map(({ history_ttl }, index): [number, ...PropertyKey[]] => [
        history_ttl,
        "namespaces",
        index,
      ]),
    ];
    for (const [ttl, ...at] of ttls) {
      if (ttl > value.history_meta_ttl) {
        report("is longer than channel.history_meta_ttl", ...at, "history_ttl");
      }
    }
  })
  .transform(({ publication_data_format: _format, ...value }) => value);

const httpTransport = (standard: string) =>
  object({
    enabled: off,
    handler_prefix: path(standard),
    max_request_body_size: whole(1, 1_048_576).default(65_536),
  });

/** Clients wait for 5 s where nobody says another time. */
const rpcShape = {
  enabled: off,
  timeout: duration(1, 60_000).prefault("4s"),
  allow_for_anonymous: off,
};

export const schema = object({
  client: client.prefault({}),
  channel: channel.prefault({}),
  websocket: object({
    disabled: off,
    handler_prefix: path("/connection/websocket"),
    // NATS takes 1 MiB, headers included.
    message_size_limit: whole(1_024, 1_000_000).default(65_536),
    write_timeout: refused(
      `${notSupported}: a client that does not read is closed by client.queue_max_size and client.pong_timeout`,
      "1s",
      "1000ms",
    ),
    compression: refused(`${notSupported}: it costs eight times the CPU of a delivery`, false),
  })
    .transform(({ write_timeout: _timeout, compression: _compression, ...value }) => value)
    .prefault({}),
  http_stream: httpTransport("/connection/http_stream").prefault({}),
  sse: httpTransport("/connection/sse").prefault({}),
  emulation: object({
    handler_prefix: path("/emulation"),
    // NATS takes 1 MiB, headers included.
    max_request_body_size: whole(1, 1_000_000).default(65_536),
  }).prefault({}),
  http_api: object({
    disabled: off,
    handler_prefix: path("/api"),
    key: secret,
    insecure: off,
    error_mode: oneOf(["", "transport"]).default(""),
  }).prefault({}),
  rpc: object({
    ping: object({
      enabled: off,
      method: text("a name", (value) => value !== "").default("ping"),
    }).prefault({}),
    without_namespace: object(rpcShape).prefault({}),
    namespaces: z
      .array(object({ name: namespaceName, ...rpcShape }), { error: "a list of namespaces" })
      .default([]),
    namespace_boundary: fixed(":"),
    connection_call_limit: whole(1, 2_048).default(64),
    total_call_limit: whole(1, 1_000_000).default(4_096),
  })
    .superRefine((value, context) => {
      checkNames(value.namespaces, reporter(context));
    })
    .prefault({}),
  prometheus: object({ enabled: off, handler_prefix: path("/metrics") }).prefault({}),
  health: object({ enabled: off, handler_prefix: path("/health") }).prefault({}),
  shutdown: object({ timeout: duration(0, 600_000).prefault("10s") }).prefault({}),
  raw: object({ disabled: off }).prefault({}),
}).superRefine((value, context) => {
  const report = reporter(context);
  const personal = value.client.subscribe_to_user_personal_channel;
  const at = ["client", "subscribe_to_user_personal_channel"] as const;
  const { personal_channel_namespace: name } = personal;
  const options =
    name === ""
      ? value.channel.without_namespace
      : value.channel.namespaces.find((one) => one.name === name);
  if (options === undefined) {
    report("is not among channel.namespaces", ...at, "personal_channel_namespace");
  } else if (personal.enabled && personal.single_connection && !options.presence) {
    report("needs presence in the namespace of personal channels", ...at, "single_connection");
  }
  if (value.client.queue_max_size < value.websocket.message_size_limit) {
    report("is smaller than websocket.message_size_limit", "client", "queue_max_size");
  }
  const paths = new Map<string, string>();
  for (const [block, { handler_prefix: taken }, used] of [
    ["websocket", value.websocket, !value.websocket.disabled],
    ["http_stream", value.http_stream, value.http_stream.enabled],
    ["sse", value.sse, value.sse.enabled],
    ["emulation", value.emulation, value.http_stream.enabled || value.sse.enabled],
    ["http_api", value.http_api, !value.http_api.disabled],
    ["prometheus", value.prometheus, value.prometheus.enabled],
    ["health", value.health, value.health.enabled],
  ] as const) {
    if (!used) continue;
    const other = paths.get(taken);
    if (other !== undefined) report(`is also ${other}.handler_prefix`, block, "handler_prefix");
    paths.set(taken, block);
  }
});
