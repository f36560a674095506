import type { Bus } from "../../lib/bus.ts";
import { type Anchor, decodeAnchor, encodeAnchor, type WrittenAnchor } from "./anchor.ts";
import type { ChannelStore, LiveMessage } from "./channel-store.ts";
import { isConflict, type JetStream, type StreamState } from "./jetstream.ts";
import type { StoredMessage } from "./jetstream.ts";
import { anchors, anchorsStream, republished, type Streams } from "./streams.ts";
import type { Turns } from "./turns.ts";

export interface JetStreamChannelOptions {
  readonly bus: Bus;
  readonly jetStream: JetStream;
  readonly streams: Streams;
  /** How many questions may be under way at a time: a server drops all when it has 10,000. */
  readonly questions: Turns;
  /** How many histories may be read at a time: their answers may be large. */
  readonly readings: Turns;
  readonly stream: string;
  readonly subject: string;
}

/** A channel in JetStream. */
export class JetStreamChannel implements ChannelStore {
  readonly #options: JetStreamChannelOptions;

  constructor(options: JetStreamChannelOptions) {
    this.#options = options;
  }

  subscribe(onMessage: (message: LiveMessage) => void): { unsubscribe(): void } {
    const { bus, subject } = this.#options;
    return bus.subscribe(`${republished}${subject}`, (data, message) => {
      onMessage({
        data,
        seq: Number(message.header("Nats-Sequence")),
        previous: Number(message.header("Nats-Last-Sequence")),
        time: message.header("Nats-Time-Stamp") ?? "",
        header: (name) => message.header(name),
      });
    });
  }

  async subscribed(): Promise<void> {
    await this.#options.streams.ready;
    await this.#options.bus.flush();
  }

  async last(): Promise<StoredMessage | undefined> {
    const { jetStream, stream, subject } = this.#options;
    return this.#ask(() => jetStream.last(stream, subject));
  }

  async first(fromSeq: number): Promise<StoredMessage | undefined> {
    const { jetStream, stream, subject } = this.#options;
    return this.#ask(() => jetStream.first(stream, subject, fromSeq));
  }

  async read(fromSeq: number): Promise<StoredMessage[]> {
    const { jetStream, stream, subject } = this.#options;
    const { readings } = this.#options;
    return this.#ask(() => jetStream.read(stream, subject, fromSeq), readings);
  }

  async state(): Promise<StreamState> {
    const { jetStream, stream, subject } = this.#options;
    return this.#ask(() => jetStream.state(stream, subject));
  }

  async readAnchor(): Promise<WrittenAnchor | undefined> {
    const { jetStream, subject } = this.#options;
    const stored = await this.#ask(() => jetStream.last(anchorsStream, `${anchors}${subject}`));
    if (stored === undefined) return undefined;
    const anchor = decodeAnchor(stored.data) ?? unreadable;
    return { ...anchor, revision: stored.seq, writtenMs: Date.parse(stored.time) };
  }

  async writeAnchor(anchor: Anchor, revision: number): Promise<number | undefined> {
    const { jetStream, subject } = this.#options;
    const bytes = encodeAnchor(anchor);
    const options = { expectedLast: revision };
    try {
      return await this.#ask(() => jetStream.publish(`${anchors}${subject}`, bytes, options));
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw error;
    }
  }

  async #ask<T>(question: () => Promise<T>, turns = this.#options.questions): Promise<T> {
    const { streams } = this.#options;
    try {
      return await turns.run(question);
    } catch (error) {
      streams.failed(error);
      throw error;
    }
  }
}

/** Stands for what is no anchor: it is true of no stream, so it is written over. */
const unreadable: Anchor = {
  epoch: "?",
  tip: { offset: 0, seq: 0, time: "", through: 0, created: "?" },
};
