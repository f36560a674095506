import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { type Bus, BusError } from "../../lib/bus.ts";
import type { Tokens } from "../auth/deferred-tokens.ts";
import { userFromHeader } from "../auth/proxy-user.ts";
import type { ChannelRules } from "../channel/rules.ts";
import type { GatewayConfig } from "../config/options.ts";
import { Connections } from "../connections.ts";
import { Deadlines } from "../deadlines.ts";
import { Heartbeat } from "../heartbeat.ts";
import { Hub } from "../hub.ts";
import { lifetimeMs } from "../lifetime.ts";
import type { Metrics } from "../metrics.ts";
import { Outbox } from "../outbox.ts";
import { JoinLeave, type JoinLeaveEvent } from "../presence/join-leave.ts";
import { LocalPresence } from "../presence/local-presence.ts";
import { PresenceService } from "../presence/presence.ts";
import { disconnects } from "../protocol/codes.ts";
import { Session, type SessionOptions } from "../protocol/session.ts";
import { type CallLimits, Calls } from "../rpc/calls.ts";
import type { Shared } from "../shared.ts";
import type { Closing } from "../transport/link.ts";
import { Peer, type PeerLimits } from "../transport/peer.ts";
import type { Wire } from "../transport/wire.ts";
import type { Closable } from "../waves.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { Deltas } from "./deltas.ts";
import { FilterBudget } from "./filter-budget.ts";
import { Registry } from "./registry.ts";

export interface ProtocolLimits extends PeerLimits, CallLimits {
  readonly subscribeMs: number;
  readonly publishMs: number;
  /**
   * Of publications in one answer, in characters of JSON or bytes; who missed more has not recovered, and
   * a longer history is cut.
   */
  readonly maxAnswerSize: number;
  /** Of the filters of one client, and of all: see `TagsFilter.cost`. */
  readonly maxFilterCost: number;
  readonly maxTotalFilterCost: number;
  /** No connection lasts longer; some end sooner, by up to an eleventh. */
  readonly maxAgeMs: number;
}

/** What all connections of the protocol share. */
export interface Gate {
  readonly shared: Shared;
  readonly events: Hub<JoinLeaveEvent>;
  readonly outbox: Outbox;
  readonly deadlines: Deadlines;
  readonly tokens: Tokens;
  readonly presence: PresenceService;
  readonly present: LocalPresence;
  readonly joinLeave: JoinLeave;
  readonly registry: Registry<Connection>;
  readonly calls: Calls;
  readonly metrics: Metrics;
  readonly limits: ProtocolLimits;
  /** How many publications one recovery brings at most. */
  readonly recoverMax: number;
  /** Whether who recovers the channel gets its latest publication only. */
  readonly isCache: (channel: string) => boolean;
  readonly deltas: Deltas;
  readonly filters: FilterBudget;
  readonly complain: (error: unknown, what: string) => void;
  readonly connected: (connection: Connection) => void;
  readonly closed: (connection: Connection, closing: Closing | undefined, openMs: number) => void;
}

export interface ProtocolEndpointOptions {
  readonly bus: Bus;
  readonly config: GatewayConfig;
  readonly rules: ChannelRules;
  readonly tokens: Tokens;
  readonly shared: Shared;
  readonly limits: ProtocolLimits;
  readonly metrics: Metrics;
  readonly gatewayId: string;
  readonly version: string;
}

/** A client that has come, by whatever transport. */
export interface Arrival extends Pick<ConnectionOptions, "wire" | "openLink"> {
  /** Of the request that it came by. */
  readonly headers: IncomingHttpHeaders;
  /** Whether it is asked for signs of life otherwise than by the protocol. */
  readonly framePings?: boolean;
  /** For the connect reply of a client whose commands come by requests of their own. */
  readonly emulation?: SessionOptions["emulation"];
}

/** Everybody who speaks the protocol with this gateway. */
export class ProtocolEndpoint {
  readonly #options: ProtocolEndpointOptions;
  readonly #gate: Gate;
  readonly #connections = new Connections<Connection>();
  readonly #heartbeat: Heartbeat;
  #complainedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ProtocolEndpointOptions) {
    this.#options = options;
    const { bus, config, rules, shared, gatewayId } = options;
    const { log } = shared;
    const { client } = config;
    this.#heartbeat = new Heartbeat({ intervalMs: Math.max(1_000, client.ping_interval) });
    const present = new LocalPresence();
    const joinLeave = new JoinLeave({ bus });
    this.#gate = {
      shared,
      events: new Hub<JoinLeaveEvent>({
        subscribe: (channel, listener) =>
          joinLeave.subscribe(channel, (event) => {
            listener.onMessage(event);
          }),
      }),
      outbox: new Outbox(),
      deadlines: new Deadlines(),
      tokens: options.tokens,
      present,
      presence: new PresenceService({
        bus,
        gatewayId,
        log,
        local: (channel) => present.of(channel),
        // Clients of a paused gateway go elsewhere when its ping has been missing for 10 s.
        limits: { forgetMs: Math.max(60_000, 2 * client.ping_interval + 10_000) },
      }),
      joinLeave,
      registry: new Registry(bus, {
        limit: client.user_connection_limit,
        single: client.subscribe_to_user_personal_channel.single_connection,
      }),
      calls: new Calls({
        bus,
        rpc: config.rpc,
        limits: options.limits,
        complain: (error, what) => {
          this.#complain(error, what);
        },
      }),
      metrics: options.metrics,
      limits: options.limits,
      recoverMax: client.recovery_max_publication_limit,
      filters: new FilterBudget(options.limits.maxTotalFilterCost),
      deltas: new Deltas((channel) => rules.options(channel)?.delta_publish === true),
      isCache: (channel) => rules.options(channel)?.force_recovery_mode === "cache",
      complain: (error, what) => {
        this.#complain(error, what);
      },
      connected: ({ session: { client: id, user } }) => {
        log.info({ client: id, user }, "client connected");
      },
      closed: (connection, closing, openMs) => {
        this.#closed(connection, closing, openMs);
      },
    };
  }

  /** The clients that are connected. */
  get clients(): Registry<Connection> {
    return this.#gate.registry;
  }

  /** Who is in channels, and which gateways there are. */
  get presence(): PresenceService {
    return this.#gate.presence;
  }

  /** Of methods that services answer. */
  get calls(): Calls {
    return this.#gate.calls;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Takes over a websocket that has just been opened.
   *
   * @param query of its request; `cf_ws_frame_ping_pong=true` asks for pings of the websocket
   */
  openWebsocket(
    websocket: WebSocket,
    socket: Duplex,
    {
      wire,
      headers,
      query,
    }: {
      readonly wire: Wire;
      readonly headers: IncomingHttpHeaders;
      readonly query: URLSearchParams;
    },
  ): void {
    const { limits, shared } = this.#options;
    const framePings = query.get("cf_ws_frame_ping_pong") === "true";
    const connection = this.open({
      wire,
      headers,
      framePings,
      openLink: (owner) =>
        new Peer({ websocket, socket }, shared.budget, limits, disconnects, owner),
    });
    if (framePings) websocket.once("close", this.#heartbeat.add(connection));
  }

  /** Takes over a client that has just come. */
  open({ wire, openLink, headers, framePings = false, emulation }: Arrival): Connection {
    const { config, rules, version, limits } = this.#options;
    const user = userFromHeader(headers, config.client.user_id_http_header);
    const now = performance.now();
    const session = new Session({
      config,
      rules,
      client: randomUUID(),
      version,
      now,
      timeOrigin: Date.now() - now,
      random: Math.random(),
      framePings,
      ...(user === undefined ? {} : { user }),
      ...(emulation === undefined ? {} : { emulation }),
    });
    const endAt = now + lifetimeMs(limits.maxAgeMs);
    const connection = new Connection({
      wire,
      openLink,
      session,
      gate: this.#gate,
      framePings,
      endAt: Number.isFinite(endAt) ? endAt : undefined,
    });
    this.#connections.add(connection);
    this.#gate.metrics.opened(wire);
    return connection;
  }

  /** Every connection, to close it as the endpoint does when it stops. */
  get closable(): readonly Closable[] {
    return this.#connections.closable(disconnects.shutdown);
  }

  /** Closes every connection with the reason. */
  closeAll(closing: Closing, graceMs: number): void {
    for (const each of this.#connections.closable(closing)) each.close(graceMs);
  }

  /** Resolves when the last connection has gone; they are closed by somebody else. */
  async stop(): Promise<void> {
    await this.#connections.whenEmpty();
    const { presence, deadlines, registry } = this.#gate;
    presence.stop();
    deadlines.stop();
    this.#heartbeat.stop();
    registry.stop();
  }

  #closed(connection: Connection, closing: Closing | undefined, openMs: number): void {
    const { log } = this.#options.shared;
    const { user, client } = connection.session;
    const code = closing?.code ?? 0;
    const { wire } = connection;
    if (code === disconnects.slow.code) this.#gate.metrics.closedAsSlow(wire);
    this.#gate.metrics.closed(wire, code);
    const data = { client, user, code, reason: closing?.reason, openMs: Math.round(openMs) };
    log.info(data, "client disconnected");
    this.#connections.remove(connection);
  }

  /** What clients are answered with 100 for; one line per second tells enough. */
  #complain(error: unknown, what: string): void {
    if (!(error instanceof BusError)) {
      this.#options.shared.log.error({ err: error }, `bug: ${what}`);
      return;
    }
    const now = performance.now();
    if (now - this.#complainedAt < 1_000) return;
    this.#complainedAt = now;
    this.#options.shared.log.warn({ reason: error.message }, what);
  }
}
