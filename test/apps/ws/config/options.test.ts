import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  ConfigError,
  decodeConfig,
  decodeReferringConfig,
  defaultConfig,
} from "../../../../apps/ws/config/options.ts";

/** The family's options with the family's defaults, but for `shutdown.timeout` (30s there). */
const channelDefaults = {
  presence: false,
  join_leave: false,
  force_push_join_leave: false,
  history_size: 0,
  history_ttl: "0s",
  force_positioning: false,
  allow_positioning: false,
  force_recovery: false,
  allow_recovery: false,
  force_recovery_mode: "",
  allowed_delta_types: null,
  delta_publish: false,
  allow_tags_filter: false,
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
  publication_data_format: "",
};
const tokenDefaults = {
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
const familyDefaults = {
  client: {
    allowed_origins: null,
    insecure: false,
    allow_anonymous_connect_without_token: false,
    disallow_anonymous_connection_tokens: false,
    insecure_skip_token_signature_verify: false,
    ping_interval: "25s",
    pong_timeout: "8s",
    expired_close_delay: "25s",
    expired_sub_close_delay: "25s",
    stale_close_delay: "10s",
    channel_limit: 128,
    queue_max_size: 1_048_576,
    channel_position_check_delay: "40s",
    channel_position_max_time_lag: "0s",
    connection_limit: 0,
    user_connection_limit: 0,
    connection_rate_limit: 0,
    connect_include_server_time: false,
    history_max_publication_limit: 300,
    recovery_max_publication_limit: 300,
    user_id_http_header: "",
    token: tokenDefaults,
    subscription_token: { enabled: false, ...tokenDefaults },
    subscribe_to_user_personal_channel: {
      enabled: false,
      personal_channel_namespace: "",
      single_connection: false,
    },
  },
  channel: {
    without_namespace: channelDefaults,
    namespaces: [],
    max_length: 255,
    private_prefix: "$",
    namespace_boundary: ":",
    user_boundary: "#",
    user_separator: ",",
    history_meta_ttl: "720h0m0s",
    publication_data_format: "",
  },
  websocket: {
    disabled: false,
    handler_prefix: "/connection/websocket",
    message_size_limit: 65_536,
    write_timeout: "1s",
    compression: false,
  },
  http_stream: {
    enabled: false,
    handler_prefix: "/connection/http_stream",
    max_request_body_size: 65_536,
  },
  sse: { enabled: false, handler_prefix: "/connection/sse", max_request_body_size: 65_536 },
  emulation: { handler_prefix: "/emulation", max_request_body_size: 65_536 },
  http_api: { disabled: false, handler_prefix: "/api", key: "", insecure: false, error_mode: "" },
  rpc: { ping: { enabled: false, method: "ping" }, namespace_boundary: ":" },
  prometheus: { enabled: false, handler_prefix: "/metrics" },
  health: { enabled: false, handler_prefix: "/health" },
};

function problemsOf(value: unknown): readonly string[] {
  try {
    decodeReferringConfig(value);
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return assert.fail("the configuration was accepted");
}

/** The problems without the lists of what is allowed. */
const briefly = (value: unknown): string[] =>
  problemsOf(value).map((problem) => problem.split("; allowed: ")[0] ?? "");

const history = { history_size: 10, history_ttl: "1m" };
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: typeof rsa.publicKey): string =>
  key.export({ type: "spki", format: "pem" }).toString();

describe("the options", () => {
  it("are known by the family's names and have its defaults", () => {
    assert.deepEqual(decodeConfig(familyDefaults), {
      ...defaultConfig,
      client: { ...defaultConfig.client, connection_limit: 0 },
    });
  });

  it("have defaults of their own for what the family has not, and a short stop", () => {
    const { client, shutdown, raw } = decodeConfig({});
    assert.equal(client.command_rate_limit, 2_000);
    assert.equal(client.max_connection_age, 3_300_000);
    assert.equal(shutdown.timeout, 10_000);
    assert.deepEqual(raw, { disabled: false });
  });

  it("bound what all connections take by the memory that there is", () => {
    const of = (memoryMb: number, client = {}) =>
      decodeConfig({ client }, memoryMb * 1_048_576).client;
    assert.equal(of(2_048).total_queue_max_size, 536_870_912);
    assert.equal(of(2_048).connection_limit, 43_690);
    assert.equal(of(256).connection_limit, 5_461);
    // One connection may always have its own share.
    assert.equal(of(1).total_queue_max_size, 1_048_576);
    const given = of(256, { connection_limit: 0, total_queue_max_size: 2_097_152 });
    assert.equal(given.connection_limit, 0);
    assert.equal(given.total_queue_max_size, 2_097_152);
  });

  it("are decoded for each namespace, with its own defaults", () => {
    const { channel } = decodeConfig({
      channel: {
        without_namespace: { presence: true },
        namespaces: [
          { name: "chat", ...history, force_recovery: true, allow_subscribe_for_client: true },
          { name: "last", ...history, force_recovery_mode: "cache" },
        ],
      },
    });
    const [chat, last] = channel.namespaces;
    assert.deepEqual(chat, {
      ...defaultConfig.channel.without_namespace,
      name: "chat",
      history_size: 10,
      history_ttl: 60_000,
      force_recovery: true,
      allow_subscribe_for_client: true,
    });
    assert.equal(last?.force_recovery_mode, "cache");
    assert.equal(channel.without_namespace.presence, true);
  });

  it("are frozen through and through", () => {
    const { channel } = decodeConfig({ channel: { namespaces: [{ name: "chat" }] } });
    assert.throws(() => {
      Object.assign(channel.namespaces[0] ?? {}, { presence: true });
    }, TypeError);
    assert(Object.isFrozen(defaultConfig.client.token));
  });

  it("take keys as PEM, origins as patterns and secrets by reference", () => {
    const { client } = decodeReferringConfig({
      client: {
        allowed_origins: ["https://example.com", "https://*.example.com", "http://a:3000", "*"],
        token: {
          rsa_public_key: pem(rsa.publicKey),
          ecdsa_public_key: pem(ec.publicKey),
          hmac_secret_key: { secret: "projects/p/secrets/ws-token-hmac" },
          jwks_public_endpoint: "https://example.com/.well-known/jwks.json",
        },
      },
    });
    assert.equal(client.allowed_origins?.length, 4);
    assert.deepEqual(client.token.hmac_secret_key, { secret: "projects/p/secrets/ws-token-hmac" });
  });

  it("hold no reference where nobody would read it", () => {
    const key = { secret: "projects/p/secrets/ws-api-key" };
    assert.throws(() => decodeConfig({ http_api: { key } }), {
      name: "ConfigError",
      message: /http_api\.key: is a reference to a secret, which nobody reads here/,
    });
  });
});

describe("wrong options", () => {
  it("are all named at once, each with its path, its value and what is allowed", () => {
    assert.deepEqual(
      problemsOf({
        client: { ping_interval: 25, channel_limit: 0, insecure: "yes", allowed_origins: "*" },
        channel: {
          namespaces: [{ name: "chat" }, { name: "a.b", force_recovery_mode: "all" }, {}],
        },
        websocket: { handler_prefix: "connection" },
        shutdown: "10s",
      }),
      [
        "client.allowed_origins: text; allowed: a list of origins, or null",
        'client.insecure: "yes"; allowed: true or false',
        'client.ping_interval: 25; allowed: text with units h, m, s or ms, e.g. "25s" or "1h30m", 1s to 1h',
        "client.channel_limit: 0; allowed: a whole number from 1 to 100000",
        'channel.namespaces[1].name: "a.b"; allowed: 2 or more letters, digits, _ or - (a dot would split NATS\'s subjects)',
        'channel.namespaces[1].force_recovery_mode: "all"; allowed: "", "stream", "cache"',
        "channel.namespaces[2].name: is missing; allowed: 2 or more letters, digits, _ or - (a dot would split NATS's subjects)",
        'websocket.handler_prefix: "connection"; allowed: a path such as "/connection/websocket", but none below /ws or /healthz',
        "shutdown: text; allowed: an object with timeout",
      ],
    );
  });

  it("that are not known are named with their path, what is allowed and what was perhaps meant", () => {
    const [problem = ""] = problemsOf({
      channel: { namespaces: [{ name: "chat" }, { name: "news", histroy_size: 10 }] },
    });
    assert.match(
      problem,
      /^channel\.namespaces\[1\]\.histroy_size: is not known, perhaps history_size is meant; allowed: name, presence, join_leave, /,
    );
    assert.deepEqual(problemsOf({ shutdown: { grace: "1s" }, raw: { enabled: true } }), [
      "shutdown.grace: is not known; allowed: timeout",
      "raw.enabled: is not known; allowed: disabled",
    ]);
    assert.deepEqual(briefly(JSON.parse('{"__proto__": {}, "constructor": 1, "a b\\n": 1}')), [
      "__proto__: is not known",
      "constructor: is not known",
      '["a b\\n"]: is not known',
    ]);
  });

  it("of the family that this gateway does not have are refused with the reason", () => {
    assert.deepEqual(
      problemsOf({
        admin: { enabled: true },
        proxies: [],
        engine: { type: "redis" },
        client: { proxy: {}, presence_update_interval: "27s" },
        channel: {
          without_namespace: { subscribe_proxy_enabled: true, shared_poll_interval: "1s" },
          namespaces: [{ name: "chat", map_mode: "x" }],
        },
        rpc: { proxy: {}, without_namespace: { proxy_enabled: true } },
      }).map((problem) => problem.split(": ").slice(0, 2).join(": ")),
      [
        "client.proxy: is not supported by this gateway",
        "client.presence_update_interval: is not supported by this gateway",
        "channel.without_namespace.subscribe_proxy_enabled: is not supported by this gateway",
        "channel.without_namespace.shared_poll_interval: is not supported by this gateway",
        "channel.namespaces[0].map_mode: is not supported by this gateway",
        "rpc.without_namespace.proxy_enabled: is not supported by this gateway",
        "rpc.proxy: is not supported by this gateway",
        "admin: is not supported by this gateway",
        "proxies: is not supported by this gateway",
        "engine: is not supported by this gateway",
      ],
    );
    assert.deepEqual(problemsOf({ admin: {} }), [
      "admin: is not supported by this gateway: there is no admin interface",
    ]);
  });

  it("of deltas and filters are per namespace, and off where they are not named", () => {
    const { channel } = decodeConfig({
      channel: {
        namespaces: [
          { name: "scores", allowed_delta_types: ["fossil"], delta_publish: true },
          { name: "news", allowed_delta_types: null, allow_tags_filter: true },
        ],
      },
    });
    const of = [channel.without_namespace, ...channel.namespaces].map(
      ({ allowed_delta_types: types, delta_publish, allow_tags_filter: filter }) => [
        ...types,
        delta_publish,
        filter,
      ],
    );
    assert.deepEqual(of, [
      [false, false],
      ["fossil", true, false],
      [false, true],
    ]);
    assert.deepEqual(
      problemsOf({
        channel: { without_namespace: { allowed_delta_types: ["bsdiff"], delta_publish: "yes" } },
      }),
      [
        'channel.without_namespace.allowed_delta_types[0]: "bsdiff"; allowed: "fossil"',
        'channel.without_namespace.delta_publish: "yes"; allowed: true or false',
      ],
    );
  });

  it("of what there is not yet are refused once they switch it on", () => {
    assert.deepEqual(
      problemsOf({
        channel: {
          namespaces: [{ name: "chat", publication_data_format: "json" }],
        },
      }),
      [
        "channel.namespaces[0].publication_data_format: is not supported yet: a publication may be anything",
      ],
    );
    assert.deepEqual(briefly({ sse: { enabeld: true } }), [
      "sse.enabeld: is not known, perhaps enabled is meant",
    ]);
  });

  it("that only their default makes sense of are refused with another value", () => {
    assert.deepEqual(
      problemsOf({
        channel: {
          private_prefix: "@",
          namespace_boundary: "/",
          user_boundary: "",
          max_length: 1e4,
        },
        websocket: { compression: true, write_timeout: "2s" },
      }),
      [
        "channel.max_length: 10000; allowed: a whole number from 1 to 512",
        'channel.private_prefix: is not supported by this gateway with another value than "$"',
        'channel.namespace_boundary: is not supported by this gateway with another value than ":"',
        'channel.user_boundary: is not supported by this gateway with another value than "#"',
        "websocket.write_timeout: is not supported by this gateway: a client that does not read is closed by client.queue_max_size and client.pong_timeout",
        "websocket.compression: is not supported by this gateway: it costs eight times the CPU of a delivery",
      ],
    );
  });

  const together: [string, unknown, string[]][] = [
    [
      "a history without one of its bounds",
      {
        channel: {
          without_namespace: { history_size: 1 },
          namespaces: [{ name: "chat", history_ttl: "1s" }],
        },
      },
      [
        "channel.without_namespace.history_size: needs history_ttl: a history is bounded by both",
        "channel.namespaces[0].history_ttl: needs history_size: a history is bounded by both",
      ],
    ],
    [
      "recovery and positioning without a history",
      {
        channel: {
          without_namespace: {
            force_recovery: true,
            allow_recovery: true,
            force_positioning: true,
            allow_positioning: true,
          },
        },
      },
      ["force_positioning", "allow_positioning", "force_recovery", "allow_recovery"].map(
        (name) => `channel.without_namespace.${name}: needs history_size and history_ttl`,
      ),
    ],
    [
      "a history that outlives its position",
      { channel: { history_meta_ttl: "30s", namespaces: [{ name: "chat", ...history }] } },
      ["channel.namespaces[0].history_ttl: is longer than channel.history_meta_ttl"],
    ],
    [
      "two namespaces of one name",
      { channel: { namespaces: [{ name: "chat" }, { name: "news" }, { name: "chat" }] } },
      ["channel.namespaces[2].name: is the name of another namespace"],
    ],
    [
      "forced join and leave events where there are none",
      { channel: { without_namespace: { force_push_join_leave: true } } },
      ["channel.without_namespace.force_push_join_leave: needs join_leave"],
    ],
    [
      "pongs that may come after the next ping",
      { client: { ping_interval: "8s" } },
      ["client.pong_timeout: is not shorter than ping_interval"],
    ],
    [
      "pings that clients cannot be told of",
      { client: { ping_interval: "9500ms" } },
      ["client.ping_interval: is not in whole seconds, in which clients are told it"],
    ],
    [
      "queues that hold less than what is in them",
      { client: { total_queue_max_size: 65_536 } },
      ["client.total_queue_max_size: is smaller than queue_max_size"],
    ],
    [
      "a queue that no message fits in",
      { client: { queue_max_size: 2_048 } },
      ["client.queue_max_size: is smaller than websocket.message_size_limit"],
    ],
    [
      "personal channels in no namespace",
      { client: { subscribe_to_user_personal_channel: { personal_channel_namespace: "user" } } },
      [
        "client.subscribe_to_user_personal_channel.personal_channel_namespace: is not among channel.namespaces",
      ],
    ],
    [
      "a single connection that presence would have to find",
      {
        client: { subscribe_to_user_personal_channel: { enabled: true, single_connection: true } },
      },
      [
        "client.subscribe_to_user_personal_channel.single_connection: needs presence in the namespace of personal channels",
      ],
    ],
    [
      "subscription tokens that nothing verifies, or that verify nothing",
      { client: { subscription_token: { enabled: true } } },
      ["client.subscription_token.enabled: needs a key or jwks_public_endpoint beside it"],
    ],
    [
      "subscription tokens of their own that are not enabled",
      { client: { subscription_token: { hmac_secret_key: "k", audience: "a" } } },
      ["hmac_secret_key", "audience"].map(
        (name) => `client.subscription_token.${name}: does nothing without enabled: true beside it`,
      ),
    ],
    [
      "a previous key without a present one, and two rules for one claim",
      {
        client: {
          token: {
            hmac_previous_secret_key: "k",
            issuer: "a",
            issuer_regex: "b",
          },
        },
      },
      [
        "client.token.hmac_previous_secret_key: needs hmac_secret_key",
        "client.token.issuer_regex: cannot be given together with issuer",
      ],
    ],
    [
      "an end of what is not there",
      { client: { token: { hmac_previous_secret_key_valid_until: 1 } } },
      ["client.token.hmac_previous_secret_key_valid_until: needs hmac_previous_secret_key"],
    ],
    [
      "two namespaces of methods with one name",
      { rpc: { namespaces: [{ name: "shop" }, { name: "shop" }] } },
      ["rpc.namespaces[1].name: is the name of another namespace"],
    ],
    [
      "two answers on one path",
      { prometheus: { enabled: true, handler_prefix: "/api" }, health: { handler_prefix: "/api" } },
      ["prometheus.handler_prefix: is also http_api.handler_prefix"],
    ],
  ];
  for (const [name, value, problems] of together) {
    it(`do not fit together: ${name}`, () => {
      assert.deepEqual(problemsOf(value), problems);
    });
  }

  const alone: [string, unknown][] = [
    ["client.history_max_publication_limit", 0],
    ["client.max_connection_age", "25h"],
    ["client.channel_position_check_delay", "0s"],
    ["client.user_id_http_header", "X User"],
    ["client.allowed_origins[0]", "example.com"],
    ["client.allowed_origins[0]", "https://example.com/"],
    ["client.allowed_origins[0]", "https://Example.com"],
    ["client.token.jwks_public_endpoint", "ftp://example.com"],
    ["client.token.jwks_public_endpoint", "https://example.com/{{realm}}/jwks"],
    ["client.token.user_id_claim", "a.b"],
    ["client.token.audience_regex", "("],
    ["client.token.rsa_public_key", "-----BEGIN PUBLIC KEY-----"],
    ["client.token.rsa_public_key", pem(ec.publicKey)],
    ["client.token.ecdsa_public_key", pem(rsa.publicKey)],
    ["channel.without_namespace.channel_regex", "(?P<a>x)"],
    ["channel.without_namespace.history_ttl", "10ms"],
    ["channel.history_meta_ttl", "0s"],
    ["websocket.message_size_limit", 1_000_001],
    ["websocket.handler_prefix", "/ws/x"],
    ["prometheus.handler_prefix", "/healthz"],
    ["prometheus.handler_prefix", "/"],
    ["http_api.error_mode", "http"],
    ["rpc.ping.method", ""],
    ["rpc.without_namespace.timeout", "0s"],
    ["rpc.without_namespace.timeout", "61s"],
    ["rpc.without_namespace.enabled", "yes"],
    ["rpc.namespaces[0].name", "a.b"],
    ["rpc.connection_call_limit", 0],
    ["rpc.total_call_limit", 0],
  ];
  for (const [path, value] of alone) {
    it(`are refused one by one: ${path} ${JSON.stringify(value).slice(0, 40)}`, () => {
      const config = path
        .replaceAll("[0]", ".[0]")
        .split(".")
        .reduceRight<unknown>(
          (inner, name) => (name === "[0]" ? [inner] : { [name]: inner }),
          value,
        );
      const [problem = "", ...others] = problemsOf(config);
      assert(problem.startsWith(`${path}: `) && problem.includes("; allowed: "), problem);
      assert.deepEqual(others, []);
    });
  }

  it("never repeat what may be a secret", () => {
    const secret = "correct-horse-battery-staple";
    const privateKey = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    for (const value of [
      { client: { token: secret } },
      { client: { token: { hmac_secret_key: [secret] } } },
      { client: { token: { hmac_secret_key: { secret } } } },
      { client: { token: { hmac_secret_key: { secret: "projects/p/secrets/a", value: secret } } } },
      { client: { token: { issuer_regex: `(${secret}` } } },
      { client: { token: { rsa_public_key: privateKey } } },
      { client: { subscription_token: { enabled: secret } } },
      { client: secret },
      { http_api: { key: { [secret]: secret } } },
      { http_api: secret },
      secret,
      [secret],
    ]) {
      const problems = problemsOf(value).join("\n");
      assert(!problems.includes(secret) && !problems.includes("PRIVATE"), problems);
    }
    assert.deepEqual(problemsOf({ client: { token: { hmac_secret_key: 12345 } } }), [
      'client.token.hmac_secret_key: a number; allowed: text, or {"secret": "projects/<project>/secrets/<id>"}',
    ]);
  });

  it("never end in anything but a list of problems, whatever they are", () => {
    const names = fc.constantFrom(
      ...[
        "client",
        "channel",
        "namespaces",
        "name",
        "token",
        "websocket",
        "history_ttl",
        "__proto__",
      ],
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(names, tie("value"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, (config) => {
        try {
          decodeReferringConfig(config);
        } catch (error) {
          assert(error instanceof ConfigError && error.problems.length > 0, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
