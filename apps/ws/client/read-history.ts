import { BusError } from "../../lib/bus.ts";
import type { ChannelMessage } from "../channel-message.ts";
import type { StreamPosition } from "../protocol/messages.ts";
import type { Shared } from "../shared.ts";
import { until } from "./host.ts";
import { type HistoryRequest, selectHistory } from "./select-history.ts";

/** A channel's history as of one moment. */
export interface ReadHistory {
  /** The top of the stream. */
  readonly position: StreamPosition;
  /** What was asked for, in that order. */
  readonly messages: readonly ChannelMessage[];
}

/**
 * Reads a channel's history, whoever wants to know it.
 *
 * @param deadline of `performance.now()`
 * @param ready waited for before the publications are read, which takes memory
 * @returns undefined when the request is of another epoch
 * @throws BusError `unavailable` when NATS does not answer in time, or the channel has no history
 */
export async function readHistory(
  { hub }: Pick<Shared, "hub">,
  channel: string,
  request: HistoryRequest,
  deadline: number,
  ready: () => Promise<void> = () => Promise.resolve(),
): Promise<ReadHistory | undefined> {
  const share = hub.subscribe(channel);
  try {
    const { log } = share.source;
    if (log === undefined) throw new BusError("unavailable", "the channel has no history");
    await until(log.fresh(), deadline);
    await ready();
    for (;;) {
      // The position alone needs no publications.
      const visible = request.limit === 0 ? [] : log.visible(Date.now());
      if (log.following && visible !== undefined) {
        const { position } = log;
        const messages = selectHistory(visible, position.epoch, request);
        return messages && { position, messages };
      }
      await until(log.following ? log.load() : log.ready(), deadline);
    }
  } finally {
    share.unsubscribe();
  }
}
