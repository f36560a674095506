import type { ChannelStore } from "./channel-store.ts";
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

/** So far may an anchor be behind the oldest message that clients may see. */
export const anchorSlack = 256;

/**
 * How many messages of a subject its stream keeps: more than clients may see, so that the anchor from
 * which offsets are counted has to be moved only now and then.
 */
export function storedPerChannel(size: number): number {
  return size + anchorSlack;
}

/** By how much the clocks of a gateway and of NATS may differ before a purge is taken for expiry. */
const clockToleranceMs = 2_000;

/** What is known of the messages behind a tip. */
export type Continuation =
  /** These are all of them. */
  | { readonly kind: "all"; readonly messages: readonly StoredMessage[] }
  /** The replicas do not agree yet: ask again. */
  | { readonly kind: "lagging" }
  /** The stream has less than it had. Without replicas it has lost it; else one may lag that leads. */
  | { readonly kind: "rewound" }
  /** Some may have left unseen. */
  | { readonly kind: "unknown" }
  /** The stream is another one, was purged or has lost messages: the tip's numbering has ended. */
  | { readonly kind: "refuted" };

/**
 * Finds the messages that followed a tip.
 *
 * The proof that these are all: a stream drops the oldest messages of a subject beyond its limit, and
 * of all subjects those that are too old, in the order of their sequences (it refuses to delete a single
 * one). So while the tip's own message is there after the others were read, none of them was dropped
 * before that. When it is not there any more, then
 *  - no message behind `through` was old enough to go, if the stream's first is not behind it;
 *  - none was dropped for the limit, if fewer than the limit were read, since that many would follow it;
 *  - none was purged, if the tip's message was old enough to go. A purge of one subject that happens
 *    after that, and before anybody counts what it removes, cannot be told from expiry.
 *
 * @param last the channel's last message, which the leader had before this call
 */
export async function continuation(
  store: Pick<ChannelStore, "first" | "read" | "state">,
  tip: Tip,
  last: StoredMessage | undefined,
  limits: HistoryLimits,
  wallMs: () => number,
): Promise<Continuation> {
  if (last !== undefined && last.seq === tip.seq) return same(last, tip) ? all([]) : refuted;
  const messages = last === undefined ? [] : await store.read(tip.seq + 1);
  // Only now, so that all messages were read while the tip's was there.
  const first = last === undefined ? undefined : await store.first(Math.max(tip.seq, 1));
  const whole = last === undefined || (messages.at(-1)?.seq ?? 0) >= last.seq;
  if (tip.seq > 0 && first?.seq === tip.seq) {
    if (!same(first, tip)) return refuted;
    return whole && last !== undefined && last.seq > tip.seq ? all(messages) : lagging;
  }
  const state = await store.state();
  if (state.created !== tip.created) return refuted;
  if (state.lastSeq < tip.through || (last !== undefined && last.seq < tip.seq)) {
    return state.replicas > 1 ? rewound : refuted;
  }
  if (!whole) return lagging;
  if (Math.max(messages.length, state.count) >= limitOf(state, limits)) return unknown;
  if (tip.seq > 0) {
    const ttlMs = Math.min(limits.ttlMs, state.maxAgeMs);
    const expired = Date.parse(tip.time) + ttlMs <= wallMs() + clockToleranceMs;
    if (!expired || state.firstSeq <= tip.seq) return refuted;
  }
  if (state.firstSeq > tip.through + 1) return unknown;
  const came = last === undefined ? state.count > 0 : messages[0]?.seq !== first?.seq;
  if (came) return lagging;
  return first !== undefined && first.seq <= tip.through ? refuted : all(messages);
}

const lagging: Continuation = { kind: "lagging" };
const rewound: Continuation = { kind: "rewound" };
const unknown: Continuation = { kind: "unknown" };
const refuted: Continuation = { kind: "refuted" };

function all(messages: readonly StoredMessage[]): Continuation {
  return { kind: "all", messages };
}

/** Sequences begin anew with a stream that was made anew, times do not. */
function same(message: StoredMessage, tip: Tip): boolean {
  return message.time === tip.time;
}

/** While gateways of two versions run, each thinks the limits are its own. */
function limitOf(state: StreamState, { size }: HistoryLimits): number {
  return Math.min(state.maxPerSubject, storedPerChannel(size));
}
