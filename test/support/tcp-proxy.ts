import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of a piece that a client sends, and of its connection from then on. */
export type Fate = "arrives" | "its answer is lost" | "is lost";

/** Stands between clients and a server on this machine; `await using` ends it. */
export class TcpProxy implements AsyncDisposable {
  /** Asked about each piece that a client sends. */
  fate: (sent: Buffer) => Fate = () => "arrives";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server);
    server.on("connection", (client) => {
      proxy.#connect(client, connect(port, "127.0.0.1"));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #connect(client: Socket, server: Socket): void {
    let fate: Fate = "arrives";
    client.on("data", (sent) => {
      if (fate === "arrives") fate = this.fate(sent);
      if (fate !== "is lost") server.write(sent);
    });
    server.on("data", (answer) => {
      if (fate === "arrives") client.write(answer);
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
