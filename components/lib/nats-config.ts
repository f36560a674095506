/** The text of nats-server's configuration: a pure function, so that it can be read and tested. */

/** Where servers listen: for services, for each other, and for monitoring on their own machine. */
export const natsPorts = { clients: 4222, routes: 6222, monitoring: 8222 } as const;

/** The subject prefix under which every topic lives: topic `x` is subject `t.x`. */
export const topicPrefix = "t.";

/**
 * The subjects on which the instances of m tell each other of changes, acknowledge them, have one of
 * them write for all, and answer that. They are no topics: whoever can open a websocket can listen to
 * any topic.
 */
export const replicationSubjects: readonly string[] = [
  "m.changes",
  "m.ack.*",
  "m.write.*",
  "m.wrote.*",
];

/** The methods of add that clients call: method `x` is asked for on `rpc.x`. */
export const calculatorSubjects: readonly string[] = ["rpc.sum", "rpc.concat"];

/** The call that the gateways answer themselves: who of all services is there. */
export const servicesSubject = "rpc.console.services";

/** All processes of all services are asked here who they are; only gateways may ask. */
export const discoverySubject = "$SRV.INFO";

/**
 * Where a service is asked who it is, by NATS's own protocol for that: everybody at once, the service, or
 * one process of it. None hears what another one is asked.
 */
export function discoverySubjects(service: string): readonly string[] {
  return ["$SRV.PING", discoverySubject].flatMap((asked) => [
    asked,
    `${asked}.${service}`,
    `${asked}.${service}.*`,
  ]);
}

/**
 * What the gateways of the service ws publish and hear: `t.` and `n.` are channels, `j.` who joins and
 * leaves them, `a.` their positions, `g.` what gateways ask each other, `rpc.` what clients ask services.
 * `r.` is what JetStream makes of what it has stored; nobody else may say that.
 *
 * Of JetStream's API it is what makes a stream, changes its limits, reads it by direct get and, for the
 * server API's `history_remove`, purges it, which whoever may change limits can do anyway: no consumer, no
 * delete. A wildcard stands for a whole token, so the streams cannot be told apart by name.
 */
export const gatewaySubjects: { readonly [may in "publish" | "subscribe"]: readonly string[] } = {
  publish: [
    ...["t.>", "n.>", "j.>", "a.>", "g.>", "rpc.>", "_INBOX_ws.>"],
    ...["CREATE", "UPDATE", "INFO", "MSG.GET", "PURGE"].map((call) => `$JS.API.STREAM.${call}.*`),
    "$JS.API.DIRECT.GET.>",
    "$JS.API.INFO",
    discoverySubject,
  ],
  // Its own inboxes: below _INBOX. it would hear the answers to other services.
  subscribe: [
    ...["t.>", "n.>", "j.>", "r.>", "g.>", "_INBOX_ws.>"],
    ...discoverySubjects("ws"),
    servicesSubject,
  ],
};

/** What a client of the server may do. Subjects may hold the wildcards `*` and `>`. */
export interface NatsClient {
  /** Public NKey of a user (`U…`); its seed is in Secret Manager. */
  readonly publicKey: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether it may answer what it is asked: once each, to whoever asked, within a minute. */
  readonly answers?: boolean;
}

export interface NatsConfigArgs {
  /** Unique in the cluster, e.g. `nats-0`. */
  readonly serverName: string;
  /** The zone that the server runs in; JetStream spreads the replicas of a stream over zones. */
  readonly zone: string;
  /** What may connect, by service. */
  readonly clients: Readonly<Record<string, NatsClient>>;
  /** The most that JetStream may keep on disk, in MiB. */
  readonly storageMb: number;
  /** The most that JetStream may keep in memory, in MiB. */
  readonly memoryMb: number;
  /** Absent for a server that stands alone. */
  readonly cluster?: {
    readonly name: string;
    /** Addresses of all nodes, this one too: a server recognises a route to itself and drops it. */
    readonly addresses: readonly string[];
  };
}

/** How long a stopping server takes to send its clients away, in seconds; 30 is the least it accepts. */
export const lameDuckSeconds = 30;
/** How long it waits before it starts to, so that clients learn of the other servers first. */
export const lameDuckGraceSeconds = 5;

/** One setting per line: nats-server takes no two on a line, and the local cloud translates by line. */
export function natsConfig(args: NatsConfigArgs): string {
  return [
    `server_name: ${quote(args.serverName)}`,
    `server_tags: [${quote(`az:${args.zone}`)}]`,
    `listen: 0.0.0.0:${natsPorts.clients}`,
    // Monitoring knows no password: nothing but this machine may ask.
    `http: 127.0.0.1:${natsPorts.monitoring}`,
    "max_payload: 1MB",
    "max_pending: 64MB",
    "max_connections: 10000",
    'write_deadline: "10s"',
    // A frozen or vanished peer is noticed in 60 s and not in the default 6 minutes.
    'ping_interval: "20s"',
    "ping_max: 2",
    `lame_duck_duration: "${lameDuckSeconds}s"`,
    `lame_duck_grace_period: "${lameDuckGraceSeconds}s"`,
    "",
    "accounts {",
    "  APP {",
    "    jetstream: enabled",
    "    users: [",
    ...Object.entries(args.clients)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([service, client]) => user(service, client)),
    "    ]",
    "  }",
    "  SYS {",
    "    users: []",
    "  }",
    "}",
    "system_account: SYS",
    "",
    "jetstream {",
    '  store_dir: "/data"',
    `  max_file: ${args.storageMb}MB`,
    `  max_mem: ${args.memoryMb}MB`,
    // A stored message is acknowledged after it is on the disk. The default is up to two minutes before.
    "  sync_interval: always",
    ...(args.cluster ? ["  unique_tag: az"] : []),
    "}",
    ...(args.cluster ? cluster(args.cluster) : []),
    "",
  ].join("\n");
}

function user(service: string, client: NatsClient): string[] {
  return [
    `      # ${service}`,
    "      {",
    `        nkey: ${client.publicKey}`,
    "        permissions {",
    `          publish ${permission(client.publish)}`,
    `          subscribe ${permission(client.subscribe)}`,
    ...(client.answers === true ? ['          allow_responses { max: 1, expires: "1m" }'] : []),
    "        }",
    "      }",
  ];
}

/** Nothing allowed must be said as everything denied: an empty allow list would allow everything. */
function permission(allow: readonly string[]): string {
  return allow.length === 0 ? '{ deny: [">"] }' : `{ allow: [${allow.map(quote).join(", ")}] }`;
}

function cluster({ name, addresses }: NonNullable<NatsConfigArgs["cluster"]>): string[] {
  return [
    "",
    "cluster {",
    `  name: ${quote(name)}`,
    // The port is open to the nodes alone (firewall); so routes carry no password, which would be a
    // secret in the state.
    `  listen: 0.0.0.0:${natsPorts.routes}`,
    `  routes: [${addresses.map((address) => quote(`nats://${address}:${natsPorts.routes}`)).join(", ")}]`,
    "}",
  ];
}

function quote(text: string): string {
  return JSON.stringify(text);
}
