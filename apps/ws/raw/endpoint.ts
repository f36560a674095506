import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { ChannelSubscription } from "../broker.ts";
import type { ChannelMessage } from "../channel-message.ts";
import { Connections } from "../connections.ts";
import { Heartbeat } from "../heartbeat.ts";
import type { Encoding, HubSubscription } from "../hub.ts";
import type { Shared } from "../shared.ts";
import { textFrame } from "../transport/frame.ts";
import type { Closing } from "../transport/link.ts";
import type { Closable } from "../waves.ts";
import { closings } from "./close-codes.ts";
import { RawConnection, type RawLimits } from "./connection.ts";

export interface RawEndpointLimits extends RawLimits {
  readonly pingIntervalMs: number;
}

/** What a websocket may do, as its request says. */
export interface RawAdmission {
  readonly topic: string;
  readonly mayPublish: boolean;
  /** When what it was admitted with expires, ms since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** A raw subscriber gets the payload as it was published. */
const rawEncoding: Encoding<ChannelMessage> = {
  key: "raw",
  encoderFor:
    () =>
    ({ data }) =>
      textFrame(data),
};

/** The raw endpoint: every websocket on a topic, from its upgrade to its end. */
export class RawEndpoint {
  readonly #shared: Shared;
  readonly #limits: RawEndpointLimits;
  readonly #onSlow: () => void;
  readonly #heartbeat: Heartbeat;
  readonly #connections = new Connections<RawConnection>();
  readonly #paused = new Set<RawConnection>();

  /** @param onSlow told of each websocket that is closed because it reads too slowly */
  constructor(shared: Shared, limits: RawEndpointLimits, onSlow: () => void = () => undefined) {
    this.#shared = shared;
    this.#onSlow = onSlow;
    this.#limits = limits;
    this.#heartbeat = new Heartbeat({ intervalMs: limits.pingIntervalMs });
    shared.broker.onLost = (confirmed) => {
      for (const connection of this.#connections) {
        if (connection.ticket > confirmed) connection.close(closings.lost);
      }
    };
    shared.broker.onRoom = () => {
      for (const connection of this.#paused) connection.resume();
      this.#paused.clear();
    };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Takes over a websocket that has just been opened, and its subscription. */
  open(
    websocket: WebSocket,
    socket: Duplex,
    admission: RawAdmission,
    subscription: HubSubscription<ChannelMessage, ChannelSubscription>,
  ): void {
    const { broker, budget, log } = this.#shared;
    const { topic } = admission;
    const connection = new RawConnection({
      ...admission,
      websocket,
      socket,
      broker,
      budget,
      limits: this.#limits,
      onClose: (closed, closing) => {
        subscription.unsubscribe();
        release();
        this.#paused.delete(closed);
        if (closing === closings.slow || closing === closings.crowded) {
          log.warn({ topic, reason: closing.reason }, "slow websocket closed");
          this.#onSlow();
        }
        this.#connections.remove(closed);
      },
      onPause: (paused) => this.#paused.add(paused),
    });
    const release = this.#heartbeat.add(connection);
    this.#connections.add(connection);
    subscription.attach(connection, rawEncoding);
  }

  /** Every websocket, to close it as the endpoint does when it stops. */
  get closable(): readonly Closable[] {
    return this.#connections.closable(closings.shutdown);
  }

  /** Closes every websocket with the reason. */
  closeAll(closing: Closing, graceMs: number): void {
    for (const each of this.#connections.closable(closing)) each.close(graceMs);
  }

  /** Resolves when the last websocket has gone; they are closed by somebody else. */
  async stop(): Promise<void> {
    await this.#connections.whenEmpty();
    this.#heartbeat.stop();
  }
}
