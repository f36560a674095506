import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Centrifuge, type Options } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { EventSource } from "eventsource";
import { WebSocket } from "ws";
import { type ClientKind, clientKinds } from "./client-kind.ts";
import { bundleWith } from "./mutant.ts";
import { NatsServer } from "./nats.ts";
import { ServiceProcess } from "./process.ts";

/** A nats-server whose streams outlive it, so that it can be killed and started again. */
export class JetStreamServer implements AsyncDisposable {
  readonly server: NatsServer;
  readonly #folder: string;

  private constructor(server: NatsServer, folder: string) {
    this.server = server;
    this.#folder = folder;
  }

  static async start(config = ""): Promise<JetStreamServer> {
    const folder = await mkdtemp(join(tmpdir(), "jetstream-"));
    const jetStream = `jetstream { store_dir: ${JSON.stringify(folder)} }`;
    const server = await NatsServer.start({ config: `${jetStream}\n${config}` });
    return new JetStreamServer(server, folder);
  }

  /** Kills it, and starts it again without anything that it had stored. */
  async wipe(): Promise<void> {
    await this.server.signal("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
    await this.server.restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The gateway as it is deployed, bundled once for this process: it starts sooner than its sources. */
export const bundledGateway = ((): (() => string) => {
  let file: string | undefined;
  return () => (file ??= bundleWith("ws"));
})();

/**
 * Starts a gateway in a process of its own.
 *
 * @param config as in `WS_CONFIG`
 * @param main the program; the bundle of `apps/ws` as it is by default
 */
export function startGatewayProcess(
  natsUrl: string,
  config: object,
  main = bundledGateway(),
): ServiceProcess {
  return new ServiceProcess(main, { NATS_URL: natsUrl, WS_CONFIG: JSON.stringify(config) });
}

export interface ClientOptions extends Options {
  /** JSON on a websocket by default. */
  readonly kind: ClientKind;
  /** To which port commands go that follow a stream; the stream's by default. */
  readonly emulationPort: number;
}

/** The npm client, as it is; it reconnects faster than it would for a person, and waits longer for answers. */
export function centrifuge(
  port: number,
  { kind = clientKinds.jsonWebsocket, emulationPort, ...options }: Partial<ClientOptions> = {},
): Centrifuge {
  const { transport, encoding } = kind;
  const path = `//127.0.0.1:${port}/connection/${transport}`;
  // Both classes are the same but for what the protobuf one brings along; their types do not know of each other.
  const Client =
    encoding === "json" ? Centrifuge : (ProtobufCentrifuge as unknown as typeof Centrifuge);
  return new Client(
    transport === "websocket" ? `ws:${path}` : [{ transport, endpoint: `http:${path}` }],
    {
      websocket: WebSocket,
      eventsource: EventSource,
      fetch,
      readableStream: ReadableStream,
      emulationEndpoint: `http://127.0.0.1:${emulationPort ?? port}/emulation`,
      minReconnectDelay: 50,
      maxReconnectDelay: 500,
      timeout: 30_000,
      ...options,
    },
  );
}

/** The subject that a service without the protocol publishes on. */
export function subjectOf(channel: string): string {
  const boundary = channel.indexOf(":");
  if (boundary === -1) return `t.${channel}`;
  return `n.${channel.slice(0, boundary)}.${channel.slice(boundary + 1)}`;
}
