/**
 * Clients that cost little: TCP sockets that read into one shared buffer and look at frames byte by byte,
 * so that one core of load suffices for one core of server. They count what they receive, and fail on
 * anything that they do not expect.
 */
import { connect as connectTcp, type Socket } from "node:net";

export type Dialect = "centrifuge" | "socket.io";

export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** What all clients of a load have received together. */
export class Tally {
  publications = 0;
  replies = 0;
  #goal = Number.POSITIVE_INFINITY;
  #reached: () => void = () => undefined;

  count(): void {
    this.publications += 1;
    if (this.publications === this.#goal) this.#reached();
  }

  /** Resolves when so many publications have arrived. */
  async reach(goal: number): Promise<void> {
    if (this.publications >= goal) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#goal = goal;
      this.#reached = resolve;
      timer = setTimeout(() => {
        reject(new Error(`${goal - this.publications} of the publications did not arrive`));
      }, 60_000);
    });
    clearTimeout(timer);
  }
}

/** All sockets read into it, one after the other, and leave nothing in it. */
const shared = Buffer.allocUnsafeSlow(262_144);
const newline = 0x0a;
const opcodes = { text: 0x81, close: 0x88, ping: 0x89 } as const;
/** FIN and pong; masked with zeros, empty. */
const websocketPong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** A text frame as clients send it, masked with zeros. */
function maskedFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  if (length > 65_535) throw new Error("too long for this client");
  const head = length < 126 ? 6 : 8;
  const frame = Buffer.alloc(head + length);
  frame[0] = opcodes.text;
  if (head === 6) {
    frame[1] = 0x80 | length;
  } else {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  }
  frame.write(text, head);
  return frame;
}

/** One connection with one subscription. */
export abstract class Client {
  readonly channel: string;
  readonly tally: Tally;
  /** Called with each message that holds a publication. */
  onPublication: ((message: Buffer) => void) | undefined;
  readonly #socket: Socket;
  #upgraded = false;
  #rest: Buffer | undefined;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = (error) => {
    throw error;
  };

  constructor(path: string, port: number, channel: string, tally: Tally) {
    this.channel = channel;
    this.tally = tally;
    this.#socket = connectTcp({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (count) => {
          this.#read(count);
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => {
      this.#reject(error);
    });
    this.#socket.on("close", () => {
      this.#reject(new Error("the server closed a connection"));
    });
    this.#socket.write(
      [
        `GET ${path} HTTP/1.1`,
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "\r\n",
      ].join("\r\n"),
    );
  }

  /** Resolves when the client is subscribed; later failures end the process. */
  async ready(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#reject = (error) => {
      throw error;
    };
  }

  close(): void {
    this.#reject = () => undefined;
    this.#socket.destroy();
  }

  /** Publishes on the channel, or else on its own. */
  abstract publish(dataText: string, channel?: string): void;
  /** The websocket is open. */
  protected abstract opened(): void;
  protected abstract message(message: Buffer): void;

  protected subscribed(): void {
    this.#resolve();
  }

  protected fail(reason: string): void {
    this.#reject(new Error(reason));
  }

  protected send(text: string): void {
    this.#socket.write(maskedFrame(text));
  }

  protected publication(message: Buffer): void {
    this.onPublication?.(message);
    this.tally.count();
  }

  #read(count: number): void {
    let bytes = shared.subarray(0, count);
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = undefined;
    }
    let at = 0;
    if (!this.#upgraded) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end >= 0) {
        const status = bytes.subarray(0, bytes.indexOf("\r\n")).toString("latin1");
        if (!status.startsWith("HTTP/1.1 101 ")) {
          this.fail(`the upgrade was answered with: ${status}`);
          return;
        }
        at = end + 4;
        this.#upgraded = true;
        this.opened();
      }
    }
    if (this.#upgraded) at = this.#frames(bytes, at);
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  /** Returns where the first incomplete frame begins. */
  #frames(bytes: Buffer, from: number): number {
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
    if (opcode === opcodes.text) {
      let from = 0;
      for (;;) {
        const end = payload.indexOf(newline, from);
        if (end < 0) break;
        this.message(payload.subarray(from, end));
        from = end + 1;
      }
      if (from < payload.length) this.message(from === 0 ? payload : payload.subarray(from));
    } else if (opcode === opcodes.ping) {
      this.#socket.write(websocketPong);
    } else if (opcode === opcodes.close && payload.length >= 2) {
      this.fail(`closed with ${payload.readUInt16BE(0)} ${payload.toString("utf8", 2)}`);
    } else {
      this.fail(`a frame that begins with ${opcode}`);
    }
  }
}

const subscribeReply = Buffer.from('{"id":2,');

/** Speaks the Centrifuge protocol in JSON. */
export class CentrifugeClient extends Client {
  /** The reply to the subscription, as it came. */
  reply: Buffer = Buffer.alloc(0);
  readonly #since: Position | undefined;
  #id = 2;

  constructor(port: number, channel: string, tally: Tally, since?: Position) {
    super("/connection/websocket", port, channel, tally);
    this.#since = since;
  }

  publish(dataText: string, channel = this.channel): void {
    this.#id += 1;
    const name = JSON.stringify(channel);
    this.send(`{"id":${this.#id},"publish":{"channel":${name},"data":${dataText}}}`);
  }

  protected override opened(): void {
    this.send('{"id":1,"connect":{}}');
  }

  protected override message(message: Buffer): void {
    // `{"push":…`, `{}` or `{"id":…`.
    if (message[2] === 0x70) {
      this.publication(message);
    } else if (message.length === 2) {
      this.send("{}");
    } else if (message.subarray(0, subscribeReply.length).equals(subscribeReply)) {
      // It may hold a history; that is looked at when nobody's time is taken any more.
      this.reply = Buffer.from(message);
      if (message.includes('"error"')) this.fail(message.toString());
      else this.subscribed();
    } else {
      this.#other(message.toString());
    }
  }

  #other(text: string): void {
    const reply = JSON.parse(text) as { id?: number; error?: unknown };
    if (reply.error !== undefined) {
      this.fail(text);
    } else if (reply.id === 1) {
      const recover = this.#since === undefined ? {} : { recover: true, ...this.#since };
      const subscribe = { channel: this.channel, ...recover };
      this.send(JSON.stringify({ id: 2, subscribe }));
    } else if (reply.id !== undefined) {
      this.tally.replies += 1;
    } else {
      this.fail(`not expected: ${text}`);
    }
  }
}

/** Speaks Engine.IO 4 and Socket.IO's default encoding, on a websocket from the start. */
export class SocketIoClient extends Client {
  constructor(port: number, channel: string, tally: Tally) {
    super("/socket.io/?EIO=4&transport=websocket", port, channel, tally);
  }

  publish(dataText: string, channel = this.channel): void {
    this.send(`421["publish",${JSON.stringify(channel)},${dataText}]`);
  }

  protected override opened(): void {
    // The server speaks first.
  }

  protected override message(message: Buffer): void {
    const type = message.toString("latin1", 0, 2);
    if (type === "42") this.publication(message);
    else if (type === "2") this.send("3");
    else if (type.startsWith("0")) this.send("40");
    else if (type === "40") this.send(`420["join",${JSON.stringify(this.channel)}]`);
    else if (message.toString("latin1", 0, 3) === "430") this.subscribed();
    else if (message.toString("latin1", 0, 3) === "431") this.tally.replies += 1;
    else this.fail(`not expected: ${message.toString()}`);
  }
}
