import type { ChannelMessage } from "../channel-message.ts";

/** What is asked of a history. */
export interface HistoryRequest {
  /** 0: the position only; below 0: no limit. */
  readonly limit: number;
  /** Only what comes after it; with `reverse`, before it. */
  readonly since?: { readonly offset: number; readonly epoch: string } | undefined;
  readonly reverse: boolean;
}

/**
 * The publications that a request asks for, in the order in which it wants them.
 *
 * @param messages all that may be seen, oldest first, with offsets
 * @returns undefined when the request is of another epoch
 */
export function selectHistory(
  messages: readonly ChannelMessage[],
  epoch: string,
  { limit, since, reverse }: HistoryRequest,
): readonly ChannelMessage[] | undefined {
  if (since !== undefined && since.epoch !== "" && since.epoch !== epoch) return undefined;
  if (limit === 0) return [];
  let selected = messages;
  if (since !== undefined) {
    selected = selected.filter(({ offset = 0 }) =>
      reverse ? offset < since.offset : offset > since.offset,
    );
  }
  if (reverse) selected = selected.toReversed();
  return limit < 0 ? selected : selected.slice(0, limit);
}
