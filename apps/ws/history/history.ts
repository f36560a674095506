import { type Bus, BusError, type BusHeaders } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";
import { topicSubject } from "../../lib/topic-subject.ts";
import { pause, within } from "../../lib/within.ts";
import { ChannelMessage } from "../channel-message.ts";
import { detailsOf } from "../publication-headers.ts";
import { decodeAnchor } from "./anchor.ts";
import { ChannelLog } from "./channel-log.ts";
import { JetStreamChannel } from "./jetstream-channel.ts";
import {
  duplicateWindowMs,
  type JetStream,
  JetStreamError,
  type StreamState,
} from "./jetstream.ts";
import { anchors, type HistoryNamespace, republished, streamName, Streams } from "./streams.ts";
import { TailBudget } from "./tail-budget.ts";
import { Turns } from "./turns.ts";

export type { HistoryNamespace } from "./streams.ts";

export interface HistoryOptions {
  readonly bus: Bus;
  readonly jetStream: JetStream;
  readonly log: Log;
  readonly namespaces: readonly HistoryNamespace[];
  /** The prefix of private channels, whose namespace stands behind it. */
  readonly privatePrefix: string;
  /** How long the position of a channel is remembered that nobody uses. */
  readonly metaTtlMs: number;
  /** At least so often every channel is compared with its stream. */
  readonly checkMs: number;
  /** How many servers of a cluster keep each message. */
  readonly replicas: number;
  readonly limits?: Partial<HistoryResources>;
}

export interface HistoryResources {
  /** How long a channel without subscribers stays open, for those who come back. */
  readonly lingerMs: number;
  /** How many channels may be open. */
  readonly maxLogs: number;
  /** What the newest publications of all of them may take in memory. */
  readonly maxTailBytes: number;
}

const defaultResources: HistoryResources = {
  lingerMs: 5_000,
  maxLogs: 100_000,
  maxTailBytes: 67_108_864,
};
/**
 * Before the subject of a channel with history: what is published there reaches its subscribers, without an
 * offset, and no stream. One subscription for all channels, since it is rare.
 */
export const passing = "g.live.";

/** Questions to JetStream at a time, those of them that only verify what is here, and readings. */
const atATime = { questions: 128, verifying: 16, readings: 8 } as const;
/** One channel that cannot follow its stream must not keep the others from being verified. */
const verifyMs = 2_000;
/** How long one attempt to publish may take. */
const attemptMs = 1_500;

/** A share of a channel's log. */
export interface LogSubscription {
  readonly log: ChannelLog;
  unsubscribe(): void;
}

export interface LogListener {
  onMessage(message: ChannelMessage): void;
  onLost(): void;
}

interface OpenLog {
  readonly log: ChannelLog;
  readonly namespace: HistoryNamespace;
  readonly subject: string;
  /** Replaced and not changed, so that who comes while a message is handed out does not get it. */
  listeners: readonly LogListener[];
  linger: NodeJS.Timeout | undefined;
  /** When it was opened; this and the following by the monotonic clock. */
  readonly openedAt: number;
  /** When it is to be compared with its stream again. */
  dueAt: number;
  /** When it was last found to be as its stream. */
  verifiedAt: number;
}

/** What streams were like when a round of verifications asked for it first. */
type States = Map<string, { readonly askedAt: number; readonly state: Promise<StreamState> }>;

/**
 * The history of all channels that have one, in JetStream.
 *
 * No consumer is made: live messages are those that the streams republish, and what was before is read
 * by direct get.
 */
export class History {
  readonly #options: HistoryOptions;
  readonly #streams: Streams | undefined;
  readonly #resources: HistoryResources;
  readonly #budget: TailBudget;
  readonly #questions = new Turns(atATime.questions);
  readonly #readings = new Turns(atATime.readings);
  readonly #verifying = new Turns(atATime.verifying);
  /** By subject, which is as good as the channel's name. */
  readonly #logs = new Map<string, OpenLog>();
  readonly #anchorsSubscription: { unsubscribe(): void } | undefined;
  readonly #passingSubscription: { unsubscribe(): void } | undefined;
  readonly #closing = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #verifier: NodeJS.Timeout | undefined;
  #isVerifying = false;
  #complainedAt = Number.NEGATIVE_INFINITY;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#resources = { ...defaultResources, ...options.limits };
    this.#budget = new TailBudget(this.#resources.maxTailBytes);
    const { bus, namespaces } = options;
    if (namespaces.length === 0) return;
    this.#anchorsSubscription = bus.subscribe(`${republished}${anchors}>`, (data, message) => {
      const subject = message.subject.slice(republished.length + anchors.length);
      const log = this.#logs.get(subject)?.log;
      const anchor = log && decodeAnchor(data);
      const revision = Number(message.header("Nats-Sequence"));
      const writtenMs = Date.parse(message.header("Nats-Time-Stamp") ?? "");
      if (anchor !== undefined) log?.anchorWritten({ ...anchor, revision, writtenMs });
    });
    this.#passingSubscription = bus.subscribe(`${passing}>`, (data, message) => {
      const open = this.#logs.get(message.subject.slice(passing.length));
      if (open === undefined) return;
      // A piece of a larger read buffer, that nobody keeps for long.
      const publication = new ChannelMessage(data, detailsOf(message));
      for (const listener of open.listeners) this.#hand(publication, listener);
    });
    this.#streams = new Streams(
      options,
      () => {
        for (const open of this.#logs.values()) {
          open.verifiedAt = performance.now();
          open.log.reconnected();
        }
      },
      (error) => {
        this.#complain(error);
      },
    );
    const shortest = Math.min(...namespaces.map((namespace) => this.#periodMs(namespace)));
    this.#verifier = setInterval(
      () => {
        this.#lookAfter();
        void this.#verify();
      },
      Math.min(1_000, shortest),
    );
  }

  /** Why history cannot be served now; undefined when it can. */
  get obstacle(): string | undefined {
    return this.#streams?.obstacle;
  }

  get openCount(): number {
    return this.#logs.size;
  }

  /** What the newest publications of all open channels take in memory. */
  get tailBytes(): number {
    return this.#budget.bytes;
  }

  /** The namespace's history that a channel belongs to; undefined when it has none. */
  namespaceOf(channel: string): HistoryNamespace | undefined {
    const { privatePrefix, namespaces } = this.#options;
    const bare = channel.startsWith(privatePrefix) ? channel.slice(privatePrefix.length) : channel;
    const boundary = bare.indexOf(":");
    const name = boundary === -1 ? "" : bare.slice(0, boundary);
    return namespaces.find((namespace) => namespace.name === name);
  }

  /**
   * Follows a channel; the log is shared by all who do, and stays for a moment when the last has gone.
   *
   * @param namespace the channel's, from `namespaceOf`
   * @throws BusError `unavailable` when too many channels are open
   */
  subscribe(channel: string, namespace: HistoryNamespace, listener: LogListener): LogSubscription {
    const subject = topicSubject(channel);
    const open = this.#logs.get(subject) ?? this.#open(subject, namespace);
    clearTimeout(open.linger);
    open.listeners = [...open.listeners, listener];
    return {
      log: open.log,
      unsubscribe: () => {
        if (!open.listeners.includes(listener)) return;
        open.listeners = open.listeners.filter((each) => each !== listener);
        if (open.listeners.length > 0 || this.#stopping.signal.aborted) return;
        // Not for longer than it was of use: channels that nobody stays in come at no cost.
        const lingerMs = Math.min(this.#resources.lingerMs, performance.now() - open.openedAt);
        open.linger = setTimeout(() => {
          this.#close(open);
        }, lingerMs);
      },
    };
  }

  /**
   * Publishes to a channel with history; resolves when it is stored, with its sequence in the stream. Tries
   * again with the same id while there is time, so that a lost answer makes no second publication.
   *
   * @throws BusError `unavailable` when it may or may not be stored, `too_large`
   */
  async publish(
    channel: string,
    data: Uint8Array,
    options: {
      readonly id: string;
      readonly headers?: BusHeaders | undefined;
      readonly withinMs: number;
    },
  ): Promise<number> {
    const { bus, jetStream } = this.#options;
    const { id, headers, withinMs } = options;
    const subject = topicSubject(channel);
    // After that the stream may have forgotten the id.
    const ttlMs = this.namespaceOf(channel)?.ttlMs ?? 0;
    const deadline = performance.now() + Math.min(withinMs, duplicateWindowMs(ttlMs) / 2);
    const leftMs = (): number => deadline - performance.now();
    for (;;) {
      try {
        if (bus.connected) {
          const attempt = { id, headers, withinMs: Math.max(1, Math.min(leftMs(), attemptMs)) };
          return await jetStream.publish(subject, data, attempt);
        }
      } catch (error) {
        if (error instanceof BusError && error.code === "too_large") throw error;
        this.#streams?.failed(error);
        if (error instanceof JetStreamError) this.#complain(error);
      }
      if (leftMs() < 100 || this.#stopping.signal.aborted) {
        throw new BusError("unavailable", "the publication was not confirmed in time");
      }
      await pause(50, this.#stopping.signal);
    }
  }

  /** Ends every log; their positions are written down first. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#verifier);
    this.#streams?.stop();
    this.#anchorsSubscription?.unsubscribe();
    this.#passingSubscription?.unsubscribe();
    for (const open of [...this.#logs.values()]) {
      clearTimeout(open.linger);
      this.#close(open);
    }
    await Promise.all(this.#closing);
  }

  #open(subject: string, namespace: HistoryNamespace): OpenLog {
    const { bus, jetStream, metaTtlMs } = this.#options;
    const streams = this.#streams;
    if (streams === undefined) throw new Error("no namespace has a history");
    if (this.#logs.size >= this.#resources.maxLogs) {
      throw new BusError("unavailable", "too many channels with history are open");
    }
    const stream = streamName(namespace);
    const onError = (error: unknown): void => {
      this.#complain(error);
    };
    const { questions, readings } = { questions: this.#questions, readings: this.#readings };
    const share = { bus, jetStream, streams, questions, readings };
    const log = new ChannelLog({
      store: new JetStreamChannel({ ...share, stream, subject }),
      limits: namespace,
      metaTtlMs,
      budget: this.#budget,
      onMessage: (message) => {
        for (const listener of open.listeners) this.#hand(message, listener);
      },
      onLost: () => {
        for (const listener of open.listeners) listener.onLost();
      },
      onError,
    });
    const now = performance.now();
    const open: OpenLog = {
      log,
      namespace,
      subject,
      listeners: [],
      linger: undefined,
      openedAt: now,
      // Not all that are opened at a time are due at a time.
      dueAt: now + Math.random() * this.#periodMs(namespace),
      verifiedAt: now,
    };
    this.#logs.set(subject, open);
    return open;
  }

  /** One listener that fails has missed something; the others have not. */
  #hand(message: ChannelMessage, listener: LogListener): void {
    try {
      listener.onMessage(message);
    } catch (error) {
      this.#complain(error);
      listener.onLost();
    }
  }

  #close({ subject, log }: OpenLog): void {
    this.#logs.delete(subject);
    const closing = log.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** How often a log is verified: anchors must be moved well before what they name is too old. */
  #periodMs({ ttlMs }: HistoryNamespace): number {
    return Math.max(250, Math.min(this.#options.checkMs, ttlMs / 4));
  }

  /** Tells those who have waited for too long for a channel to be found to be as its stream. */
  #lookAfter(): void {
    const { bus, checkMs } = this.#options;
    const now = performance.now();
    for (const open of this.#logs.values()) {
      open.log.tidy();
      // Without a connection it is not this channel that ails, and the gateway knows.
      if (!bus.connected || now - open.verifiedAt < checkMs + this.#periodMs(open.namespace))
        continue;
      open.verifiedAt = now;
      for (const listener of open.listeners) listener.onLost();
    }
  }

  /** Compares the logs with their streams that are due. */
  async #verify(): Promise<void> {
    if (this.#isVerifying || !this.#options.bus.connected) return;
    this.#isVerifying = true;
    const states: States = new Map();
    const now = performance.now();
    const due = [...this.#logs.values()].filter(({ dueAt }) => dueAt <= now);
    await Promise.all(due.map((open) => this.#verifying.run(() => this.#verifyOne(open, states))));
    this.#isVerifying = false;
  }

  async #verifyOne(open: OpenLog, states: States): Promise<void> {
    const { bus, jetStream } = this.#options;
    const { subject, namespace, log } = open;
    if (!bus.connected || this.#logs.get(subject) !== open) return;
    try {
      const stream = streamName(namespace);
      const askedAt = performance.now();
      const known = states.get(stream) ?? { askedAt, state: jetStream.state(stream, subject) };
      states.set(stream, known);
      const late = (): Error => new Error("a channel could not be verified in time");
      await within(log.verify(await known.state, known.askedAt), verifyMs, late);
      open.verifiedAt = performance.now();
      open.dueAt = open.verifiedAt + this.#periodMs(namespace);
    } catch (error) {
      this.#streams?.failed(error);
      this.#complain(error);
    }
  }

  /** One line per second is enough to see what is wrong. */
  #complain(error: unknown): void {
    const now = performance.now();
    if (now - this.#complainedAt < 1_000 || this.#stopping.signal.aborted) return;
    this.#complainedAt = now;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.log.warn({ reason }, "a channel's history cannot be followed");
  }
}
