import type { ConnectionClaims, SubscriptionGrant, TokenOutcome } from "../auth/tokens.ts";
import { applyOverride } from "../channel/rules.ts";
import type { ChannelOptions } from "../config/options.ts";
import { disconnects, errors, type ProtocolError } from "./codes.ts";
import type { SubscribeOutcome } from "./effects.ts";
import type { ConnectCommand, ConnectResult, SubscribeResult } from "./messages.ts";
import type { Connecting, Join, SessionState } from "./state.ts";
import { join, notRecovering, resultOf } from "./subscribe.ts";

const maxNameLength = 16;
const maxVersionLength = 64;

/** Who the client is, once that is known. */
interface Identity {
  readonly user: string;
  readonly claims: ConnectionClaims | undefined;
  /** Whether the client may name channels that it could subscribe to itself. */
  readonly mayAsk: boolean;
}

/** A server-side subscription to be. */
interface Granted {
  readonly options: ChannelOptions;
  readonly grant: Omit<SubscriptionGrant, "override">;
  readonly byConnectionToken: boolean;
}

export function connect(state: SessionState, command: ConnectCommand, size: number): void {
  const { id, token, subs, name, version } = command;
  state.phase = "connecting";
  const connecting: Connecting = {
    id,
    asked: subs,
    joined: new Map(),
    left: 0,
    error: undefined,
    held: [],
    isDoomed: false,
  };
  state.connecting = connecting;
  if (name.length > maxNameLength || version.length > maxVersionLength) {
    refuse(state, connecting, errors.badRequest);
    return;
  }
  if (token !== "") {
    const task = state.begin({ kind: "connection-token", id, size });
    state.emit({ kind: "verify-connection", task, token });
    return;
  }
  const { insecure, allow_anonymous_connect_without_token: anonymous } = state.client;
  const { user } = state.options;
  if (user !== undefined) {
    authenticated(state, connecting, { user, claims: undefined, mayAsk: insecure });
  } else if (insecure || anonymous) {
    authenticated(state, connecting, { user: "", claims: undefined, mayAsk: true });
  } else state.close(disconnects.badRequest);
}

export function connectionVerified(
  state: SessionState,
  connecting: Connecting,
  outcome: TokenOutcome<ConnectionClaims>,
): void {
  if (!outcome.ok) {
    if (outcome.reason === "invalid") state.close(disconnects.invalidToken);
    else {
      const isExpired = outcome.reason === "expired";
      refuse(state, connecting, isExpired ? errors.tokenExpired : errors.internal);
    }
    return;
  }
  const { claims } = outcome;
  if (claims.user === "" && state.client.disallow_anonymous_connection_tokens) {
    state.close(disconnects.permissionDenied);
    return;
  }
  state.hasToken = true;
  // Who needs no token to stay need not renew one.
  if (!state.client.insecure) state.expireAt = claims.expireAt;
  if (state.isExpired(state.expireAt)) {
    refuse(state, connecting, errors.expired);
    return;
  }
  authenticated(state, connecting, { user: claims.user, claims, mayAsk: true });
}

/** A server-side subscription is there, or is not to be. */
export function connectJoined(
  state: SessionState,
  connecting: Connecting,
  joined: Join,
  outcome: SubscribeOutcome,
): void {
  connecting.left -= 1;
  const result = outcome.ok ? resultOf(state, joined, outcome) : outcome.error;
  if (!("code" in result)) connecting.joined.set(joined.channel, { join: joined, result });
  else {
    connecting.error ??= result;
    if (outcome.ok) state.emit({ kind: "unsubscribe", channel: joined.channel });
  }
  if (connecting.left === 0) finish(state, connecting);
}

/** The channels of a connection token and what it says of each. */
export function channelsOf({
  channels,
  subs,
}: ConnectionClaims): readonly (readonly [string, SubscriptionGrant])[] {
  const named = Object.entries(subs);
  // As the family's server has it, one list makes the other void.
  return named.length > 0 ? named : channels.map((channel) => [channel, { override: {} }]);
}

function authenticated(state: SessionState, connecting: Connecting, identity: Identity): void {
  const { user, claims } = identity;
  state.user = user;
  state.connInfo = claims?.info;
  state.meta = claims?.meta;
  const granted = serverSide(state, connecting, identity);
  if (!(granted instanceof Map)) {
    refuse(state, connecting, granted);
    return;
  }
  if (granted.size > state.client.channel_limit) {
    state.close(disconnects.channelLimit);
    return;
  }
  if (granted.size === 0) {
    finish(state, connecting);
    return;
  }
  connecting.left = granted.size;
  for (const [channel, { options, grant, byConnectionToken }] of granted) {
    join(state, options, {
      ...{ channel, byConnectionToken, id: undefined, serverSide: true, size: 0 },
      joinLeave: options.force_push_join_leave,
      positioned: options.force_positioning,
      recoverable: options.force_recovery,
      recover: connecting.asked.get(channel) ?? notRecovering,
      rejectUnrecovered: false,
      delta: false,
      chanInfo: grant.info,
      data: grant.data,
      expireAt: undefined,
    });
  }
}

/** All server-side subscriptions, or why there can be no connection with them. */
function serverSide(
  state: SessionState,
  { asked }: Connecting,
  { user, claims, mayAsk }: Identity,
): Map<string, Granted> | ProtocolError {
  const { rules } = state;
  const granted = new Map<string, Granted>();
  for (const [channel, grant] of claims === undefined ? [] : channelsOf(claims)) {
    if (rules.problem(channel) !== undefined) return errors.badRequest;
    const options = rules.options(channel);
    if (options === undefined) return errors.unknownChannel;
    const overridden = applyOverride(options, grant.override);
    granted.set(channel, { options: overridden, grant, byConnectionToken: true });
  }
  const personal = rules.personalChannel(user);
  if (personal !== undefined && !granted.has(personal)) {
    const options = rules.options(personal);
    if (options === undefined) return errors.unknownChannel;
    granted.set(personal, { options, grant: {}, byConnectionToken: false });
  }
  if (!mayAsk) return granted;
  for (const channel of asked.keys()) {
    if (granted.has(channel) || rules.maySubscribe(state.asker, channel) !== "yes") continue;
    const options = rules.options(channel);
    if (options !== undefined)
      granted.set(channel, { options, grant: {}, byConnectionToken: false });
    if (granted.size > state.client.channel_limit) break;
  }
  return granted;
}

function finish(state: SessionState, connecting: Connecting): void {
  const { id, joined, held, error } = connecting;
  if (error !== undefined) {
    for (const channel of joined.keys()) state.emit({ kind: "unsubscribe", channel });
    refuse(state, connecting, error);
    return;
  }
  state.phase = "connected";
  state.connecting = undefined;
  for (const { join: subscription } of joined.values()) state.subscribe(subscription);
  state.emit({ kind: "connected", user: state.user ?? "" });
  state.reply(id, { connect: connectResult(state, joined) });
  state.release(held);
}

function connectResult(
  state: SessionState,
  joined: ReadonlyMap<string, { readonly result: SubscribeResult }>,
): ConnectResult {
  const { client, version, framePings, random, emulation } = state.options;
  const { ping_interval: interval, connect_include_server_time: withTime } = state.client;
  const subs = new Map<string, SubscribeResult>();
  for (const [channel, { result }] of joined) subs.set(channel, result);
  if (framePings !== true) state.beatAt = state.now + interval * (0.5 + random / 2);
  return {
    ...{ client, version, ...state.expiry(state.expireAt) },
    ...(framePings === true ? {} : { ping: Math.ceil(interval / 1_000), pong: true }),
    ...(withTime ? { time: Math.floor(state.sinceEpoch) } : {}),
    ...(subs.size > 0 ? { subs } : {}),
    ...emulation,
  };
}

/** The client is told why, and the connection is of no use any more. */
function refuse(state: SessionState, { id, held }: Connecting, error: ProtocolError): void {
  state.phase = "unusable";
  state.connecting = undefined;
  state.fail(id, error);
  state.release(held);
}
