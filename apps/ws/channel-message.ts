import { decodeTags, maxTagsBytes, type Tags } from "./channel/tags.ts";
import type { Codec } from "./protocol/codec.ts";
import type { Encoded, Payload } from "./protocol/messages.ts";
import type { DetailTexts } from "./publication-headers.ts";

/** What was made of a publication for the clients of one codec, for the others of them. */
export interface Made {
  /** For most of them, histories included. */
  encoded?: Encoded | undefined;
  /** For those with deltas: the payload as they get it, which deltas are made of. */
  payload?: Payload | undefined;
  /** With its whole payload. */
  full?: Encoded | undefined;
  /** For those who have got the message of this id before. */
  delta?: { readonly before: number; readonly encoded: Encoded } | undefined;
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
  #made: Partial<Record<Codec["name"], Made>> = {};
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

  /** What was made of it for a codec, to be filled by who makes more. */
  madeFor({ name }: Pick<Codec, "name">): Made {
    return (this.#made[name] ??= {});
  }

  /** Lets go of what is not needed any more some time after it was published. */
  tidy(): void {
    for (const made of Object.values(this.#made)) {
      // Who comes back much later finds few that have got the same before.
      made.payload = undefined;
      made.full = undefined;
      made.delta = undefined;
      // What is much longer than the payload, like control characters in JSON, is made again.
      const { length } = made.encoded ?? "";
      if (length > overheadBytes + 2 * this.size) made.encoded = undefined;
    }
  }

  /** Makes it fit to be kept until the next one comes; what it takes, in bytes. */
  keep(): number {
    if (!this.#isOwner) {
      // Otherwise the buffer that NATS has read would stay with it.
      const copy = Buffer.from(this.#data);
      for (const made of Object.values(this.#made)) {
        // Nobody else gets it any more: what was made for those who did is of no more use.
        made.encoded = undefined;
        made.full = undefined;
        made.delta = undefined;
        if (made.payload === this.#data) made.payload = copy;
      }
      this.#data = copy;
      this.#isOwner = true;
    }
    // In a history, it has been made for both kinds of clients, perhaps.
    return 3 * this.size + overheadBytes;
  }
}

/** What a message takes beside its texts. */
const overheadBytes = 256;
