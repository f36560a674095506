import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { BusError } from "../../lib/bus.ts";
import { within } from "../../lib/within.ts";
import { type Admission, type Refusal, unavailable } from "../admission.ts";
import type { Tokens } from "../auth/deferred-tokens.ts";
import type { ChannelSubscription } from "../broker.ts";
import type { ChannelRules } from "../channel/rules.ts";
import type { ChannelMessage } from "../channel-message.ts";
import type { ProtocolEndpoint } from "../client/endpoint.ts";
import type { GatewayConfig } from "../config/options.ts";
import type { GatewayLimits } from "../gateway-limits.ts";
import type { HubSubscription } from "../hub.ts";
import type { Metrics } from "../metrics.ts";
import { isOriginAllowed } from "../origin.ts";
import type { RawEndpoint } from "../raw/endpoint.ts";
import { admitRaw } from "../raw/identity.ts";
import type { Shared } from "../shared.ts";
import { chooseSubprotocol, websocketWire } from "../transport/wire.ts";
import { readUpgrade, refuseUpgrade, type Wanted } from "./request.ts";

export interface UpgradesOptions {
  readonly config: GatewayConfig;
  readonly limits: GatewayLimits;
  readonly shared: Shared;
  readonly rules: ChannelRules;
  readonly tokens: Tokens;
  readonly metrics: Metrics;
  readonly admission: Admission;
  readonly raw: RawEndpoint;
  readonly protocol: ProtocolEndpoint;
}

/** Turns requests for websockets into connections of the two endpoints, or refuses them. */
export class Upgrades {
  readonly #options: UpgradesOptions;
  readonly #rawWebsockets: WebSocketServer;
  readonly #protocolWebsockets: WebSocketServer;

  constructor(options: UpgradesOptions) {
    this.#options = options;
    const { maxMessageBytes, maxFragments, maxBufferedChunks } = options.limits;
    const websocketOptions = {
      noServer: true,
      clientTracking: false,
      maxPayload: maxMessageBytes,
      maxFragments,
      maxBufferedChunks,
      // Compression costs eight times the CPU of a delivery, and 250 KB per socket.
      perMessageDeflate: false,
    };
    this.#rawWebsockets = new WebSocketServer(websocketOptions);
    this.#protocolWebsockets = new WebSocketServer({
      ...websocketOptions,
      handleProtocols: chooseSubprotocol,
    });
  }

  attach(server: Server): void {
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#upgrade(request, socket, head);
    });
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { config, admission, shared } = this.#options;
    // Until the websocket takes over, an error of the socket would have nobody to handle it.
    const ignore = (): void => undefined;
    socket.on("error", ignore);
    const wanted = readUpgrade(request, config.websocket.handler_prefix);
    if ("status" in wanted) {
      this.#refuse(socket, "protocol", wanted);
      return;
    }
    const refusal = this.#forbidden(request, wanted) ?? admission.refusal();
    if (refusal !== undefined) {
      this.#refuse(socket, wanted.endpoint, refusal);
      return;
    }
    if (wanted.endpoint === "protocol") {
      socket.off("error", ignore);
      this.#openProtocol(request, socket, head, wanted.query);
      return;
    }
    try {
      const refused = await admission.opening((late) =>
        this.#openRaw(request, socket, head, { wanted, ignore, late }),
      );
      if (refused !== undefined) this.#refuse(socket, "raw", refused);
    } catch (error) {
      shared.log.error({ err: error }, "bug: an upgrade failed");
      socket.destroy();
    }
  }

  #openProtocol(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    query: URLSearchParams,
  ): void {
    this.#protocolWebsockets.handleUpgrade(request, socket, head, (websocket) => {
      this.#options.protocol.openWebsocket(websocket, socket, {
        wire: websocketWire(websocket.protocol, query),
        headers: request.headers,
        query,
      });
    });
  }

  async #openRaw(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    {
      wanted,
      ignore,
      late,
    }: {
      readonly wanted: Extract<Wanted, { endpoint: "raw" }>;
      readonly ignore: () => void;
      readonly late: () => Refusal | undefined;
    },
  ): Promise<Refusal | undefined> {
    const { config, rules, tokens, shared, limits, metrics, raw } = this.#options;
    const admitted = await admitRaw(request, wanted, {
      client: config.client,
      rules,
      verify: (token) => tokens.verifyConnection(token),
    });
    if ("status" in admitted) return admitted;
    let subscription: HubSubscription<ChannelMessage, ChannelSubscription> | undefined;
    try {
      subscription = shared.hub.subscribe(admitted.topic);
      // Whoever has its 101 misses nothing that is published from then on.
      await within(
        subscription.confirmed,
        limits.subscribeMs,
        () => new BusError("unavailable", "NATS did not confirm the subscription in time"),
      );
      const refusal = late();
      if (refusal !== undefined) return refusal;
      socket.off("error", ignore);
      const granted = subscription;
      this.#rawWebsockets.handleUpgrade(request, socket, head, (websocket) => {
        metrics.opened("raw");
        raw.open(websocket, socket, admitted, granted);
      });
      return undefined;
    } catch (error) {
      if (error instanceof BusError) return unavailable(error.message);
      throw error;
    } finally {
      if (subscription?.attached === false) subscription.unsubscribe();
    }
  }

  #refuse(socket: Duplex, endpoint: Wanted["endpoint"], refusal: Refusal): void {
    this.#options.metrics.refused(endpoint === "raw" ? "raw" : "websocket", refusal.status);
    refuseUpgrade(socket, refusal);
  }

  #forbidden({ headers }: IncomingMessage, wanted: Wanted): Refusal | undefined {
    const { raw, websocket, client } = this.#options.config;
    if (wanted.endpoint === "raw" ? raw.disabled : websocket.disabled) {
      return { status: 404, code: "not_found", message: "this endpoint is switched off" };
    }
    if (!isOriginAllowed(headers.origin, headers.host, client.allowed_origins)) {
      return { status: 403, code: "forbidden_origin", message: "this origin is not allowed" };
    }
    return undefined;
  }
}
