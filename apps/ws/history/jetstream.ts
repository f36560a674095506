import { randomUUID } from "node:crypto";
import { type Bus, BusError, type BusHeaders, type BusMessage } from "../../lib/bus.ts";

/** A message as a stream keeps it. */
export interface StoredMessage {
  readonly seq: number;
  /** When the stream stored it, to the nanosecond; with `seq` it tells a message from any other. */
  readonly time: string;
  readonly data: Uint8Array;
  header(name: string): string | undefined;
}

/** Orders the times of messages and streams, which have up to nine decimals; negative: a is before b. */
export function compareTimes(a: string, b: string): number {
  const [x, y] = [comparable(a), comparable(b)];
  if (x === y) return 0;
  return x < y ? -1 : 1;
}

export interface StreamState {
  /** Of the whole stream: everything below has left it. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** How many messages are stored. */
  readonly messages: number;
  /** How many messages of the subject that was asked for are stored; counted after all the rest. */
  readonly count: number;
  /** When the stream was made: another one of the same name has another time. */
  readonly created: string;
  readonly replicas: number;
  /** The limits, as they are: another version of this service may have set others. */
  readonly maxPerSubject: number;
  readonly maxAgeMs: number;
}

export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly maxPerSubject: number;
  readonly maxAgeMs: number;
  /** Of all subjects; absent: no limit. */
  readonly maxMessages?: number;
  readonly maxBytes?: number;
  /** A full stream refuses what is new, and does not drop what is old. */
  readonly refusesWhenFull?: true;
  /** For how long it knows the ids of publications; absent: as `duplicateWindowMs` says. */
  readonly duplicatesMs?: number;
  readonly replicas: number;
  readonly republish?: { readonly src: string; readonly dest: string };
}

/** JetStream answered with an error; `code` is its `err_code`. */
export class JetStreamError extends Error {
  override readonly name = "JetStreamError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Error codes of nats-server (server/errors.json) that somebody acts on. */
export const jetStreamCodes = {
  noMessage: 10_037,
  nameInUse: 10_058,
  streamNotFound: 10_059,
  wrongLastSequence: 10_071,
  wrongLastSequenceUnknown: 10_164,
} as const;

/** Whether an error says that somebody else has written meanwhile. */
export function isConflict(error: unknown): boolean {
  return (
    error instanceof JetStreamError &&
    (error.code === jetStreamCodes.wrongLastSequence ||
      error.code === jetStreamCodes.wrongLastSequenceUnknown)
  );
}

/** One answer must not hold anybody up for longer; a client's own command waits for 5 s. */
const requestMs = 2_000;
/** How many messages a batch has at most, and how many bytes. */
const batchMessages = 1_000;
const batchBytes = 4_194_304;

/** For how long a stream knows the ids of publications; it cannot be longer than their messages stay. */
export function duplicateWindowMs(maxAgeMs: number): number {
  return Math.min(maxAgeMs, 20_000);
}

const nothing = new Uint8Array(0);

/**
 * The part of JetStream's API that the gateway needs, on the bus, so that it lives through reconnects.
 *
 * The `nats` package has no direct get of a subject's messages in batches (ADR-31, since nats-server
 * 2.11) and ends a batch at the first empty payload.
 */
export class JetStream {
  readonly #bus: Bus;
  readonly #inbox: string;
  readonly #batches = new Map<string, (message: BusMessage) => void>();
  readonly #subscription: { unsubscribe(): void };
  #next = 0;

  /** @param inboxPrefix below which this service may subscribe */
  constructor(bus: Bus, inboxPrefix: string) {
    this.#bus = bus;
    this.#inbox = `${inboxPrefix}.${randomUUID()}`;
    this.#subscription = bus.subscribe(`${this.#inbox}.*`, (_data, message) => {
      this.#batches.get(message.subject)?.(message);
    });
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  /** Makes the stream, or gives an existing one this configuration and leaves its messages. */
  async ensureStream(config: StreamConfig): Promise<void> {
    const wanted = streamConfig(config);
    try {
      await this.#call(`STREAM.CREATE.${config.name}`, wanted);
    } catch (error) {
      if (!(error instanceof JetStreamError) || error.code !== jetStreamCodes.nameInUse)
        throw error;
      const info = await this.#call(`STREAM.INFO.${config.name}`, {});
      const present = asObject(info["config"]);
      await this.#call(`STREAM.UPDATE.${config.name}`, { ...present, ...wanted });
    }
  }

  /** The last message of a subject, by the stream's leader; undefined when none is stored. */
  async last(stream: string, subject: string): Promise<StoredMessage | undefined> {
    return this.#get(stream, { last_by_subj: subject });
  }

  /** The first message of a subject from a sequence on, by the stream's leader. */
  async first(
    stream: string,
    subject: string,
    fromSeq: number,
  ): Promise<StoredMessage | undefined> {
    return this.#get(stream, { next_by_subj: subject, seq: fromSeq });
  }

  async state(stream: string, subject: string): Promise<StreamState> {
    const info = await this.#call(`STREAM.INFO.${stream}`, { subjects_filter: subject });
    const state = asObject(info["state"]);
    const subjects = asObject(state["subjects"] ?? {});
    const config = asObject(info["config"]);
    return {
      firstSeq: asNumber(state["first_seq"]),
      lastSeq: asNumber(state["last_seq"]),
      messages: asNumber(state["messages"]),
      count: asNumber(subjects[subject] ?? 0),
      created: asText(info["created"]),
      replicas: asNumber(config["num_replicas"]),
      maxPerSubject: unlimited(asNumber(config["max_msgs_per_subject"])),
      maxAgeMs: unlimited(asNumber(config["max_age"])) / 1e6,
    };
  }

  /**
   * The messages of a subject from a sequence on, in order. In a cluster they may come from a replica
   * that lags behind: who must have all compares with `last`. While they are read in parts, some may
   * leave: who must have no hole asks for the first afterwards.
   */
  async read(stream: string, subject: string, fromSeq: number): Promise<StoredMessage[]> {
    const messages: StoredMessage[] = [];
    let from = Math.max(fromSeq, 1);
    for (;;) {
      const batch = await this.#batch(stream, subject, from);
      messages.push(...batch.messages);
      const last = messages.at(-1);
      if (batch.pending === 0 || last === undefined) return messages;
      from = last.seq + 1;
    }
  }

  /**
   * Publishes and resolves with the message's sequence once it is stored.
   *
   * @param options.id two publications with one id within `duplicateWindowMs` are one
   * @param options.expectedLast the sequence of the subject's last message, 0 for none
   */
  async publish(
    subject: string,
    data: Uint8Array,
    options: {
      readonly id?: string | undefined;
      readonly headers?: BusHeaders | undefined;
      readonly expectedLast?: number;
      readonly withinMs?: number;
    } = {},
  ): Promise<number> {
    const { id, headers, expectedLast, withinMs = requestMs } = options;
    const all = {
      ...headers,
      ...(id === undefined ? {} : { "Nats-Msg-Id": id }),
      ...(expectedLast === undefined
        ? {}
        : { "Nats-Expected-Last-Subject-Sequence": String(expectedLast) }),
    };
    const message = await this.#bus.request(subject, data, { withinMs, headers: all });
    return asNumber(decode(message)["seq"]);
  }

  /** Removes all messages of a subject. */
  async purge(stream: string, subject: string): Promise<void> {
    await this.#call(`STREAM.PURGE.${stream}`, { filter: subject });
  }

  async #get(stream: string, which: object): Promise<StoredMessage | undefined> {
    try {
      const answer = await this.#call(`STREAM.MSG.GET.${stream}`, which);
      return storedMessage(asObject(answer["message"]));
    } catch (error) {
      if (error instanceof JetStreamError && error.code === jetStreamCodes.noMessage) {
        return undefined;
      }
      throw error;
    }
  }

  async #call(api: string, body: object): Promise<Record<string, unknown>> {
    const message = await this.#bus.request(`$JS.API.${api}`, Buffer.from(JSON.stringify(body)), {
      withinMs: requestMs,
    });
    return decode(message);
  }

  async #batch(
    stream: string,
    subject: string,
    seq: number,
  ): Promise<{ messages: StoredMessage[]; pending: number }> {
    this.#next += 1;
    const inbox = `${this.#inbox}.${this.#next}`;
    const messages: StoredMessage[] = [];
    const done = Promise.withResolvers<number>();
    const timer = setTimeout(() => {
      done.reject(new BusError("unavailable", `JetStream did not answer within ${requestMs} ms`));
    }, requestMs);
    this.#batches.set(inbox, (message) => {
      if (message.status === undefined) {
        const stored = directMessage(message);
        // Each names the one before it in the batch, so that a lost one is noticed.
        if (Number(message.header("Nats-Last-Sequence")) !== (messages.at(-1)?.seq ?? 0)) {
          done.reject(new BusError("unavailable", "a part of JetStream's answer was lost"));
        } else messages.push(stored);
        return;
      }
      // 204 ends a batch, 404 says that there is none.
      if (message.status === 204) done.resolve(Number(message.header("Nats-Num-Pending") ?? 0));
      else if (message.status === 404) done.resolve(0);
      else if (message.status === 503) {
        done.reject(new BusError("no_responders", `there is no stream ${stream}`));
      } else done.reject(new BusError("unavailable", `JetStream answered ${message.status}`));
    });
    try {
      const request = { seq, next_by_subj: subject, batch: batchMessages, max_bytes: batchBytes };
      this.#bus.send(`$JS.API.DIRECT.GET.${stream}`, Buffer.from(JSON.stringify(request)), {
        reply: inbox,
      });
      return { pending: await done.promise, messages };
    } finally {
      clearTimeout(timer);
      this.#batches.delete(inbox);
    }
  }
}

function streamConfig(config: StreamConfig): object {
  return {
    name: config.name,
    subjects: config.subjects,
    retention: "limits",
    discard: config.refusesWhenFull === true ? "new" : "old",
    storage: "file",
    num_replicas: config.replicas,
    max_msgs_per_subject: config.maxPerSubject,
    max_msgs: config.maxMessages ?? -1,
    max_bytes: config.maxBytes ?? -1,
    max_age: config.maxAgeMs * 1e6,
    duplicate_window: (config.duplicatesMs ?? duplicateWindowMs(config.maxAgeMs)) * 1e6,
    allow_direct: true,
    // One taken out of the middle would not be missed, and offsets would shift.
    deny_delete: true,
    ...(config.republish === undefined ? {} : { republish: config.republish }),
  };
}

function decode(message: BusMessage): Record<string, unknown> {
  const answer = asObject(JSON.parse(Buffer.from(message.data).toString("utf8")));
  const error = answer["error"];
  if (error === undefined) return answer;
  const { err_code: code, description } = asObject(error);
  throw new JetStreamError(
    typeof code === "number" ? code : 0,
    `JetStream: ${typeof description === "string" ? description : "unknown error"}`,
  );
}

/** A message of `STREAM.MSG.GET`, which has its parts in base64. */
function storedMessage(message: Record<string, unknown>): StoredMessage {
  const { data, hdrs } = message;
  return {
    seq: asNumber(message["seq"]),
    time: asText(message["time"]),
    data: typeof data === "string" ? Buffer.from(data, "base64") : nothing,
    header: (name) => {
      const text = typeof hdrs === "string" ? Buffer.from(hdrs, "base64").toString("utf8") : "";
      const line = text.split("\r\n").find((each) => each.startsWith(`${name}: `));
      return line?.slice(name.length + 2);
    },
  };
}

function directMessage(message: BusMessage): StoredMessage {
  return {
    seq: Number(message.header("Nats-Sequence")),
    time: message.header("Nats-Time-Stamp") ?? "",
    data: message.data,
    header: (name) => message.header(name),
  };
}

/** Zeros at the end are not written. */
function comparable(time: string): string {
  const [seconds = "", decimals = ""] = time.replace("Z", "").split(".");
  return `${seconds}.${decimals.padEnd(9, "0")}`;
}

/** Of a limit that a stream does not have, it says 0 or -1. */
function unlimited(limit: number): number {
  return limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new JetStreamError(0, "no object");
  return value as Record<string, unknown>;
}

function asNumber(value: unknown): number {
  if (typeof value !== "number") throw new JetStreamError(0, "no number");
  return value;
}

function asText(value: unknown): string {
  if (typeof value !== "string") throw new JetStreamError(0, "no text");
  return value;
}
