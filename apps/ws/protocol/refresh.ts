import type { ConnectionClaims, SubscriptionClaims, TokenOutcome } from "../auth/tokens.ts";
import { disconnects, errors } from "./codes.ts";
import { channelsOf } from "./connect.ts";
import type { RefreshCommand, SubRefreshCommand } from "./messages.ts";
import type { SessionState } from "./state.ts";
import { isForClient } from "./subscribe.ts";

export function refresh(state: SessionState, { id, token }: RefreshCommand, size: number): void {
  // Who came without a token is not to become somebody by one.
  if (token === "" || !state.hasToken) {
    state.close(disconnects.badRequest);
    return;
  }
  const task = state.begin({ kind: "connection-token", id, size });
  state.emit({ kind: "verify-connection", task, token });
}

export function refreshVerified(
  state: SessionState,
  id: number,
  outcome: TokenOutcome<ConnectionClaims>,
): void {
  if (!outcome.ok) {
    if (outcome.reason === "unavailable") state.fail(id, errors.internal);
    else if (outcome.reason === "expired") state.close(disconnects.expired);
    else state.close(disconnects.invalidToken);
    return;
  }
  const { claims } = outcome;
  if (claims.user !== state.user) {
    state.close(disconnects.invalidToken);
    return;
  }
  const expireAt = state.client.insecure ? undefined : claims.expireAt;
  if (state.isExpired(expireAt)) {
    state.fail(id, errors.expired);
    return;
  }
  if (hasOtherChannels(state, claims)) {
    state.close(disconnects.insufficientState);
    return;
  }
  state.expireAt = expireAt;
  if (claims.info !== undefined) state.changeInfo(claims.info);
  // It may say what somebody may do, and the newer token does not say it any more.
  state.meta = claims.meta;
  const { client, version } = state.options;
  state.reply(id, { refresh: { client, version, ...state.expiry(expireAt) } });
}

/** Whether the token names other server-side subscriptions than there are: they come by a new connection. */
function hasOtherChannels({ subscriptions }: SessionState, claims: ConnectionClaims): boolean {
  const named = new Set(channelsOf(claims).map(([channel]) => channel));
  for (const channel of named) if (subscriptions?.has(channel) !== true) return true;
  for (const [channel, { byConnectionToken }] of subscriptions ?? []) {
    if (byConnectionToken && !named.has(channel)) return true;
  }
  return false;
}

export function subRefresh(state: SessionState, command: SubRefreshCommand, size: number): void {
  const { id, channel, token } = command;
  const subscription = state.subscriptions?.get(channel);
  if (channel === "") state.close(disconnects.badRequest);
  else if (subscription === undefined) state.fail(id, errors.permissionDenied);
  // The server renews what it has subscribed by itself.
  else if (subscription.serverSide) state.close(disconnects.badRequest);
  else if (token === "") state.fail(id, errors.badRequest);
  else {
    const task = state.begin({ kind: "subscription-token", command, size });
    state.emit({ kind: "verify-subscription", task, token });
  }
}

export function subRefreshVerified(
  state: SessionState,
  { id, channel }: SubRefreshCommand,
  outcome: TokenOutcome<SubscriptionClaims>,
): void {
  if (!outcome.ok) {
    if (outcome.reason === "unavailable") state.fail(id, errors.internal);
    else if (outcome.reason === "expired") state.fail(id, errors.tokenExpired);
    else state.close(disconnects.invalidToken);
    return;
  }
  const { claims } = outcome;
  const subscription = state.subscriptions?.get(channel);
  if (!isForClient(state, claims, channel)) state.close(disconnects.invalidToken);
  else if (state.isExpired(claims.expireAt)) state.fail(id, errors.expired);
  // It may have ended meanwhile.
  else if (subscription === undefined) state.fail(id, errors.permissionDenied);
  else {
    subscription.expireAt = claims.expireAt;
    if (claims.info !== undefined) subscription.chanInfo = claims.info;
    state.noteEnd(subscription);
    state.reply(id, { sub_refresh: state.expiry(claims.expireAt) });
  }
}
