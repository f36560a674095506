import type { Codec } from "../protocol/codec.ts";
import { jsonCodec } from "../protocol/json/codec.ts";
import type { Encoded } from "../protocol/messages.ts";
import { protobufCodec } from "../protocol/protobuf/codec.ts";
import { delimited, delimitedFrame, joinFrames, textFrame, textFrameOf } from "./frame.ts";

/** By what a client of the protocol has come. */
export type Transport = "websocket" | "http_stream" | "sse";

/** How messages travel: a codec, and what tells one message from the next. Clients of one wire share bytes. */
export interface Wire {
  readonly name: string;
  readonly transport: Transport;
  readonly codec: Codec;
  /** Whether what a client sends is bytes, and not text. */
  readonly isBinary: boolean;
  /** A message as it goes to clients; the bytes are a copy. */
  frame(message: Encoded): Buffer;
  /** Joins what goes out together; where it is left out, the bytes just follow each other. */
  readonly join?: (frames: readonly Buffer[]) => Buffer;
}

const lineEnd = Buffer.from("\n");

export const websocketJson: Wire = {
  name: "websocket-json",
  transport: "websocket",
  codec: jsonCodec,
  isBinary: false,
  frame: (message) => (typeof message === "string" ? textFrameOf(message) : textFrame(message)),
  join: (frames) => joinFrames(frames, lineEnd),
};

/** A frame may hold several messages, so that each has its length before it. */
export const websocketProtobuf: Wire = {
  name: "websocket-protobuf",
  transport: "websocket",
  codec: protobufCodec,
  isBinary: true,
  frame: (message) => delimitedFrame(bytes(message)),
  join: (frames) => joinFrames(frames, new Uint8Array()),
};

/** Each message is a line. */
export const httpStreamJson: Wire = {
  name: "http_stream-json",
  transport: "http_stream",
  codec: jsonCodec,
  isBinary: false,
  frame: (message) => Buffer.from(`${text(message)}\n`),
};

/** Each message has its length before it. */
export const httpStreamProtobuf: Wire = {
  name: "http_stream-protobuf",
  transport: "http_stream",
  codec: protobufCodec,
  isBinary: true,
  frame: (message) => delimited(bytes(message)),
};

/** Each message is an event, which a blank line ends. */
export const sseJson: Wire = {
  name: "sse-json",
  transport: "sse",
  codec: jsonCodec,
  isBinary: false,
  frame: (message) => Buffer.from(`data: ${text(message)}\n\n`),
};

/** The family's names for encodings of a websocket. */
const subprotocols = { json: "centrifuge-json", protobuf: "centrifuge-protobuf" } as const;

/** Which of the subprotocols that a client offers is spoken with it. */
export function chooseSubprotocol(offered: Iterable<string>): string | false {
  for (const name of offered) {
    if (name === subprotocols.json || name === subprotocols.protobuf) return name;
  }
  return false;
}

/** What is spoken on a websocket, by its subprotocol or the query of its request; JSON if neither says so. */
export function websocketWire(subprotocol: string, query: URLSearchParams): Wire {
  const asked = [query.get("format"), query.get("cf_protocol")];
  const isProtobuf = subprotocol === subprotocols.protobuf || asked.includes("protobuf");
  return isProtobuf ? websocketProtobuf : websocketJson;
}

function text(message: Encoded): string {
  return typeof message === "string" ? message : Buffer.from(message).toString();
}

function bytes(message: Encoded): Uint8Array {
  return typeof message === "string" ? Buffer.from(message) : message;
}
