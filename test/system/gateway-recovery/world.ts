/** Gateways whose surroundings can be disturbed. */
import { setTimeout as wait } from "node:timers/promises";
import { FrontDoor } from "../../support/front-door.ts";
import { JetStreamServer, startGatewayProcess } from "../../support/gateway-process.ts";
import { NatsWire } from "../../support/nats-wire.ts";
import type { NatsServer } from "../../support/nats.ts";
import type { ServiceProcess } from "../../support/process.ts";
import { Random } from "../../support/random.ts";

export const tokenKey = "a key that only tests know";

export interface WorldOptions {
  readonly gateways: number;
  /** `history_size`. */
  readonly size: number;
  /** The program; the bundle of `apps/ws` by default. */
  readonly main?: string | undefined;
  readonly seed?: number;
}

/** SIGTERM gives them this long; a process that takes much longer hangs. */
const drainMs = 1_000;
const stopLimitMs = drainMs + 4_000;

function configOf(size: number): object {
  const options = { history_size: size, history_ttl: "600s", force_recovery: true };
  return {
    client: {
      insecure: true,
      token: { hmac_secret_key: tokenKey },
      // A paused gateway is to be noticed within seconds.
      ping_interval: "2s",
      pong_timeout: "1500ms",
      recovery_max_publication_limit: 100_000,
      history_max_publication_limit: 100_000,
    },
    channel: {
      without_namespace: options,
      namespaces: [
        { name: "chat", ...options },
        { name: "zone", ...options },
      ],
    },
    http_stream: { enabled: true },
    sse: { enabled: true },
    shutdown: { timeout: `${drainMs}ms` },
  };
}

export class World implements AsyncDisposable {
  readonly nats: NatsServer;
  readonly door: FrontDoor;
  /** Between each gateway and NATS. */
  readonly wires: readonly NatsWire[];
  /** What no fault of ours explains. */
  readonly problems: string[] = [];
  readonly #jetStream: JetStreamServer;
  readonly #options: WorldOptions;
  readonly #gateways: (ServiceProcess | undefined)[] = [];
  readonly #ports: (number | undefined)[] = [];

  private constructor(
    options: WorldOptions,
    jetStream: JetStreamServer,
    door: FrontDoor,
    wires: readonly NatsWire[],
  ) {
    this.#options = options;
    this.#jetStream = jetStream;
    this.nats = jetStream.server;
    this.door = door;
    this.wires = wires;
  }

  static async start(options: WorldOptions): Promise<World> {
    const indexes = Array.from({ length: options.gateways }, (_, index) => index);
    const jetStream = await JetStreamServer.start();
    const wires = await Promise.all(indexes.map(() => NatsWire.to(jetStream.server.port)));
    const door = await FrontDoor.open(new Random(options.seed ?? 1));
    const world = new World(options, jetStream, door, wires);
    try {
      await Promise.all(indexes.map((index) => world.run(index, { ready: true })));
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  /** Starts the gateway of an index, and shows it to the load balancer. */
  async run(index: number, { ready = false } = {}): Promise<void> {
    const wire = this.wires[index];
    if (wire === undefined) throw new Error(`there is no gateway ${index}`);
    const { size, main } = this.#options;
    const gateway = startGatewayProcess(wire.url, configOf(size), main);
    this.#gateways[index] = gateway;
    gateway.child.once("exit", (code, signal) => {
      if (this.#gateways[index] !== gateway) return;
      this.door.remove(index);
      this.problems.push(`gateway ${index} ended by itself (${signal ?? code}): ${gateway.other}`);
    });
    this.#ports[index] = await gateway.port();
    if (ready) await gateway.ready();
    if (this.#gateways[index] === gateway) this.show(index);
  }

  /** Ends the process of an index. */
  async end(index: number, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const gateway = this.#gateways[index];
    if (gateway === undefined) return;
    this.#gateways[index] = undefined;
    if (signal === "SIGKILL") this.door.remove(index);
    const late = setTimeout(() => {
      this.problems.push(`gateway ${index} did not end within ${stopLimitMs} ms of ${signal}`);
      gateway.signal("SIGKILL");
    }, stopLimitMs);
    await gateway.end(signal);
    clearTimeout(late);
    this.door.remove(index);
    this.#complain(index, gateway);
  }

  signal(index: number, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#gateways[index]?.signal(signal);
  }

  /** The port of the gateway of an index. */
  port(index: number): number {
    const port = this.#ports[index];
    if (port === undefined) throw new Error(`gateway ${index} was never started`);
    return port;
  }

  show(index: number): void {
    if (this.#gateways[index] !== undefined) this.door.add(index, this.port(index));
  }

  /** Sends no new clients to the gateway of an index. */
  hide(index: number): void {
    this.door.remove(index);
  }

  /** What the gateways' own logs complain of. */
  complain(): void {
    for (const [index, gateway] of this.#gateways.entries()) {
      if (gateway !== undefined) this.#complain(index, gateway);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gateways = this.#gateways.splice(0);
    await Promise.all(gateways.map(async (gateway) => gateway?.[Symbol.asyncDispose]()));
    await this.door[Symbol.asyncDispose]();
    for (const wire of this.wires) await wire[Symbol.asyncDispose]();
    await this.#jetStream[Symbol.asyncDispose]();
  }

  #complain(index: number, gateway: ServiceProcess): void {
    const bad = gateway.logs.filter(
      ({ severity, message }) =>
        severity === "ERROR" || severity === "CRITICAL" || String(message).startsWith("bug"),
    );
    for (const record of bad) {
      this.problems.push(`gateway ${index} logged ${JSON.stringify(record)}`);
    }
    if (gateway.other !== "") this.problems.push(`gateway ${index} wrote ${gateway.other}`);
  }
}

/** Waits, or less long when the signal aborts. */
export async function rest(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
