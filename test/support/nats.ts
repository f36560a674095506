import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { provideNatsServer, thisMachine } from "../../local/tools/nats-server.ts";
import { halted } from "./alive.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./ports.ts";

/** What `/subsz`, `/connz` and `/varz` say, as far as tests ask. */
export interface NatsCounts {
  /** Subscriptions of clients; the server's own are in other accounts. */
  readonly subscriptions: number;
  readonly connections: number;
  /** Messages that clients have published since the server started. */
  readonly messagesIn: number;
}

/** A real nats-server that a test owns; `await using` ends it. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly monitorPort: number;
  readonly #file: string;
  readonly #folder: string;
  readonly #config: string;
  #child: ChildProcess | undefined;
  #output = "";

  private constructor(
    file: string,
    folder: string,
    config: string,
    port: number,
    monitorPort: number,
  ) {
    this.#file = file;
    this.#folder = folder;
    this.#config = config;
    this.port = port;
    this.monitorPort = monitorPort;
  }

  /**
   * Starts a server on free ports and waits until it takes connections.
   *
   * @param options.config further settings, one per line, in nats-server's own language
   * @param options.jetStream whether it keeps streams, which a restart leaves
   */
  static async start({
    config = "",
    jetStream = false,
  }: { config?: string; jetStream?: boolean } = {}): Promise<NatsServer> {
    const file = await provideNatsServer(
      thisMachine((line) => {
        console.error(line);
      }),
    );
    const folder = await mkdtemp(join(tmpdir(), "nats-test-"));
    const streams = jetStream
      ? `jetstream { store_dir: ${JSON.stringify(join(folder, "js"))} }\n`
      : "";
    const all = streams + config;
    const server = new NatsServer(file, folder, all, await freePort(), await freePort());
    await server.restart();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("nats-server is not running");
    return pid;
  }

  /** Starts the server again on the same ports; it must not be running. */
  async restart(): Promise<void> {
    const file = join(this.#folder, "nats-server.conf");
    const ports = `listen: 127.0.0.1:${this.port}\nhttp: 127.0.0.1:${this.monitorPort}\n`;
    await writeFile(file, `${ports}${this.#config}\n`);
    const child = spawn(this.#file, ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    // Nothing of a test outlives its process, however it ends.
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#output = (this.#output + text).slice(-16_384);
    });
    await eventually("nats-server is ready", async () => {
      if (child.exitCode !== null) throw new Error(`nats-server ended:\n${this.#output}`);
      return (await fetch(`http://127.0.0.1:${this.monitorPort}/healthz`)).ok;
    });
  }

  /** Sends a signal (SIGKILL, SIGSTOP, SIGCONT …) and waits for the server's end or its stop. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    if (signal === "SIGSTOP" || signal === "SIGCONT") {
      child.kill(signal);
      if (signal === "SIGSTOP") await halted(this.pid);
      return;
    }
    this.#child = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Reads a page of the monitoring port, for example `/connz?subs=1`. */
  async monitor(path: string): Promise<Record<string, unknown>> {
    const response = await fetch(`http://127.0.0.1:${this.monitorPort}${path}`);
    return (await response.json()) as Record<string, unknown>;
  }

  async counts(): Promise<NatsCounts> {
    const connz = await this.monitor("/connz");
    const connections = connz["connections"] as { subscriptions: number }[];
    const varz = await this.monitor("/varz");
    return {
      subscriptions: connections.reduce((sum, { subscriptions }) => sum + subscriptions, 0),
      connections: connections.length,
      messagesIn: varz["in_msgs"] as number,
    };
  }

  /** Every subject that some client is subscribed to, once per subscription, sorted. */
  async subjects(): Promise<string[]> {
    const connz = await this.monitor("/connz?subs=1");
    const connections = connz["connections"] as { subscriptions_list?: string[] }[];
    return connections.flatMap((connection) => connection.subscriptions_list ?? []).sort();
  }

  /** Those of them that belong to channels; gateways have some of their own. */
  async channelSubjects(): Promise<string[]> {
    return (await this.subjects()).filter(
      (subject) => !/^(g\.|_INBOX|t\.>|\$SRV\.|rpc\.)/.test(subject),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signal("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }
}
