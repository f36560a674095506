/** Servers and loads as processes of their own, each on one core, and what they have used. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, platform, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { eventually } from "../../test/support/eventually.ts";
import { NatsServer } from "../../test/support/nats.ts";
import { freePort } from "../../test/support/ports.ts";
import type { Dialect } from "./clients.ts";
import type { Done, Order, PayloadKind } from "./load.ts";
import type { Usage, UsageQuestion } from "./usage.ts";

const here = import.meta.dirname;
/** Servers on one core; loads, nats-server and this process on another. */
const cores = { servers: "0", rest: "1" } as const;
const pinned = platform() === "linux" && availableParallelism() > 1;
/** A folder for CPU profiles of the gateway, one for each part that is measured. */
const profiles = process.env["BENCH_PROFILES"];

export interface ServerKind {
  readonly name: string;
  readonly dialect: Dialect;
  /** The namespace of its channels, with the colon. */
  readonly namespace: string;
  /** Its clients ask for deltas. */
  readonly delta?: boolean;
  readonly program: (natsUrl: string, port: number) => readonly string[];
  /** Answers 200 as soon as clients can come; without it an open port is enough. */
  readonly readyPath?: string;
}

const bare = (name: string, mode: string): ServerKind => ({
  name,
  dialect: "centrifuge",
  namespace: "",
  program: (natsUrl, port) => [join(here, "bare.ts"), natsUrl, String(port), mode],
});

const gateway = (
  name: string,
  namespace: string,
  dialect: Dialect = "centrifuge",
  delta = false,
): ServerKind => ({
  ...{ name, dialect, namespace, delta },
  program: () => [join(here, "../../apps/ws/main.ts")],
  readyPath: "/healthz/ready",
});

export const kinds = {
  bare: bare("bare ws", "coalesced"),
  atOnce: bare("bare ws, at once", "at-once"),
  socketIo: {
    name: "Socket.IO on NATS",
    dialect: "socket.io",
    namespace: "",
    program: (natsUrl, port) => [join(here, "socket-io.ts"), natsUrl, String(port)],
  },
  gateway: gateway("gateway", ""),
  history: gateway("gateway, history", "hist:"),
  protobuf: gateway("protobuf", "", "protobuf"),
  httpStream: gateway("HTTP stream", "", "http_stream"),
  httpStreamProtobuf: gateway("HTTP stream, protobuf", "", "http_stream, protobuf"),
  sse: gateway("server-sent events", "", "sse"),
  whole: gateway("JSON, whole", "delta:"),
  delta: gateway("JSON, delta", "delta:", "centrifuge", true),
  wholeProtobuf: gateway("protobuf, whole", "delta:", "protobuf"),
  deltaProtobuf: gateway("protobuf, delta", "delta:", "protobuf", true),
} as const satisfies Record<string, ServerKind>;

/** Of the server API. */
export const apiKey = "a key of the benchmark";

/** No tokens and no limits that the load would meet; everything else is as by default. */
const gatewayConfig = {
  client: { insecure: true, command_rate_limit: 0 },
  channel: {
    namespaces: [
      { name: "hist", history_size: 100, history_ttl: "10m", force_recovery: true },
      { name: "delta", allowed_delta_types: ["fossil"], delta_publish: true },
    ],
  },
  http_stream: { enabled: true },
  sse: { enabled: true },
  http_api: { key: apiKey },
};

/** Asks a child over IPC and fails if it ends before it answers. */
async function ask<T>(child: ChildProcess, question: UsageQuestion | Order): Promise<T> {
  const stop = new AbortController();
  try {
    child.send(question);
    const ended = once(child, "exit", stop).then(() => {
      throw new Error("a process of the benchmark ended before its work was done");
    });
    const [answer] = (await Promise.race([once(child, "message", stop), ended])) as [T];
    return answer;
  } finally {
    stop.abort();
  }
}

/** All processes of a benchmark; `await using` ends them. */
export class Bench implements AsyncDisposable {
  readonly nats: NatsServer;
  readonly #folder: string;
  readonly #children: ChildProcess[] = [];
  readonly #kill = (): void => {
    for (const child of this.#children) child.kill("SIGKILL");
  };
  #servers = 0;

  private constructor(nats: NatsServer, folder: string) {
    this.nats = nats;
    this.#folder = folder;
    // Nothing of a benchmark outlives it, however it ends.
    process.once("exit", this.#kill);
  }

  static async start(): Promise<Bench> {
    const folder = await mkdtemp(join(tmpdir(), "bench-gateway-"));
    const config = `jetstream { store_dir: ${JSON.stringify(join(folder, "jetstream"))} }`;
    const nats = await NatsServer.start({ config });
    if (pinned) {
      for (const pid of [nats.pid, process.pid]) {
        execFileSync("taskset", ["-acp", cores.rest, String(pid)], { stdio: "ignore" });
      }
    }
    return new Bench(nats, folder);
  }

  async server(kind: ServerKind): Promise<Server> {
    const port = await freePort();
    const logFile = join(this.#folder, `${kind.name}-${port}.log`);
    const child = this.#spawn(
      cores.servers,
      ["--expose-gc", "--import", pathToFileURL(join(here, "usage.ts")).href].concat(
        kind.program(this.nats.url, port),
      ),
      openSync(logFile, "w"),
      {
        HOST: "127.0.0.1",
        PORT: String(port),
        NATS_URL: this.nats.url,
        WS_CONFIG: JSON.stringify(gatewayConfig),
      },
    );
    await eventually(`${kind.name} takes connections`, async () => {
      if (child.exitCode !== null) {
        throw new Error(`${kind.name} ended: ${readFileSync(logFile, "utf8").slice(-2_000)}`);
      }
      const answer = await fetch(`http://127.0.0.1:${port}${kind.readyPath ?? "/"}`);
      return kind.readyPath === undefined || answer.ok;
    });
    // Servers must not get each other's messages; one digit, so that all get as many bytes.
    this.#servers += 1;
    return new Server(kind, port, child, `${kind.namespace}${this.#servers}.`);
  }

  load(): Load {
    return new Load(this.#spawn(cores.rest, [join(here, "load.ts")], "inherit"), this.nats.url);
  }

  /** Starts a server of the kind, and a load whose clients are connected to it. */
  async subject(kind: ServerKind, clients: OpenOptions): Promise<Subject> {
    const server = await this.server(kind);
    const load = this.load();
    await load.open(server, clients);
    return { server, load };
  }

  #spawn(
    core: string,
    args: readonly string[],
    stdout: number | "inherit",
    env: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    const command = [process.execPath, ...args];
    const [file = "", ...rest] = pinned ? ["taskset", "-c", core, ...command] : command;
    const child = spawn(file, rest, {
      env: { ...process.env, ...env },
      stdio: ["ignore", stdout, "inherit", "ipc"],
    });
    this.#children.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    process.off("exit", this.#kill);
    await this.nats[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export interface Subject {
  readonly server: Server;
  readonly load: Load;
}

export class Server {
  readonly kind: ServerKind;
  readonly port: number;
  /** What the names of its channels begin with. */
  readonly channelPrefix: string;
  readonly #child: ChildProcess;

  constructor(kind: ServerKind, port: number, child: ChildProcess, channelPrefix: string) {
    this.kind = kind;
    this.port = port;
    this.channelPrefix = channelPrefix;
    this.#child = child;
  }

  /** Memory in use, after garbage was collected. */
  async memory(): Promise<Usage> {
    return ask<Usage>(this.#child, { ask: "memory" });
  }

  /**
   * How long the server's main thread has been ready to run and had no core, milliseconds: who else
   * works on this machine. Not a number where that is not known.
   */
  waitedMs(): number {
    try {
      const [, waitedNs] = readFileSync(`/proc/${this.#child.pid ?? 0}/schedstat`, "utf8").split(
        " ",
      );
      return Number(waitedNs) / 1e6;
    } catch {
      return Number.NaN;
    }
  }

  /** CPU time that the work takes the server, in microseconds. */
  async cpuOf<T>(what: string, work: () => Promise<T>): Promise<{ cpuUs: number; result: T }> {
    const profiled = profiles !== undefined && this.kind.readyPath !== undefined;
    if (profiled) await ask(this.#child, { ask: "profile" });
    const before = await this.#cpu();
    const result = await work();
    const cpuUs = (await this.#cpu()) - before;
    if (profiled) {
      mkdirSync(profiles, { recursive: true });
      const file = join(profiles, `${what}-${this.kind.name}.cpuprofile`.replaceAll(/[ ,]+/g, "-"));
      await ask(this.#child, { ask: "profiled", file });
    }
    return { cpuUs, result };
  }

  /** Resolves when the server has nothing left to do. */
  async idle(): Promise<void> {
    const quietUs = 5_000;
    let last = await this.#cpu();
    for (let tries = 0; tries < 100; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const now = await this.#cpu();
      if (now - last < quietUs) return;
      last = now;
    }
    throw new Error(`${this.kind.name} did not become idle`);
  }

  async #cpu(): Promise<number> {
    return (await ask<Usage>(this.#child, { ask: "cpu" })).cpuUs;
  }
}

export interface OpenOptions {
  readonly count: number;
  readonly channels: readonly string[];
  readonly atATime?: number;
  readonly recover?: boolean;
  readonly payload?: PayloadKind;
}

export class Load {
  readonly #child: ChildProcess;
  readonly #natsUrl: string;

  constructor(child: ChildProcess, natsUrl: string) {
    this.#child = child;
    this.#natsUrl = natsUrl;
  }

  async open(server: Server, options: OpenOptions): Promise<Done> {
    const { kind, port, channelPrefix } = server;
    return this.obey({
      do: "open",
      port,
      natsUrl: this.#natsUrl,
      dialect: kind.dialect,
      delta: kind.delta === true,
      atATime: 200,
      ...options,
      channels: options.channels.map((channel) => channelPrefix + channel),
    });
  }

  async obey(order: Order): Promise<Done> {
    return ask<Done>(this.#child, order);
  }
}
