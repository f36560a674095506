import { randomUUID } from "node:crypto";
import type { Msg, MsgHdrs, NatsConnection, Subscription } from "nats";
import { BusError, type BusHeaders, type BusMessage } from "./bus.ts";
import { within } from "./within.ts";

/** A subscription as the bus keeps it, across links. */
export interface Interest {
  readonly subject: string;
  /** Of several with one group, each message goes to one. */
  readonly group: string | undefined;
  readonly callback: (data: Uint8Array, message: BusMessage) => void;
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
  readonly #makeHeaders: () => MsgHdrs;
  readonly #subscriptions = new Map<Interest, Subscription>();
  readonly #waiting = new Set<(error: BusError) => void>();
  /** Answers that are waited for, by the subject on which they come. */
  readonly #requests = new Map<string, (message: BusMessage) => void>();
  readonly #inbox: string;
  #lastRequest = 0;
  readonly #ended = Promise.withResolvers<string>();
  #endedBecause: string | undefined;
  #heardAt = Date.now();

  /** Called with what a subscription's callback threw. */
  onBug: (error: unknown) => void = () => undefined;
  /** Called when the server refuses a subscription. */
  onRefusedSubscription: (subject: string) => void = () => undefined;
  /** Called when the server refuses a publication on this link. */
  onRefusedPublication: (subject: string) => void = () => undefined;

  /**
   * @param makeHeaders the client's own, which is loaded as late as the client
   * @param inboxPrefix below which answers may be subscribed to
   */
  constructor(connection: NatsConnection, makeHeaders: () => MsgHdrs, inboxPrefix: string) {
    this.#connection = connection;
    this.#makeHeaders = makeHeaders;
    this.#inbox = `${inboxPrefix}.${randomUUID()}`;
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
      ...(interest.group === undefined ? {} : { queue: interest.group }),
      callback: (error, message) => {
        if (error === null) {
          try {
            interest.callback(message.data, new LinkMessage(message));
          } catch (bug) {
            // The client would stop reading, and keep the connection.
            this.onBug(bug);
          }
          return;
        }
        // The only error that a subscription without a time limit gets is the server's refusal.
        interest.refused = new BusError("denied", "NATS refuses the subscription", {
          cause: error,
        });
        this.onRefusedSubscription(interest.subject);
      },
    });
    this.#subscriptions.set(interest, subscription);
  }

  remove(interest: Interest): void {
    const subscription = this.#subscriptions.get(interest);
    this.#subscriptions.delete(interest);
    if (this.#endedBecause === undefined) subscription?.unsubscribe();
  }

  /** Removes it when the server sends nothing more for it; what is on its way is still handed over. */
  async drain(interest: Interest): Promise<void> {
    const subscription = this.#subscriptions.get(interest);
    this.#subscriptions.delete(interest);
    if (this.#endedBecause !== undefined || subscription === undefined) return;
    // The client's own promise never settles when the connection ends, this one does.
    subscription.drain().catch(() => undefined);
    await this.roundTrip().catch(() => undefined);
  }

  /** @throws BusError when the link has ended or the message is too large */
  send(
    subject: string,
    data: Uint8Array,
    { headers, reply }: { readonly headers?: BusHeaders; readonly reply?: string } = {},
  ): void {
    this.#checkSize(data, headers);
    try {
      if (headers === undefined && reply === undefined) {
        this.#connection.publish(subject, data);
      } else {
        this.#connection.publish(subject, data, {
          ...(headers === undefined ? {} : { headers: this.#headersOf(headers) }),
          ...(reply === undefined ? {} : { reply }),
        });
      }
    } catch (cause) {
      throw new BusError("unavailable", "the connection to NATS has ended", { cause });
    }
  }

  /** The first answer to a message; what it throws is said at `Bus.request`. */
  async request(
    subject: string,
    data: Uint8Array,
    { withinMs, headers }: { readonly withinMs: number; readonly headers?: BusHeaders },
  ): Promise<BusMessage> {
    this.#checkSize(data, headers);
    const answer = Promise.withResolvers<BusMessage>();
    if (this.#endedBecause !== undefined) {
      throw new BusError("unavailable", `the connection to NATS broke: ${this.#endedBecause}`);
    }
    this.#lastRequest += 1;
    const inbox = `${this.#inbox}.${this.#lastRequest}`;
    const timer = setTimeout(() => {
      answer.reject(new BusError("unavailable", `no answer on ${subject} within ${withinMs} ms`));
    }, withinMs);
    this.#requests.set(inbox, answer.resolve);
    this.#waiting.add(answer.reject);
    try {
      this.#listenForAnswers();
      this.send(subject, data, { reply: inbox, ...(headers === undefined ? {} : { headers }) });
      const message = await answer.promise;
      if (message.status === 503 && message.data.length === 0) {
        throw new BusError("no_responders", `nobody answers on ${subject}`);
      }
      return message;
    } finally {
      clearTimeout(timer);
      this.#requests.delete(inbox);
      this.#waiting.delete(answer.reject);
    }
  }

  /** One subscription for all answers, from the first request on. */
  #listenForAnswers(): void {
    if (this.#lastRequest > 1) return;
    this.#connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#requests.get(message.subject)?.(new LinkMessage(message));
      },
    });
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

  #checkSize(data: Uint8Array, headers: BusHeaders = {}): void {
    const limit = this.#connection.info?.max_payload;
    // "NATS/1.0", a line for each, and an empty one.
    let size = data.length;
    for (const [name, value] of Object.entries(headers)) {
      size += Buffer.byteLength(name) + Buffer.byteLength(value) + 16;
    }
    if (limit !== undefined && size > limit) {
      throw new BusError("too_large", `the message is larger than NATS takes (${limit} bytes)`);
    }
  }

  #headersOf(headers: BusHeaders): MsgHdrs {
    const made = this.#makeHeaders();
    for (const [name, value] of Object.entries(headers)) made.set(name, value);
    return made;
  }

  async #watchRefusals(): Promise<void> {
    for await (const status of this.#connection.status()) {
      const refused = status.permissionContext;
      if (refused?.operation === "publish") this.onRefusedPublication(refused.subject);
    }
  }
}

/** A message of the client; its headers are parsed when they are asked for. */
class LinkMessage implements BusMessage {
  readonly #message: Msg;
  #lines: string | undefined;

  constructor(message: Msg) {
    this.#message = message;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  get reply(): string | undefined {
    return this.#message.reply === "" ? undefined : this.#message.reply;
  }

  header(name: string): string | undefined {
    const start = this.#headers.lastIndexOf(`\r\n${name}:`);
    if (start === -1) return undefined;
    const begin = start + name.length + 3;
    return this.#headers.slice(begin, this.#headers.indexOf("\r\n", begin)).trim();
  }

  get status(): number | undefined {
    const code = /^NATS\/1\.0 +(\d{3})/.exec(this.#headers)?.[1];
    return code === undefined ? undefined : Number(code);
  }

  /**
   * The lines of the headers, from the bytes that the client keeps: its own parser throws at names that
   * the server takes from others.
   */
  get #headers(): string {
    if (this.#lines === undefined) {
      const { _rdata: bytes, _msg: head } = this.#message as unknown as ClientMessage;
      const end = head?.hdr ?? -1;
      this.#lines =
        bytes === undefined || end <= 0 ? "" : Buffer.from(bytes.subarray(0, end)).toString();
    }
    return this.#lines;
  }
}

/** What the client, whose version is pinned, does not declare of its messages. */
interface ClientMessage {
  readonly _rdata?: Uint8Array;
  /** `hdr`: how many bytes the headers have; -1 for none. */
  readonly _msg?: { readonly hdr?: number };
}
