import type { ChannelMessage } from "../channel-message.ts";
import type { Encoding } from "../hub.ts";
import { parseJson } from "../json.ts";
import { type ClientInfo, decodeClientInfo } from "../presence/client-info.ts";
import type { JoinLeaveEvent } from "../presence/join-leave.ts";
import type { Codec } from "../protocol/codec.ts";
import type { Encoded, Publication } from "../protocol/messages.ts";
import type { Wire } from "../transport/wire.ts";

/** Who publishes, as a header of the message says it: what is JSON in it stays text. */
export function publisherText({ user, client, conn_info, chan_info }: ClientInfo): string {
  return JSON.stringify({ user, client, conn_info, chan_info });
}

/**
 * A publication as it goes into pushes, recoveries and histories alike. It is made once for each codec,
 * however many get it.
 */
export function publicationOf(codec: Codec, message: ChannelMessage): Encoded {
  const made = message.madeFor(codec);
  return (made.encoded ??= encode(codec, message));
}

/**
 * As many publications, from the first on, as have room.
 *
 * @param encode is told the message before, of those in the list
 */
export function publicationsWithin(
  messages: readonly ChannelMessage[],
  maxSize: number,
  encode: (message: ChannelMessage, before: ChannelMessage | undefined) => Encoded,
): readonly Encoded[] {
  const publications: Encoded[] = [];
  let size = 0;
  for (const [index, message] of messages.entries()) {
    const publication = encode(message, messages[index - 1]);
    size += publication.length;
    if (size > maxSize) break;
    publications.push(publication);
  }
  return publications;
}

function encode(codec: Codec, message: ChannelMessage): Encoded {
  return codec.publication({ ...detailsFor(message), data: message.data });
}

/** What clients get of a publication beside its payload. */
export function detailsFor(message: ChannelMessage): Omit<Publication, "data" | "delta"> {
  const { offset, tags } = message;
  // Whoever may publish on NATS may write any header; what is no client is left out.
  const info =
    message.info === undefined ? undefined : decodeClientInfo(parseJson(Buffer.from(message.info)));
  return {
    ...(offset === undefined ? {} : { offset }),
    ...(info === undefined ? {} : { info }),
    ...(tags === undefined ? {} : { tags }),
  };
}

/** Publications for the clients of a wire. */
export function publicationEncoding(wire: Wire): Encoding<ChannelMessage> {
  const { codec } = wire;
  return {
    key: wire.name,
    join: wire.join,
    encoderFor: (channel) => {
      const push = codec.publicationPush(channel);
      return (message) => wire.frame(push(publicationOf(codec, message)));
    },
  };
}

/** Joins and leaves for the clients of a wire. */
export function eventEncoding(wire: Wire): Encoding<JoinLeaveEvent> {
  return {
    key: wire.name,
    join: wire.join,
    encoderFor:
      (channel) =>
      ({ type, info }) => {
        const push = type === "join" ? { channel, join: { info } } : { channel, leave: { info } };
        return wire.frame(wire.codec.push(push));
      },
  };
}
