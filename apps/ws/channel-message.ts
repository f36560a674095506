import type { Encoded } from "./protocol/messages.ts";

/** A publication on its way to subscribers, or in a channel's history. */
export class ChannelMessage {
  /** The payload, as it was published. */
  readonly data: Uint8Array;
  /** Counts the channel's publications from 1; undefined in channels without history. */
  readonly offset: number | undefined;
  /** Who published it, as JSON; undefined when it was no client. */
  readonly info: string | undefined;
  /** What the first encoder of each kind made of it, for the others. */
  json: Encoded | undefined;
  protobuf: Encoded | undefined;

  constructor(
    data: Uint8Array,
    { offset, info }: { readonly offset?: number; readonly info?: string | undefined } = {},
  ) {
    this.data = data;
    this.offset = offset;
    this.info = info;
  }
}
