import type { ClientInfo } from "../presence/client-info.ts";
import type { ProtocolError } from "./codes.ts";

export type { ClientInfo } from "../presence/client-info.ts";

/** Where a channel's stream is: the offset counts within one life of the stream, the epoch names that life. */
export interface StreamPosition {
  readonly offset: number;
  /** In requests, an empty epoch is any. */
  readonly epoch: string;
}

/** What a client asks for; absent fields have the values that the protocol gives them. */
export type Command =
  | ConnectCommand
  | SubscribeCommand
  | PublishCommand
  | ChannelCommand
  | HistoryCommand
  | RpcCommand
  | SendCommand
  | RefreshCommand
  | SubRefreshCommand
  | PingCommand;

export type Method = Command["method"];

/** From where a client wants to recover a subscription, if it does. */
export interface Recover extends StreamPosition {
  readonly recover: boolean;
}

export interface ConnectCommand {
  readonly method: "connect";
  readonly id: number;
  readonly token: string;
  /** Server-side subscriptions that the client had or wants, by channel. */
  readonly subs: ReadonlyMap<string, Recover>;
  /** Of the client's library. */
  readonly name: string;
  readonly version: string;
}

export interface SubscribeCommand extends Recover {
  readonly method: "subscribe";
  readonly id: number;
  readonly channel: string;
  readonly token: string;
  readonly positioned: boolean;
  readonly recoverable: boolean;
  readonly joinLeave: boolean;
  readonly delta: string;
  /** Whether it comes with a filter for tags. */
  readonly filtered: boolean;
  /** Bits: 1 channel compaction, 2 reject when not recovered. */
  readonly flag: number;
  /** 0: a stream, which is the only type that there is here. */
  readonly type: number;
}

export interface PublishCommand {
  readonly method: "publish";
  readonly id: number;
  readonly channel: string;
  /** JSON text as the client wrote it, without raw newlines; empty: none. */
  readonly data: string;
  readonly type: number;
}

/** What needs no more than a channel. */
export interface ChannelCommand {
  readonly method: "unsubscribe" | "presence" | "presence_stats";
  readonly id: number;
  readonly channel: string;
}

export interface HistoryCommand {
  readonly method: "history";
  readonly id: number;
  readonly channel: string;
  /** 0: the position only; below 0: no limit. */
  readonly limit: number;
  readonly since: StreamPosition | undefined;
  readonly reverse: boolean;
}

export interface RpcCommand {
  readonly method: "rpc";
  readonly id: number;
  /** What is called. */
  readonly name: string;
}

/** It is never answered. */
export interface SendCommand {
  readonly method: "send";
  readonly id: number | undefined;
}

export interface RefreshCommand {
  readonly method: "refresh";
  readonly id: number;
  readonly token: string;
}

export interface SubRefreshCommand {
  readonly method: "sub_refresh";
  readonly id: number;
  readonly channel: string;
  readonly token: string;
}

/** Reserved: no client sends it. */
export interface PingCommand {
  readonly method: "ping";
  readonly id: number | undefined;
}

/** A publication; all that is JSON in it is JSON text without raw newlines. */
export interface Publication {
  readonly data: string;
  /** The client that published it. */
  readonly info?: ClientInfo;
  readonly offset?: number;
}

/** A publication as `encodePublication` makes it, once for all who get it. */
export type PublicationText = string;

export interface Expiry {
  readonly expires?: true;
  /** Seconds. */
  readonly ttl?: number;
}

export interface SubscribeResult extends Expiry {
  readonly recoverable?: true;
  readonly positioned?: true;
  readonly epoch?: string;
  readonly offset?: number;
  readonly publications?: readonly PublicationText[];
  readonly recovered?: true;
  readonly was_recovering?: true;
  /** JSON text. */
  readonly data?: string;
}

export interface ConnectResult extends Expiry {
  readonly client: string;
  readonly version: string;
  /** Seconds. */
  readonly ping?: number;
  readonly pong?: true;
  /** Milliseconds since 1970. */
  readonly time?: number;
  readonly subs?: ReadonlyMap<string, SubscribeResult>;
}

export interface HistoryResult extends StreamPosition {
  readonly publications: readonly PublicationText[];
}

export interface PresenceResult {
  /** By client id. */
  readonly presence: ReadonlyMap<string, ClientInfo>;
  /** Ours: some gateway was not heard, so that clients may be missing. */
  readonly incomplete?: true;
}

export interface PresenceStatsResult {
  readonly num_clients: number;
  readonly num_users: number;
  /** Ours: some gateway was not heard, so that clients may be missing. */
  readonly incomplete?: true;
}

export interface RefreshResult extends Expiry {
  readonly client: string;
  readonly version: string;
}

/** What a reply holds when all went well: the result under the command's name. */
export type Result =
  | { readonly connect: ConnectResult }
  | { readonly subscribe: SubscribeResult }
  | { readonly unsubscribe: Readonly<Record<string, never>> }
  | { readonly publish: Readonly<Record<string, never>> }
  | { readonly presence: PresenceResult }
  | { readonly presence_stats: PresenceStatsResult }
  | { readonly history: HistoryResult }
  /** `data` is JSON text. */
  | { readonly rpc: { readonly data: string } }
  | { readonly refresh: RefreshResult }
  | { readonly sub_refresh: Expiry };

export type Reply = { readonly id: number } & ({ readonly error: ProtocolError } | Result);

/** What comes without having been asked for. Publications have a text of their own: `publicationPushAround`. */
export interface Push {
  readonly channel: string;
  readonly join?: { readonly info: ClientInfo };
  readonly leave?: { readonly info: ClientInfo };
  readonly unsubscribe?: { readonly code: number; readonly reason: string };
}
