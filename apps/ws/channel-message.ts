import { decodeTags, maxTagsBytes, type Tags } from "./channel/tags.ts";
import type { Encoded } from "./protocol/messages.ts";
import type { DetailTexts } from "./publication-headers.ts";

/** What was made of a publication for those who get deltas, for the others. */
export interface DeltaMemo {
  /** What deltas in JSON are made of. */
  jsonPayload?: Uint8Array;
  jsonFull?: Encoded;
  json?: DeltaOf;
  protobuf?: DeltaOf;
}

interface DeltaOf {
  /** The message that it is the difference from. */
  readonly before: number;
  readonly encoded: Encoded;
}

/** A publication on its way to subscribers, or in a channel's history. */
export class ChannelMessage {
  static #last = 0;
  /** Differs from those of all other messages in the process. */
  readonly id = (ChannelMessage.#last += 1);
  /** Counts the channel's publications from 1; undefined in channels without history. */
  readonly offset: number | undefined;
  /** Who published it, as JSON; undefined when it was no client. */
  readonly info: string | undefined;
  /** Of all that was published, in bytes or, of texts, in characters. */
  readonly size: number;
  /** It says itself that it is to be sent as a delta. */
  readonly wantsDelta: boolean;
  /** What the first encoder of each kind made of it, for the others. */
  json: Encoded | undefined;
  protobuf: Encoded | undefined;
  deltas: DeltaMemo | undefined;
  #data: Uint8Array;
  #isOwner: boolean;
  /** As text until somebody asks for them. */
  #tags: string | Tags | undefined;

  /** @param data a piece of a larger buffer, for messages without an offset */
  constructor(
    data: Uint8Array,
    { offset, info, tags, delta = false }: DetailTexts & { readonly offset?: number } = {},
  ) {
    this.#data = data;
    this.#isOwner = offset !== undefined;
    this.offset = offset;
    this.info = info;
    this.wantsDelta = delta;
    // What is longer would be decoded to nothing, and need not be kept until then.
    this.#tags = tags !== undefined && tags.length <= maxTagsBytes ? tags : undefined;
    this.size = data.length + (info?.length ?? 0) + (this.#tags?.length ?? 0);
  }

  /** The payload, as it was published. */
  get data(): Uint8Array {
    return this.#data;
  }

  get tags(): Tags | undefined {
    if (typeof this.#tags === "string") this.#tags = decodeTags(this.#tags);
    return this.#tags;
  }

  /** Makes it fit to be kept until the next one comes; what it takes, in bytes. */
  keep(): number {
    if (!this.#isOwner) {
      // Otherwise the buffer that NATS has read would stay with it.
      const copy = Buffer.from(this.#data);
      const { jsonPayload } = this.deltas ?? {};
      // Nobody else gets it any more: what was made for those who did is of no more use.
      this.json = undefined;
      this.protobuf = undefined;
      this.deltas = jsonPayload && { jsonPayload: jsonPayload === this.#data ? copy : jsonPayload };
      this.#data = copy;
      this.#isOwner = true;
    }
    // In a history, it has been made for both kinds of clients, perhaps.
    return 3 * this.size + overheadBytes;
  }
}

/** What a message takes beside its texts. */
const overheadBytes = 256;
