import { randomUUID } from "node:crypto";
import type { Anchor } from "./anchor.ts";
import type { ChannelStore } from "./channel-store.ts";
import type { StoredMessage } from "./jetstream.ts";

/**
 * The anchor of a new epoch, in which everything that is stored of a channel counts from 1; undefined
 * when it has changed meanwhile, or a replica lags: ask again.
 *
 * @param before the channel's last message before this call
 */
export async function beginning(
  store: Pick<ChannelStore, "last" | "read" | "state">,
  before: StoredMessage | undefined,
): Promise<Anchor | undefined> {
  const { count, lastSeq, created } = await store.state();
  const epoch = randomUUID().slice(0, 8);
  if (count === 0) {
    return { epoch, tip: { offset: 0, seq: 0, time: "", through: lastSeq, created } };
  }
  const last = await store.last();
  if (last === undefined) return undefined;
  if (last.seq === before?.seq && last.time === before.time) {
    const { seq, time } = last;
    return { epoch, tip: { offset: count, seq, time, through: Math.max(lastSeq, seq), created } };
  }
  // Others are publishing: what was counted may be more than what there was up to any one of them.
  const messages = await store.read(1);
  const newest = messages.at(-1);
  if (newest === undefined || newest.seq < last.seq) return undefined;
  // Of a stream that was made anew meanwhile, it would be the other's messages.
  if ((await store.state()).created !== created) return undefined;
  const { seq, time } = newest;
  const through = Math.max(lastSeq, seq);
  return { epoch, tip: { offset: messages.length, seq, time, through, created } };
}
