import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { BusError } from "../../lib/bus.ts";
import type { BacklogBudget } from "../backlog-budget.ts";
import type { Broker } from "../broker.ts";
import type { Pinged } from "../heartbeat.ts";
import type { Subscriber } from "../hub.ts";
import { lifetimeMs } from "../lifetime.ts";
import type { Closing } from "../transport/link.ts";
import { Peer, type PeerLimits } from "../transport/peer.ts";
import { closings } from "./close-codes.ts";

export interface RawLimits extends PeerLimits {
  /** No connection lasts longer than this and a ping interval; some end sooner, by up to an eleventh. */
  readonly maxAgeMs: number;
}

export interface RawConnectionOptions {
  readonly websocket: WebSocket;
  /** The socket below; messages are written to it in whole frames beside those of the library. */
  readonly socket: Duplex;
  readonly topic: string;
  /** Whether what it sends is published; if not, it is closed when it sends something. */
  readonly mayPublish: boolean;
  /** When what it was admitted with expires, ms since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
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
  readonly #peer: Peer;
  readonly #broker: Broker;
  readonly #mayPublish: boolean;
  readonly #expiresAtMs: number | undefined;
  readonly #onPause: (connection: RawConnection) => void;
  readonly #endAt: number;
  #answered = true;
  #ticket = 0;

  constructor(options: RawConnectionOptions) {
    const { limits } = options;
    this.topic = options.topic;
    this.#broker = options.broker;
    this.#mayPublish = options.mayPublish;
    this.#expiresAtMs = options.expiresAtMs;
    this.#onPause = options.onPause;
    this.#endAt = performance.now() + lifetimeMs(limits.maxAgeMs);
    this.#peer = new Peer(options, options.budget, limits, closings, {
      onMessage: (data, isBinary) => {
        this.#take(data, isBinary);
      },
      onPong: () => {
        this.#answered = true;
      },
      onClose: (closing) => {
        options.onClose(this, closing);
      },
    });
  }

  /** The ticket of its last publication, 0 if there was none. */
  get ticket(): number {
    return this.#ticket;
  }

  write(bytes: Uint8Array): void {
    this.#peer.write(bytes);
  }

  /** Asks the peer for a sign of life, gives it up when it gave none, and ends it when it is old. */
  ping(): void {
    if (this.#expiresAtMs !== undefined && Date.now() >= this.#expiresAtMs) {
      this.close(closings.expired);
    }
    if (performance.now() >= this.#endAt) this.close(closings.old);
    if (this.#peer.isPaused) return;
    if (!this.#answered) {
      this.#peer.terminate();
      return;
    }
    this.#answered = false;
    this.#peer.ping();
  }

  /** Takes messages from the peer again. */
  resume(): void {
    // Its pong to the last ping may be among what was not read.
    this.#answered = true;
    this.#peer.resume();
  }

  /** Says goodbye and cuts the socket when the peer does not answer in time. */
  close(closing: Closing, graceMs?: number): void {
    this.#peer.close(closing, graceMs);
  }

  #take(message: Buffer, isBinary: boolean): void {
    if (isBinary || !this.#mayPublish) {
      this.close(isBinary ? closings.binary : closings.listenOnly);
      return;
    }
    try {
      this.#ticket = this.#broker.publish(this.topic, message);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.close(error.code === "too_large" ? closings.tooLarge : closings.lost);
      return;
    }
    if (this.#broker.full && !this.#peer.isPaused) {
      this.#peer.pause();
      this.#onPause(this);
    }
  }
}
