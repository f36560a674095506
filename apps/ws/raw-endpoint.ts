import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Log } from "../lib/log.ts";
import { BacklogBudget } from "./backlog-budget.ts";
import type { Broker } from "./broker.ts";
import { type Closing, closings } from "./close-codes.ts";
import { textFrame } from "./frame.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Hub, type HubSubscription } from "./hub.ts";
import { RawConnection, type RawLimits } from "./raw-connection.ts";

export interface RawEndpointLimits extends RawLimits {
  /** What may wait for all peers together, each counted by itself though they share a message's bytes. */
  readonly maxTotalBacklogBytes: number;
  readonly pingIntervalMs: number;
  /** How long NATS may be away before everybody is told to reconnect. */
  readonly brokerGraceMs: number;
}

/** The raw endpoint: every websocket on a topic, from its upgrade to its end. */
export class RawEndpoint {
  readonly #broker: Broker;
  readonly #limits: RawEndpointLimits;
  readonly #log: Log;
  readonly #hub: Hub;
  readonly #budget: BacklogBudget;
  readonly #heartbeat: Heartbeat;
  readonly #connections = new Set<RawConnection>();
  readonly #paused = new Set<RawConnection>();
  readonly #stopWatching: () => void;
  #brokerAway: NodeJS.Timeout | undefined;
  #onEmpty: () => void = () => undefined;

  constructor(broker: Broker, limits: RawEndpointLimits, log: Log) {
    this.#broker = broker;
    this.#limits = limits;
    this.#log = log;
    this.#hub = new Hub(broker, textFrame);
    this.#budget = new BacklogBudget(limits.maxTotalBacklogBytes);
    this.#heartbeat = new Heartbeat({ intervalMs: limits.pingIntervalMs });
    broker.onLost = (confirmed) => {
      for (const connection of this.#connections) {
        if (connection.ticket > confirmed) connection.close(closings.lost);
      }
    };
    broker.onRoom = () => {
      for (const connection of this.#paused) connection.resume();
      this.#paused.clear();
    };
    this.#stopWatching = broker.onChange((connected) => {
      this.#brokerChanged(connected);
    });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get topicCount(): number {
    return this.#hub.topicCount;
  }

  get backlogBytes(): number {
    return this.#budget.totalBytes;
  }

  /**
   * Subscribes to a topic for a websocket that is about to be opened.
   *
   * @throws BusError when the bus is closed
   */
  subscribe(topic: string): HubSubscription {
    return this.#hub.subscribe(topic);
  }

  /** Takes over a websocket that has just been opened, and its subscription. */
  open(websocket: WebSocket, socket: Duplex, topic: string, subscription: HubSubscription): void {
    const connection = new RawConnection({
      websocket,
      socket,
      topic,
      broker: this.#broker,
      budget: this.#budget,
      limits: this.#limits,
      onClose: (closed, closing) => {
        subscription.unsubscribe();
        release();
        this.#connections.delete(closed);
        this.#paused.delete(closed);
        if (closing === closings.slow || closing === closings.crowded) {
          this.#log.warn({ topic, reason: closing.reason }, "slow websocket closed");
        }
        if (this.#connections.size === 0) this.#onEmpty();
      },
      onPause: (paused) => this.#paused.add(paused),
    });
    const release = this.#heartbeat.add(connection);
    this.#connections.add(connection);
    subscription.attach(connection);
  }

  /** Closes every websocket with 1001 and resolves when all are gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopWatching();
    clearTimeout(this.#brokerAway);
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
        this.#closeAll(closings.shutdown, graceMs);
      });
    }
    this.#heartbeat.stop();
  }

  #brokerChanged(connected: boolean): void {
    clearTimeout(this.#brokerAway);
    if (connected) return;
    this.#brokerAway = setTimeout(() => {
      this.#log.warn({ websockets: this.#connections.size }, "NATS is away, closing websockets");
      this.#closeAll(closings.noBroker, this.#limits.closeGraceMs);
    }, this.#limits.brokerGraceMs);
  }

  #closeAll(closing: Closing, graceMs: number): void {
    for (const connection of [...this.#connections]) connection.close(closing, graceMs);
  }
}
