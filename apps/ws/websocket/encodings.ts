import type { ChannelMessage } from "../channel-message.ts";
import { textFrame } from "../frame.ts";
import type { Encoding } from "../hub.ts";
import type { JoinLeaveEvent } from "../presence/join-leave.ts";
import {
  encodePublication,
  encodePublicationPush,
  encodePush,
  publicationData,
} from "../protocol/json.ts";

/**
 * A publication's JSON, which goes into pushes, recoveries and histories alike. It is made once, however
 * many get it.
 */
export function publicationText(message: ChannelMessage): string {
  message.encoded ??= encodePublication({
    data: publicationData(message.data),
    ...(message.offset === undefined ? {} : { offset: message.offset }),
    ...(message.info === undefined ? {} : { info: message.info }),
  });
  return message.encoded;
}

export const publicationEncoding: Encoding<ChannelMessage> = {
  encode: (message, channel) =>
    textFrame(Buffer.from(encodePublicationPush(channel, publicationText(message)))),
};

export const eventEncoding: Encoding<JoinLeaveEvent> = {
  encode: ({ type, info }, channel) =>
    textFrame(Buffer.from(encodePush({ channel, [type]: { info } }))),
};
