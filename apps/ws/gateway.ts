import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { type Bus, BusError, connectionObstacle } from "../lib/bus.ts";
import { addHealthRoutes, stopping } from "../lib/health.ts";
import { createHttpApp, finishHttpApp, HttpError, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { within } from "../lib/within.ts";
import { Broker, type BrokerLimits } from "./broker.ts";
import type { HubSubscription } from "./hub.ts";
import { RawEndpoint, type RawEndpointLimits } from "./raw-endpoint.ts";
import { readUpgrade, type Refusal, refuseUpgrade } from "./upgrade.ts";

export interface GatewayLimits extends RawEndpointLimits, BrokerLimits {
  /** The longest message that a client may send. */
  readonly maxMessageBytes: number;
  /** How many fragments a message may have; each costs memory, an empty one too. */
  readonly maxFragments: number;
  /** In how many pieces, as the network delivers them, a frame may arrive; each costs memory. */
  readonly maxBufferedChunks: number;
  /** Open websockets and those about to open. */
  readonly maxWebsockets: number;
  /** How long NATS may take to confirm a subscription before the upgrade is answered with 503. */
  readonly subscribeMs: number;
}

export const defaultGatewayLimits: GatewayLimits = {
  maxMessageBytes: 65_536,
  maxFragments: 64,
  maxBufferedChunks: 1_024,
  maxBacklogBytes: 1_048_576,
  maxTotalBacklogBytes: 268_435_456,
  maxUnconfirmedBytes: 8_388_608,
  maxWebsockets: 20_000,
  subscribeMs: 5_000,
  pingIntervalMs: 25_000,
  // App Engine flexible cuts after 60 minutes.
  maxAgeMs: 3_300_000,
  brokerGraceMs: 10_000,
  closeGraceMs: 5_000,
  slowGraceMs: 1_000,
};

/**
 * What may wait for all websockets of an instance: a quarter of its memory.
 *
 * @param memoryMb App Engine's `GAE_MEMORY_MB`; absent or no number: the default limit
 */
export function totalBacklogBytes(memoryMb: string | undefined): number {
  const bytes = (Number(memoryMb) * 1_048_576) / 4;
  return bytes > 0 && Number.isFinite(bytes) ? bytes : defaultGatewayLimits.maxTotalBacklogBytes;
}

export interface GatewayOptions {
  readonly bus: Bus;
  readonly log: Log;
  /** Once it aborts, no more websockets are taken. */
  readonly signal: AbortSignal;
  readonly project?: string | undefined;
  readonly limits?: Partial<GatewayLimits>;
}

/** The websocket gateway; it does not listen. */
export class Gateway {
  readonly handler: RequestListener;
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #limits: GatewayLimits;
  readonly #raw: RawEndpoint;
  readonly #websockets: WebSocketServer;
  readonly #signal: AbortSignal;
  #opening = 0;

  constructor({ bus, log, signal, project, limits }: GatewayOptions) {
    this.#bus = bus;
    this.#log = log;
    this.#signal = signal;
    this.#limits = { ...defaultGatewayLimits, ...limits };
    this.#raw = new RawEndpoint(new Broker(bus, this.#limits), this.#limits, log);
    this.#websockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: this.#limits.maxMessageBytes,
      maxFragments: this.#limits.maxFragments,
      maxBufferedChunks: this.#limits.maxBufferedChunks,
      // Compression costs eight times the CPU of a delivery, and 250 KB per socket.
      perMessageDeflate: false,
    });

    const app = createHttpApp();
    addHealthRoutes(app, signal, () => connectionObstacle(bus));
    app
      .route("/ws/:topic")
      .get(() => {
        throw new HttpError(426, "upgrade_required", "this path speaks websocket only", {
          headers: { upgrade: "websocket", connection: "upgrade" },
        });
      })
      .all(onlyMethods("GET"));
    finishHttpApp(app, { log, project });
    this.handler = app;
  }

  /** Open websockets and the topics that are subscribed to for them. */
  get counts(): { readonly websockets: number; readonly topics: number } {
    return { websockets: this.#raw.connectionCount, topics: this.#raw.topicCount };
  }

  /** What waits for all websockets whose peers read slowly. */
  get backlogBytes(): number {
    return this.#raw.backlogBytes;
  }

  attach(server: Server): void {
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#upgrade(request, socket, head);
    });
  }

  /** Closes every websocket with 1001; called when the signal has aborted. */
  async stop(graceMs: number): Promise<void> {
    await this.#raw.stop(graceMs);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until the websocket takes over, an error of the socket would have nobody to handle it.
    const ignore = (): void => undefined;
    socket.on("error", ignore);
    const wanted = readUpgrade(request);
    const refusal = "topic" in wanted ? this.#unavailable() : wanted;
    if (refusal !== undefined || !("topic" in wanted)) {
      if (refusal !== undefined) refuseUpgrade(socket, refusal);
      return;
    }

    const { topic } = wanted;
    let subscription: HubSubscription | undefined;
    this.#opening += 1;
    try {
      subscription = this.#raw.subscribe(topic);
      // Whoever has its 101 misses nothing that is published from then on.
      await within(
        subscription.confirmed,
        this.#limits.subscribeMs,
        () => new BusError("unavailable", "NATS did not confirm the subscription in time"),
      );
      const late = this.#unavailable(1);
      if (late !== undefined) {
        refuseUpgrade(socket, late);
        return;
      }
      socket.off("error", ignore);
      const granted = subscription;
      this.#websockets.handleUpgrade(request, socket, head, (websocket) => {
        this.#raw.open(websocket, socket, topic, granted);
      });
    } catch (error) {
      if (!(error instanceof BusError)) {
        this.#log.error({ err: error }, "bug: an upgrade failed");
        socket.destroy();
        return;
      }
      refuseUpgrade(socket, unavailable(error.message));
    } finally {
      this.#opening -= 1;
      if (subscription?.attached === false) subscription.unsubscribe();
    }
  }

  /** @param own how many of the upgrades under way are the caller's own */
  #unavailable(own = 0): Refusal | undefined {
    const reason = this.#signal.aborted ? stopping : connectionObstacle(this.#bus);
    if (reason !== undefined) return unavailable(reason);
    const open = this.#raw.connectionCount + this.#opening - own;
    return open < this.#limits.maxWebsockets
      ? undefined
      : unavailable(`this instance holds its ${this.#limits.maxWebsockets} websockets already`);
  }
}

function unavailable(message: string): Refusal {
  return { status: 503, code: "unavailable", message, headers: { "retry-after": "1" } };
}
