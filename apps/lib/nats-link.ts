import type { NatsConnection, Subscription } from "nats";
import { BusError } from "./bus.ts";
import { within } from "./within.ts";

/** A subscription as the bus keeps it, across links. */
export interface Interest {
  readonly subject: string;
  readonly callback: (data: Uint8Array) => void;
  /** The server's answer on the present link, when it is a refusal. */
  refused: BusError | undefined;
}

/**
 * One connection to one server, from its login to its end; it never reconnects. The bus makes the
 * next one: so what is sent is sent on a link that lives, or fails, and nothing waits in a buffer to
 * be published after its sender was told that it failed.
 */
export class NatsLink {
  readonly #connection: NatsConnection;
  readonly #subscriptions = new Map<Interest, Subscription>();
  readonly #waiting = new Set<(error: BusError) => void>();
  readonly #ended = Promise.withResolvers<string>();
  #endedBecause: string | undefined;
  #heardAt = Date.now();

  /** Called when the server refuses a publication on this link. */
  onRefusedPublication: (subject: string) => void = () => undefined;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    void connection.closed().then((error) => {
      this.end(error instanceof Error ? error.message : "the server closed the connection");
    });
    void this.#watchRefusals();
  }

  /** Resolves with the reason when the link ends. */
  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  get alive(): boolean {
    return this.#endedBecause === undefined;
  }

  get serverVersion(): string {
    return this.#connection.info?.version ?? "unknown";
  }

  get serverName(): string {
    return this.#connection.info?.server_name ?? "unknown";
  }

  /**
   * Milliseconds since the server last answered, by the wall clock: the monotonic one may stand still
   * while the machine sleeps.
   */
  get silentMs(): number {
    return Math.abs(Date.now() - this.#heardAt);
  }

  add(interest: Interest): void {
    interest.refused = undefined;
    const subscription = this.#connection.subscribe(interest.subject, {
      callback: (error, message) => {
        if (error === null) {
          interest.callback(message.data);
          return;
        }
        // The only error that a subscription without a time limit gets is the server's refusal.
        interest.refused = new BusError("denied", "NATS refuses the subscription", {
          cause: error,
        });
      },
    });
    this.#subscriptions.set(interest, subscription);
  }

  remove(interest: Interest): void {
    const subscription = this.#subscriptions.get(interest);
    this.#subscriptions.delete(interest);
    if (this.#endedBecause === undefined) subscription?.unsubscribe();
  }

  /** @throws BusError when the link has ended or the message is too large */
  send(subject: string, data: Uint8Array): void {
    const limit = this.#connection.info?.max_payload;
    if (limit !== undefined && data.length > limit) {
      throw new BusError("too_large", `the message is larger than NATS takes (${limit} bytes)`);
    }
    try {
      this.#connection.publish(subject, data);
    } catch (cause) {
      throw new BusError("unavailable", "the connection to NATS has ended", { cause });
    }
  }

  /** Resolves when the server has processed all that was sent before. */
  async roundTrip(): Promise<void> {
    // The client never settles a flush of a connection that was closed, so the end rejects it here.
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void => {
        this.#waiting.delete(fail);
        reject(
          error instanceof BusError
            ? error
            : new BusError("unavailable", "the connection to NATS broke", { cause: error }),
        );
      };
      if (this.#endedBecause !== undefined) {
        fail(this.#endedBecause);
        return;
      }
      this.#waiting.add(fail);
      this.#connection.flush().then(() => {
        this.#waiting.delete(fail);
        this.#heardAt = Date.now();
        resolve();
      }, fail);
    });
  }

  /** Ends the link when the server does not answer within the time. */
  async probe(limitMs: number): Promise<void> {
    try {
      await within(this.roundTrip(), limitMs, () => new BusError("unavailable", "no answer"));
    } catch (error) {
      this.end(`the server did not answer within ${limitMs} ms`);
      throw error;
    }
  }

  end(reason: string): void {
    if (this.#endedBecause !== undefined) return;
    this.#endedBecause = reason;
    this.#subscriptions.clear();
    this.#connection.close().catch(() => undefined);
    const error = new BusError("unavailable", `the connection to NATS broke: ${reason}`);
    for (const fail of this.#waiting) fail(error);
    this.#ended.resolve(reason);
  }

  async #watchRefusals(): Promise<void> {
    for await (const status of this.#connection.status()) {
      const refused = status.permissionContext;
      if (refused?.operation === "publish") this.onRefusedPublication(refused.subject);
    }
  }
}
