import type { ChannelMessage } from "../channel-message.ts";
import type { Encoding } from "../hub.ts";
import { type ClientInfo, decodeClientInfo, parseJson } from "../presence/client-info.ts";
import type { JoinLeaveEvent } from "../presence/join-leave.ts";
import {
  encodePublication,
  encodePush,
  publicationData,
  publicationPushAround,
} from "../protocol/json/codec.ts";
import type { PublicationText } from "../protocol/messages.ts";
import { textFrameOf } from "../transport/frame.ts";

/** Who publishes, as a header of the message says it: what is JSON in it stays text. */
export function publisherText({ user, client, conn_info, chan_info }: ClientInfo): string {
  return JSON.stringify({ user, client, conn_info, chan_info });
}

/**
 * A publication's JSON, which goes into pushes, recoveries and histories alike. It is made once, however
 * many get it.
 */
export function publicationText(message: ChannelMessage): PublicationText {
  if (message.encoded !== undefined) return message.encoded;
  const { data, offset } = message;
  // Whoever may publish on NATS may write any header; what is no client is left out.
  const info =
    message.info === undefined ? undefined : decodeClientInfo(parseJson(Buffer.from(message.info)));
  message.encoded = encodePublication({
    data: publicationData(data),
    ...(offset === undefined ? {} : { offset }),
    ...(info === undefined ? {} : { info }),
  });
  return message.encoded;
}

export const publicationEncoding: Encoding<ChannelMessage> = {
  encoderFor: (channel) => {
    const [before, after] = publicationPushAround(channel);
    return (message) => textFrameOf(before + publicationText(message) + after);
  },
};

export const eventEncoding: Encoding<JoinLeaveEvent> = {
  encoderFor:
    (channel) =>
    ({ type, info }) => {
      const push = type === "join" ? { channel, join: { info } } : { channel, leave: { info } };
      return textFrameOf(encodePush(push));
    },
};
