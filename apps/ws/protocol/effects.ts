import type { ConnectionClaims, SubscriptionClaims, TokenOutcome } from "../auth/tokens.ts";
import type { TagsFilter } from "../channel/tags-filter.ts";
import type { Disconnect, ProtocolError } from "./codes.ts";
import type { Order } from "./control.ts";
import type {
  ClientInfo,
  Command,
  Encoded,
  Payload,
  Push,
  Reply,
  StreamPosition,
} from "./messages.ts";

/** What came of a `subscribe` effect. */
export type SubscribeOutcome =
  | {
      readonly ok: true;
      /** Of channels with history, when the effect was `positioned`: the top of the stream. */
      readonly position?: StreamPosition;
      /** When the effect had `recover`. */
      readonly recovery?: {
        readonly recovered: boolean;
        /** Ascending. */
        readonly publications: readonly Encoded[];
      };
    }
  | { readonly ok: false; readonly error: ProtocolError };

export type PublishOutcome =
  { readonly ok: true } | { readonly ok: false; readonly error: ProtocolError };

export interface PresenceOutcome {
  /** By client id. */
  readonly clients: ReadonlyMap<string, ClientInfo>;
  /** False when a gateway did not answer in time. */
  readonly complete: boolean;
}

export interface PresenceStatsOutcome {
  readonly numClients: number;
  readonly numUsers: number;
  readonly complete: boolean;
}

export type HistoryOutcome =
  | {
      readonly ok: true;
      /** The top of the stream. */
      readonly position: StreamPosition;
      readonly publications: readonly Encoded[];
    }
  | { readonly ok: false; readonly error: ProtocolError };

/** What a service has answered to a call. */
export type RpcOutcome =
  | { readonly ok: true; readonly data: Payload }
  | { readonly ok: false; readonly error: ProtocolError };

/** What a session is told. The outcome of a task that it does not wait for any more is ignored. */
export type Input =
  /** @see Codec.decode */
  | {
      readonly kind: "command";
      readonly command: Command;
      /** Characters of its text, or bytes: what keeping it costs. */
      readonly size: number;
    }
  | { readonly kind: "pong" }
  /** What is no command. */
  | { readonly kind: "malformed"; readonly reason: string }
  | { readonly kind: "tick" }
  | {
      readonly kind: "connection-token";
      readonly task: number;
      readonly outcome: TokenOutcome<ConnectionClaims>;
    }
  | {
      readonly kind: "subscription-token";
      readonly task: number;
      readonly outcome: TokenOutcome<SubscriptionClaims>;
    }
  | { readonly kind: "subscribed"; readonly task: number; readonly outcome: SubscribeOutcome }
  | { readonly kind: "published"; readonly task: number; readonly error?: ProtocolError }
  | { readonly kind: "presence"; readonly task: number; readonly outcome: PresenceOutcome }
  | {
      readonly kind: "presence-stats";
      readonly task: number;
      readonly outcome: PresenceStatsOutcome;
    }
  | { readonly kind: "history"; readonly task: number; readonly outcome: HistoryOutcome }
  | { readonly kind: "rpc"; readonly task: number; readonly outcome: RpcOutcome }
  /** Publications of the channel were lost, and nothing can bring them back. */
  | { readonly kind: "insufficient"; readonly channel: string }
  /** @see obey */
  | {
      readonly kind: "order";
      readonly what: Order;
      /** Of who waits for the effect `obeyed`. */
      readonly ticket: number | undefined;
    };

/** What a session wants done, in this order. */
export type Effect =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "push"; readonly push: Push }
  | { readonly kind: "ping" }
  /** The last effect of a session; with it all its subscriptions end. */
  | ({ readonly kind: "close" } & Disconnect)
  | { readonly kind: "verify-connection"; readonly task: number; readonly token: string }
  | { readonly kind: "verify-subscription"; readonly task: number; readonly token: string }
  | SubscribeEffect
  /** Publications of a channel, as pushes. */
  | {
      readonly kind: "publications";
      readonly channel: string;
      readonly publications: readonly Encoded[];
    }
  /** An order was carried out, or why not. */
  | { readonly kind: "obeyed"; readonly ticket: number; readonly error?: ProtocolError }
  /** Of a channel that is subscribed, or whose `subscribe` effect is under way: it is not waited for any more. */
  | { readonly kind: "unsubscribe"; readonly channel: string }
  | {
      readonly kind: "publish";
      readonly task: number;
      readonly channel: string;
      readonly data: Payload;
      readonly info: ClientInfo;
    }
  | { readonly kind: "presence"; readonly task: number; readonly channel: string }
  | { readonly kind: "presence-stats"; readonly task: number; readonly channel: string }
  | {
      readonly kind: "history";
      readonly task: number;
      readonly channel: string;
      /** 0: the position only. Never below 0 and never above the limit that is configured. */
      readonly limit: number;
      /** Only what comes after it; with `reverse`, before it. An empty epoch is any. */
      readonly since?: StreamPosition;
      readonly reverse: boolean;
    }
  /** A call of a service. */
  | {
      readonly kind: "rpc";
      readonly task: number;
      readonly method: string;
      readonly data: Payload;
      /** Who calls, as JSON. */
      readonly caller: string;
      readonly withinMs: number;
    }
  /** The client is known and about to be told so: the next effect is the connect reply. */
  | { readonly kind: "connected"; readonly user: string };

export interface SubscribeEffect {
  readonly kind: "subscribe";
  readonly task: number;
  readonly channel: string;
  readonly info: ClientInfo;
  /** Others see the client in the channel. */
  readonly presence: boolean;
  /** The client gets join and leave events. */
  readonly joinLeave: boolean;
  /** Others get join and leave events of the client. */
  readonly announce: boolean;
  /** The outcome says where the stream is, and losses are to be reported as `insufficient`. */
  readonly positioned: boolean;
  readonly recoverable: boolean;
  /** Publications after it are wanted; an empty epoch is any. */
  readonly recover: StreamPosition | undefined;
  /** Publications may be deltas. */
  readonly delta?: true;
  /** Other publications are not wanted; never with `delta`. */
  readonly filter?: TagsFilter;
}
