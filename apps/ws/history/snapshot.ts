import type { ChannelMessage } from "../channel-message.ts";
import type { HistoryLimits } from "./continuation.ts";
import type { Entry, Tail } from "./tail.ts";

export interface ChannelPosition {
  readonly offset: number;
  readonly epoch: string;
}

/** What a subscriber is told when it joins. */
export interface Snapshot {
  readonly position: ChannelPosition;
  /** Absent when nothing was to be recovered. */
  readonly recovery?: { readonly recovered: boolean; readonly messages: readonly ChannelMessage[] };
}

/** What somebody needs who was at a position; undefined: the tail must be restored first. */
export function snapshotOf(
  tail: Tail,
  position: ChannelPosition,
  recover: ChannelPosition | undefined,
  limits: HistoryLimits & { readonly max: number },
  wallMs: number,
): Snapshot | undefined {
  if (recover === undefined) return { position };
  const failed: Snapshot = { position, recovery: { recovered: false, messages: [] } };
  const missing = position.offset - recover.offset;
  // Who names no epoch was there before it could know one.
  const sameEpoch = recover.epoch === "" || recover.epoch === position.epoch;
  if (!sameEpoch || missing < 0) return failed;
  if (missing > Math.min(limits.max, limits.size)) return failed;
  if (missing > tail.length) return tail.complete ? failed : undefined;
  const entries = tail.newest(missing);
  const [oldest] = entries;
  if (oldest !== undefined && !visible(oldest, limits, wallMs)) return failed;
  return { position, recovery: { recovered: true, messages: entries.map(messageOf) } };
}

/**
 * The last publication, if it may still be seen and is not the one that somebody has who was at a
 * position; undefined: the tail must be restored first.
 */
export function latestOf(
  tail: Tail,
  position: ChannelPosition,
  recover: ChannelPosition | undefined,
  limits: HistoryLimits,
  wallMs: number,
): Snapshot | undefined {
  const { last } = tail;
  if (last === undefined && !tail.complete) return undefined;
  const recovered = last !== undefined && visible(last, limits, wallMs);
  const has = recover?.epoch === position.epoch && recover.offset === position.offset;
  const messages = recovered && !has ? [last.message] : [];
  return { position, recovery: { recovered, messages } };
}

/** All that clients may see, oldest first; undefined: the tail must be restored first. */
export function visibleOf(
  tail: Tail,
  limits: HistoryLimits,
  wallMs: number,
): readonly ChannelMessage[] | undefined {
  if (!tail.complete) return undefined;
  return tail
    .newest(limits.size)
    .filter((entry) => visible(entry, limits, wallMs))
    .map(messageOf);
}

/** The stream itself removes messages a little later than their time. */
function visible({ time }: Entry, { ttlMs }: HistoryLimits, wallMs: number): boolean {
  return Date.parse(time) + ttlMs > wallMs;
}

function messageOf({ message }: Entry): ChannelMessage {
  return message;
}
