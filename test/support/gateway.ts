import type { AddressInfo } from "node:net";
import { connect, type NatsConnection } from "nats";
import { WebSocket } from "ws";
import { NatsBus, type NatsBusLimits } from "../../apps/lib/nats-bus.ts";
import { createHttpServer } from "../../apps/lib/server.ts";
import { TokenVerifier } from "../../apps/ws/auth/tokens.ts";
import { decodeConfig } from "../../apps/ws/config/options.ts";
import type { GatewayLimits } from "../../apps/ws/gateway-limits.ts";
import { Gateway, type GatewayOptions, inboxPrefix } from "../../apps/ws/gateway.ts";
import { collectingLog } from "./collecting-log.ts";
import { eventually } from "./eventually.ts";
import { NatsServer } from "./nats.ts";

export { collectingLog };

/** The environment of a gateway that lets everybody do everything. */
export const openGateway: Readonly<Record<string, string>> = {
  WS_CONFIG: JSON.stringify({ client: { insecure: true } }),
};

/** What a gateway is made of according to its options; the default lets everybody do everything. */
export function gatewayParts(
  options: unknown = { client: { insecure: true } },
): Pick<GatewayOptions, "config" | "tokens"> {
  const config = decodeConfig(options);
  const verifier = new TokenVerifier(config.client);
  return {
    config,
    tokens: {
      obstacle: undefined,
      verifyConnection: (token) => verifier.verifyConnection(token),
      verifySubscription: (token) => verifier.verifySubscription(token),
    },
  };
}

/** A gateway in this process, with a nats-server of its own and a client to publish with. */
export interface RunningGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly bus: NatsBus;
  readonly nats: NatsServer;
  readonly publisher: NatsConnection;
  /** What was published on channels without a namespace, whoever did. */
  readonly published: readonly string[];
  readonly port: number;
  readonly lines: readonly string[];
  url(topic: string): string;
}

/**
 * @param options.config of nats-server
 * @param options.gateway the gateway's options; the default lets everybody do everything
 */
export async function startGateway({
  limits = {},
  busLimits = {},
  config = "",
  jetStream = false,
  gateway: options,
}: {
  limits?: Partial<GatewayLimits>;
  busLimits?: Partial<NatsBusLimits>;
  config?: string;
  jetStream?: boolean;
  gateway?: unknown;
} = {}): Promise<RunningGateway> {
  const nats = await NatsServer.start({ config, jetStream });
  const { log, lines } = collectingLog();
  const bus = new NatsBus({
    name: "gateway",
    servers: [nats.url],
    inboxPrefix,
    log,
    limits: busLimits,
  });
  const stopping = new AbortController();
  const gateway = new Gateway({
    ...gatewayParts(options),
    bus,
    log,
    signal: stopping.signal,
    limits,
  });
  const server = createHttpServer(gateway.handler);
  gateway.attach(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", 4_096, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const publisher = await connect({ servers: nats.url, reconnectTimeWait: 50 });
  const published: string[] = [];
  publisher.subscribe("t.>", {
    callback: (_error, message) => {
      published.push(message.string());
    },
  });
  await publisher.flush();
  await eventually("the gateway is connected to NATS", () => bus.connected);
  return {
    gateway,
    bus,
    nats,
    publisher,
    published,
    port,
    lines,
    url: (topic) => `ws://127.0.0.1:${port}/ws/${topic}`,
    async [Symbol.asyncDispose]() {
      await publisher.close();
      stopping.abort();
      await gateway.stop(50);
      await bus.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await nats[Symbol.asyncDispose]();
    },
  };
}

/** A websocket client that remembers what it received and how it was closed. */
export class Client {
  readonly websocket: WebSocket;
  readonly messages: string[] = [];
  closed: { code: number; reason: string } | undefined;

  constructor(websocket: WebSocket) {
    this.websocket = websocket;
    websocket.on("message", (data, isBinary) => {
      if (isBinary || !Buffer.isBuffer(data)) throw new Error("not a text frame");
      this.messages.push(data.toString("utf8"));
    });
    websocket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString("utf8") };
    });
    websocket.on("error", () => undefined);
  }

  /** Resolves once the upgrade was granted. */
  static async open(url: string, options: WebSocket.ClientOptions = {}): Promise<Client> {
    const websocket = new WebSocket(url, { perMessageDeflate: false, ...options });
    const client = new Client(websocket);
    await new Promise<void>((resolve, reject) => {
      websocket.once("open", resolve);
      websocket.once("error", reject);
    });
    return client;
  }

  async received(count: number): Promise<string[]> {
    await eventually(`${count} messages arrive`, () => this.messages.length >= count, {
      everyMs: 1,
    });
    return this.messages;
  }

  async closing(): Promise<{ code: number; reason: string }> {
    return eventually("the websocket is closed", () => this.closed);
  }
}
