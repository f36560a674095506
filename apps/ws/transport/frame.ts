import { isUtf8 } from "node:buffer";

/**
 * One message as a whole, unmasked text frame, as a server sends it (RFC 6455, 5.2).
 *
 * The bytes are copied: what NATS hands out is a piece of a larger read buffer, which a slow socket
 * would keep alive. Bytes that are no UTF-8 become U+FFFD, since a browser would end the connection.
 */
export function textFrame(message: Uint8Array): Buffer {
  const payload = isUtf8(message) ? message : Buffer.from(new TextDecoder().decode(message));
  const { frame, head } = emptyFrame(payload.length);
  frame.set(payload, head);
  return frame;
}

/** The same of a text; it is encoded where it is sent from. */
export function textFrameOf(text: string): Buffer {
  const { frame, head } = emptyFrame(Buffer.byteLength(text));
  frame.write(text, head, "utf8");
  return frame;
}

/** A frame whose payload, of so many bytes, is to be written behind its head. */
function emptyFrame(length: number): { readonly frame: Buffer; readonly head: number } {
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = 0x81;
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
