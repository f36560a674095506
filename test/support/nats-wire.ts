import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A message that NATS hands to a client. */
export interface Delivery {
  readonly subject: string;
  readonly bytes: Buffer;
}

/** What becomes of it. A held one goes on its way at `release`. */
export type Passage = "passes" | "is lost" | "comes twice" | "is held";

/**
 * A relay between one client and a nats-server that knows where a message begins and ends, so that
 * single messages can get lost while the connection lives: as between the servers of a cluster, whose
 * routes break and mend without their clients' noticing.
 */
export class NatsWire implements AsyncDisposable {
  /** Asked about each message that the server sends. */
  passage: (delivery: Delivery) => Passage = () => "passes";
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #held: { readonly to: Socket; readonly bytes: Buffer }[] = [];
  #open = true;

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer((client) => {
      this.#relay(client);
    });
  }

  /** @param port where nats-server listens */
  static async to(port: number): Promise<NatsWire> {
    const wire = new NatsWire(port);
    wire.#server.listen(0, "127.0.0.1");
    await once(wire.#server, "listening");
    return wire;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many messages are held. */
  get held(): number {
    return this.#held.length;
  }

  /** Sends on what was held, in order. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const { to, bytes } of held) to.write(bytes);
  }

  cut(): void {
    this.#held = [];
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts every connection and takes no other until it is opened. */
  close(): void {
    this.#open = false;
    this.cut();
  }

  open(): void {
    this.#open = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #relay(client: Socket): void {
    if (!this.#open) {
      client.destroy();
      return;
    }
    const server = connect(this.#port, "127.0.0.1");
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    client.on("data", (chunk) => server.write(chunk));
    let rest: Buffer = Buffer.alloc(0);
    server.on("data", (chunk) => {
      rest = this.#pass(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), client);
    });
  }

  /** Sends on all whole parts; what remains. */
  #pass(bytes: Buffer, client: Socket): Buffer {
    client.cork();
    let start = 0;
    for (;;) {
      const lineEnd = bytes.indexOf("\r\n", start);
      if (lineEnd === -1) break;
      const line = bytes.toString("latin1", start, lineEnd);
      const [operation = "", subject = "", ...words] = line.split(" ");
      const isMessage = operation === "MSG" || operation === "HMSG";
      const end = isMessage ? lineEnd + 2 + Number(words.at(-1)) + 2 : lineEnd + 2;
      if (end > bytes.length) break;
      const part = bytes.subarray(start, end);
      if (isMessage) this.#deliver({ subject, bytes: part }, client);
      else client.write(part);
      start = end;
    }
    client.uncork();
    return bytes.subarray(start);
  }

  #deliver(delivery: Delivery, client: Socket): void {
    const passage = this.passage(delivery);
    if (passage === "is held") this.#held.push({ to: client, bytes: Buffer.from(delivery.bytes) });
    if (passage === "passes" || passage === "comes twice") client.write(delivery.bytes);
    if (passage === "comes twice") client.write(delivery.bytes);
  }
}
