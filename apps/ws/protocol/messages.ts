import type { ClientInfo } from "../presence/client-info.ts";
import type { ProtocolError } from "./codes.ts";

export type { ClientInfo } from "../presence/client-info.ts";

/** Any bytes. Clients that speak JSON get what is no JSON as a JSON string. */
export type Payload = Uint8Array;

/** Made of entries, or without a prototype: `__proto__` is a legal key. */
export type Tags = Readonly<Record<string, string>>;

/** What a codec made of a message: JSON as text, protobuf as one message without its length. */
export type Encoded = string | Uint8Array;

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
  /** Which publications are wanted, by their tags; as the client wrote it, whether it means something or not. */
  readonly tf: FilterNode | undefined;
  /** Bits: 1 channel compaction, 2 reject when not recovered. */
  readonly flag: number;
  /** 0: a stream, which is the only type that there is here. */
  readonly type: number;
}

export interface PublishCommand {
  readonly method: "publish";
  readonly id: number;
  readonly channel: string;
  /** Empty: none. */
  readonly data: Payload;
  readonly type: number;
}

/** Of a filter for tags: a comparison, or an operation on other nodes. */
export interface FilterNode {
  readonly op: string;
  readonly key: string;
  readonly cmp: string;
  readonly val: string;
  readonly vals: readonly string[];
  readonly nodes: readonly FilterNode[];
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
  readonly data: Payload;
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

export interface Publication {
  readonly data: Payload;
  /** The client that published it. */
  readonly info?: ClientInfo;
  readonly offset?: number;
  readonly tags?: Tags;
  /**
   * For subscriptions with deltas: `full`, `data` is a whole payload, from `Codec.payload`; `delta`, it is a
   * delta of such a payload against the one before. JSON clients get both as a string.
   */
  readonly delta?: "full" | "delta";
}

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
  /** As the connection's codec has encoded them. */
  readonly publications?: readonly Encoded[];
  readonly recovered?: true;
  readonly was_recovering?: true;
  /** JSON text. */
  readonly data?: string;
  readonly delta?: true;
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
  /** What the commands of a client that has no websocket have to name, and the gateway that has it. */
  readonly session?: string;
  readonly node?: string;
}

export interface HistoryResult extends StreamPosition {
  /** As the connection's codec has encoded them. */
  readonly publications: readonly Encoded[];
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
  | { readonly rpc: { readonly data: Payload } }
  | { readonly refresh: RefreshResult }
  | { readonly sub_refresh: Expiry };

export type Reply = { readonly id: number } & ({ readonly error: ProtocolError } | Result);

/** What comes without having been asked for. Publications come otherwise: `Codec.publicationPush`. */
export type Push = { readonly channel?: string } & (
  | { readonly join: { readonly info: ClientInfo } }
  | { readonly leave: { readonly info: ClientInfo } }
  | { readonly unsubscribe: { readonly code: number; readonly reason: string } }
  | { readonly subscribe: SubscribePush }
  /** Nobody here sends one; it stands in the protocol. */
  | { readonly message: { readonly data: Payload } }
  | { readonly refresh: Expiry }
  | { readonly disconnect: DisconnectPush }
);

/** The server has subscribed the client to the channel. */
export interface SubscribePush {
  readonly recoverable?: true;
  readonly positioned?: true;
  readonly epoch?: string;
  readonly offset?: number;
  /** JSON text. */
  readonly data?: string;
}

/** The last message to a client whose transport has no close codes. */
export interface DisconnectPush {
  readonly code: number;
  readonly reason: string;
  /** Clients take it from the code; it stands in the protocol. */
  readonly reconnect?: true;
}
