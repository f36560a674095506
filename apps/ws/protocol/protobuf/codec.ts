import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Codec } from "../codec.ts";
import type { Encoded, Push } from "../messages.ts";
import { decodeFrame } from "./decode.ts";
import { bytesIn, publication, push, reply } from "./results.ts";
import { varintLength, writeVarint } from "./varint.ts";
import { bytesOf, message } from "./writing.ts";

/** The protocol's protobuf encoding: a message is encoded without its length. */
export const protobufCodec: Codec = {
  name: "protobuf",
  isText: false,
  decode: decodeFrame,
  reply: (value) => bytesOf(reply, value),
  push: (value) => bytesOf(pushInReply, value),
  ping: new Uint8Array(),
  payload: (data) => data,
  publication: (value) => bytesOf(publication, value),
  publicationPush: publicationPush,
};

const replyFields = { push: 4 };
const pushFields = { channel: 2, pub: 4 };

const writePush = message(push);

function pushInReply(writer: BinaryWriter, value: Push): void {
  writePush(writer, replyFields.push, value);
}

function publicationPush(channel: string): (publication: Encoded) => Uint8Array {
  // What is the same for all publications of a channel is made once, as this is what a gateway does most.
  const head = new BinaryWriter()
    .tag(pushFields.channel, WireType.LengthDelimited)
    .string(channel)
    .tag(pushFields.pub, WireType.LengthDelimited)
    .finish();
  const tag = (replyFields.push << 3) | WireType.LengthDelimited;
  return (encoded) => {
    const publication = bytesIn(encoded);
    const { length } = publication;
    const pushLength = head.length + varintLength(length) + length;
    const push = Buffer.allocUnsafe(1 + varintLength(pushLength) + pushLength);
    push[0] = tag;
    let at = writeVarint(push, pushLength, 1);
    push.set(head, at);
    at = writeVarint(push, length, at + head.length);
    push.set(publication, at);
    return push;
  };
}
