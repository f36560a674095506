import type { ConnectionClaims, SubscriptionClaims, TokenOutcome } from "../auth/tokens.ts";
import { applyOverride, type ChannelOverride, type ChannelRules } from "../channel/rules.ts";
import type { ChannelOptions, GatewayConfig } from "../config/options.ts";
import { type Disconnect, disconnects, errors, type ProtocolError, unsubscribes } from "./codes.ts";
import type { Effect, Input, SubscribeOutcome } from "./effects.ts";
import type {
  ClientInfo,
  Command,
  ConnectRequest,
  Expiry,
  Result,
  StreamPosition,
  SubscribeRequest,
  SubscribeResult,
} from "./messages.ts";

export type * from "./effects.ts";

export interface SessionOptions {
  readonly config: GatewayConfig;
  readonly rules: ChannelRules;
  /** Names this connection; nobody may guess it. */
  readonly client: string;
  /** Of the gateway, for the connect result. */
  readonly version: string;
  /** The user that a trusted proxy has found out, from `client.user_id_http_header`. */
  readonly user?: string;
  /** Milliseconds of any clock that never goes back; all other times of the session are of the same. */
  readonly now: number;
  /** What that clock has to be added to for milliseconds since 1970: `Date.now() - now`. */
  readonly timeOrigin: number;
  /** From 0 up to 1: spreads the first pings of many sessions. */
  readonly random: number;
}

/** What a session has of a channel. */
export interface Subscription {
  /** The server has subscribed the client, which did not ask for it. */
  readonly serverSide: boolean;
  readonly positioned: boolean;
  readonly info: ClientInfo;
  /** Seconds since 1970; undefined: never. */
  expireAt: number | undefined;
}

/** A channel that is being subscribed to. */
interface Joining {
  readonly channel: string;
  /** 0: a server-side subscription, which is told in the connect reply. */
  readonly id: number;
  readonly options: ChannelOptions;
  readonly subscription: Subscription;
  readonly recoverable: boolean;
  readonly recover: StreamPosition | undefined;
  readonly rejectUnrecovered: boolean;
  readonly data: string | undefined;
}

type Task =
  | { readonly kind: "connect"; readonly request: ConnectRequest; readonly id: number }
  | { readonly kind: "subscribe-token"; readonly request: SubscribeRequest; readonly id: number }
  | { readonly kind: "joining"; readonly joining: Joining }
  | { readonly kind: "refresh"; readonly id: number }
  | { readonly kind: "sub-refresh"; readonly id: number; readonly channel: string }
  | { readonly kind: "answer"; readonly id: number };

const noTasks: ReadonlyMap<number, Task> = new Map();
const noSubscriptions: ReadonlyMap<string, Subscription> = new Map();
/** Commands that wait while the connect command is under way, or for what they asked for. */
const maxWaiting = 1_024;

/**
 * One client of the protocol: takes what comes from it and what came of earlier effects, and says what is
 * to be done. It does nothing itself and knows no time but what it is told.
 */
export class Session {
  readonly client: string;
  readonly #options: SessionOptions;
  #phase: "new" | "connecting" | "connected" | "refused" | "closed" = "new";
  #user: string | undefined;
  #claims: ConnectionClaims | undefined;
  /** Seconds since 1970; undefined: never. */
  #expireAt: number | undefined;
  #tasks: Map<number, Task> | undefined;
  #nextTask = 1;
  #subscriptions: Map<string, Subscription> | undefined;
  #earliestSubscriptionExpiry: number | undefined;
  /** Commands that came while the connect command was under way. */
  #waiting: Command[] | undefined;
  #connecting: { id: number; missing: number; subs: Map<string, SubscribeResult> } | undefined;
  #pingAt: number | undefined;
  #pongBy: number | undefined;
  #tokens: number;
  #tokensAt: number;
  #effects: Effect[] = [];

  constructor(options: SessionOptions) {
    this.client = options.client;
    this.#options = options;
    this.#tokens = options.config.client.command_rate_limit;
    this.#tokensAt = options.now;
  }

  /** The user's id, once it is known; empty: anonymous. */
  get user(): string | undefined {
    return this.#user;
  }

  /** Whether the connect reply was given. */
  get connected(): boolean {
    return this.#phase === "connected";
  }

  /** The channels that it is subscribed to, replies given. */
  get channels(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions ?? noSubscriptions;
  }

  /** When a `tick` is due, at the latest; undefined: never. */
  get deadline(): number | undefined {
    const { client } = this.#options.config;
    if (this.#phase === "closed") return undefined;
    if (this.#phase !== "connected") return this.#options.now + client.stale_close_delay;
    const times = [
      this.#pongBy ?? this.#pingAt,
      this.#clock(this.#expireAt, client.expired_close_delay),
      this.#clock(this.#earliestSubscriptionExpiry, client.expired_sub_close_delay),
    ].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** One input, in the order in which they come. */
  receive(input: Input, now: number): readonly Effect[] {
    if (this.#phase === "closed") return [];
    this.#effects = [];
    this.#take(input, now);
    return this.#effects;
  }

  #take(input: Input, now: number): void {
    switch (input.kind) {
      case "command":
        this.#command(input.command, now);
        return;
      case "malformed":
        this.#close(disconnects.badRequest);
        return;
      case "pong":
        if (this.#pongBy === undefined) this.#close(disconnects.badRequest);
        this.#pongBy = undefined;
        return;
      case "tick":
        this.#tick(now);
        return;
      case "connection-token":
        this.#connectionToken(this.#end(input.task), input.outcome, now);
        return;
      case "subscription-token":
        this.#subscriptionToken(this.#end(input.task), input.outcome, now);
        return;
      case "subscribed": {
        const task = this.#end(input.task);
        if (task?.kind === "joining") this.#joined(task.joining, input.outcome, now);
        return;
      }
      case "published":
        this.#answer(input.task, input.error ?? { method: "publish", result: {} });
        return;
      case "presence": {
        const { clients, complete } = input.outcome;
        const result = { presence: clients, ...(complete ? {} : { incomplete: true as const }) };
        this.#answer(input.task, { method: "presence", result });
        return;
      }
      case "presence-stats": {
        const { numClients, numUsers, complete } = input.outcome;
        const result = {
          num_clients: numClients,
          num_users: numUsers,
          ...(complete ? {} : { incomplete: true as const }),
        };
        this.#answer(input.task, { method: "presence_stats", result });
        return;
      }
      case "history": {
        const { outcome } = input;
        if (!outcome.ok) this.#answer(input.task, outcome.error);
        else {
          const { position, publications } = outcome;
          this.#answer(input.task, { method: "history", result: { publications, ...position } });
        }
        return;
      }
      case "insufficient": {
        const subscription = this.channels.get(input.channel);
        if (subscription?.positioned !== true) return;
        if (subscription.serverSide) this.#close(disconnects.insufficientState);
        else this.#drop(input.channel, unsubscribes.insufficientState);
        return;
      }
      case "drop":
        if (this.channels.has(input.channel)) {
          this.#drop(input.channel, { code: input.code, reason: input.reason });
        }
        return;
    }
  }

  #command(command: Command, now: number): void {
    if (this.#phase === "new" && command.method !== "connect") {
      this.#close(disconnects.badRequest);
      return;
    }
    if (this.#phase === "refused" || (this.#phase !== "new" && command.method === "connect")) {
      this.#close(disconnects.badRequest);
      return;
    }
    const credit = this.#spend(now);
    if (credit === "none") {
      this.#close(disconnects.tooManyRequests);
      return;
    }
    if (credit === "short") {
      this.#fail(command.id, errors.tooManyRequests);
      return;
    }
    if (this.#phase === "connecting") {
      this.#waiting ??= [];
      if (this.#waiting.length >= maxWaiting) this.#close(disconnects.tooManyRequests);
      else this.#waiting.push(command);
      return;
    }
    if ((this.#tasks?.size ?? 0) >= maxWaiting) {
      this.#fail(command.id, errors.tooManyRequests);
      return;
    }
    this.#perform(command, now);
  }

  #perform(command: Command, now: number): void {
    const { id, method } = command;
    switch (method) {
      case "connect":
        this.#connect(id, command.request, now);
        return;
      case "subscribe":
        this.#subscribe(id, command.request, now);
        return;
      case "unsubscribe":
        this.#unsubscribe(id, command.request.channel);
        return;
      case "publish": {
        const { channel, data, type } = command.request;
        const refused = this.#refusal(channel, (who, subscribed) =>
          this.#options.rules.mayPublish(who, channel, subscribed),
        );
        if (refused === "close") return;
        if (type !== 0) this.#fail(id, errors.notAvailable);
        else if (refused !== undefined) this.#fail(id, refused);
        else if (data === undefined) this.#fail(id, errors.badRequest);
        else {
          const info = this.channels.get(channel)?.info ?? this.#info(undefined);
          const task = this.#begin({ kind: "answer", id });
          this.#effects.push({ kind: "publish", task, channel, data, info });
        }
        return;
      }
      case "presence":
      case "presence_stats": {
        const { channel } = command.request;
        const refused = this.#refusal(
          channel,
          (who, subscribed) => this.#options.rules.mayPresence(who, channel, subscribed),
          ({ presence }) => presence,
        );
        if (refused === "close") return;
        if (refused !== undefined) this.#fail(id, refused);
        else {
          const task = this.#begin({ kind: "answer", id });
          const kind = method === "presence" ? "presence" : "presence-stats";
          this.#effects.push({ kind, task, channel });
        }
        return;
      }
      case "history": {
        const { channel, limit, since, reverse } = command.request;
        const refused = this.#refusal(
          channel,
          (who, subscribed) => this.#options.rules.mayHistory(who, channel, subscribed),
          hasHistory,
        );
        if (refused === "close") return;
        if (refused !== undefined) this.#fail(id, refused);
        else {
          const most = this.#options.config.client.history_max_publication_limit;
          const capped = limit < 0 || (most > 0 && limit > most) ? most || Infinity : limit;
          this.#effects.push({
            kind: "history",
            task: this.#begin({ kind: "answer", id }),
            channel,
            limit: Math.min(capped, Number.MAX_SAFE_INTEGER),
            ...(since === undefined ? {} : { since }),
            reverse,
          });
        }
        return;
      }
      case "rpc": {
        const { ping } = this.#options.config.rpc;
        if (ping.enabled && command.request.method === ping.method) {
          this.#reply(id, { method: "rpc", result: { data: "{}" } });
        } else this.#fail(id, errors.notAvailable);
        return;
      }
      case "refresh":
        this.#refresh(id, command.request.token);
        return;
      case "sub_refresh":
        this.#subRefresh(id, command.request);
        return;
      case "send":
        this.#close(disconnects.notAvailable);
        return;
      case "ping":
        this.#close(disconnects.badRequest);
        return;
    }
  }

  // Connecting

  #connect(id: number, request: ConnectRequest, now: number): void {
    const { client } = this.#options.config;
    this.#phase = "connecting";
    const { token } = request;
    if (token !== "") {
      const task = this.#begin({ kind: "connect", request, id });
      this.#effects.push({ kind: "verify-connection", task, token });
      return;
    }
    const { user } = this.#options;
    if (user !== undefined) this.#admit(id, request, user, now);
    else if (client.insecure || client.allow_anonymous_connect_without_token) {
      this.#admit(id, request, "", now);
    } else this.#refuse(id, errors.unauthorized);
  }

  #connectionToken(
    task: Task | undefined,
    outcome: TokenOutcome<ConnectionClaims>,
    now: number,
  ): void {
    if (task?.kind === "refresh") {
      this.#refreshed(task.id, outcome, now);
      return;
    }
    if (task?.kind !== "connect") return;
    if (!outcome.ok) {
      if (outcome.reason === "invalid") this.#close(disconnects.invalidToken);
      else {
        this.#refuse(task.id, outcome.reason === "expired" ? errors.tokenExpired : errors.internal);
      }
      return;
    }
    const { claims } = outcome;
    if (claims.user === "" && this.#options.config.client.disallow_anonymous_connection_tokens) {
      this.#close(disconnects.permissionDenied);
      return;
    }
    if (this.#ttl(claims.expireAt, now) <= 0) {
      this.#refuse(task.id, errors.tokenExpired);
      return;
    }
    this.#claims = claims;
    this.#expireAt = claims.expireAt;
    this.#admit(task.id, task.request, claims.user, now);
  }

  /** The client is known: its server-side subscriptions come next, then the reply. */
  #admit(id: number, request: ConnectRequest, user: string, now: number): void {
    this.#user = user;
    const { rules, config } = this.#options;
    const claims = this.#claims;
    const personal = rules.personalChannel(user);
    const given = new Set([
      ...(claims?.channels ?? []),
      ...Object.keys(claims?.subs ?? {}),
      ...(personal === undefined ? [] : [personal]),
    ]);
    for (const channel of given) {
      const refused =
        rules.problem(channel) !== undefined
          ? errors.badRequest
          : rules.options(channel) === undefined
            ? errors.unknownChannel
            : undefined;
      if (refused === undefined) continue;
      this.#refuse(id, refused);
      return;
    }
    // The others are those that it could subscribe to by itself.
    const who = this.#who();
    for (const channel of request.subs.keys()) {
      if (rules.maySubscribe(who, channel) === "yes") given.add(channel);
    }
    if (given.size > config.client.channel_limit) {
      this.#close(disconnects.channelLimit);
      return;
    }
    this.#connecting = { id, missing: given.size, subs: new Map() };
    for (const channel of given) {
      const grant =
        claims !== undefined && Object.hasOwn(claims.subs, channel)
          ? claims.subs[channel]
          : undefined;
      const options = this.#optionsOf(channel, grant?.override ?? {});
      if (options === undefined) continue;
      this.#join(0, channel, options, {
        serverSide: true,
        positioned: false,
        recoverable: false,
        join_leave: options.force_push_join_leave,
        recover: request.subs.get(channel),
        rejectUnrecovered: false,
        info: grant?.info,
        data: grant?.data,
        expireAt: undefined,
      });
    }
    if (given.size === 0) this.#connected(now);
  }

  #connected(now: number): void {
    const connecting = this.#connecting;
    if (connecting === undefined) return;
    this.#connecting = undefined;
    this.#phase = "connected";
    const { config, random, version, timeOrigin } = this.#options;
    const { ping_interval: ping, connect_include_server_time: withTime } = config.client;
    this.#effects.push({ kind: "connected", user: this.#user ?? "" });
    if (ping > 0) this.#pingAt = now + ping * (0.5 + random / 2);
    this.#reply(connecting.id, {
      method: "connect",
      result: {
        client: this.client,
        version,
        ...this.#expiry(this.#expireAt, now),
        ...(connecting.subs.size === 0 ? {} : { subs: connecting.subs }),
        ...(ping > 0 ? { ping: Math.ceil(ping / 1_000), pong: true } : {}),
        ...(withTime ? { time: Math.round(now + timeOrigin) } : {}),
      },
    });
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const command of waiting) {
      if (this.#isClosed()) return;
      this.#perform(command, now);
    }
  }

  // Subscriptions

  #subscribe(id: number, request: SubscribeRequest, now: number): void {
    const { channel, token, delta, type, filtered } = request;
    const { rules, config } = this.#options;
    if (channel === "" || (delta !== "" && delta !== "fossil")) {
      this.#close(disconnects.badRequest);
      return;
    }
    const refused = this.#subscribeRefusal(channel, type, filtered);
    if (refused !== undefined) {
      this.#fail(id, refused);
      return;
    }
    if (this.channels.size + this.#joiningCount() >= config.client.channel_limit) {
      this.#fail(id, errors.limitExceeded);
      return;
    }
    if (token !== "") {
      const task = this.#begin({ kind: "subscribe-token", request, id });
      this.#effects.push({ kind: "verify-subscription", task, token });
      return;
    }
    if (rules.maySubscribe(this.#who(), channel) !== "yes") {
      this.#fail(id, errors.permissionDenied);
      return;
    }
    this.#granted(id, request, {}, now);
  }

  #subscribeRefusal(channel: string, type: number, filtered: boolean): ProtocolError | undefined {
    const { rules } = this.#options;
    if (type !== 0) return errors.notAvailable;
    if (filtered || rules.problem(channel) !== undefined) return errors.badRequest;
    if (this.channels.has(channel) || this.#isJoining(channel)) return errors.alreadySubscribed;
    return rules.options(channel) === undefined ? errors.unknownChannel : undefined;
  }

  #subscriptionToken(
    task: Task | undefined,
    outcome: TokenOutcome<SubscriptionClaims>,
    now: number,
  ): void {
    if (task?.kind === "sub-refresh") {
      this.#subRefreshed(task.id, task.channel, outcome, now);
      return;
    }
    if (task?.kind !== "subscribe-token") return;
    const { id, request } = task;
    if (!outcome.ok) {
      const { reason } = outcome;
      if (reason === "expired") this.#fail(id, errors.tokenExpired);
      else this.#fail(id, reason === "invalid" ? errors.permissionDenied : errors.internal);
      return;
    }
    const { claims } = outcome;
    if (!this.#isFor(claims, request.channel)) this.#close(disconnects.invalidToken);
    else if (this.#ttl(claims.expireAt, now) <= 0) this.#fail(id, errors.tokenExpired);
    else this.#granted(id, request, claims, now);
  }

  #isFor({ channel, user, client }: SubscriptionClaims, wanted: string): boolean {
    const sameClient = client === undefined || client === "" || client === this.client;
    return channel === wanted && user === this.#user && sameClient;
  }

  #granted(
    id: number,
    request: SubscribeRequest,
    grant: Partial<SubscriptionClaims>,
    _now: number,
  ): void {
    const { channel } = request;
    const options = this.#optionsOf(channel, grant.override ?? {});
    if (options === undefined) {
      this.#fail(id, errors.unknownChannel);
      return;
    }
    const mayWatch = this.#options.rules.mayPresence(this.#who(), channel, true);
    this.#join(id, channel, options, {
      serverSide: false,
      positioned: request.positioned,
      recoverable: request.recoverable,
      join_leave: options.force_push_join_leave || (request.join_leave && mayWatch),
      recover: request.recover,
      rejectUnrecovered: (request.flag & 2) !== 0,
      info: grant.info,
      data: grant.data,
      expireAt: grant.expireAt,
    });
  }

  #join(
    id: number,
    channel: string,
    options: ChannelOptions,
    wanted: {
      readonly serverSide: boolean;
      readonly positioned: boolean;
      readonly recoverable: boolean;
      readonly join_leave: boolean;
      readonly recover: StreamPosition | undefined;
      readonly rejectUnrecovered: boolean;
      readonly info: string | undefined;
      readonly data: string | undefined;
      readonly expireAt: number | undefined;
    },
  ): void {
    const history = hasHistory(options);
    const recoverable =
      history && (options.force_recovery || (wanted.recoverable && options.allow_recovery));
    const positioned =
      recoverable ||
      (history && (options.force_positioning || (wanted.positioned && options.allow_positioning)));
    const info = this.#info(wanted.info);
    const { serverSide, expireAt, rejectUnrecovered, data } = wanted;
    const recover = recoverable ? wanted.recover : undefined;
    const subscription = { serverSide, positioned, info, expireAt };
    const joining = {
      ...{ channel, id, options, subscription, recoverable, recover, rejectUnrecovered, data },
    };
    this.#effects.push({
      kind: "subscribe",
      task: this.#begin({ kind: "joining", joining }),
      channel,
      info,
      presence: options.presence,
      joinLeave: options.join_leave && wanted.join_leave,
      announce: options.join_leave,
      positioned,
      recoverable,
      recover,
    });
  }

  #joined(joining: Joining, outcome: SubscribeOutcome, now: number): void {
    const { channel, id, subscription } = joining;
    if (!outcome.ok) {
      if (subscription.serverSide) this.#refuse(this.#connecting?.id ?? 0, outcome.error);
      else this.#fail(id, outcome.error);
      return;
    }
    const { position, recovery } = outcome;
    const recovered = recovery?.recovered === true;
    if (recovery !== undefined && !recovered && joining.rejectUnrecovered) {
      this.#effects.push({ kind: "unsubscribe", channel });
      this.#fail(id, errors.unrecoverablePosition);
      return;
    }
    this.#subscriptions ??= new Map();
    this.#subscriptions.set(channel, subscription);
    this.#noteExpiry(subscription.expireAt);
    const result: SubscribeResult = {
      ...this.#expiry(subscription.expireAt, now),
      ...(joining.recoverable ? { recoverable: true } : {}),
      ...(subscription.positioned ? { positioned: true } : {}),
      ...(position === undefined ? {} : position),
      ...(recovery === undefined ? {} : { was_recovering: true }),
      ...(recovered ? { recovered: true, publications: recovery.publications } : {}),
      // The client advances through the publications.
      ...(recovered && joining.recover ? { offset: joining.recover.offset } : {}),
      ...(joining.data === undefined ? {} : { data: joining.data }),
    };
    if (!subscription.serverSide) {
      this.#reply(id, { method: "subscribe", result });
      return;
    }
    const connecting = this.#connecting;
    if (connecting === undefined) return;
    connecting.subs.set(channel, result);
    connecting.missing -= 1;
    if (connecting.missing === 0) this.#connected(now);
  }

  #unsubscribe(id: number, channel: string): void {
    if (channel === "") {
      this.#close(disconnects.badRequest);
      return;
    }
    for (const [task, each] of this.#tasks ?? noTasks) {
      const joining = each.kind === "joining" ? each.joining : undefined;
      const asked = each.kind === "subscribe-token" && each.request.channel === channel;
      if (joining?.channel !== channel && !asked) continue;
      this.#tasks?.delete(task);
      if (joining !== undefined) this.#effects.push({ kind: "unsubscribe", channel });
      this.#fail(joining?.id ?? (asked ? each.id : 0), errors.badRequest);
    }
    if (this.#subscriptions?.delete(channel) === true) {
      this.#effects.push({ kind: "unsubscribe", channel });
    }
    this.#reply(id, { method: "unsubscribe", result: {} });
  }

  #drop(channel: string, unsubscribe: Disconnect): void {
    this.#subscriptions?.delete(channel);
    this.#effects.push({ kind: "unsubscribe", channel });
    this.#effects.push({ kind: "push", push: { channel, unsubscribe } });
  }

  // Tokens that are renewed

  #refresh(id: number, token: string): void {
    if (this.#expireAt === undefined || token === "") {
      this.#close(disconnects.badRequest);
      return;
    }
    const task = this.#begin({ kind: "refresh", id });
    this.#effects.push({ kind: "verify-connection", task, token });
  }

  #refreshed(id: number, outcome: TokenOutcome<ConnectionClaims>, now: number): void {
    if (!outcome.ok) {
      if (outcome.reason === "unavailable") this.#fail(id, errors.internal);
      else {
        this.#close(outcome.reason === "expired" ? disconnects.expired : disconnects.invalidToken);
      }
      return;
    }
    const { claims } = outcome;
    if (claims.user !== this.#user) {
      this.#close(disconnects.invalidToken);
      return;
    }
    if (this.#ttl(claims.expireAt, now) <= 0) {
      this.#close(disconnects.expired);
      return;
    }
    this.#claims = claims;
    this.#expireAt = claims.expireAt;
    const { version } = this.#options;
    const result = { client: this.client, version, ...this.#expiry(claims.expireAt, now) };
    this.#reply(id, { method: "refresh", result });
  }

  #subRefresh(
    id: number,
    { channel, token, type }: { channel: string; token: string; type: number },
  ): void {
    if (channel === "") this.#close(disconnects.badRequest);
    else if (type !== 0) this.#fail(id, errors.notAvailable);
    else if (this.channels.get(channel)?.serverSide !== false) {
      this.#fail(id, errors.permissionDenied);
    } else if (token === "") this.#fail(id, errors.badRequest);
    else {
      const task = this.#begin({ kind: "sub-refresh", id, channel });
      this.#effects.push({ kind: "verify-subscription", task, token });
    }
  }

  #subRefreshed(
    id: number,
    channel: string,
    outcome: TokenOutcome<SubscriptionClaims>,
    now: number,
  ): void {
    const subscription = this.channels.get(channel);
    if (!outcome.ok && outcome.reason !== "invalid") {
      this.#fail(id, outcome.reason === "expired" ? errors.tokenExpired : errors.internal);
    } else if (!outcome.ok || !this.#isFor(outcome.claims, channel)) {
      this.#close(disconnects.invalidToken);
    } else if (this.#ttl(outcome.claims.expireAt, now) <= 0) {
      this.#fail(id, errors.tokenExpired);
    } else if (subscription === undefined) this.#fail(id, errors.permissionDenied);
    else {
      subscription.expireAt = outcome.claims.expireAt;
      this.#noteExpiry(subscription.expireAt);
      const result = this.#expiry(subscription.expireAt, now);
      this.#reply(id, { method: "sub_refresh", result });
    }
  }

  // Time

  #tick(now: number): void {
    const { client } = this.#options.config;
    if (this.#phase !== "connected") {
      if (now >= this.#options.now + client.stale_close_delay) this.#close(disconnects.stale);
      return;
    }
    if (this.#pongBy !== undefined && now >= this.#pongBy) {
      this.#close(disconnects.noPong);
      return;
    }
    if (now >= (this.#clock(this.#expireAt, client.expired_close_delay) ?? Infinity)) {
      this.#close(disconnects.expired);
      return;
    }
    this.#expireSubscriptions(now);
    if (this.#isClosed() || this.#pingAt === undefined || now < this.#pingAt) return;
    this.#effects.push({ kind: "ping" });
    this.#pongBy = now + client.pong_timeout;
    this.#pingAt = now + client.ping_interval;
  }

  #expireSubscriptions(now: number): void {
    const delay = this.#options.config.client.expired_sub_close_delay;
    const due = (expireAt: number | undefined): boolean =>
      now >= (this.#clock(expireAt, delay) ?? Infinity);
    if (!due(this.#earliestSubscriptionExpiry)) return;
    this.#earliestSubscriptionExpiry = undefined;
    for (const [channel, { expireAt, serverSide }] of [...this.channels]) {
      if (!due(expireAt)) this.#noteExpiry(expireAt);
      else if (serverSide) {
        this.#close(disconnects.subscriptionExpired);
        return;
      } else this.#drop(channel, unsubscribes.expired);
    }
  }

  #noteExpiry(expireAt: number | undefined): void {
    if (expireAt === undefined) return;
    this.#earliestSubscriptionExpiry = Math.min(
      this.#earliestSubscriptionExpiry ?? Infinity,
      expireAt,
    );
  }

  /** The session's time of so many seconds since 1970 and some milliseconds. */
  #clock(seconds: number | undefined, plusMs: number): number | undefined {
    return seconds === undefined ? undefined : seconds * 1_000 + plusMs - this.#options.timeOrigin;
  }

  /** Seconds that are left; without an end, infinitely many. */
  #ttl(expireAt: number | undefined, now: number): number {
    if (expireAt === undefined) return Infinity;
    return Math.ceil(expireAt - (now + this.#options.timeOrigin) / 1_000);
  }

  #expiry(expireAt: number | undefined, now: number): Expiry {
    if (expireAt === undefined) return {};
    return { expires: true, ttl: Math.max(1, this.#ttl(expireAt, now)) };
  }

  // Small things

  /** What forbids a command on a channel: an error, or that the connection was closed for it. */
  #refusal(
    channel: string,
    may: (who: { user: string; insecure: boolean }, subscribed: boolean) => boolean,
    available: (options: ChannelOptions) => boolean = () => true,
  ): ProtocolError | "close" | undefined {
    if (channel === "") {
      this.#close(disconnects.badRequest);
      return "close";
    }
    const { rules } = this.#options;
    if (rules.problem(channel) !== undefined) return errors.badRequest;
    const options = rules.options(channel);
    if (options === undefined) return errors.unknownChannel;
    if (!available(options)) return errors.notAvailable;
    return may(this.#who(), this.channels.has(channel)) ? undefined : errors.permissionDenied;
  }

  /** What a command may cost; who goes on after having been told that it is too much, is closed. */
  #spend(now: number): "enough" | "short" | "none" {
    const rate = this.#options.config.client.command_rate_limit;
    if (rate === 0) return "enough";
    const earned = (Math.max(0, now - this.#tokensAt) / 1_000) * rate;
    this.#tokensAt = now;
    this.#tokens = Math.min(rate, this.#tokens + earned) - 1;
    if (this.#tokens >= 0) return "enough";
    return this.#tokens >= -rate ? "short" : "none";
  }

  #optionsOf(channel: string, override: ChannelOverride): ChannelOptions | undefined {
    const options = this.#options.rules.options(channel);
    return options === undefined ? undefined : applyOverride(options, override);
  }

  #who(): { user: string; insecure: boolean } {
    return { user: this.#user ?? "", insecure: this.#options.config.client.insecure };
  }

  #info(channelInfo: string | undefined): ClientInfo {
    const info = this.#claims?.info;
    return {
      user: this.#user ?? "",
      client: this.client,
      ...(info === undefined ? {} : { conn_info: info }),
      ...(channelInfo === undefined ? {} : { chan_info: channelInfo }),
    };
  }

  #isJoining(channel: string): boolean {
    for (const task of (this.#tasks ?? noTasks).values()) {
      if (task.kind === "joining" && task.joining.channel === channel) return true;
      if (task.kind === "subscribe-token" && task.request.channel === channel) return true;
    }
    return false;
  }

  #joiningCount(): number {
    let count = 0;
    for (const { kind } of (this.#tasks ?? noTasks).values()) {
      if (kind === "joining" || kind === "subscribe-token") count += 1;
    }
    return count;
  }

  #begin(task: Task): number {
    const number = this.#nextTask;
    this.#nextTask += 1;
    this.#tasks ??= new Map();
    this.#tasks.set(number, task);
    return number;
  }

  #end(number: number): Task | undefined {
    const task = this.#tasks?.get(number);
    this.#tasks?.delete(number);
    if (this.#tasks?.size === 0) this.#tasks = undefined;
    return task;
  }

  #answer(number: number, answer: Result | ProtocolError): void {
    const task = this.#end(number);
    if (task?.kind !== "answer") return;
    if ("code" in answer) this.#fail(task.id, answer);
    else this.#reply(task.id, answer);
  }

  #reply(id: number, result: Result): void {
    this.#effects.push({ kind: "reply", reply: { id, ...result } });
  }

  #fail(id: number, error: ProtocolError): void {
    // A command without an id gets no answer.
    if (id > 0) this.#effects.push({ kind: "reply", reply: { id, error } });
  }

  /** The connect command has failed: the connection is of no use any more. */
  #refuse(id: number, error: ProtocolError): void {
    this.#phase = "refused";
    this.#fail(id, error);
    this.#tasks = undefined;
    this.#connecting = undefined;
    this.#waiting = undefined;
  }

  #close({ code, reason }: Disconnect): void {
    this.#phase = "closed";
    this.#tasks = undefined;
    this.#waiting = undefined;
    this.#connecting = undefined;
    this.#effects.push({ kind: "close", code, reason });
  }

  #isClosed(): boolean {
    return this.#phase === "closed";
  }
}

function hasHistory({ history_size: size, history_ttl: ttl }: ChannelOptions): boolean {
  return size > 0 && ttl > 0;
}
