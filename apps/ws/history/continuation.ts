import type { StoredMessage, StreamState } from "./jetstream.ts";

/**
 * How far a channel has been counted: of everything that its stream stored up to sequence `through`,
 * `offset` publications were on the channel, the last of them at `seq`.
 */
export interface Tip {
  readonly offset: number;
  /** 0 while nothing was published. */
  readonly seq: number;
  /** When `seq` was stored, as the stream says it; empty while nothing was published. */
  readonly time: string;
  readonly through: number;
  /** When the stream was made. */
  readonly created: string;
}

export interface HistoryLimits {
  /** How many publications a client may see. */
  readonly size: number;
  readonly ttlMs: number;
}

/**
 * How many messages of a subject its stream keeps: more than clients may see, so that the anchor from
 * which offsets are counted has to be moved only now and then.
 */
export function storedPerChannel(size: number): number {
  return size + anchorSlack(size);
}

/** How far an anchor may be behind the oldest message that clients may see. */
export function anchorSlack(size: number): number {
  return Math.max(64, Math.ceil(size / 4));
}

/** By how much the clocks of a gateway and of NATS may differ before a purge is not noticed as one. */
const clockToleranceMs = 2_000;

/**
 * The messages that followed a tip, if they are certainly all of them; undefined when some may have
 * left the stream unseen, which ends the epoch.
 *
 * A stream drops the oldest messages of a subject beyond its limit, and messages of any subject that are
 * too old, in the order of their sequences. So while the tip's own message is there, everything behind it
 * is, too. When it has left, that must be for its age alone: nothing behind `through` may have been old
 * enough to go, and the subject must be below its limit. A message that is missing before its time was
 * purged.
 *
 * @param stored the subject's messages from `tip.seq` on, up to at least the last when it was read
 * @param state of the stream after that; only needed when the tip's message has left
 */
export function continuation(
  tip: Tip,
  stored: readonly StoredMessage[],
  state: StreamState | undefined,
  limits: HistoryLimits,
  nowMs: number,
): readonly StoredMessage[] | undefined {
  const [first] = stored;
  if (tip.seq > 0 && first?.seq === tip.seq) {
    return first.time === tip.time ? stored.slice(1) : undefined;
  }
  if (state?.created !== tip.created) return undefined;
  if (state.firstSeq > tip.through + 1 || state.lastSeq < tip.through) return undefined;
  if (state.count >= storedPerChannel(limits.size)) return undefined;
  if (tip.seq > 0) {
    const expired = Date.parse(tip.time) + limits.ttlMs <= nowMs + clockToleranceMs;
    if (!expired || state.firstSeq <= tip.seq) return undefined;
  }
  return stored;
}
