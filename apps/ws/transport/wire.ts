import type { Codec } from "../protocol/codec.ts";
import { jsonCodec } from "../protocol/json/codec.ts";
import type { Encoded } from "../protocol/messages.ts";
import { textFrame, textFrameOf } from "./frame.ts";

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
}

export const websocketJson: Wire = {
  name: "websocket-json",
  transport: "websocket",
  codec: jsonCodec,
  isBinary: false,
  frame: (message) => (typeof message === "string" ? textFrameOf(message) : textFrame(message)),
};

/** Each message is a line. */
export const httpStreamJson: Wire = {
  name: "http_stream-json",
  transport: "http_stream",
  codec: jsonCodec,
  isBinary: false,
  frame: (message) => Buffer.from(`${text(message)}\n`),
};

/** Each message is an event, which a blank line ends. */
export const sseJson: Wire = {
  name: "sse-json",
  transport: "sse",
  codec: jsonCodec,
  isBinary: false,
  frame: (message) => Buffer.from(`data: ${text(message)}\n\n`),
};

function text(message: Encoded): string {
  return typeof message === "string" ? message : Buffer.from(message).toString();
}
