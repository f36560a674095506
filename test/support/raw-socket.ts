import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { eventually } from "./eventually.ts";

/** A TCP client that speaks HTTP by hand, and websocket only as far as a test wants it to. */
export class RawSocket implements AsyncDisposable {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => (this.ended = true));
  }

  static async connect(port: number): Promise<RawSocket> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RawSocket(socket);
  }

  /** Opens a websocket and then reads nothing of what comes, not even pings. */
  static async upgrade(port: number, path: string): Promise<RawSocket> {
    const raw = await RawSocket.connect(port);
    raw.socket.write(handshake(path));
    const head = await raw.head();
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`not upgraded: ${head}`);
    return raw;
  }

  /** The head of the response. */
  async head(): Promise<string> {
    return eventually("a response", () => {
      const text = this.received.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      return end < 0 ? undefined : text.slice(0, end + 4);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await eventually("the socket is closed", () => this.ended);
  }
}

/** An upgrade request; headers with the value undefined are left out. */
export function handshake(
  path: string,
  {
    method = "GET",
    headers = {},
  }: { method?: string; headers?: Record<string, string | undefined> } = {},
): string {
  const all: Record<string, string | undefined> = {
    Host: "localhost",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return `${[`${method} ${path} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`;
}
