import { SignJWT } from "jose";
import { connect, headers, type NatsConnection } from "nats";
import { eventually } from "./eventually.ts";
import { JetStreamServer, startGatewayProcess, subjectOf } from "./gateway-process.ts";
import type { NatsServer } from "./nats.ts";
import type { ServiceProcess } from "./process.ts";

export const hmacKey = "a key that only tests know";

/** A token for tests. */
export function token(claims: Readonly<Record<string, unknown>>, key = hmacKey): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(Buffer.from(key));
}

/** Seconds since 1970, as tokens have them. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds;
}

/** Two gateways in processes of their own, the nats-server that they share, and a client of it. */
export class GatewayPair implements AsyncDisposable {
  readonly nats: NatsServer;
  readonly publisher: NatsConnection;
  readonly gateways: ServiceProcess[];
  readonly ports: number[];
  readonly #config: object;
  readonly #main: string | undefined;
  readonly #jetStream: JetStreamServer;
  #channels = 0;

  private constructor(
    config: object,
    main: string | undefined,
    jetStream: JetStreamServer,
    publisher: NatsConnection,
    gateways: ServiceProcess[],
    ports: number[],
  ) {
    this.#config = config;
    this.#main = main;
    this.#jetStream = jetStream;
    this.nats = jetStream.server;
    this.publisher = publisher;
    this.gateways = gateways;
    this.ports = ports;
  }

  /** @param main the program; the bundle of `apps/ws` as it is by default */
  static async start(config: object, main?: string): Promise<GatewayPair> {
    const jetStream = await JetStreamServer.start();
    const gateways = [1, 2].map(() => startGatewayProcess(jetStream.server.url, config, main));
    try {
      await Promise.all(gateways.map((gateway) => gateway.ready()));
      const ports = await Promise.all(gateways.map((gateway) => gateway.port()));
      const publisher = await connect({
        servers: jetStream.server.url,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 50,
      });
      return new GatewayPair(config, main, jetStream, publisher, gateways, ports);
    } catch (error) {
      const output = gateways.map((gateway) => gateway.describe()).join("\n");
      await Promise.all(gateways.map((gateway) => gateway[Symbol.asyncDispose]()));
      await jetStream[Symbol.asyncDispose]();
      throw new Error(`the gateways did not start:\n${output}`, { cause: error });
    }
  }

  /** The port of the first or the second gateway. */
  port(index: 0 | 1): number {
    return this.ports[index] ?? 0;
  }

  gateway(index: 0 | 1): ServiceProcess {
    const gateway = this.gateways[index];
    if (gateway === undefined) throw new Error(`there is no gateway ${index}`);
    return gateway;
  }

  /** A counter among the metrics of a gateway, e.g. `gateway_slow_closes_total{transport="raw"}`; 0: not there. */
  async counter(index: 0 | 1, name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.port(index)}/metrics`)).text();
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length) ?? 0);
  }

  /** The sum of a counter of a gateway over all its labels. */
  async total(index: 0 | 1, name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.port(index)}/metrics`)).text();
    const lines = text.split("\n").filter((each) => each.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** A channel that no other test uses. */
  channel(namespace = ""): string {
    return `${namespace === "" ? "" : `${namespace}:`}channel-${++this.#channels}`;
  }

  /** Publishes as a service does that knows NATS alone. */
  publish(
    channel: string,
    payload: string | Uint8Array,
    tags: Readonly<Record<string, string>> = {},
  ): void {
    const labels = headers();
    if (Object.keys(tags).length > 0) labels.set("Centrifuge-Tags", JSON.stringify(tags));
    this.publisher.publish(subjectOf(channel), payload, { headers: labels });
  }

  /** Kills NATS, and starts it again without anything that it had stored. */
  async wipe(): Promise<void> {
    await this.#jetStream.wipe();
  }

  /** Starts another gateway in the place of one that has ended. */
  async restart(index: 0 | 1): Promise<void> {
    await this.gateways[index]?.[Symbol.asyncDispose]();
    const gateway = startGatewayProcess(this.nats.url, this.#config, this.#main);
    this.gateways[index] = gateway;
    await gateway.ready();
    this.ports[index] = await gateway.port();
    await eventually("the other gateway answers", async () => {
      const port = this.ports[1 - index];
      return (await fetch(`http://127.0.0.1:${port}/healthz/ready`)).ok;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Gateways are stopped, perhaps, and so is NATS.
    for (const gateway of this.gateways) gateway.signal("SIGCONT");
    await this.nats.signal("SIGCONT");
    await this.publisher.close();
    await Promise.all(this.gateways.map((gateway) => gateway[Symbol.asyncDispose]()));
    await this.#jetStream[Symbol.asyncDispose]();
  }
}
