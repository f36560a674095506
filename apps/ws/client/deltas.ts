import type { ChannelMessage } from "../channel-message.ts";
import { makeDelta } from "../delta/fossil.ts";
import { Searcher } from "../delta/searcher.ts";
import type { Encoding } from "../hub.ts";
import type { Codec } from "../protocol/codec.ts";
import type { Encoded, Payload } from "../protocol/messages.ts";
import type { Wire } from "../transport/wire.ts";
import { detailsFor, publicationOf } from "./encodings.ts";

/**
 * Publications for subscribers who have asked for deltas: what has changed since the publication before
 * that they have got, or all of it where that is not longer. Each is made once for each codec.
 */
export class Deltas {
  readonly #searcher = new Searcher();
  readonly #isForAll: (channel: string) => boolean;

  /** @param isForAll whether every publication of a channel may be a delta, and not only those that say so */
  constructor(isForAll: (channel: string) => boolean) {
    this.#isForAll = isForAll;
  }

  /** Publications for the clients of a wire. */
  encoding(wire: Wire): Encoding<ChannelMessage> {
    const { codec } = wire;
    return {
      key: `${wire.name}, deltas`,
      chained: true,
      join: wire.join,
      encoderFor: (channel) => {
        const push = codec.publicationPush(channel);
        const encode = this.encoderFor(codec, channel);
        return (message, before) => wire.frame(push(encode(message, before)));
      },
    };
  }

  /** Makes publications of a channel for those who have got the one before; undefined: who have not. */
  encoderFor(
    codec: Codec,
    channel: string,
  ): (message: ChannelMessage, before: ChannelMessage | undefined) => Encoded {
    const isForAll = this.#isForAll(channel);
    return (message, before) =>
      before !== undefined && (isForAll || message.wantsDelta)
        ? this.#shorter(codec, message, before)
        : full(codec, message);
  }

  /** The delta, if less goes to the client with it. */
  #shorter(codec: Codec, message: ChannelMessage, before: ChannelMessage): Encoded {
    const made = message.madeFor(codec);
    if (made.delta?.before === before.id) return made.delta.encoded;
    const payload = payloadOf(codec, message);
    const delta = makeDelta(payloadOf(codec, before), payload, {
      text: codec.isText,
      search: (source, target) => this.#searcher.search(source, target),
    });
    let encoded: Encoded | undefined;
    if (delta.length < payload.length) {
      encoded = codec.publication({ ...detailsFor(message), data: delta, delta: "delta" });
    }
    // Whole, it takes as much as its payload, and more: mostly it need not be made.
    if (encoded === undefined || bytesOf(encoded) >= payload.length) {
      const whole = full(codec, message);
      if (encoded === undefined || bytesOf(encoded) >= bytesOf(whole)) encoded = whole;
    }
    made.delta = { before: before.id, encoded };
    return encoded;
  }
}

/** A publication with its whole payload, for subscribers with deltas. */
function full(codec: Codec, message: ChannelMessage): Encoded {
  // As text the payload is a string then, and no value; as bytes it is the same for all.
  if (!codec.isText) return publicationOf(codec, message);
  const data = payloadOf(codec, message);
  const made = message.madeFor(codec);
  return (made.full ??= codec.publication({ ...detailsFor(message), data, delta: "full" }));
}

function payloadOf(codec: Codec, message: ChannelMessage): Payload {
  const made = message.madeFor(codec);
  return (made.payload ??= codec.payload(message.data));
}

function bytesOf(encoded: Encoded): number {
  return typeof encoded === "string" ? Buffer.byteLength(encoded) : encoded.length;
}
