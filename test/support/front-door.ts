import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Random } from "./random.ts";

/** A client's connection and the one to the server that was chosen for it. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly target: number;
}

/**
 * A TCP load balancer: each connection goes to one of the servers that are known, chosen at random.
 * It cuts connections, and makes them hang, when a test says so.
 */
export class FrontDoor implements AsyncDisposable {
  readonly #server: Server;
  readonly #random: Random;
  readonly #targets = new Map<number, number>();
  readonly #pairs = new Set<Pair>();

  private constructor(random: Random) {
    this.#random = random;
    this.#server = createServer((client) => {
      this.#relay(client);
    });
  }

  static async open(random: Random): Promise<FrontDoor> {
    const door = new FrontDoor(random);
    door.#server.listen(0, "127.0.0.1", 4_096);
    await once(door.#server, "listening");
    return door;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Sends new connections to this port, too; the number names it. */
  add(target: number, port: number): void {
    this.#targets.set(target, port);
  }

  /** Sends no more connections there; those that are open stay. */
  remove(target: number): void {
    this.#targets.delete(target);
  }

  /** Cuts connections, each with this probability; what was sent may or may not have arrived. */
  cut(random: Random, share: number): void {
    // A reset, as of a network that is gone, rather than a goodbye.
    this.hang(random, share).cut();
  }

  /** Stops connections, each with this probability, until they are let go on or cut. */
  hang(random: Random, share: number): { resume(): void; cut(): void } {
    const chosen = this.#chosen(random, share);
    const each = (act: (socket: Socket) => void): void => {
      for (const { client, server } of chosen) [client, server].forEach(act);
    };
    each((socket) => socket.pause());
    return {
      resume: () => {
        each((socket) => socket.resume());
      },
      cut: () => {
        each((socket) => socket.resetAndDestroy());
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#targets.clear();
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #chosen(random: Random, share: number): Pair[] {
    return [...this.#pairs].filter(() => random.chance(share));
  }

  #relay(client: Socket): void {
    const targets = [...this.#targets];
    if (targets.length === 0) {
      client.destroy();
      return;
    }
    const [target, port] = this.#random.one(targets);
    const server = connect(port, "127.0.0.1");
    const pair: Pair = { client, server, target };
    this.#pairs.add(pair);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true);
      from.on("error", () => undefined);
      from.on("data", (chunk) => {
        if (!to.write(chunk)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
      from.on("end", () => {
        to.end();
      });
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    }
  }
}
