import { isUtf8 } from "node:buffer";
import { varintLength, writeVarint } from "../protocol/protobuf/varint.ts";

/**
 * One message as a whole, unmasked text frame, as a server sends it (RFC 6455, 5.2).
 *
 * The bytes are copied: what NATS hands out is a piece of a larger read buffer, which a slow socket
 * would keep alive. Bytes that are no UTF-8 become U+FFFD, since a browser would end the connection.
 */
export function textFrame(message: Uint8Array): Buffer {
  const payload = isUtf8(message) ? message : Buffer.from(new TextDecoder().decode(message));
  const { frame, head } = emptyFrame(opcodes.text, payload.length);
  frame.set(payload, head);
  return frame;
}

/** The same of a text; it is encoded where it is sent from. */
export function textFrameOf(text: string): Buffer {
  const { frame, head } = emptyFrame(opcodes.text, Buffer.byteLength(text));
  frame.write(text, head, "utf8");
  return frame;
}

/** A message with its length before it as a whole binary frame; what stands in it is copied. */
export function delimitedFrame(message: Uint8Array): Buffer {
  const { length } = message;
  const { frame, head } = emptyFrame(opcodes.binary, varintLength(length) + length);
  frame.set(message, writeVarint(frame, length, head));
  return frame;
}

/** A message with its length before it, as a varint. */
export function delimited(message: Uint8Array): Buffer {
  const { length } = message;
  const bytes = Buffer.allocUnsafe(varintLength(length) + length);
  bytes.set(message, writeVarint(bytes, length, 0));
  return bytes;
}

/**
 * So much of several messages shares a frame; a longer one has its own. Clients may bound what they take in
 * one, and a browser hands a frame over as a whole.
 */
export const sharedFrameBytes = 65_535;

/**
 * Joins whole frames of one kind into as few as there have to be, for a protocol whose frames may hold several
 * messages: what costs a client most of a short message is its frame.
 *
 * @param separator between messages that do not say themselves where they end
 */
export function joinFrames(frames: readonly Buffer[], separator: Uint8Array): Buffer {
  const groups: Buffer[][] = [];
  let room = 0;
  for (const frame of frames) {
    const payload = frame.subarray(headLength(frame));
    const needed = separator.length + payload.length;
    if (needed <= room) {
      groups.at(-1)?.push(payload);
      room -= needed;
    } else {
      groups.push([payload]);
      room = sharedFrameBytes - payload.length;
    }
  }
  const opcode = (frames[0]?.[0] ?? final) & ~final;
  return Buffer.concat(groups.map((group) => frameOf(opcode, group, separator)));
}

function frameOf(opcode: number, payloads: readonly Buffer[], separator: Uint8Array): Buffer {
  const between = separator.length * (payloads.length - 1);
  const length = payloads.reduce((sum, payload) => sum + payload.length, between);
  const { frame, head } = emptyFrame(opcode, length);
  let at = head;
  for (const [index, payload] of payloads.entries()) {
    if (index > 0) {
      frame.set(separator, at);
      at += separator.length;
    }
    frame.set(payload, at);
    at += payload.length;
  }
  return frame;
}

/** Of an unmasked frame. */
function headLength(frame: Buffer): number {
  const length = frame[1] ?? 0;
  return length < 126 ? 2 : length === 126 ? 4 : 10;
}

const opcodes = { text: 0x1, binary: 0x2 } as const;
const final = 0x80;

/** A frame whose payload, of so many bytes, is to be written behind its head. */
function emptyFrame(
  opcode: number,
  length: number,
): { readonly frame: Buffer; readonly head: number } {
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = final | opcode;
  if (head === 2) {
    frame[1] = length;
  } else if (head === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  return { frame, head };
}
