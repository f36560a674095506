/**
 * The messages of the Centrifuge protocol, free of any encoding. Names are those of its schema,
 * `client.proto` in centrifugal/protocol. Payloads are JSON text.
 */
import type { ClientInfo } from "../presence/client-info.ts";
import type { ProtocolError } from "./codes.ts";

export type { ClientInfo };

export interface StreamPosition {
  readonly offset: number;
  /** Empty: any. */
  readonly epoch: string;
}

export interface Publication {
  /** JSON text without raw newlines. */
  readonly data: string;
  readonly offset?: number;
  /** Who published it; absent when it was no client. */
  readonly info?: ClientInfo;
}

/** A publication as it is sent, made once for all who get it. */
export type PublicationText = string;

export interface ConnectRequest {
  readonly token: string;
  /** Server-side subscriptions of the connection before; undefined: nothing is to be recovered. */
  readonly subs: ReadonlyMap<string, StreamPosition | undefined>;
}

export interface ChannelRequest {
  readonly channel: string;
}

export interface SubscribeRequest extends ChannelRequest {
  readonly token: string;
  /** undefined: nothing is to be recovered. */
  readonly recover: StreamPosition | undefined;
  readonly positioned: boolean;
  readonly recoverable: boolean;
  readonly join_leave: boolean;
  readonly delta: string;
  /** True when a filter was sent. */
  readonly filtered: boolean;
  readonly flag: number;
  readonly type: number;
}

export interface PublishRequest extends ChannelRequest {
  /** undefined: none was sent. */
  readonly data: string | undefined;
  readonly type: number;
}

export interface HistoryRequest extends ChannelRequest {
  /** 0: the position only; below 0: no limit. */
  readonly limit: number;
  readonly since: StreamPosition | undefined;
  readonly reverse: boolean;
}

export interface SubRefreshRequest extends ChannelRequest {
  readonly token: string;
  readonly type: number;
}

/** What a client asks for. */
export type Command =
  | { readonly id: number; readonly method: "connect"; readonly request: ConnectRequest }
  | { readonly id: number; readonly method: "subscribe"; readonly request: SubscribeRequest }
  | { readonly id: number; readonly method: "unsubscribe"; readonly request: ChannelRequest }
  | { readonly id: number; readonly method: "publish"; readonly request: PublishRequest }
  | { readonly id: number; readonly method: "presence"; readonly request: ChannelRequest }
  | { readonly id: number; readonly method: "presence_stats"; readonly request: ChannelRequest }
  | { readonly id: number; readonly method: "history"; readonly request: HistoryRequest }
  | { readonly id: number; readonly method: "rpc"; readonly request: { readonly method: string } }
  | { readonly id: number; readonly method: "refresh"; readonly request: { readonly token: string } }
  | { readonly id: number; readonly method: "sub_refresh"; readonly request: SubRefreshRequest }
  /** The first has no id and no answer. */
  | { readonly id: number; readonly method: "send" | "ping"; readonly request: object };

/** Whether something expires, and in how many seconds. */
export interface Expiry {
  readonly expires?: true;
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
  readonly subs?: ReadonlyMap<string, SubscribeResult>;
  /** Seconds; absent: the server sends no pings. */
  readonly ping?: number;
  readonly pong?: true;
  /** Milliseconds since 1970. */
  readonly time?: number;
}

export interface PresenceResult {
  readonly presence: ReadonlyMap<string, ClientInfo>;
  /** Ours: some gateway did not answer in time. */
  readonly incomplete?: true;
}

export interface PresenceStatsResult {
  readonly num_clients: number;
  readonly num_users: number;
  /** Ours, as above. */
  readonly incomplete?: true;
}

export interface HistoryResult extends StreamPosition {
  readonly publications: readonly PublicationText[];
}

export interface RefreshResult extends Expiry {
  readonly client: string;
  readonly version: string;
}

export type Result =
  | { readonly method: "connect"; readonly result: ConnectResult }
  | { readonly method: "subscribe"; readonly result: SubscribeResult }
  | { readonly method: "unsubscribe" | "publish"; readonly result: object }
  | { readonly method: "presence"; readonly result: PresenceResult }
  | { readonly method: "presence_stats"; readonly result: PresenceStatsResult }
  | { readonly method: "history"; readonly result: HistoryResult }
  | { readonly method: "rpc"; readonly result: { readonly data: string } }
  | { readonly method: "refresh"; readonly result: RefreshResult }
  | { readonly method: "sub_refresh"; readonly result: Expiry };

export type Reply = { readonly id: number } & ({ readonly error: ProtocolError } | Result);

/** What the server says unasked. */
export type Push = { readonly channel: string } & (
  | { readonly join: { readonly info: ClientInfo } }
  | { readonly leave: { readonly info: ClientInfo } }
  | { readonly unsubscribe: { readonly code: number; readonly reason: string } }
);
