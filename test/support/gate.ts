import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** What becomes of a piece that a client sends, and of its connection from then on. */
export type Fate = "arrives" | "its answer is lost" | "is lost";

/** A TCP relay in front of a server, that a test can close, stop or slow down. */
export class Gate implements AsyncDisposable {
  /** Asked about each piece that a client sends. */
  fate: (sent: Buffer) => Fate = () => "arrives";
  /** What is done before a piece that a client sent goes on, for the pieces that it names. */
  before: (sent: Buffer) => Promise<void> | undefined = () => undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: { readonly host: string; readonly port: number };
  #open = true;
  #delayMs = 0;

  private constructor(target: string) {
    const [host = "", port = ""] = target.split(":");
    this.#target = { host, port: Number(port) };
    this.#server = createServer((socket) => {
      this.#relay(socket);
    });
  }

  /** @param target `host:port` */
  static async to(target: string): Promise<Gate> {
    const gate = new Gate(target);
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    return gate;
  }

  /** `host:port` of the gate itself. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How much later everything arrives, in each direction. */
  set delayMs(ms: number) {
    this.#delayMs = ms;
  }

  /** Cuts every connection; what was sent may or may not have arrived. */
  cut(): void {
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
    const server = connect(this.#target);
    let fate: Fate = "arrives";
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
      from.on("data", (chunk) => {
        if (from === client && fate === "arrives") fate = this.fate(chunk);
        if (fate === "is lost" || (from === server && fate !== "arrives")) return;
        const pass = (): void => void to.write(chunk);
        const done = from === client ? this.before(chunk) : undefined;
        if (done !== undefined) {
          from.pause();
          const go = (): void => {
            pass();
            from.resume();
          };
          // Whoever waits for it hears of its failure; the connection is not there any more then.
          void done.then(go, () => from.destroy());
        } else if (this.#delayMs === 0) pass();
        // Timers of one length end in the order in which they began.
        else setTimeout(pass, this.#delayMs);
      });
    }
  }
}
