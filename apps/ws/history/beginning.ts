import { randomUUID } from "node:crypto";
import type { Anchor } from "./anchor.ts";
import type { ChannelStore } from "./channel-store.ts";
import type { StoredMessage } from "./jetstream.ts";

/**
 * The anchor of a new epoch, in which everything that is stored of a channel counts from 1; undefined
 * when the first message came meanwhile.
 *
 * @param last the channel's last message before this call
 */
export async function beginning(
  store: Pick<ChannelStore, "last" | "state">,
  last: StoredMessage | undefined,
): Promise<Anchor | undefined> {
  const { count, lastSeq, created } = await store.state();
  const epoch = randomUUID().slice(0, 8);
  if (count === 0) {
    return { epoch, tip: { offset: 0, seq: 0, time: "", through: lastSeq, created } };
  }
  if (last === undefined) return undefined;
  const { seq, time } = last;
  // More may have come before the state was read. Then less is claimed, and counting begins above 1.
  const still = (await store.last())?.seq === seq;
  return { epoch, tip: { offset: count, seq, time, through: still ? lastSeq : seq, created } };
}
