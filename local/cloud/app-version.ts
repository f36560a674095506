/** One version of an App Engine service: its instances, each a process. */
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Keeper } from "./keeper-client.ts";
import type { Log, Logs } from "./logs.ts";
import { accepts, freePort, loopback, releasePort } from "./ports.ts";
import { isOk, statusOf, until } from "./probes.ts";
import {
  bareEnvironment,
  type Launch,
  type ProcessState,
  Supervised,
  type SupervisedLimits,
} from "./supervised.ts";

export interface VersionSpec {
  readonly service: string;
  readonly version: string;
  readonly kind: "standard" | "flexible";
  readonly runtime: string;
  /** Where the archive was uploaded. */
  readonly sourceUrl: string;
  /** `entrypoint.shell`. */
  readonly entrypoint: string;
  readonly env: Readonly<Record<string, string>>;
  /** Email of the service account that the instances act as. */
  readonly account: string;
  readonly project: string;
  readonly instances: number;
  /** Manual scaling: instances have hosts of their own and are told to start by `/_ah/start`. */
  readonly manual: boolean;
  readonly memoryMb: number;
  /** Flexible: answers 200 when the instance can serve. */
  readonly readinessPath: string | undefined;
}

export interface VersionContext {
  /** The unpacked archive. */
  readonly folder: string;
  readonly tempFolder: string;
  /** Declared variables with declared addresses translated. */
  readonly env: Readonly<Record<string, string>>;
  readonly metadataHost: string;
  readonly secretEndpoint: string;
  /** Where the rest of the platform is: emulators, keys. */
  readonly platformEnv: Readonly<Record<string, string>>;
  readonly keeper: Keeper;
  readonly logs: Logs;
  readonly note: Log;
  readonly limits?: Partial<SupervisedLimits>;
}

export interface Instance {
  readonly index: number;
  /** The port of the running process; undefined before its first start. */
  readonly port: number | undefined;
  readonly pid: number | undefined;
  readonly live: boolean;
  readonly state: ProcessState;
  /** How often its process was started. */
  readonly starts: number;
  readonly startedAt: Date | undefined;
  /** See Supervised. */
  kill(): number | undefined;
}

/**
 * Standard gets 2 s from SIGTERM to SIGKILL on the platform. Flexible gets 30 s there; nobody wants
 * to wait that long beside a terminal, and everything must have stopped within 5 s.
 */
const graceMs = { standard: 2_000, flexible: 3_000 } as const;

export class AppVersion {
  readonly spec: VersionSpec;
  readonly #context: VersionContext;
  #instances: AppInstance[] = [];
  #turn = 0;
  #active = 0;
  /** Starts and stops come one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(spec: VersionSpec, context: VersionContext) {
    this.spec = spec;
    this.#context = context;
  }

  /** Where its archive is unpacked. */
  get folder(): string {
    return this.#context.folder;
  }

  get instances(): readonly Instance[] {
    return this.#instances;
  }

  /** Requests and websockets under way. */
  get active(): number {
    return this.#active;
  }

  /** Live instances, beginning with the one whose turn it is; or the one that was named. */
  next(index?: number): Instance[] {
    const live = this.#instances.filter(
      (instance) => instance.live && (index === undefined || instance.index === index),
    );
    if (live.length === 0) return [];
    const first = this.#turn++ % live.length;
    return [...live.slice(first), ...live.slice(0, first)];
  }

  /** Counts a request or websocket; call the answer when it is over. */
  enter(): () => void {
    this.#active++;
    let left = false;
    return () => {
      if (!left) this.#active--;
      left = true;
    };
  }

  /**
   * Starts every instance and waits until all serve. Does nothing when they run.
   * @throws Error with the last lines of an instance that did not start; none is left then
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#instances.length > 0) return;
      const { service, version, instances, kind } = this.spec;
      const count = instances === 1 ? "1 instance" : `${instances} instances`;
      this.#context.note(`starting ${service} ${version} (${kind}, ${count})`);
      const made = Array.from(
        { length: instances },
        (_, index) => new AppInstance(this.spec, this.#context, index),
      );
      this.#instances = made;
      const results = await Promise.allSettled(made.map((instance) => instance.start()));
      const failed = results.find((result) => result.status === "rejected");
      if (failed === undefined) return;
      this.#instances = [];
      await Promise.all(made.map((instance) => instance.stop()));
      throw failed.reason;
    });
  }

  /**
   * Stops every instance; `start` may follow. A start that is under way is given up.
   * @returns false when none was left to stop
   */
  stop(): Promise<boolean> {
    // Outside the queue: the start before it would otherwise be waited for.
    const early = Promise.all(this.#instances.map((instance) => instance.stop()));
    return this.#inTurn(async () => {
      await early;
      const ran = this.#instances.length > 0;
      await Promise.all(this.#instances.map((instance) => instance.stop()));
      this.#instances = [];
      return ran;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

class AppInstance implements Instance {
  readonly index: number;
  readonly #process: Supervised;
  readonly #spec: VersionSpec;
  readonly #context: VersionContext;
  #port: number | undefined;
  /** Its own temporary folder. */
  #temp: string | undefined;

  constructor(spec: VersionSpec, context: VersionContext, index: number) {
    this.index = index;
    this.#spec = spec;
    this.#context = context;
    const shown = spec.instances === 1 ? spec.service : `${spec.service}.${index}`;
    this.#process = new Supervised({
      name: `${spec.service} ${spec.version}${spec.instances === 1 ? "" : ` instance ${index}`}`,
      keeper: context.keeper,
      log: context.logs.of(shown),
      note: context.note,
      limits: { ...context.limits, graceMs: graceMs[spec.kind] },
      launch: () => this.#launch(),
    });
  }

  get port(): number | undefined {
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get live(): boolean {
    return this.#process.live;
  }

  get state(): ProcessState {
    return this.#process.state;
  }

  get starts(): number {
    return this.#process.starts;
  }

  get startedAt(): Date | undefined {
    return this.#process.startedAt;
  }

  kill(): number | undefined {
    return this.#process.kill();
  }

  start(): Promise<void> {
    return this.#process.start();
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    await this.#clear();
  }

  /** Gives back what a process had that is gone. */
  async #clear(): Promise<void> {
    if (this.#port !== undefined) releasePort(this.#port);
    this.#port = undefined;
    if (this.#temp !== undefined) await rm(this.#temp, { recursive: true, force: true });
    this.#temp = undefined;
  }

  async #launch(): Promise<Launch> {
    // A new port each time: another process may have taken the old one meanwhile.
    await this.#clear();
    const port = await freePort();
    this.#port = port;
    const temp = join(this.#context.tempFolder, `${this.#spec.service}-${port}`);
    await mkdir(temp, { recursive: true });
    this.#temp = temp;
    const [file, args] = command(this.#spec.entrypoint);
    return {
      file,
      args,
      cwd: this.#context.folder,
      env: environment(this.#spec, this.#context, port, temp),
      ready: (signal) => this.#ready(port, signal),
    };
  }

  async #ready(port: number, signal: AbortSignal): Promise<void> {
    const { kind, manual, readinessPath } = this.#spec;
    await until(() => accepts(port), signal);
    if (signal.aborted) return;
    if (kind === "standard" && manual) {
      const status = await statusOf(port, "/_ah/start", signal);
      if (status !== 404 && (status < 200 || status > 299)) {
        throw new Error(
          `${this.#spec.service} ${this.#spec.version} answered ${status} to /_ah/start; App Engine ends an instance that answers neither 2xx nor 404`,
        );
      }
    }
    if (kind === "flexible" && readinessPath !== undefined) {
      await until(() => isOk(port, readinessPath, signal), signal);
    }
  }
}

/**
 * @throws Error when the entrypoint needs a shell: words that one would expand, join or redirect
 */
export function command(entrypoint: string): [file: string, args: string[]] {
  const [program, ...args] = entrypoint.trim().split(/\s+/);
  if (program === undefined || !/^[\w@%+=:,./ -]+$/.test(entrypoint)) {
    throw new Error(
      `entrypoint.shell "${entrypoint}" needs a shell; the local cloud starts plain commands such as "node main.js"`,
    );
  }
  return [program === "node" ? process.execPath : program, args];
}

/** What the platform sets wins; only NODE_ENV can be declared otherwise, as on App Engine. */
function environment(
  spec: VersionSpec,
  context: VersionContext,
  port: number,
  temp: string,
): Record<string, string> {
  return {
    ...bareEnvironment(),
    NODE_ENV: "production",
    ...context.env,
    TMPDIR: temp,
    PORT: String(port),
    HOST: loopback,
    GAE_APPLICATION: `local~${spec.project}`,
    GAE_DEPLOYMENT_ID: "1",
    ...(spec.kind === "standard" ? { GAE_ENV: "standard" } : {}),
    GAE_INSTANCE: randomBytes(32).toString("hex"),
    GAE_MEMORY_MB: String(spec.memoryMb),
    GAE_RUNTIME: spec.runtime,
    GAE_SERVICE: spec.service,
    GAE_VERSION: spec.version,
    GOOGLE_CLOUD_PROJECT: spec.project,
    GCE_METADATA_HOST: context.metadataHost,
    SECRET_MANAGER_ENDPOINT: context.secretEndpoint,
    ...context.platformEnv,
  };
}
