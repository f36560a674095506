import type { Input } from "./effects.ts";
import type { Encoded, Payload, Publication, Push, Reply } from "./messages.ts";

/** One encoding of the protocol: bytes of clients to inputs, replies and pushes to what goes to them. */
export interface Codec {
  readonly name: "json" | "protobuf";
  /** Whether what it encodes is text, and payloads in it are, too. */
  readonly isText: boolean;
  /** All that a client sent at once: commands and pongs. Whatever it is, nothing is thrown. */
  decode(bytes: Uint8Array): readonly Input[];
  reply(reply: Reply): Encoded;
  push(push: Push): Encoded;
  readonly ping: Encoded;
  /** A payload as subscribers get it, which deltas are made of. */
  payload(data: Payload): Payload;
  /** A publication for pushes, recoveries and histories alike: it is made once for all who get it. */
  publication(publication: Publication): Encoded;
  /** Asked once per channel: makes pushes to the channel's subscribers of what `publication` made. */
  publicationPush(channel: string): (publication: Encoded) => Encoded;
}
