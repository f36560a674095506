import type { SubscriptionClaims, SubscriptionGrant, TokenOutcome } from "../auth/tokens.ts";
import { applyOverride } from "../channel/rules.ts";
import { compileFilter, type TagsFilter } from "../channel/tags-filter.ts";
import type { ChannelOptions } from "../config/options.ts";
import { disconnects, errors, type ProtocolError } from "./codes.ts";
import type { SubscribeOutcome } from "./effects.ts";
import type { Recover, SubscribeCommand, SubscribeResult } from "./messages.ts";
import type { Join, SessionState } from "./state.ts";

/** Bit of a subscribe command: an error is wanted where there is no recovery. */
const rejectUnrecoveredFlag = 2;

export const notRecovering: Recover = Object.freeze({ recover: false, offset: 0, epoch: "" });

/** The channel is free: nothing of it is subscribed or under way. */
export function subscribe(state: SessionState, command: SubscribeCommand, size: number): void {
  const { id, channel, token, delta } = command;
  if (channel === "" || (delta !== "" && delta !== "fossil")) {
    state.close(disconnects.badRequest);
    return;
  }
  const options = state.rules.options(channel);
  const error = problem(state, command, options);
  if (error !== undefined || options === undefined) {
    state.fail(id, error ?? errors.unknownChannel);
    return;
  }
  state.joining ??= new Map();
  state.joining.set(channel, []);
  if (token === "") {
    joinAsked(state, command, options, { override: {} }, size);
    return;
  }
  const task = state.begin({ kind: "subscription-token", command, size });
  state.emit({ kind: "verify-subscription", task, token });
}

/** Why the client cannot subscribe, as far as that is known without a look at its token. */
function problem(
  state: SessionState,
  { channel, token, type, tf, delta }: SubscribeCommand,
  options: ChannelOptions | undefined,
): ProtocolError | undefined {
  const { rules, asker } = state;
  if (type !== 0) return errors.notAvailable;
  if (rules.problem(channel) !== undefined) return errors.badRequest;
  if (isTaken(state, channel)) return errors.alreadySubscribed;
  if (state.subscriptionCount >= state.client.channel_limit) return errors.limitExceeded;
  if (options === undefined) return errors.unknownChannel;
  // A delta is the difference from what the subscriber has got, which with filters differs.
  if (tf !== undefined && (!options.allow_tags_filter || delta !== "")) return errors.badRequest;
  const isAllowed = token !== "" || rules.maySubscribe(asker, channel) === "yes";
  return isAllowed ? undefined : errors.permissionDenied;
}

function isTaken({ subscriptions, joining }: SessionState, channel: string): boolean {
  return subscriptions?.has(channel) === true || joining?.has(channel) === true;
}

export function subscriptionVerified(
  state: SessionState,
  command: SubscribeCommand,
  outcome: TokenOutcome<SubscriptionClaims>,
  size: number,
): void {
  const { channel } = command;
  if (!outcome.ok) {
    const error = {
      expired: errors.tokenExpired,
      invalid: errors.permissionDenied,
      unavailable: errors.internal,
    }[outcome.reason];
    refuse(state, command, error);
    return;
  }
  const { claims } = outcome;
  const options = state.rules.options(channel);
  if (!isForClient(state, claims, channel)) state.close(disconnects.invalidToken);
  else if (state.isExpired(claims.expireAt)) refuse(state, command, errors.expired);
  else if (options === undefined) refuse(state, command, errors.unknownChannel);
  else joinAsked(state, command, applyOverride(options, claims.override), claims, size);
}

/** Whether a token is for this client in that channel. */
export function isForClient(
  state: SessionState,
  { channel, user, client }: SubscriptionClaims,
  asked: string,
): boolean {
  const isOurs = client === undefined || client === state.options.client;
  return channel === asked && user === state.user && isOurs;
}

function joinAsked(
  state: SessionState,
  command: SubscribeCommand,
  options: ChannelOptions,
  grant: SubscriptionGrant & Pick<Partial<SubscriptionClaims>, "expireAt">,
  size: number,
): void {
  const { channel, id, flag, tf } = command;
  const { rules, asker } = state;
  const filter = tf && compileFilter(tf);
  if (typeof filter === "string") {
    refuse(state, command, errors.badRequest);
    return;
  }
  const mayRead = (): boolean => rules.mayHistory(asker, channel, true);
  const mayWatch = (): boolean => rules.mayPresence(asker, channel, true);
  join(state, options, {
    ...{ channel, id, size, serverSide: false, byConnectionToken: false },
    joinLeave:
      options.force_push_join_leave || (command.joinLeave && options.join_leave && mayWatch()),
    positioned:
      options.force_positioning || (command.positioned && (options.allow_positioning || mayRead())),
    recoverable:
      options.force_recovery || (command.recoverable && (options.allow_recovery || mayRead())),
    recover: command,
    rejectUnrecovered: (flag & rejectUnrecoveredFlag) !== 0,
    delta: options.allowed_delta_types.some((type) => type === command.delta),
    filter,
    chanInfo: grant.info,
    data: grant.data,
    expireAt: grant.expireAt,
  });
}

/** Wants a subscription, of which everything is decided. */
export function join(
  state: SessionState,
  options: ChannelOptions,
  wanted: Join & {
    readonly joinLeave: boolean;
    readonly filter?: TagsFilter | undefined;
    readonly size: number;
  },
): void {
  const { channel, joinLeave, filter, size, ...rest } = wanted;
  const hasHistory = options.history_size > 0 && options.history_ttl > 0;
  const recoverable = wanted.recoverable && hasHistory;
  const positioned = recoverable || (wanted.positioned && hasHistory);
  const { recover, offset, epoch } = wanted.recover;
  const joined: Join = { ...rest, channel, recoverable, positioned };
  state.emit({
    kind: "subscribe",
    task: state.begin({ kind: "subscribed", join: joined, size }),
    channel,
    info: state.info(wanted.chanInfo),
    presence: options.presence,
    joinLeave,
    announce: options.join_leave,
    positioned,
    recoverable,
    recover: recover && recoverable ? { offset, epoch } : undefined,
    ...(wanted.delta ? { delta: true } : {}),
    ...(filter === undefined ? {} : { filter }),
  });
}

/** A subscription that a client asked for is there, or is not to be. */
export function joined(
  state: SessionState,
  id: number,
  subscription: Join,
  outcome: SubscribeOutcome,
): void {
  const { channel } = subscription;
  const result = outcome.ok ? resultOf(state, subscription, outcome) : outcome.error;
  if ("code" in result) {
    if (outcome.ok) state.emit({ kind: "unsubscribe", channel });
    refuse(state, { id, channel }, result);
    return;
  }
  state.subscribe(subscription);
  state.reply(id, { subscribe: result });
  settle(state, channel);
}

/** What the client is told of a subscription that there is, or why there shall be none. */
export function resultOf(
  state: SessionState,
  { recover: asked, rejectUnrecovered, recoverable, positioned, expireAt, data, delta }: Join,
  { position, recovery }: Extract<SubscribeOutcome, { ok: true }>,
): SubscribeResult | ProtocolError {
  if (positioned && position === undefined) return errors.internal;
  const recovered = asked.recover && recoverable && recovery?.recovered === true;
  if (asked.recover && rejectUnrecovered && !recovered) return errors.unrecoverablePosition;
  const result: { -readonly [Name in keyof SubscribeResult]: SubscribeResult[Name] } =
    state.expiry(expireAt);
  if (positioned && position !== undefined) {
    if (recoverable) result.recoverable = true;
    result.positioned = true;
    result.epoch = position.epoch;
    // The client advances through the publications; a filter may have left none to do so.
    const advances = recovered && recovery.publications.length > 0;
    result.offset = advances ? asked.offset : position.offset;
  }
  if (recovered) {
    result.recovered = true;
    result.publications = recovery.publications;
  }
  if (asked.recover) result.was_recovering = true;
  if (data !== undefined) result.data = data;
  if (delta) result.delta = true;
  return result;
}

function refuse(
  state: SessionState,
  { id, channel }: { readonly id: number; readonly channel: string },
  error: ProtocolError,
): void {
  state.fail(id, error);
  settle(state, channel);
}

/** Nothing is under way any more: what has waited for that has its turn. */
export function settle(state: SessionState, channel: string): void {
  const waiting = state.joining?.get(channel) ?? [];
  state.joining?.delete(channel);
  if (state.joining?.size === 0) state.joining = undefined;
  state.release(waiting);
}
