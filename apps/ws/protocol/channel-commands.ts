import type { ChannelOptions } from "../config/options.ts";
import { disconnects, errors, type ProtocolError } from "./codes.ts";
import type { HistoryOutcome, PresenceOutcome, PresenceStatsOutcome } from "./effects.ts";
import type { ChannelCommand, HistoryCommand, PublishCommand, StreamPosition } from "./messages.ts";
import type { SessionState } from "./state.ts";

export function unsubscribe(state: SessionState, { id, channel }: ChannelCommand): void {
  if (channel === "") {
    state.close(disconnects.badRequest);
    return;
  }
  state.unsubscribe(channel);
  state.reply(id, { unsubscribe: {} });
}

export function publish(state: SessionState, command: PublishCommand, size: number): void {
  const { id, channel, data, type } = command;
  const subscription = state.subscriptions?.get(channel);
  const isAllowed = (): boolean =>
    state.rules.mayPublish(state.asker, channel, subscription !== undefined);
  const error = problem(state, channel, { isAvailable: () => type === 0, isAllowed });
  if (error === "closed") return;
  if (error !== undefined || data.length === 0) {
    state.fail(id, error ?? errors.badRequest);
    return;
  }
  const task = state.begin({ kind: "published", id, size });
  const info = state.info(subscription?.chanInfo);
  state.emit({ kind: "publish", task, channel, data, info });
}

export function presence(
  state: SessionState,
  { id, channel }: ChannelCommand,
  kind: "presence" | "presence-stats",
  size: number,
): void {
  const isAllowed = (): boolean =>
    state.rules.mayPresence(state.asker, channel, isSubscribed(state, channel));
  const error = problem(state, channel, { isAvailable: (options) => options.presence, isAllowed });
  if (error === "closed") return;
  if (error !== undefined) {
    state.fail(id, error);
    return;
  }
  state.emit({ kind, task: state.begin({ kind, id, size }), channel });
}

export function presenceFound(
  state: SessionState,
  id: number,
  { clients, complete }: PresenceOutcome,
): void {
  const incomplete = complete ? {} : { incomplete: true as const };
  state.reply(id, { presence: { presence: clients, ...incomplete } });
}

export function presenceCounted(
  state: SessionState,
  id: number,
  { numClients, numUsers, complete }: PresenceStatsOutcome,
): void {
  const incomplete = complete ? {} : { incomplete: true as const };
  state.reply(id, {
    presence_stats: { num_clients: numClients, num_users: numUsers, ...incomplete },
  });
}

export function history(state: SessionState, command: HistoryCommand, size: number): void {
  const { id, channel, limit, since, reverse } = command;
  const isAllowed = (): boolean =>
    state.rules.mayHistory(state.asker, channel, isSubscribed(state, channel));
  const isAvailable = (options: ChannelOptions): boolean =>
    options.history_size > 0 && options.history_ttl > 0;
  const error = problem(state, channel, { isAvailable, isAllowed });
  if (error === "closed") return;
  if (error !== undefined) {
    state.fail(id, error);
    return;
  }
  const most = state.client.history_max_publication_limit;
  state.emit({
    kind: "history",
    task: state.begin({ kind: "history", id, since, size }),
    channel,
    limit: limit < 0 ? most : Math.min(limit, most),
    ...(since === undefined ? {} : { since }),
    reverse,
  });
}

export function historyRead(
  state: SessionState,
  { id, since }: { readonly id: number; readonly since: StreamPosition | undefined },
  outcome: HistoryOutcome,
): void {
  if (!outcome.ok) {
    state.fail(id, outcome.error);
    return;
  }
  const { position, publications } = outcome;
  const { epoch, offset } = position;
  if (since !== undefined && since.epoch !== "" && since.epoch !== epoch) {
    state.fail(id, errors.unrecoverablePosition);
    return;
  }
  state.reply(id, { history: { publications, epoch, offset } });
}

function isSubscribed({ subscriptions }: SessionState, channel: string): boolean {
  return subscriptions?.has(channel) === true;
}

/** Why something cannot be done on a channel; `closed` when the connection was closed for it. */
function problem(
  state: SessionState,
  channel: string,
  checks: {
    readonly isAvailable: (options: ChannelOptions) => boolean;
    readonly isAllowed: () => boolean;
  },
): ProtocolError | "closed" | undefined {
  if (channel === "") {
    state.close(disconnects.badRequest);
    return "closed";
  }
  const { rules } = state;
  if (rules.problem(channel) !== undefined) return errors.badRequest;
  const options = rules.options(channel);
  if (options === undefined) return errors.unknownChannel;
  if (!checks.isAvailable(options)) return errors.notAvailable;
  return checks.isAllowed() ? undefined : errors.permissionDenied;
}
