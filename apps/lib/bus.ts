/** What arrived on a subscription. */
export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where its sender waits for an answer. */
  readonly reply: string | undefined;
  /**
   * A header's text; undefined when it is absent. Of several with one name the last: a server adds its own
   * behind those of the publisher.
   */
  header(name: string): string | undefined;
  /** NATS's own status, such as 404 and 408 in answers of JetStream; undefined on plain messages. */
  readonly status: number | undefined;
}

export type BusHeaders = Readonly<Record<string, string>>;

/** The part of NATS that the services use. Subjects are trusted: callers have checked them. */
export interface Bus {
  /** True while a server answers and knows every subscription made so far. */
  readonly connected: boolean;

  /** Calls back on each change of `connected`; the returned function ends it. */
  onChange(listener: (connected: boolean) => void): () => void;

  /**
   * Publishes and resolves once the server has taken the message. When the connection breaks before
   * the server has said so, it is published again, so a subscriber may see it twice.
   *
   * @throws BusError when the server has not taken it within the time or refuses it. After the code
   *   `unavailable` the message may have been delivered nonetheless.
   */
  publish(subject: string, data: Uint8Array, options: { withinMs: number }): Promise<void>;

  /**
   * Hands a message to the connection without waiting. A later `flush` that resolves says that the
   * server has taken it.
   *
   * @throws BusError when there is no connection or the message is too large for the server
   */
  send(
    subject: string,
    data: Uint8Array,
    options?: { readonly headers?: BusHeaders; readonly reply?: string },
  ): void;

  /**
   * Publishes with a reply subject and resolves with the first answer.
   *
   * @throws BusError `no_responders` at once when nobody is subscribed; `unavailable` when there was
   *   no answer within the time
   */
  request(
    subject: string,
    data: Uint8Array,
    options: { readonly withinMs: number; readonly headers?: BusHeaders },
  ): Promise<BusMessage>;

  /** Resolves when the server has processed all that was sent before; calls of one turn share it. */
  flush(): Promise<void>;

  /**
   * Subscribes until `unsubscribe`, across reconnects. Messages published before `confirmed`
   * resolves may be missed, later ones are not while the connection lives.
   *
   * @param options.group of all who subscribe under this name, each message goes to one
   * @throws BusError with code `closed` after `close`
   */
  subscribe(
    subject: string,
    callback: (data: Uint8Array, message: BusMessage) => void,
    options?: { readonly group?: string },
  ): DrainableSubscription;

  /** Sends what is pending, within the time, and closes. Idempotent. */
  close(options?: { withinMs: number }): Promise<void>;
}

export interface BusSubscription {
  /** Rejects with BusError when the connection breaks before the server has confirmed. */
  readonly confirmed: Promise<void>;
  unsubscribe(): void;
}

export interface DrainableSubscription extends BusSubscription {
  /**
   * Unsubscribes, and goes on calling back with what the server had sent before it knew. Resolves when
   * that is all, or the connection has ended.
   */
  drain(): Promise<void>;
}

export type BusErrorCode = "unavailable" | "no_responders" | "denied" | "too_large" | "closed";

export class BusError extends Error {
  override readonly name = "BusError";
  readonly code: BusErrorCode;

  constructor(code: BusErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Why a service that needs the bus cannot serve now; undefined when it can. */
export function connectionObstacle(bus: Pick<Bus, "connected">): string | undefined {
  return bus.connected ? undefined : "there is no connection to NATS";
}
