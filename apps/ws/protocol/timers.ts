import { disconnects, unsubscribes } from "./codes.ts";
import type { SessionState } from "./state.ts";

/** When something is due, at the latest; undefined: never. */
export function deadline(state: SessionState): number | undefined {
  switch (state.phase) {
    case "new":
    case "unusable":
      return staleAt(state);
    case "connected": {
      const at = Math.min(state.beatAt, state.endsAt, state.subscriptionEndsAt);
      return at === Number.POSITIVE_INFINITY ? undefined : at;
    }
    case "connecting":
    case "closed":
      return undefined;
  }
}

/** Does what is due. */
export function tick(state: SessionState): void {
  const { now } = state;
  if (state.phase === "new" || state.phase === "unusable") {
    if (now >= staleAt(state)) state.close(disconnects.stale);
    return;
  }
  if (state.phase !== "connected") return;
  if (now >= state.endsAt) {
    state.close(disconnects.expired);
    return;
  }
  endSubscriptions(state);
  if (now >= state.beatAt) beat(state);
}

/** The client has answered a ping; if there was none, it is closed. */
export function pong(state: SessionState): void {
  if (!state.awaitsPong) {
    state.close(disconnects.badRequest);
    return;
  }
  const { ping_interval: interval, pong_timeout: timeout } = state.client;
  state.awaitsPong = false;
  state.beatAt += interval - timeout;
}

function beat(state: SessionState): void {
  if (state.awaitsPong) {
    state.close(disconnects.noPong);
    return;
  }
  state.emit({ kind: "ping" });
  state.awaitsPong = true;
  state.beatAt = state.now + state.client.pong_timeout;
}

function staleAt(state: SessionState): number {
  return state.options.now + state.client.stale_close_delay;
}

function endSubscriptions(state: SessionState): void {
  if (state.now < state.subscriptionEndsAt) return;
  state.subscriptionEndsAt = Number.POSITIVE_INFINITY;
  for (const [channel, subscription] of state.subscriptions ?? []) {
    if (state.now < state.endOf(subscription)) state.noteEnd(subscription);
    else if (subscription.serverSide) {
      // Its client cannot renew it, nor subscribe again by itself.
      state.close(disconnects.subscriptionExpired);
      return;
    } else {
      state.unsubscribe(channel);
      state.emit({ kind: "push", push: { channel, unsubscribe: unsubscribes.expired } });
    }
  }
}
