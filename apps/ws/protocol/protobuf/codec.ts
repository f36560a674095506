import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Codec } from "../codec.ts";
import type { Encoded, Push } from "../messages.ts";
import { decodeFrame } from "./decode.ts";
import { bytesIn, publication, push, reply } from "./results.ts";
import { bytesOf, message } from "./writing.ts";

/** The protocol's protobuf encoding: a message is encoded without its length. */
export const protobufCodec: Codec = {
  name: "protobuf",
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
  const beforeLength = new BinaryWriter()
    .tag(pushFields.channel, WireType.LengthDelimited)
    .string(channel)
    .tag(pushFields.pub, WireType.LengthDelimited)
    .finish();
  return (encoded) => {
    const bytes = bytesIn(encoded);
    const pushLength = beforeLength.length + lengthOfLength(bytes.length) + bytes.length;
    return new BinaryWriter()
      .tag(replyFields.push, WireType.LengthDelimited)
      .uint32(pushLength)
      .raw(beforeLength)
      .bytes(bytes)
      .finish();
  };
}

/** How many bytes a length takes: 7 bits go into one. */
function lengthOfLength(length: number): number {
  return Math.max(1, Math.ceil((32 - Math.clz32(length)) / 7));
}
