import { type Bus, BusError } from "../../lib/bus.ts";
import type { Log } from "../../lib/log.ts";
import { topicSubject } from "../../lib/topic-subject.ts";
import { pause, within } from "../../lib/within.ts";
import type { ChannelMessage } from "../channel-message.ts";
import { decodeAnchor, encodeAnchor, type WrittenAnchor } from "./anchor.ts";
import { ChannelLog, type ChannelStore } from "./channel-log.ts";
import { type HistoryLimits, storedPerChannel } from "./continuation.ts";
import { type JetStream, jetStreamCodes, JetStreamError, type StreamConfig } from "./jetstream.ts";

/** The channels of a namespace, and how much of each is kept. */
export interface HistoryNamespace extends HistoryLimits {
  /** Empty for the channels without a namespace. */
  readonly name: string;
}

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
  /** How long a channel without subscribers stays open, for those who come back. */
  readonly lingerMs?: number;
}

const republished = "r.";
const anchors = "a.";
const anchorsStream = "anchors";
const verifyMs = 2_000;
const ensureRetryMs = 200;

/** A share of a channel's log. */
export interface LogSubscription {
  readonly log: ChannelLog;
  unsubscribe(): void;
}

interface OpenLog {
  readonly log: ChannelLog;
  readonly namespace: HistoryNamespace;
  readonly channel: string;
  readonly listeners: Set<LogListener>;
  linger: NodeJS.Timeout | undefined;
}

export interface LogListener {
  onMessage(message: ChannelMessage): void;
  onLost(): void;
}

/**
 * The history of all channels that have one, in JetStream.
 *
 * There is one stream per namespace with history, so that limits may be changed while its messages stay,
 * and one for all anchors. No consumer is made: live messages are those that the stream republishes, and
 * what was before is read by direct get.
 */
export class History {
  readonly #options: HistoryOptions;
  readonly #logs = new Map<string, OpenLog>();
  readonly #bySubject = new Map<string, OpenLog>();
  readonly #subscription: { unsubscribe(): void } | undefined;
  readonly #stopWatching: () => void;
  readonly #closing = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #ensured = Promise.withResolvers<undefined>();
  #isEnsured = false;
  #obstacle: string | undefined = "the streams are not set up yet";
  #ensuring = false;
  #retry: NodeJS.Timeout | undefined;
  #verifier: NodeJS.Timeout | undefined;
  #verifying = false;
  #complainedAt = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
    const { bus, namespaces } = options;
    if (namespaces.length === 0) {
      this.#obstacle = undefined;
      this.#stopWatching = () => undefined;
      return;
    }
    this.#subscription = bus.subscribe(`${republished}${anchors}>`, (data, message) => {
      const open = this.#bySubject.get(message.subject.slice(republished.length + anchors.length));
      const anchor = decodeAnchor(data);
      const revision = Number(message.header("Nats-Sequence"));
      if (anchor !== undefined && Number.isSafeInteger(revision)) {
        open?.log.anchorWritten({ ...anchor, revision });
      }
    });
    this.#stopWatching = bus.onChange((connected) => {
      if (connected) this.#connected();
      else this.#disconnected();
    });
    if (bus.connected) this.#connected();
    const shortest = Math.min(options.checkMs, ...namespaces.map(({ ttlMs }) => ttlMs / 4));
    this.#verifier = setInterval(() => void this.#verifyAll(), Math.max(250, shortest));
  }

  /** Why history cannot be served now; undefined when it can. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  get openCount(): number {
    return this.#logs.size;
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
   */
  subscribe(channel: string, namespace: HistoryNamespace, listener: LogListener): LogSubscription {
    const open = this.#logs.get(channel) ?? this.#open(channel, namespace);
    clearTimeout(open.linger);
    open.listeners.add(listener);
    return {
      log: open.log,
      unsubscribe: () => {
        if (!open.listeners.delete(listener) || open.listeners.size > 0) return;
        if (this.#stopping.signal.aborted) this.#close(open);
        else
          open.linger = setTimeout(() => {
            this.#close(open);
          }, this.#options.lingerMs ?? 5_000);
      },
    };
  }

  /**
   * Publishes to a channel with history; resolves when it is stored. Tries again with the same id
   * while there is time, so that a lost answer makes no second publication.
   *
   * @throws BusError `unavailable` when it may or may not be stored, `too_large`
   */
  async publish(
    channel: string,
    data: Uint8Array,
    options: { readonly id: string; readonly info?: string | undefined; readonly withinMs: number },
  ): Promise<void> {
    const { bus, jetStream } = this.#options;
    const deadline = performance.now() + options.withinMs;
    const headers = options.info === undefined ? undefined : { "Centrifuge-Info": options.info };
    for (;;) {
      const leftMs = deadline - performance.now();
      try {
        if (bus.connected) {
          const withinMs = Math.max(1, Math.min(leftMs, 1_500));
          await jetStream.publish(topicSubject(channel), data, {
            id: options.id,
            headers,
            withinMs,
          });
          return;
        }
      } catch (error) {
        if (error instanceof BusError && error.code === "too_large") throw error;
        if (error instanceof BusError && error.code === "no_responders") this.#connected();
        if (error instanceof JetStreamError) this.#complain(error);
      }
      if (deadline - performance.now() < 100 || this.#stopping.signal.aborted) {
        throw new BusError("unavailable", "the publication was not confirmed in time");
      }
      await pause(50, this.#stopping.signal);
    }
  }

  /** Ends every log; their positions are written down first. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#verifier);
    clearTimeout(this.#retry);
    this.#stopWatching();
    this.#subscription?.unsubscribe();
    for (const open of [...this.#logs.values()]) {
      clearTimeout(open.linger);
      this.#close(open);
    }
    await Promise.all(this.#closing);
  }

  #open(channel: string, namespace: HistoryNamespace): OpenLog {
    const listeners = new Set<LogListener>();
    const open: OpenLog = {
      channel,
      namespace,
      listeners,
      linger: undefined,
      log: new ChannelLog({
        store: this.#storeOf(channel, namespace),
        limits: namespace,
        onMessage: (message) => {
          for (const listener of listeners) listener.onMessage(message);
        },
        onLost: () => {
          for (const listener of [...listeners]) listener.onLost();
        },
        onError: (error) => {
          this.#complain(error);
        },
      }),
    };
    this.#logs.set(channel, open);
    this.#bySubject.set(topicSubject(channel), open);
    return open;
  }

  #close(open: OpenLog): void {
    this.#logs.delete(open.channel);
    this.#bySubject.delete(topicSubject(open.channel));
    const closing = open.log.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #storeOf(channel: string, namespace: HistoryNamespace): ChannelStore {
    const { bus, jetStream } = this.#options;
    const subject = topicSubject(channel);
    const stream = streamName(namespace);
    const anchor = `${anchors}${subject}`;
    return {
      subscribe: (onMessage) =>
        bus.subscribe(`${republished}${subject}`, (data, message) => {
          onMessage({
            data,
            seq: Number(message.header("Nats-Sequence")),
            previous: Number(message.header("Nats-Last-Sequence")),
            time: message.header("Nats-Time-Stamp") ?? "",
            header: (name) => message.header(name),
          });
        }),
      subscribed: async () => {
        await this.#ensured.promise;
        await bus.flush();
      },
      last: () => jetStream.last(stream, subject),
      read: (fromSeq) => jetStream.read(stream, subject, fromSeq),
      state: () => jetStream.state(stream, subject),
      readAnchor: async (): Promise<WrittenAnchor | undefined> => {
        const stored = await jetStream.last(anchorsStream, anchor);
        const decoded = stored && decodeAnchor(stored.data);
        // What cannot be read is written over.
        const unreadable = { epoch: "?", tip: { ...noTip, created: "?" } };
        return stored && { ...(decoded ?? unreadable), revision: stored.seq };
      },
      writeAnchor: async (written, revision) => {
        try {
          return await jetStream.publish(anchor, encodeAnchor(written), { expectedLast: revision });
        } catch (error) {
          const conflict =
            error instanceof JetStreamError &&
            (error.code === jetStreamCodes.wrongLastSequence ||
              error.code === jetStreamCodes.wrongLastSequenceUnknown);
          if (conflict) return undefined;
          throw error;
        }
      },
    };
  }

  /** Who waits from now on waits for the next connection. */
  #disconnected(): void {
    if (!this.#isEnsured) return;
    this.#isEnsured = false;
    this.#ensured = Promise.withResolvers();
  }

  /** Sets the streams up, as often as it takes, then lets every log look for what it has missed. */
  #connected(): void {
    if (this.#ensuring || this.#stopping.signal.aborted) return;
    this.#ensuring = true;
    clearTimeout(this.#retry);
    void this.#ensureStreams()
      .then(
        () => {
          this.#obstacle = undefined;
          this.#isEnsured = true;
          this.#ensured.resolve(undefined);
          for (const { log } of this.#logs.values()) log.reconnected();
        },
        (error: unknown) => {
          this.#obstacle = `JetStream cannot be used: ${messageOf(error)}`;
          this.#complain(error);
          this.#retry = setTimeout(() => {
            if (this.#options.bus.connected) this.#connected();
          }, ensureRetryMs);
        },
      )
      .finally(() => {
        this.#ensuring = false;
      });
  }

  async #ensureStreams(): Promise<void> {
    const { namespaces, jetStream, privatePrefix, metaTtlMs, replicas } = this.#options;
    for (const namespace of namespaces) {
      const { name, size, ttlMs } = namespace;
      const subjects = name === "" ? ["t.>"] : [`n.${name}.>`, `n.${privatePrefix}${name}.>`];
      await jetStream.ensureStream({
        name: streamName(namespace),
        subjects,
        maxPerSubject: storedPerChannel(size),
        maxAgeMs: ttlMs,
        replicas,
        republish: { src: ">", dest: `${republished}>` },
      });
    }
    const anchorsConfig: StreamConfig = {
      name: anchorsStream,
      subjects: [`${anchors}>`],
      maxPerSubject: 1,
      maxAgeMs: metaTtlMs,
      replicas,
      republish: { src: ">", dest: `${republished}>` },
    };
    await jetStream.ensureStream(anchorsConfig);
  }

  async #verifyAll(): Promise<void> {
    if (this.#verifying || !this.#options.bus.connected || this.#obstacle !== undefined) return;
    this.#verifying = true;
    const reached = new Map<string, number>();
    for (const { log, namespace, channel } of [...this.#logs.values()]) {
      try {
        const stream = streamName(namespace);
        const { jetStream } = this.#options;
        const known = reached.get(stream);
        const lastSeq = known ?? (await jetStream.state(stream, topicSubject(channel))).lastSeq;
        reached.set(stream, lastSeq);
        // One that cannot follow its stream must not keep the others from it.
        const late = (): Error => new Error(`${channel} could not be verified`);
        await within(log.verify(lastSeq), verifyMs, late);
      } catch (error) {
        this.#complain(error);
      }
    }
    this.#verifying = false;
  }

  /** One line per second is enough to see what is wrong. */
  #complain(error: unknown): void {
    const now = performance.now();
    if (this.#complainedAt !== 0 && now - this.#complainedAt < 1_000) return;
    this.#complainedAt = now;
    this.#options.log.warn({ reason: messageOf(error) }, "a channel's history cannot be followed");
  }
}

const noTip = { offset: 0, seq: 0, time: "", through: 0 };

function streamName({ name }: HistoryNamespace): string {
  return name === "" ? "history" : `history-${name}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
