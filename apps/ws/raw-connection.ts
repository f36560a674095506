import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { BusError } from "../lib/bus.ts";
import type { BacklogBudget } from "./backlog-budget.ts";
import type { Broker } from "./broker.ts";
import { type Closing, closings } from "./close-codes.ts";
import type { Pinged } from "./heartbeat.ts";
import type { Subscriber } from "./hub.ts";
import { Writer } from "./writer.ts";

export interface RawLimits {
  /** No connection lasts longer than this and a ping interval; some end sooner, by up to an eleventh. */
  readonly maxAgeMs: number;
  /** What may wait for one peer that reads slowly. */
  readonly maxBacklogBytes: number;
  /** How long a peer may take to answer a close frame before its socket is cut. */
  readonly closeGraceMs: number;
  /** The same for one that reads too slowly: its close frame waits behind its backlog. */
  readonly slowGraceMs: number;
}

export interface RawConnectionOptions {
  readonly websocket: WebSocket;
  /** The socket below; messages are written to it in whole frames beside those of the library. */
  readonly socket: Duplex;
  readonly topic: string;
  readonly broker: Broker;
  /** The bound on what waits for this and all others. */
  readonly budget: BacklogBudget;
  readonly limits: RawLimits;
  /**
   * Called once, when nothing more will come from or go to the peer, with the reason when it was this
   * side that closed.
   */
  readonly onClose: (connection: RawConnection, closing: Closing | undefined) => void;
  /** Called when the peer must not send more until `resume`. */
  readonly onPause: (connection: RawConnection) => void;
}

/** One websocket of the raw endpoint: what it sends is published, what is published it receives. */
export class RawConnection implements Subscriber, Pinged {
  readonly topic: string;
  readonly #websocket: WebSocket;
  readonly #writer: Writer;
  readonly #broker: Broker;
  readonly #limits: RawLimits;
  readonly #onPause: (connection: RawConnection) => void;
  readonly #endAt: number;
  #answered = true;
  #closing: Closing | undefined;
  #cut: NodeJS.Timeout | undefined;
  #ticket = 0;

  constructor(options: RawConnectionOptions) {
    const { websocket, socket, limits } = options;
    this.topic = options.topic;
    this.#websocket = websocket;
    this.#broker = options.broker;
    this.#limits = limits;
    this.#onPause = options.onPause;
    this.#endAt = performance.now() + lifetimeMs(limits.maxAgeMs);
    const share = options.budget.share(() => {
      // One that is closing already would keep its backlog until its peer has answered.
      if (this.#cut === undefined) this.close(closings.crowded, limits.slowGraceMs);
      else websocket.terminate();
    });
    this.#writer = new Writer(
      socket,
      limits.maxBacklogBytes,
      () => {
        this.close(closings.slow, limits.slowGraceMs);
      },
      share.report,
    );
    websocket.on("message", (data, isBinary) => {
      // The server keeps ws's default binary type, in which a message is one Buffer.
      if (Buffer.isBuffer(data)) this.#take(data, isBinary);
    });
    websocket.on("pong", () => {
      this.#answered = true;
    });
    websocket.on("error", () => {
      // A broken frame, a text that is no UTF-8 or too long: the library closes with the right code.
      this.#cutAfter(limits.closeGraceMs);
    });
    websocket.on("close", () => {
      clearTimeout(this.#cut);
      share.end();
      options.onClose(this, this.#closing);
    });
  }

  /** The ticket of its last publication, 0 if there was none. */
  get ticket(): number {
    return this.#ticket;
  }

  write(bytes: Uint8Array): void {
    // A close frame, whoever sent it, is the last: what followed would be an error of the socket.
    if (this.#websocket.readyState === this.#websocket.OPEN) this.#writer.write(bytes);
  }

  /** Asks the peer for a sign of life, gives it up when it gave none, and ends it when it is old. */
  ping(): void {
    if (performance.now() >= this.#endAt) this.close(closings.old);
    if (this.#websocket.isPaused) return;
    if (!this.#answered) {
      this.#websocket.terminate();
      return;
    }
    this.#answered = false;
    if (this.#websocket.readyState === this.#websocket.OPEN) this.#websocket.ping();
  }

  /** Takes messages from the peer again. */
  resume(): void {
    // Its pong to the last ping may be among what was not read.
    this.#answered = true;
    this.#websocket.resume();
  }

  /** Says goodbye and cuts the socket when the peer does not answer in time. */
  close(closing: Closing, graceMs = this.#limits.closeGraceMs): void {
    if (this.#closing !== undefined) return;
    this.#closing = closing;
    this.#websocket.close(closing.code, closing.reason);
    // A paused socket would not see the peer's answer.
    this.#websocket.resume();
    this.#cutAfter(graceMs);
  }

  #cutAfter(graceMs: number): void {
    this.#cut ??= setTimeout(() => {
      this.#websocket.terminate();
    }, graceMs);
  }

  #take(message: Buffer, isBinary: boolean): void {
    if (this.#closing !== undefined) return;
    if (isBinary) {
      this.close(closings.binary);
      return;
    }
    try {
      this.#ticket = this.#broker.publish(this.topic, message);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.close(error.code === "too_large" ? closings.tooLarge : closings.lost);
      return;
    }
    if (this.#broker.full && !this.#websocket.isPaused) {
      this.#websocket.pause();
      this.#onPause(this);
    }
  }
}

/**
 * How long a connection lasts: 10/11 to 11/11 of the most, so 50 to 55 minutes of 55. Those that were
 * opened together do not end together.
 *
 * @param random from 0 to below 1
 */
export function lifetimeMs(maxAgeMs: number, random = Math.random()): number {
  return maxAgeMs * (1 - random / 11);
}
