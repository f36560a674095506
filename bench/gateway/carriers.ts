/**
 * How bytes of clients come and go, at little cost: TCP sockets that read into one shared buffer and look at
 * frames and lines byte by byte, so that one core of load suffices for one core of server.
 */
import { Agent, request } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";

/** What is told to whom a carrier carries for. */
export interface Receiver {
  /** It can send. */
  opened(): void;
  /** The bytes are to be used at once: they are overwritten by the next. */
  message(message: Buffer): void;
  failed(error: Error): void;
  /** So many bytes have come from the network. */
  read(count: number): void;
}

export interface Carrier {
  send(message: string | Uint8Array): void;
  close(): void;
}

/** All sockets read into it, one after the other, and leave nothing in it. */
const shared = Buffer.allocUnsafeSlow(262_144);
const newline = 0x0a;
const headEnd = "\r\n\r\n";

/** A connection whose answer to one request has no end. */
abstract class Connection implements Carrier {
  protected readonly receiver: Receiver;
  protected readonly socket: Socket;
  readonly #status: string;
  #begun = false;
  #rest: Buffer | undefined;

  constructor(port: number, question: string | Buffer, status: string, receiver: Receiver) {
    this.receiver = receiver;
    this.#status = status;
    this.socket = connectTcp({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (count) => {
          receiver.read(count);
          this.#read(count);
          return true;
        },
      },
    });
    this.socket.on("error", (error) => {
      receiver.failed(error);
    });
    this.socket.on("close", () => {
      receiver.failed(new Error("the server closed a connection"));
    });
    this.socket.write(question);
  }

  close(): void {
    this.socket.destroy();
  }

  abstract send(message: string | Uint8Array): void;

  /** The head of the answer is there. */
  protected begin(_head: string): void {
    this.receiver.opened();
  }

  /** Returns where what is not complete begins. */
  protected abstract take(bytes: Buffer, from: number): number;

  #read(count: number): void {
    let bytes = shared.subarray(0, count);
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = undefined;
    }
    let at = 0;
    if (!this.#begun) {
      const end = bytes.indexOf(headEnd);
      if (end >= 0) {
        const head = bytes.subarray(0, end).toString("latin1");
        if (!head.startsWith(`HTTP/1.1 ${this.#status} `)) {
          this.receiver.failed(new Error(`the answer was: ${bytes.toString("latin1")}`));
          return;
        }
        at = end + headEnd.length;
        this.#begun = true;
        this.begin(head);
      }
    }
    if (this.#begun) at = this.take(bytes, at);
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }
}

const opcodes = { text: 0x81, binary: 0x82, close: 0x88, ping: 0x89 } as const;
/** FIN and pong; masked with zeros, empty. */
const websocketPong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** A frame as clients send it, masked with zeros. */
function maskedFrame(message: string | Uint8Array): Buffer {
  const payload = typeof message === "string" ? Buffer.from(message) : message;
  const { length } = payload;
  if (length > 65_535) throw new Error("too long for this client");
  const head = length < 126 ? 6 : 8;
  const frame = Buffer.alloc(head + length);
  frame[0] = typeof message === "string" ? opcodes.text : opcodes.binary;
  if (head === 6) {
    frame[1] = 0x80 | length;
  } else {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  }
  frame.set(payload, head);
  return frame;
}

/** Gives each message of a payload to the receiver. */
export type Split = (payload: Buffer, each: (message: Buffer) => void) => void;

/** JSON: messages are lines. */
export const splitLines: Split = (payload, each) => {
  let from = 0;
  for (;;) {
    const end = payload.indexOf(newline, from);
    if (end < 0) break;
    if (end > from) each(payload.subarray(from, end));
    from = end + 1;
  }
  if (from < payload.length) each(from === 0 ? payload : payload.subarray(from));
};

/** Where a message is whose length stands before it; undefined: not all of it is there. */
function delimitedAt(bytes: Buffer, from: number): { start: number; end: number } | undefined {
  let length = 0;
  for (let at = from, shift = 0; at < bytes.length; at += 1, shift += 7) {
    const byte = bytes[at] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    const start = at + 1;
    return start + length > bytes.length ? undefined : { start, end: start + length };
  }
  return undefined;
}

/** Protobuf: each message has its length before it. */
export const splitDelimited: Split = (payload, each) => {
  for (let from = 0; from < payload.length;) {
    const found = delimitedAt(payload, from);
    if (found === undefined) throw new Error("a message of protobuf is cut off");
    each(payload.subarray(found.start, found.end));
    from = found.end;
  }
};

export class WebsocketCarrier extends Connection {
  readonly #split: Split;
  readonly #each = (message: Buffer): void => {
    this.receiver.message(message);
  };

  constructor(
    port: number,
    path: string,
    receiver: Receiver,
    { split = splitLines, subprotocol }: { split?: Split; subprotocol?: string } = {},
  ) {
    const question = [
      `GET ${path} HTTP/1.1`,
      "Host: localhost",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    ].join("\r\n");
    super(port, question + headEnd, "101", receiver);
    this.#split = split;
  }

  send(message: string | Uint8Array): void {
    this.socket.write(maskedFrame(message));
  }

  protected override take(bytes: Buffer, from: number): number {
    let at = from;
    while (bytes.length - at >= 2) {
      let length = bytes.readUInt8(at + 1);
      let start = at + 2;
      if (length === 126) {
        if (bytes.length - at < 4) break;
        length = bytes.readUInt16BE(start);
        start += 2;
      } else if (length === 127) {
        if (bytes.length - at < 10) break;
        length = Number(bytes.readBigUInt64BE(start));
        start += 8;
      }
      if (bytes.length - start < length) break;
      this.#frame(bytes.readUInt8(at), bytes.subarray(start, start + length));
      at = start + length;
    }
    return at;
  }

  #frame(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.text || opcode === opcodes.binary) {
      this.#split(payload, this.#each);
    } else if (opcode === opcodes.ping) {
      this.socket.write(websocketPong);
    } else if (opcode === opcodes.close && payload.length >= 2) {
      const reason = `${payload.readUInt16BE(0)} ${payload.toString("utf8", 2)}`;
      this.receiver.failed(new Error(`closed with ${reason}`));
    } else {
      this.receiver.failed(new Error(`a frame that begins with ${opcode}`));
    }
  }
}

/** Where a stream's later commands go. */
export interface Session {
  readonly session: string;
  readonly node: string;
}

export interface StreamOptions {
  readonly question: Buffer;
  /** What tells one message from the next. */
  readonly framing: "lines" | "events" | "delimited";
  /** A body for `/emulation`. */
  readonly emulated: (session: Session, message: string | Uint8Array) => string | Uint8Array;
  readonly contentType: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const eventStart = "data: ".length;

/** An answer that ends with the connection; what is sent goes in requests of its own. */
export class StreamCarrier extends Connection {
  session: Session | undefined;
  readonly #port: number;
  readonly #options: StreamOptions;

  constructor(port: number, options: StreamOptions, receiver: Receiver) {
    super(port, options.question, "200", receiver);
    this.#port = port;
    this.#options = options;
  }

  send(message: string | Uint8Array): void {
    const { session } = this;
    if (session === undefined) throw new Error("the stream has no session yet");
    const { emulated, contentType } = this.#options;
    const posted = request({
      ...{ agent, port: this.#port, host: "127.0.0.1", method: "POST", path: "/emulation" },
      headers: { "content-type": contentType },
    });
    posted.on("response", (response) => {
      response.resume();
      if (response.statusCode === 204) return;
      this.receiver.failed(new Error(`/emulation answered ${response.statusCode}`));
    });
    posted.on("error", (error) => {
      this.receiver.failed(error);
    });
    posted.end(emulated(session, message));
  }

  protected override begin(head: string): void {
    // Chunks would be read as messages.
    if (/^transfer-encoding:/im.test(head)) {
      this.receiver.failed(new Error(`an answer that is no plain stream: ${head}`));
    }
    super.begin(head);
  }

  protected override take(bytes: Buffer, from: number): number {
    const rest = bytes.subarray(from);
    const taken = this.#options.framing === "delimited" ? this.#delimited(rest) : this.#lines(rest);
    return from + taken;
  }

  #lines(bytes: Buffer): number {
    const skipped = this.#options.framing === "events" ? eventStart : 0;
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(newline, from);
      if (end < 0) return from;
      // Blank lines end events.
      if (end > from + 1) this.receiver.message(bytes.subarray(from + skipped, end));
      from = end + 1;
    }
  }

  #delimited(bytes: Buffer): number {
    let from = 0;
    while (from < bytes.length) {
      const found = delimitedAt(bytes, from);
      if (found === undefined) break;
      this.receiver.message(bytes.subarray(found.start, found.end));
      from = found.end;
    }
    return from;
  }
}
