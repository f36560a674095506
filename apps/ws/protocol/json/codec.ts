import type { Codec } from "../codec.ts";
import { decodeFrame } from "./decode.ts";
import {
  encodePublication,
  encodePush,
  encodeReply,
  publicationPayload,
  publicationPushAround,
  textOf,
} from "./encode.ts";

/** The protocol's JSON encoding: a message is one line of text. */
export const jsonCodec: Codec = {
  name: "json",
  isText: true,
  decode: (bytes) => decodeFrame(textOf(bytes)),
  reply: encodeReply,
  push: encodePush,
  ping: "{}",
  payload: publicationPayload,
  publication: encodePublication,
  publicationPush: (channel) => {
    const [before, after] = publicationPushAround(channel);
    return (publication) => before + textOf(publication) + after;
  },
};
