/** NATS machines: one nats-server process each. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Addresses } from "./addresses.ts";
import type { Keeper } from "./keeper-client.ts";
import type { Log, Logs } from "./logs.ts";
import { translateNatsConfig } from "./nats-translate.ts";
import { loopback } from "./ports.ts";
import { bareEnvironment, Supervised, type SupervisedLimits } from "./supervised.ts";

export interface NatsNode {
  /** The machine's name, e.g. `nats-0`. */
  readonly name: string;
  /** Its static internal address, as declared. */
  readonly address: string;
  /** nats-server's configuration as the machine would get it. */
  readonly config: string;
  /** The version of its image, e.g. `2.15.1`; undefined when cloud-init names none. */
  readonly version: string | undefined;
  /** Name of the disk with its data; undefined when the data goes with the machine. */
  readonly disk: string | undefined;
}

export interface NatsOptions {
  /** The nats-server of that version; asked for when a node starts. */
  readonly binary: (version: string | undefined) => Promise<string>;
  readonly folder: string;
  readonly addresses: Addresses;
  readonly keeper: Keeper;
  readonly logs: Logs;
  readonly limits?: Partial<SupervisedLimits>;
}

/** nats-server's own last words take a moment; a grace longer than this would be its lame duck's. */
const natsGraceMs = 1_500;

export class Nats {
  readonly #options: NatsOptions;
  /** In the order of their start. */
  readonly #nodes = new Map<string, { node: NatsNode; server: Supervised }>();

  constructor(options: NatsOptions) {
    this.#options = options;
  }

  /** The process of a node, for tests and for the list of what runs. */
  pid(name: string): number | undefined {
    return this.#nodes.get(name)?.server.pid;
  }

  /** The processes, by the names of their machines. */
  get servers(): ReadonlyMap<string, Supervised> {
    return new Map([...this.#nodes].map(([name, { server }]) => [name, server]));
  }

  /** Starts a node, or restarts one whose configuration changed; the same ports and data. */
  async put(node: NatsNode): Promise<void> {
    const { addresses, folder, keeper, logs } = this.#options;
    addresses.declare(node.address);
    const [clientPort, monitorPort, clusterPort] = await Promise.all([
      addresses.port(node.address, 4222),
      addresses.port(node.address, 8222),
      addresses.port(node.address, 6222),
    ]);
    const routePorts = new Map<string, number>();
    for (const [address] of node.config.matchAll(/\d+\.\d+\.\d+\.\d+/g)) {
      if (addresses.has(address)) routePorts.set(address, await addresses.port(address, 6222));
    }
    const home = join(folder, node.name);
    const config = translateNatsConfig(node.config, {
      clientPort,
      monitorPort,
      clusterPort,
      storeFolder: this.#store(node),
      routePort: (address) => routePorts.get(address),
    });
    const binary = await this.#options.binary(node.version);
    await this.#nodes.get(node.name)?.server.stop();
    await mkdir(home, { recursive: true });
    const file = join(home, "nats-server.conf");
    await writeFile(file, config);

    const note = logs.of("cloud");
    note(`starting nats-server ${node.name}: ${node.address}:4222 is ${loopback}:${clientPort}`);
    const server = new Supervised({
      name: node.name,
      keeper,
      log: readable(logs.of(node.name)),
      note,
      limits: { ...this.#options.limits, graceMs: natsGraceMs },
      launch: () =>
        Promise.resolve({
          file: binary,
          args: ["--config", file],
          cwd: home,
          env: bareEnvironment(),
          ready: (signal) => greeted(clientPort, signal),
        }),
    });
    // Known before it serves, so that a stop meanwhile finds it.
    this.#nodes.set(node.name, { node, server });
    try {
      await server.start();
    } catch (error) {
      this.#nodes.delete(node.name);
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    const entry = this.#nodes.get(name);
    if (entry === undefined) return;
    this.#nodes.delete(name);
    await entry.server.stop();
    await rm(join(this.#options.folder, name), { recursive: true, force: true });
    // The disk of the others outlives the machine.
    if (entry.node.disk === undefined) {
      await rm(this.#store(entry.node), { recursive: true, force: true });
    }
  }

  async removeDisk(disk: string): Promise<void> {
    await rm(join(this.#options.folder, "disks", disk), { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    const servers = [...this.#nodes.values()].reverse();
    this.#nodes.clear();
    await Promise.all(servers.map(({ server }) => server.stop()));
  }

  #store(node: NatsNode): string {
    return node.disk === undefined
      ? join(this.#options.folder, "machines", node.name)
      : join(this.#options.folder, "disks", node.disk);
  }
}

/** nats-server's lines without process number and time, and without its banner and farewell. */
function readable(log: Log): Log {
  const severities: Readonly<Record<string, string>> = {
    WRN: "WARNING",
    ERR: "ERROR",
    FTL: "CRITICAL",
  };
  let banner = true;
  return (line) => {
    const parsed = /^\[\d+\] [\d/]+ [\d:.]+ \[([A-Z]{3})\] (.*)$/.exec(line);
    const [, level = "", message = line] = parsed ?? [];
    if (/^(Starting nats-server|Trapped )/.test(message)) banner = true;
    if (message === "Server is ready") banner = false;
    if (level === "INF" && banner) return;
    log(parsed ? JSON.stringify({ severity: severities[level] ?? "INFO", message }) : line);
  };
}

/** Resolves when the server greets a client with its INFO line. */
async function greeted(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (await greets(port)) return;
    await wait(20);
  }
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: loopback });
    const answer = (value: boolean): void => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(1_000, () => {
      answer(false);
    });
    socket.once("data", (chunk) => {
      answer(chunk.toString("latin1").startsWith("INFO "));
    });
    socket.once("error", () => {
      answer(false);
    });
    socket.once("close", () => {
      resolve(false);
    });
  });
}
