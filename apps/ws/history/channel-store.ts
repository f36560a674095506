import type { Anchor, WrittenAnchor } from "./anchor.ts";
import type { StoredMessage, StreamState } from "./jetstream.ts";

/** What a stream hands on as soon as it has stored it. */
export interface LiveMessage extends StoredMessage {
  /** Sequence of the message before it on its subject, 0 when none was stored any more. */
  readonly previous: number;
}

/** One channel's part of its stream and of the stream of anchors. */
export interface ChannelStore {
  /** Live messages come in the order in which they were stored, but some may not come. */
  subscribe(onMessage: (message: LiveMessage) => void): { unsubscribe(): void };
  /** Resolves when there is a connection, and the server knows the subscription. */
  subscribed(): Promise<void>;
  /** The channel's last message, by the stream's leader. */
  last(): Promise<StoredMessage | undefined>;
  /** The channel's first message from a sequence on, by the stream's leader. */
  first(fromSeq: number): Promise<StoredMessage | undefined>;
  /**
   * The channel's messages from a sequence on, in order, by a replica that may lag behind. Some may
   * have left while others were read, but only together with all before them.
   */
  read(fromSeq: number): Promise<StoredMessage[]>;
  /** The state of the whole stream, by its leader. */
  state(): Promise<StreamState>;
  readAnchor(): Promise<WrittenAnchor | undefined>;
  /** Writes it if the last one still has this revision (0: there is none); the new one's revision. */
  writeAnchor(anchor: Anchor, revision: number): Promise<number | undefined>;
}
