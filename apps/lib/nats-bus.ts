import { setImmediate } from "node:timers/promises";
import {
  type Bus,
  BusError,
  type BusHeaders,
  type BusMessage,
  type DrainableSubscription,
} from "./bus.ts";
import type { Log } from "./log.ts";
import { type Interest, NatsLink } from "./nats-link.ts";
import { pause, unlessAborted, within } from "./within.ts";

export interface NatsBusOptions {
  /** What NATS shows for this connection. */
  readonly name: string;
  readonly servers: readonly string[];
  /** Reads the NKey seed; absent: no authentication. Read again after the server refused it. */
  readonly seed?: (signal: AbortSignal) => Promise<Uint8Array>;
  /** Where answers to requests arrive; a service may subscribe below its own prefix only. */
  readonly inboxPrefix?: string;
  readonly log: Log;
  readonly limits?: Partial<NatsBusLimits>;
}

export interface NatsBusLimits {
  /** The longest silence after which the server is asked for a sign of life. */
  readonly pingIntervalMs: number;
  /** How long that sign may take before the connection counts as dead. */
  readonly pongTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** The wait between two attempts doubles from the first to the second, with jitter. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** A publication on a connection that was silent for longer first asks whether it lives. */
  readonly freshMs: number;
  /** How long that question may take. */
  readonly probeMs: number;
}

const defaultNatsBusLimits: NatsBusLimits = {
  pingIntervalMs: 5_000,
  pongTimeoutMs: 2_000,
  connectTimeoutMs: 2_000,
  retryMinMs: 50,
  retryMaxMs: 2_000,
  freshMs: 1_000,
  probeMs: 400,
};

/** The oldest server that this project deploys and tests against. */
const oldestServer = [2, 15] as const;

/** The client's name for a login that the server refused. */
const authorizationViolation = "AUTHORIZATION_VIOLATION";

/** A publication whose server has not answered yet. */
interface Pending {
  readonly subject: string;
  refused: boolean;
}

/** NATS, connected for as long as `close` was not called, whatever happens to servers. */
export class NatsBus implements Bus {
  readonly #options: NatsBusOptions;
  readonly #limits: NatsBusLimits;
  readonly #interests = new Set<Interest>();
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #pending = new Set<Pending>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #seed: Uint8Array | undefined;
  #link: NatsLink | undefined;
  #connected = false;
  #flushing: Promise<void> | undefined;

  /** Starts to connect at once and returns; `connected` says when it has. */
  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.#limits = { ...defaultNatsBusLimits, ...options.limits };
    this.#running = this.#run();
  }

  get connected(): boolean {
    return this.#usable() !== undefined;
  }

  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async publish(
    subject: string,
    data: Uint8Array,
    { withinMs }: { withinMs: number },
  ): Promise<void> {
    const deadline = performance.now() + withinMs;
    const leftMs = (): number => deadline - performance.now();
    const lateText = `NATS did not take the message within ${withinMs} ms`;
    const late = (): BusError => new BusError("unavailable", lateText);
    const pending: Pending = { subject, refused: false };
    this.#pending.add(pending);
    try {
      for (;;) {
        const link = await this.#whenConnected(leftMs(), late);
        try {
          // An instance that was frozen wakes with a connection that the server gave up. To find out
          // before publishing, and not by publishing, costs no duplicate.
          if (link.silentMs > this.#limits.freshMs) await link.probe(this.#limits.probeMs);
          link.send(subject, data);
          await within(link.roundTrip(), leftMs(), late);
          // The server's refusal came before its answer, but reaches us a few microtasks later.
          await setImmediate();
        } catch (error) {
          const again = error instanceof BusError && error.code === "unavailable" && leftMs() > 0;
          if (!again) throw error;
          continue;
        }
        if (pending.refused) throw new BusError("denied", "NATS refuses the publication");
        return;
      }
    } finally {
      this.#pending.delete(pending);
    }
  }

  send(
    subject: string,
    data: Uint8Array,
    options?: { readonly headers?: BusHeaders; readonly reply?: string },
  ): void {
    this.#need().send(subject, data, options);
  }

  async request(
    subject: string,
    data: Uint8Array,
    options: { readonly withinMs: number; readonly headers?: BusHeaders },
  ): Promise<BusMessage> {
    return this.#need().request(subject, data, options);
  }

  async flush(): Promise<void> {
    this.#flushing ??= Promise.resolve().then(() => {
      this.#flushing = undefined;
      const link = this.#link;
      if (link === undefined) throw new BusError("unavailable", "there is no connection to NATS");
      return link.roundTrip();
    });
    return this.#flushing;
  }

  subscribe(
    subject: string,
    callback: (data: Uint8Array, message: BusMessage) => void,
    { group }: { readonly group?: string } = {},
  ): DrainableSubscription {
    if (this.#stop.signal.aborted) throw new BusError("closed", "the bus is closed");
    const interest: Interest = { subject, group, callback, refused: undefined };
    this.#interests.add(interest);
    try {
      this.#link?.add(interest);
    } catch {
      // The connection has just ended; the next one gets it with the others.
    }
    const confirmed = this.flush().then(() => {
      if (interest.refused !== undefined) throw interest.refused;
    });
    // Who does not wait for it must not end the process.
    confirmed.catch(() => undefined);
    return {
      confirmed,
      unsubscribe: () => {
        this.#interests.delete(interest);
        this.#link?.remove(interest);
      },
      drain: async () => {
        this.#interests.delete(interest);
        await this.#link?.drain(interest);
      },
    };
  }

  async close({ withinMs }: { withinMs: number } = { withinMs: 500 }): Promise<void> {
    if (this.connected && !this.#stop.signal.aborted) {
      const late = (): BusError => new BusError("unavailable", "NATS did not answer in time");
      await within(this.flush(), withinMs, late).catch((error: unknown) => {
        this.#options.log.warn({ err: error }, "not everything reached NATS before the end");
      });
    }
    this.#stop.abort();
    this.#link?.end("this service stops");
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { log } = this.#options;
    const stopped = (): boolean => signal.aborted;
    let failures = 0;
    while (!stopped()) {
      try {
        const link = await this.#connect(signal);
        const since = Date.now();
        log.info({ server: link.serverName, version: link.serverVersion }, "NATS connected");
        if (isOlder(link.serverVersion)) {
          const wanted = oldestServer.join(".");
          log.warn({ version: link.serverVersion, wanted }, "this nats-server is too old");
        }
        const reason = await this.#keepAlive(link);
        if (stopped()) break;
        log.warn({ reason }, "NATS connection lost");
        // The next server is tried at once, unless this one throws clients out as they come.
        if (Date.now() - since > this.#limits.retryMaxMs) {
          failures = 0;
          continue;
        }
        failures = Math.max(failures, 1);
      } catch (error) {
        if (stopped()) break;
        failures += 1;
        // One line per doubling is enough to see that it still tries.
        if (Number.isInteger(Math.log2(failures))) {
          const reason = error instanceof Error ? error.message : String(error);
          log.warn({ reason, failures }, "NATS cannot be reached");
        }
      }
      const { retryMinMs, retryMaxMs } = this.#limits;
      const longest = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures, 20));
      await pause(retryMinMs + Math.random() * (longest - retryMinMs), signal);
    }
  }

  /** A link that is logged in and whose server knows every subscription. */
  async #connect(signal: AbortSignal): Promise<NatsLink> {
    const { name, servers, seed, inboxPrefix = "_INBOX" } = this.#options;
    const { connectTimeoutMs, pongTimeoutMs } = this.#limits;
    if (seed !== undefined) this.#seed ??= await seed(signal);
    // Loaded here, since it takes a quarter of the start and listening does not need it.
    const { connect, headers, nkeyAuthenticator, NatsError } = await import("nats");
    const attempt = connect({
      name,
      servers: [...servers],
      timeout: connectTimeoutMs,
      reconnect: false,
      ignoreClusterUpdates: true,
      // Longer than any connection is silent: #keepAlive asks, since the client's own check waits
      // for pending writes before it lets go of a dead connection.
      pingInterval: 2 ** 31 - 1,
      ...(this.#seed === undefined ? {} : { authenticator: nkeyAuthenticator(this.#seed) }),
    });
    let link: NatsLink;
    try {
      // The client forgets the socket to a server that takes the connection and says nothing. It closes
      // when that server ends, or wakes and sees no login in time (it asks for one where it has keys).
      link = new NatsLink(await unlessAborted(attempt, signal), headers, inboxPrefix);
    } catch (error) {
      // Whoever stops does not wait for a server that does not answer.
      attempt.then((connection) => connection.close()).catch(() => undefined);
      // The seed may have been replaced since it was read.
      const refused = error instanceof NatsError && error.code === authorizationViolation;
      if (refused) this.#seed = undefined;
      throw error;
    }
    link.onBug = (error) => {
      this.#options.log.error({ err: error }, "bug: a message from NATS was not taken");
    };
    link.onRefusedSubscription = (subject) => {
      this.#options.log.warn({ subject }, "NATS refuses a subscription");
    };
    link.onRefusedPublication = (subject) => {
      this.#refused(subject);
    };
    for (const interest of this.#interests) link.add(interest);
    this.#link = link;
    try {
      await link.probe(pongTimeoutMs);
    } catch (error) {
      this.#link = undefined;
      throw error;
    }
    this.#change(true);
    return link;
  }

  /** Asks for signs of life until the link ends; the reason of its end. */
  async #keepAlive(link: NatsLink): Promise<string> {
    const { pingIntervalMs, pongTimeoutMs } = this.#limits;
    const timer = setInterval(() => {
      link.probe(pongTimeoutMs).catch(() => undefined);
    }, pingIntervalMs);
    const reason = await link.ended;
    clearInterval(timer);
    this.#link = undefined;
    this.#change(false);
    return reason;
  }

  /** The link, once its server knows all subscriptions and while it has not ended. */
  #usable(): NatsLink | undefined {
    return this.#connected && this.#link?.alive === true ? this.#link : undefined;
  }

  #need(): NatsLink {
    const link = this.#usable();
    if (link === undefined) throw new BusError("unavailable", "there is no connection to NATS");
    return link;
  }

  async #whenConnected(limitMs: number, late: () => BusError): Promise<NatsLink> {
    const link = this.#usable();
    if (link !== undefined) return link;
    const found = Promise.withResolvers<NatsLink>();
    const remove = this.onChange(() => {
      const next = this.#usable();
      if (next !== undefined) found.resolve(next);
    });
    try {
      return await within(found.promise, limitMs, late);
    } finally {
      remove();
    }
  }

  #change(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of [...this.#listeners]) listener(connected);
  }

  #refused(subject: string): void {
    this.#options.log.warn({ subject }, "NATS refuses a publication");
    for (const pending of this.#pending) {
      if (pending.subject === subject) pending.refused = true;
    }
  }
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < oldestServer[0] || (major === oldestServer[0] && minor < oldestServer[1]);
}
