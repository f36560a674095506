import { randomUUID } from "node:crypto";
import type { RequestListener, Server } from "node:http";
import { hostname } from "node:os";
import type { Express } from "express";
import { Registry as MetricsRegistry } from "prom-client";
import { type Bus, connectionObstacle } from "../lib/bus.ts";
import { NatsAway, reportFigures } from "../lib/figures.ts";
import { addHealthRoutes, stopping } from "../lib/health.ts";
import { createHttpApp, finishHttpApp, HttpError, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { Admission } from "./admission.ts";
import { Api } from "./api/api.ts";
import { Cluster, type NodeInfo } from "./api/cluster.ts";
import type { Tokens } from "./auth/deferred-tokens.ts";
import { BacklogBudget } from "./backlog-budget.ts";
import { Broker, type ChannelSubscription } from "./broker.ts";
import { ChannelRules } from "./channel/rules.ts";
import type { ChannelMessage } from "./channel-message.ts";
import { ProtocolEndpoint } from "./client/endpoint.ts";
import type { GatewayConfig } from "./config/options.ts";
import { Predecessors } from "./delta/predecessors.ts";
import { Forwarding } from "./emulation/forwarding.ts";
import { addStreamRoutes } from "./emulation/routes.ts";
import { Sessions } from "./emulation/sessions.ts";
import { type GatewayLimits, limitsOf } from "./gateway-limits.ts";
import { History } from "./history/history.ts";
import { JetStream } from "./history/jetstream.ts";
import { Hub } from "./hub.ts";
import { Metrics } from "./metrics.ts";
import { disconnects } from "./protocol/codes.ts";
import { closings } from "./raw/close-codes.ts";
import { RawEndpoint } from "./raw/endpoint.ts";
import type { Shared } from "./shared.ts";
import { Bodies } from "./transport/http-body.ts";
import { closeInWaves } from "./waves.ts";
import { Upgrades } from "./websocket/upgrades.ts";

export interface GatewayOptions {
  readonly bus: Bus;
  readonly log: Log;
  /** Once it aborts, no more connections are taken. */
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
  readonly #admission: Admission;
  readonly #upgrades: Upgrades;
  readonly #signal: AbortSignal;
  readonly #stopWatching: () => void;
  #brokerAway: NodeJS.Timeout | undefined;

  constructor(options: GatewayOptions) {
    const { bus, log, signal, config } = options;
    this.#bus = bus;
    this.#log = log;
    this.#signal = signal;
    this.#config = config;
    this.#tokens = options.tokens;
    this.#limits = { ...limitsOf(config), ...options.limits };
    this.#rules = new ChannelRules(config);
    this.#admission = new Admission({
      bus,
      signal,
      maxConnections: this.#limits.maxConnections,
      maxPerSecond: config.client.connection_rate_limit,
      open: () => this.counts.connections,
    });
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
      connections: ["Open connections", () => this.counts.connections],
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
    this.#upgrades = new Upgrades({
      ...{ config, limits: this.#limits, shared: this.#shared, rules: this.#rules },
      ...{ tokens: options.tokens, metrics: this.#metrics, admission: this.#admission },
      ...{ raw: this.#raw, protocol: this.#protocol },
    });
    this.#api = this.#makeApi(registry, options);
    this.handler = this.#httpApp(options.project, registry);
  }

  /** Open connections, by whatever transport, and the topics that are subscribed to for them. */
  get counts(): { readonly connections: number; readonly topics: number } {
    return {
      connections: this.#raw.connectionCount + this.#protocol.connectionCount,
      topics: this.#shared.hub.topicCount,
    };
  }

  /** What waits for all whose peers read slowly. */
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
        connections: this.counts.connections,
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
    this.#upgrades.attach(server);
  }

  /**
   * Closes every connection, in waves over most of the time, and ends what the gateway owns. Called when
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

  #addStreams(app: Express, forwarding: Forwarding): void {
    addStreamRoutes(app, {
      ...{ config: this.#config, limits: this.#limits, budget: this.#shared.budget },
      ...{ forwarding, sessions: this.#sessions },
      bodies: new Bodies({
        maxTotalBytes: this.#limits.maxTotalBodyBytes,
        withinMs: this.#limits.bodyMs,
      }),
      unavailable: () => this.#admission.refusal(),
      open: (arrival) => this.#protocol.open(arrival),
      onRefusal: (transport, status) => {
        this.#metrics.refused(transport, status);
      },
    });
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
      httpLimits: this.#limits,
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

  #brokerChanged(connected: boolean): void {
    clearTimeout(this.#brokerAway);
    if (connected) return;
    this.#brokerAway = setTimeout(() => {
      const { connections } = this.counts;
      this.#log.warn({ connections }, "NATS is away, closing connections");
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
