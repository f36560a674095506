import type { Asker, ChannelRules } from "../channel/rules.ts";
import type { GatewayConfig } from "../config/options.ts";
import type { Disconnect, ProtocolError } from "./codes.ts";
import type { Effect, Input } from "./effects.ts";
import type {
  ClientInfo,
  Expiry,
  Recover,
  Result,
  StreamPosition,
  SubRefreshCommand,
  SubscribeCommand,
  SubscribeResult,
} from "./messages.ts";

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
  /** The transport pings by itself, with frames of its own: the session neither pings nor promises to. */
  readonly framePings?: boolean;
  /** What commands name that come on another way than answers go, and the gateway that has the session. */
  readonly emulation?: { readonly session: string; readonly node: string };
}

/** What a session has of a channel. */
export interface Subscription {
  readonly serverSide: boolean;
  /** Who wanted it: it has to be in every token by which the connection is refreshed. */
  readonly byConnectionToken: boolean;
  readonly positioned: boolean;
  /** JSON text: what the token says of the client in this channel. */
  chanInfo: string | undefined;
  /** Seconds since 1970; undefined: never. */
  expireAt: number | undefined;
}

/** A subscription that is under way to be one. */
export interface Join extends Subscription {
  readonly channel: string;
  /** Of the command; server-side subscriptions have none. */
  readonly id: number | undefined;
  /** A server-side subscription that did not come with the connection, and who waits for it. */
  readonly ticket?: number | undefined;
  readonly isOrdered?: true;
  readonly recoverable: boolean;
  /** What the client asked for, granted or not. */
  readonly recover: Recover;
  readonly rejectUnrecovered: boolean;
  readonly delta: boolean;
  /** JSON text, for the result. */
  readonly data: string | undefined;
}

/** What is under way outside, to be ended by the input of the same kind. */
export type Task = { readonly size: number } & (
  | { readonly kind: "connection-token"; readonly id: number }
  | { readonly kind: "subscription-token"; readonly command: SubscribeCommand | SubRefreshCommand }
  | { readonly kind: "subscribed"; readonly join: Join }
  | { readonly kind: "published"; readonly id: number }
  | { readonly kind: "rpc"; readonly id: number }
  | { readonly kind: "presence"; readonly id: number }
  | { readonly kind: "presence-stats"; readonly id: number }
  | { readonly kind: "history"; readonly id: number; readonly since: StreamPosition | undefined }
);

type TaskOf<K extends Task["kind"]> = Extract<Task, { kind: K }>;

/** An input whose time has not come. */
export interface Held {
  readonly input: Input;
  readonly size: number;
}

/** A connect command that is under way. */
export interface Connecting {
  readonly id: number;
  /** What the client had, or wants, of server-side subscriptions. */
  readonly asked: ReadonlyMap<string, Recover>;
  /** Those that are there already. */
  readonly joined: Map<string, { readonly join: Join; readonly result: SubscribeResult }>;
  /** Those that are not. */
  left: number;
  /** What the first that failed has failed by. */
  error: ProtocolError | undefined;
  /** What came after the connect command. */
  readonly held: Held[];
  /** Something came that closes the connection as soon as its turn comes. */
  isDoomed: boolean;
}

const nothing: readonly Effect[] = Object.freeze([]);
const secondsOfYear = 31_536_000;

/**
 * `new`: until the connect command. `unusable`: it was answered with an error, and nothing else will be.
 */
type Phase = "new" | "connecting" | "connected" | "unusable" | "closed";

/**
 * All that a session knows, and what every part of it needs. There are tens of thousands of them: what
 * most do not need is made when it is needed.
 */
export class SessionState {
  readonly options: SessionOptions;
  phase: Phase = "new";
  /** Of the input that is being worked on. */
  now: number;
  user: string | undefined;
  /** JSON text. */
  connInfo: string | undefined;
  /** JSON text: what the token says for servers alone. */
  meta: string | undefined;
  hasToken = false;
  /** Of the connection, in seconds since 1970; undefined: never. */
  expireAt: number | undefined;
  connecting: Connecting | undefined;
  subscriptions: Map<string, Subscription> | undefined;
  /** The channels of subscribe commands under way, and what waits for the end of each. */
  joining: Map<string, Held[]> | undefined;
  /** Until when the client has to answer a ping, or else when the next one is due. */
  beatAt = Number.POSITIVE_INFINITY;
  awaitsPong = false;
  /** When a subscription ends by itself, at the earliest. */
  subscriptionEndsAt = Number.POSITIVE_INFINITY;
  /** What waited and waits no more. */
  released: Held[] | undefined;

  /** Commands that may come now; below 0: that should not have come. */
  credit: number;
  creditAt: number;
  /** Commands that were refused in a row because too many were under way. */
  refusedInRow = 0;
  heldCount = 0;
  /** Calls of services under way. */
  calls = 0;
  /** Of all commands that are held or under way. */
  keptSize = 0;

  #effects: Effect[] | undefined;
  #tasks: Map<number, Task> | undefined;
  #lastTask = 0;
  #info: ClientInfo | undefined;

  constructor(options: SessionOptions) {
    this.options = options;
    this.now = options.now;
    this.credit = options.config.client.command_rate_limit;
    this.creditAt = options.now;
  }

  get client(): GatewayConfig["client"] {
    return this.options.config.client;
  }

  get rules(): ChannelRules {
    return this.options.rules;
  }

  get asker(): Asker {
    return { user: this.user ?? "", insecure: this.client.insecure };
  }

  /** Commands that are not answered yet. */
  get underWay(): number {
    return this.heldCount + (this.#tasks?.size ?? 0);
  }

  get subscriptionCount(): number {
    return (this.subscriptions?.size ?? 0) + (this.joining?.size ?? 0);
  }

  /** The client as others may see it; `chanInfo` is what they may see of it in a channel only. */
  info(chanInfo: string | undefined): ClientInfo {
    this.#info ??= {
      user: this.user ?? "",
      client: this.options.client,
      ...(this.connInfo === undefined ? {} : { conn_info: this.connInfo }),
    };
    return chanInfo === undefined ? this.#info : { ...this.#info, chan_info: chanInfo };
  }

  changeInfo(connInfo: string): void {
    this.connInfo = connInfo;
    this.#info = undefined;
  }

  emit(effect: Effect): void {
    if (this.phase === "closed") return;
    if (this.#effects === undefined) this.#effects = [effect];
    else this.#effects.push(effect);
  }

  takeEffects(): readonly Effect[] {
    const effects = this.#effects ?? nothing;
    this.#effects = undefined;
    return effects;
  }

  reply(id: number, result: Result): void {
    this.emit({ kind: "reply", reply: { id, ...result } });
  }

  fail(id: number, error: ProtocolError): void {
    this.emit({ kind: "reply", reply: { id, error } });
  }

  /** Nothing comes after it; what was known is forgotten. */
  close({ code, reason }: Disconnect): void {
    this.emit({ kind: "close", code, reason });
    this.phase = "closed";
    this.connecting = undefined;
    this.subscriptions = undefined;
    this.joining = undefined;
    this.released = undefined;
    this.#tasks = undefined;
    this.heldCount = 0;
    this.keptSize = 0;
  }

  begin(task: Task): number {
    this.#lastTask += 1;
    this.#tasks ??= new Map();
    this.#tasks.set(this.#lastTask, task);
    this.keptSize += task.size;
    return this.#lastTask;
  }

  /** Ends a task; undefined when it has ended already, or is none of that kind. */
  end<K extends Task["kind"]>(kind: K, number: number): TaskOf<K> | undefined {
    const task = this.#tasks?.get(number);
    if (task?.kind !== kind) return undefined;
    this.#tasks?.delete(number);
    if (this.#tasks?.size === 0) this.#tasks = undefined;
    this.keptSize -= task.size;
    return task as TaskOf<K>;
  }

  hold(list: Held[], held: Held): void {
    list.push(held);
    this.heldCount += 1;
    this.keptSize += held.size;
  }

  /** Lets what was held have its turn, after the present one. */
  release(list: readonly Held[]): void {
    for (const held of list) {
      this.heldCount -= 1;
      this.keptSize -= held.size;
      this.released ??= [];
      this.released.push(held);
    }
  }

  /** Of the join, nothing is kept but what a subscription is. */
  subscribe({
    channel,
    serverSide,
    byConnectionToken,
    positioned,
    chanInfo,
    expireAt,
  }: Join): void {
    const subscription = { serverSide, byConnectionToken, positioned, chanInfo, expireAt };
    this.subscriptions ??= new Map();
    this.subscriptions.set(channel, subscription);
    this.noteEnd(subscription);
  }

  /** Ends a subscription if there is one. */
  unsubscribe(channel: string): boolean {
    if (this.subscriptions?.delete(channel) !== true) return false;
    if (this.subscriptions.size === 0) this.subscriptions = undefined;
    this.emit({ kind: "unsubscribe", channel });
    return true;
  }

  noteEnd(subscription: Subscription): void {
    this.subscriptionEndsAt = Math.min(this.subscriptionEndsAt, this.endOf(subscription));
  }

  /** When the client has not renewed the subscription in time. */
  endOf({ expireAt }: Subscription): number {
    return this.#at(expireAt, this.client.expired_sub_close_delay);
  }

  /** When the client has not refreshed the connection in time. */
  get endsAt(): number {
    return this.#at(this.expireAt, this.client.expired_close_delay);
  }

  get sinceEpoch(): number {
    return this.now + this.options.timeOrigin;
  }

  /** Whether a time has come at which something expires. */
  isExpired(expireAt: number | undefined): boolean {
    return expireAt !== undefined && this.#secondsTo(expireAt) <= 0;
  }

  /** What a client is told of it; what it is told in seconds has to fit into its timers. */
  expiry(expireAt: number | undefined): Expiry {
    if (expireAt === undefined) return {};
    const ttl = Math.min(Math.max(1, this.#secondsTo(expireAt)), secondsOfYear);
    return { expires: true, ttl };
  }

  #secondsTo(expireAt: number): number {
    return expireAt - Math.floor(this.sinceEpoch / 1_000);
  }

  #at(expireAt: number | undefined, delay: number): number {
    if (expireAt === undefined) return Number.POSITIVE_INFINITY;
    return expireAt * 1_000 - this.options.timeOrigin + delay;
  }
}
