/** What the server does to a client without being asked by it: by the server API, from whichever gateway. */
import { applyOverride, type ChannelOverride } from "../channel/rules.ts";
import { disconnects, errors, type ProtocolError, unsubscribes } from "./codes.ts";
import type { Input, SubscribeOutcome } from "./effects.ts";
import type { StreamPosition, SubscribePush } from "./messages.ts";
import type { Join, SessionState } from "./state.ts";
import { join, notRecovering, resultOf, settle } from "./subscribe.ts";

export type Order =
  | {
      readonly order: "subscribe";
      readonly channel: string;
      readonly override: ChannelOverride;
      /** JSON texts: what others see of the client there, and what it is told. */
      readonly info?: string | undefined;
      readonly data?: string | undefined;
      /** Seconds since 1970. */
      readonly expireAt?: number | undefined;
      readonly recoverSince?: StreamPosition | undefined;
    }
  /** An empty channel: all. */
  | { readonly order: "unsubscribe"; readonly channel: string }
  | {
      readonly order: "refresh";
      readonly expired: boolean;
      /** Seconds since 1970; absent: never. */
      readonly expireAt?: number | undefined;
      /** JSON text; absent: it stays as it is. */
      readonly info?: string | undefined;
    };

type OrderInput = Extract<Input, { kind: "order" }>;

/** Carries an order out, or holds it until what is under way has come to its end. */
export function obey(state: SessionState, input: OrderInput): void {
  const { connecting } = state;
  if (connecting !== undefined) {
    if (!connecting.isDoomed) state.hold(connecting.held, { input, size: 0 });
    return;
  }
  // Nobody who could be meant, or nobody any more.
  if (state.phase !== "connected") {
    done(state, input.ticket);
    return;
  }
  switch (input.what.order) {
    case "subscribe":
      subscribe(state, input, input.what);
      return;
    case "unsubscribe":
      unsubscribe(state, input, input.what.channel);
      return;
    case "refresh":
      refresh(state, input.what);
      done(state, input.ticket);
      return;
  }
}

/** A subscription that was ordered is there, or is not to be. */
export function orderedJoined(state: SessionState, joined: Join, outcome: SubscribeOutcome): void {
  const { channel, ticket } = joined;
  const result = outcome.ok ? resultOf(state, joined, outcome) : outcome.error;
  if ("code" in result) {
    if (outcome.ok) state.emit({ kind: "unsubscribe", channel });
    done(state, ticket, result);
  } else {
    state.subscribe(joined);
    const { recoverable, positioned, epoch, offset, data, publications = [] } = result;
    const push: SubscribePush = {
      ...(recoverable === undefined ? {} : { recoverable }),
      ...(positioned === undefined ? {} : { positioned }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(offset === undefined ? {} : { offset }),
      ...(data === undefined ? {} : { data }),
    };
    state.emit({ kind: "push", push: { channel, subscribe: push } });
    // The push has no room for what was recovered.
    if (publications.length > 0) state.emit({ kind: "publications", channel, publications });
    done(state, ticket);
  }
  settle(state, channel);
}

function subscribe(
  state: SessionState,
  input: OrderInput,
  order: Extract<Order, { order: "subscribe" }>,
): void {
  const { channel, override, info, data, expireAt, recoverSince } = order;
  const waiting = state.joining?.get(channel);
  if (waiting !== undefined) {
    state.hold(waiting, { input, size: 0 });
    return;
  }
  // Whoever wanted it, it is as it should be.
  if (state.subscriptions?.has(channel) === true) {
    done(state, input.ticket);
    return;
  }
  const options = state.rules.options(channel);
  const problem =
    options === undefined
      ? errors.unknownChannel
      : state.subscriptionCount >= state.client.channel_limit
        ? errors.limitExceeded
        : state.isExpired(expireAt)
          ? errors.expired
          : undefined;
  if (problem !== undefined || options === undefined) {
    done(state, input.ticket, problem);
    return;
  }
  state.joining ??= new Map();
  state.joining.set(channel, []);
  const wanted = applyOverride(options, override);
  join(state, wanted, {
    ...{ channel, byConnectionToken: false, id: undefined, serverSide: true, size: 0 },
    ...{ ticket: input.ticket, isOrdered: true as const },
    joinLeave: wanted.force_push_join_leave,
    positioned: wanted.force_positioning,
    recoverable: wanted.force_recovery,
    recover: recoverSince === undefined ? notRecovering : { recover: true, ...recoverSince },
    ...{ rejectUnrecovered: false, delta: false },
    chanInfo: info,
    data,
    expireAt,
  });
}

function unsubscribe(state: SessionState, input: OrderInput, channel: string): void {
  const isAll = channel === "";
  for (const [each, waiting] of state.joining ?? []) {
    if (!isAll && each !== channel) continue;
    const what = { order: "unsubscribe", channel: each } as const;
    // Of one channel it is done when its turn comes; of all, what is there now is gone at once.
    const ticket = isAll ? undefined : input.ticket;
    state.hold(waiting, { input: { kind: "order", what, ticket }, size: 0 });
    if (!isAll) return;
  }
  const channels = isAll ? [...(state.subscriptions?.keys() ?? [])] : [channel];
  for (const each of channels) {
    if (!state.unsubscribe(each)) continue;
    state.emit({ kind: "push", push: { channel: each, unsubscribe: unsubscribes.server } });
  }
  done(state, input.ticket);
}

function refresh(
  state: SessionState,
  { expired, expireAt, info }: Extract<Order, { order: "refresh" }>,
): void {
  if (expired) {
    state.close(disconnects.expired);
    return;
  }
  state.expireAt = expireAt;
  if (info !== undefined) state.changeInfo(info);
  state.emit({ kind: "push", push: { refresh: state.expiry(expireAt) } });
}

function done(state: SessionState, ticket: number | undefined, error?: ProtocolError): void {
  if (ticket === undefined) return;
  state.emit({ kind: "obeyed", ticket, ...(error === undefined ? {} : { error }) });
}
