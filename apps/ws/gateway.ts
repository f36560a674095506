import { randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import { hostname } from "node:os";
import type { Duplex } from "node:stream";
import type { Express, NextFunction, Request, Response } from "express";
import { Registry as MetricsRegistry } from "prom-client";
import { WebSocketServer } from "ws";
import { type Bus, BusError, connectionObstacle } from "../lib/bus.ts";
import { NatsAway, reportFigures } from "../lib/figures.ts";
import { addHealthRoutes, stopping } from "../lib/health.ts";
import { createHttpApp, errorBody, finishHttpApp, HttpError, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { within } from "../lib/within.ts";
import { Api } from "./api/api.ts";
import { Cluster, type NodeInfo } from "./api/cluster.ts";
import type { Tokens } from "./auth/deferred-tokens.ts";
import { BacklogBudget } from "./backlog-budget.ts";
import { Broker, type BrokerLimits, type ChannelSubscription } from "./broker.ts";
import { ChannelRules } from "./channel/rules.ts";
import type { ChannelMessage } from "./channel-message.ts";
import { ProtocolEndpoint } from "./client/endpoint.ts";
import { defaultConfig, type GatewayConfig } from "./config/options.ts";
import { Predecessors } from "./delta/predecessors.ts";
import { emulationHandler } from "./emulation/endpoint.ts";
import { Forwarding } from "./emulation/forwarding.ts";
import { Sessions } from "./emulation/sessions.ts";
import { History } from "./history/history.ts";
import { JetStream } from "./history/jetstream.ts";
import { Hub, type HubSubscription } from "./hub.ts";
import { Metrics } from "./metrics.ts";
import { isOriginAllowed } from "./origin.ts";
import { disconnects } from "./protocol/codes.ts";
import { decodeEmulationRequest } from "./protocol/protobuf/decode.ts";
import { RateLimit } from "./rate-limit.ts";
import { admitRaw } from "./raw/admission.ts";
import { closings } from "./raw/close-codes.ts";
import { type RawAdmission, RawEndpoint, type RawEndpointLimits } from "./raw/endpoint.ts";
import type { CallLimits } from "./rpc/calls.ts";
import type { Shared } from "./shared.ts";
import { Bodies } from "./transport/http-body.ts";
import { crossOrigin } from "./transport/http-cors.ts";
import { addHttpStreams } from "./transport/http-streams.ts";
import { chooseSubprotocol, websocketWire } from "./transport/wire.ts";
import { readUpgrade, type Refusal, refuseUpgrade, type Wanted } from "./upgrade.ts";
import { closeInWaves } from "./waves.ts";

/** What the configuration does not say, and what it says in the words of the gateway's parts. */
export interface GatewayLimits extends RawEndpointLimits, BrokerLimits, CallLimits {
  /** The longest message that a client may send. */
  readonly maxMessageBytes: number;
  /** How many fragments a message may have; each costs memory, an empty one too. */
  readonly maxFragments: number;
  /** In how many pieces, as the network delivers them, a frame may arrive; each costs memory. */
  readonly maxBufferedChunks: number;
  /** Open websockets and those about to open. */
  readonly maxWebsockets: number;
  /** What may wait for all peers together, each counted by itself though they share a message's bytes. */
  readonly maxTotalBacklogBytes: number;
  /** Of the publications that the next ones are compared with, for subscribers with deltas. */
  readonly maxPredecessorBytes: number;
  /** How long NATS may take to confirm a subscription, or to hand out a history. */
  readonly subscribeMs: number;
  /** How long NATS may take to confirm a client's publication. */
  readonly publishMs: number;
  /**
   * Of publications in one answer, in characters of JSON or bytes; who missed more has not recovered, and
   * a longer history is cut.
   */
  readonly maxAnswerSize: number;
  /** Of all bodies of requests that are being read or worked on. */
  readonly maxTotalBodyBytes: number;
  /** How long a body may take to come. */
  readonly bodyMs: number;
  /** How long the gateway that holds a stream may take to confirm commands for it. */
  readonly emulateMs: number;
  /** How long NATS may be away before everybody is told to reconnect. */
  readonly brokerGraceMs: number;
}

/** The limits that follow from the configuration. */
export function limitsOf({ client, websocket }: GatewayConfig): GatewayLimits {
  return {
    maxMessageBytes: websocket.message_size_limit,
    maxFragments: 64,
    maxBufferedChunks: 1_024,
    maxBacklogBytes: client.queue_max_size,
    maxTotalBacklogBytes: client.total_queue_max_size,
    maxUnconfirmedBytes: 8_388_608,
    maxWebsockets: client.connection_limit === 0 ? Infinity : client.connection_limit,
    maxPredecessorBytes: 33_554_432,
    // A client waits for 5 s, then it connects anew.
    subscribeMs: 4_000,
    publishMs: 4_000,
    maxAnswerSize: 16_777_216,
    maxCallBytes: 67_108_864,
    pingIntervalMs: client.ping_interval,
    maxAgeMs: client.max_connection_age === 0 ? Infinity : client.max_connection_age,
    maxTotalBodyBytes: 33_554_432,
    bodyMs: 10_000,
    emulateMs: 4_000,
    brokerGraceMs: 10_000,
    closeGraceMs: 5_000,
    slowGraceMs: 1_000,
  };
}

export const defaultGatewayLimits: GatewayLimits = limitsOf(defaultConfig);

export interface GatewayOptions {
  readonly bus: Bus;
  readonly log: Log;
  /** Once it aborts, no more websockets are taken. */
  readonly signal: AbortSignal;
  readonly config: GatewayConfig;
  readonly tokens: Tokens;
  readonly project?: string | undefined;
  /** The key of the server API; undefined: it is not read yet. By default what the configuration has. */
  readonly apiKey?: () => string | undefined;
  /** What the server API calls this gateway. */
  readonly name?: string | undefined;
  /** What clients are told of this program's version. */
  readonly version?: string | undefined;
  /** How many NATS servers keep each message of a history. */
  readonly replicas?: number;
  readonly metrics?: MetricsRegistry;
  readonly limits?: Partial<GatewayLimits>;
}

/** Below this the gateway subscribes to answers; its key for NATS allows no other. */
export const inboxPrefix = "_INBOX_ws";

/** The websocket gateway; it does not listen. */
export class Gateway {
  readonly handler: RequestListener;
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #config: GatewayConfig;
  readonly #tokens: Tokens;
  readonly #limits: GatewayLimits;
  readonly #rules: ChannelRules;
  readonly #jetStream: JetStream;
  readonly #history: History;
  readonly #shared: Shared;
  readonly #raw: RawEndpoint;
  readonly #protocol: ProtocolEndpoint;
  readonly #sessions = new Sessions();
  readonly #forwarding: Forwarding | undefined;
  readonly #cluster: Cluster;
  readonly #api: Api | undefined;
  readonly #metrics: Metrics;
  readonly #away: NatsAway;
  readonly #rawWebsockets: WebSocketServer;
  readonly #protocolWebsockets: WebSocketServer;
  readonly #accepts: RateLimit;
  readonly #signal: AbortSignal;
  readonly #stopWatching: () => void;
  #brokerAway: NodeJS.Timeout | undefined;
  #opening = 0;

  constructor(options: GatewayOptions) {
    const { bus, log, signal, config } = options;
    this.#bus = bus;
    this.#log = log;
    this.#signal = signal;
    this.#config = config;
    this.#tokens = options.tokens;
    this.#limits = { ...limitsOf(config), ...options.limits };
    this.#rules = new ChannelRules(config);
    this.#accepts = new RateLimit(config.client.connection_rate_limit, performance.now());
    this.#jetStream = new JetStream(bus, inboxPrefix);
    this.#history = new History({
      bus,
      jetStream: this.#jetStream,
      log,
      namespaces: historyNamespaces(config),
      privatePrefix: config.channel.private_prefix,
      metaTtlMs: config.channel.history_meta_ttl,
      checkMs: config.client.channel_position_check_delay,
      replicas: options.replicas ?? 1,
    });
    const broker = new Broker(bus, this.#limits, this.#history);
    const hub = new Hub<ChannelMessage, ChannelSubscription>(
      broker,
      new Predecessors(this.#limits.maxPredecessorBytes, (message) => message.keep()),
    );
    const budget = new BacklogBudget(this.#limits.maxTotalBacklogBytes);
    this.#shared = { broker, hub, budget, log };
    const registry = options.metrics ?? new MetricsRegistry();
    this.#metrics = new Metrics(registry, {
      connections: ["Open websockets", () => this.counts.websockets],
      channels: ["Channels that are subscribed to for them", () => hub.topicCount],
      channel_logs: ["Channels with history that are followed", () => this.#history.openCount],
      backlog_bytes: ["What waits for peers that read slowly", () => budget.totalBytes],
    });
    this.#away = new NatsAway(bus);
    this.#raw = new RawEndpoint(this.#shared, this.#limits, () => {
      this.#metrics.closedAsSlow("raw");
    });
    const gatewayId = randomUUID();
    const version = options.version ?? "development";
    // Before the endpoint says hello to other gateways: who knows this one can ask it.
    this.#cluster = new Cluster({
      ...{ bus, gatewayId, log },
      local: () => ({
        clients: this.#protocol.clients,
        members: this.#protocol.presence.members,
        channels: () => hub.subscriberCounts(),
        info: () => this.#nodeInfo({ uid: gatewayId, name: options.name ?? hostname(), version }),
      }),
    });
    this.#protocol = new ProtocolEndpoint({
      bus,
      config,
      rules: this.#rules,
      tokens: this.#tokens,
      shared: this.#shared,
      limits: this.#limits,
      metrics: this.#metrics,
      gatewayId,
      version,
    });
    if (config.http_stream.enabled || config.sse.enabled) {
      this.#forwarding = new Forwarding({
        bus,
        node: gatewayId,
        sessions: this.#sessions,
        withinMs: this.#limits.emulateMs,
      });
    }
    this.#stopWatching = bus.onChange((connected) => {
      this.#brokerChanged(connected);
    });
    const websocketOptions = {
      noServer: true,
      clientTracking: false,
      maxPayload: this.#limits.maxMessageBytes,
      maxFragments: this.#limits.maxFragments,
      maxBufferedChunks: this.#limits.maxBufferedChunks,
      // Compression costs eight times the CPU of a delivery, and 250 KB per socket.
      perMessageDeflate: false,
    };
    this.#rawWebsockets = new WebSocketServer(websocketOptions);
    this.#protocolWebsockets = new WebSocketServer({
      ...websocketOptions,
      handleProtocols: chooseSubprotocol,
    });
    this.#api = this.#makeApi(registry, options);
    this.handler = this.#httpApp(options.project, registry);
  }

  /** Open websockets and the topics that are subscribed to for them. */
  get counts(): { readonly websockets: number; readonly topics: number } {
    return {
      websockets: this.#raw.connectionCount + this.#protocol.connectionCount,
      topics: this.#shared.hub.topicCount,
    };
  }

  /** What waits for all websockets whose peers read slowly. */
  get backlogBytes(): number {
    return this.#shared.budget.totalBytes;
  }

  /** Why it cannot serve now; undefined when it can. */
  get obstacle(): string | undefined {
    return connectionObstacle(this.#bus) ?? this.#history.obstacle ?? this.#tokens.obstacle;
  }

  /** Writes down each minute what an operator looks at, until the signal aborts. */
  reportFigures(everyMs?: number): void {
    const totals = () => ({ ...this.#metrics.totals, ...this.#shared.hub.counts });
    let before = totals();
    const read = () => {
      const now = totals();
      const last = before;
      before = now;
      return {
        connections: this.counts.websockets,
        channels: this.counts.topics,
        backlogBytes: this.backlogBytes,
        opened: now.opened - last.opened,
        messagesIn: now.taken - last.taken,
        messagesOut: now.delivered - last.delivered,
        published: now.published - last.published,
        slowCloses: now.slowCloses - last.slowCloses,
        recoveries: now.recoveries - last.recoveries,
        failedRecoveries: now.failedRecoveries - last.failedRecoveries,
        natsAwayMs: this.#away.takeMs(),
        ready: this.obstacle === undefined ? 1 : 0,
      };
    };
    reportFigures("gateway figures", read, {
      log: this.#log,
      signal: this.#signal,
      ...(everyMs === undefined ? {} : { everyMs }),
    });
  }

  attach(server: Server): void {
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#upgrade(request, socket, head);
    });
  }

  /**
   * Closes every websocket, in waves over most of the time, and ends what the gateway owns. Called when
   * the signal has aborted.
   */
  async stop(withinMs: number = this.#config.shutdown.timeout): Promise<void> {
    this.#stopWatching();
    clearTimeout(this.#brokerAway);
    const all = [...this.#raw.closable, ...this.#protocol.closable];
    const graceMs = Math.min(1_000, withinMs / 5);
    await closeInWaves(all, withinMs - 2 * graceMs, graceMs, AbortSignal.timeout(withinMs));
    await Promise.all([this.#raw.stop(), this.#protocol.stop()]);
    this.#forwarding?.stop();
    this.#cluster.stop();
    this.#api?.stop();
    await this.#history.stop();
    this.#jetStream.close();
  }

  #httpApp(project: string | undefined, registry: MetricsRegistry): RequestListener {
    const app = createHttpApp();
    const { prometheus, health, websocket } = this.#config;
    addHealthRoutes(app, this.#signal, () => this.obstacle);
    if (health.enabled) {
      app.get(health.handler_prefix, (_request, response) => {
        response.json({});
      });
    }
    if (prometheus.enabled) {
      app
        .route(prometheus.handler_prefix)
        .get(async (_request, response) => {
          response.type(registry.contentType).send(await registry.metrics());
        })
        .all(onlyMethods("GET", "HEAD"));
    }
    for (const path of ["/ws/:topic", websocket.handler_prefix]) {
      app
        .route(path)
        .get(() => {
          throw new HttpError(426, "upgrade_required", "this path speaks websocket only", {
            headers: { upgrade: "websocket", connection: "upgrade" },
          });
        })
        .all(onlyMethods("GET"));
    }
    if (this.#forwarding !== undefined) this.#addStreams(app, this.#forwarding);
    this.#api?.addRoutes(app);
    finishHttpApp(app, { log: this.#log, project });
    return app;
  }

  /** The transports without websockets. */
  #addStreams(app: Express, forwarding: Forwarding): void {
    const { client, emulation, http_stream, sse } = this.#config;
    const bodies = new Bodies({
      maxTotalBytes: this.#limits.maxTotalBodyBytes,
      withinMs: this.#limits.bodyMs,
    });
    addHttpStreams(app, {
      config: this.#config,
      node: forwarding.node,
      sessions: this.#sessions,
      bodies,
      budget: this.#shared.budget,
      limits: this.#limits,
      unavailable: () => this.#unavailable(),
      open: (arrival) => {
        return this.#protocol.open(arrival);
      },
    });
    app
      .route(emulation.handler_prefix)
      .all(crossOrigin(["POST"], client.allowed_origins))
      .post(
        emulationHandler({
          bodies,
          maxBodyBytes: emulation.max_request_body_size,
          forwarding,
          decodeProtobuf: decodeEmulationRequest,
        }),
      )
      .all(onlyMethods("POST", "OPTIONS"));
    // They are counted, and too many requests are no news that should fill a log.
    const paths = [http_stream.handler_prefix, sse.handler_prefix, emulation.handler_prefix];
    app.use(paths, (error: unknown, _request: Request, response: Response, next: NextFunction) => {
      if (!(error instanceof HttpError) || response.headersSent) {
        next(error);
        return;
      }
      const { status, code, message, headers } = error;
      this.#metrics.refusals.inc({ status: String(status) });
      response.status(status).set(headers).json(errorBody(code, message));
    });
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until the websocket takes over, an error of the socket would have nobody to handle it.
    const ignore = (): void => undefined;
    socket.on("error", ignore);
    const wanted = readUpgrade(request, this.#config.websocket.handler_prefix);
    if ("status" in wanted) {
      this.#refuse(socket, wanted);
      return;
    }
    const refusal = this.#forbidden(request, wanted) ?? this.#unavailable();
    if (refusal !== undefined) {
      this.#refuse(socket, refusal);
      return;
    }
    if (wanted.endpoint === "protocol") {
      const { query } = wanted;
      socket.off("error", ignore);
      this.#protocolWebsockets.handleUpgrade(request, socket, head, (websocket) => {
        this.#protocol.openWebsocket(websocket, socket, {
          wire: websocketWire(websocket.protocol, query),
          headers: request.headers,
          query,
        });
      });
      return;
    }
    this.#opening += 1;
    try {
      const refused = await this.#openRaw(request, socket, head, wanted, ignore);
      if (refused !== undefined) this.#refuse(socket, refused);
    } catch (error) {
      this.#log.error({ err: error }, "bug: an upgrade failed");
      socket.destroy();
    } finally {
      this.#opening -= 1;
    }
  }

  async #openRaw(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    wanted: Extract<Wanted, { endpoint: "raw" }>,
    ignore: () => void,
  ): Promise<Refusal | undefined> {
    const admission: RawAdmission | Refusal = await admitRaw(request, wanted, {
      client: this.#config.client,
      rules: this.#rules,
      verify: (token) => this.#tokens.verifyConnection(token),
    });
    if ("status" in admission) return admission;
    let subscription: HubSubscription<ChannelMessage, ChannelSubscription> | undefined;
    try {
      subscription = this.#shared.hub.subscribe(admission.topic);
      // Whoever has its 101 misses nothing that is published from then on.
      await within(
        subscription.confirmed,
        this.#limits.subscribeMs,
        () => new BusError("unavailable", "NATS did not confirm the subscription in time"),
      );
      const late = this.#unavailable(1);
      if (late !== undefined) return late;
      socket.off("error", ignore);
      const granted = subscription;
      this.#rawWebsockets.handleUpgrade(request, socket, head, (websocket) => {
        this.#metrics.opened("raw");
        this.#raw.open(websocket, socket, admission, granted);
      });
      return undefined;
    } catch (error) {
      if (error instanceof BusError) return unavailable(error.message);
      throw error;
    } finally {
      if (subscription?.attached === false) subscription.unsubscribe();
    }
  }

  #makeApi(registry: MetricsRegistry, { apiKey, replicas = 1 }: GatewayOptions): Api | undefined {
    const { http_api, client } = this.#config;
    if (http_api.disabled) return undefined;
    return new Api({
      ...{ prefix: http_api.handler_prefix, insecure: http_api.insecure },
      errorMode: http_api.error_mode,
      key: apiKey ?? (() => http_api.key),
      obstacle: () => (this.#signal.aborted ? stopping : connectionObstacle(this.#bus)),
      ...{ bus: this.#bus, rules: this.#rules, cluster: this.#cluster, metrics: registry },
      ...{ jetStream: this.#jetStream, history: this.#history, replicas },
      ...{ shared: this.#shared, broker: this.#shared.broker },
      ...{ presence: this.#protocol.presence, calls: this.#protocol.calls },
      publishMs: this.#limits.publishMs,
      executorLimits: {
        answerMs: this.#limits.subscribeMs,
        maxPublications: client.history_max_publication_limit,
        maxAnswerSize: this.#limits.maxAnswerSize,
      },
    });
  }

  #nodeInfo(who: Pick<NodeInfo, "uid" | "name" | "version">): NodeInfo {
    const { hub } = this.#shared;
    let subscriptions = 0;
    for (const [, count] of hub.subscriberCounts()) subscriptions += count;
    const { user, system } = process.cpuUsage();
    const uptime = process.uptime();
    return {
      ...who,
      num_clients: this.#protocol.connectionCount,
      num_users: this.#protocol.clients.userCount,
      num_channels: hub.topicCount,
      num_subs: subscriptions,
      uptime: Math.floor(uptime),
      // Per cent of one processor, since the start.
      process: { cpu: (user + system) / 10_000 / uptime, rss: process.memoryUsage.rss() },
    };
  }

  #refuse(socket: Duplex, refusal: Refusal): void {
    this.#metrics.refusals.inc({ status: String(refusal.status) });
    refuseUpgrade(socket, refusal);
  }

  #forbidden({ headers }: IncomingMessage, wanted: Wanted): Refusal | undefined {
    const { raw, websocket, client } = this.#config;
    if (wanted.endpoint === "raw" ? raw.disabled : websocket.disabled) {
      return { status: 404, code: "not_found", message: "this endpoint is switched off" };
    }
    if (!isOriginAllowed(headers.origin, headers.host, client.allowed_origins)) {
      return { status: 403, code: "forbidden_origin", message: "this origin is not allowed" };
    }
    return undefined;
  }

  /** @param own how many of the upgrades under way are the caller's own */
  #unavailable(own = 0): Refusal | undefined {
    const reason = this.#signal.aborted ? stopping : connectionObstacle(this.#bus);
    if (reason !== undefined) return unavailable(reason);
    const open = this.counts.websockets + this.#opening - own;
    if (open >= this.#limits.maxWebsockets) {
      return unavailable(
        `this instance holds its ${this.#limits.maxWebsockets} websockets already`,
      );
    }
    if (own === 0 && !this.#accepts.take(performance.now())) {
      return unavailable("too many websockets are opened at a time");
    }
    return undefined;
  }

  #brokerChanged(connected: boolean): void {
    clearTimeout(this.#brokerAway);
    if (connected) return;
    this.#brokerAway = setTimeout(() => {
      const { websockets } = this.counts;
      this.#log.warn({ websockets }, "NATS is away, closing websockets");
      this.#raw.closeAll(closings.noBroker, this.#limits.closeGraceMs);
      this.#protocol.closeAll(disconnects.serverError, this.#limits.closeGraceMs);
    }, this.#limits.brokerGraceMs);
  }
}

/** The namespaces whose channels have a history. */
function historyNamespaces({
  channel,
}: GatewayConfig): { name: string; size: number; ttlMs: number }[] {
  return [{ name: "", ...channel.without_namespace }, ...channel.namespaces]
    .map(({ name, history_size: size, history_ttl: ttlMs }) => ({ name, size, ttlMs }))
    .filter(({ size, ttlMs }) => size > 0 && ttlMs > 0);
}

function unavailable(message: string): Refusal {
  return { status: 503, code: "unavailable", message, headers: { "retry-after": "1" } };
}
