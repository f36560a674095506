import { randomUUID } from "node:crypto";
import { type Bus, BusError, type BusSubscription } from "../lib/bus.ts";
import { topicSubject } from "../lib/topic-subject.ts";
import { within } from "../lib/within.ts";
import { ChannelMessage } from "./channel-message.ts";
import type { ChannelLog } from "./history/channel-log.ts";
import type { History } from "./history/history.ts";
import type { Source, SourceListener } from "./hub.ts";
import { detailsOf, type PublicationDetails, publicationHeaders } from "./publication-headers.ts";

export interface BrokerLimits {
  /** Published bytes that NATS has not confirmed; beyond, publishers should wait. */
  readonly maxUnconfirmedBytes: number;
}

interface Publishing {
  readonly send: () => void;
  readonly published: PromiseWithResolvers<undefined>;
}

/** A channel that this process follows; those with history have their log. */
export interface ChannelSubscription extends BusSubscription {
  readonly log?: ChannelLog;
}

/**
 * Channels on NATS: those with history by JetStream, the others by plain subjects. Publications are not waited for one by one: each gets a ticket, and one question to
 * the server at a time confirms all tickets before it.
 */
export class Broker implements Source<ChannelMessage, ChannelSubscription> {
  readonly #bus: Bus;
  readonly #history: Pick<History, "namespaceOf" | "subscribe" | "publish"> | undefined;
  readonly #limits: BrokerLimits;
  /** Publications of clients, of this turn. */
  #batch: Publishing[] = [];
  #sent = 0;
  #confirmed = 0;
  #sentBytes = 0;
  #confirmedBytes = 0;
  #confirming = false;

  /** Called when publications may have been lost: those with a ticket above `confirmed`. */
  onLost: (confirmed: number) => void = () => undefined;
  /** Called after each confirmation that leaves room. */
  onRoom: () => void = () => undefined;

  /** @param history absent: no channel has one */
  constructor(
    bus: Bus,
    limits: BrokerLimits,
    history?: Pick<History, "namespaceOf" | "subscribe" | "publish">,
  ) {
    this.#bus = bus;
    this.#history = history;
    this.#limits = limits;
  }

  /** True while NATS owes so many confirmations that publishers should pause. */
  get full(): boolean {
    return this.#sentBytes - this.#confirmedBytes > this.#limits.maxUnconfirmedBytes;
  }

  onChange(listener: (connected: boolean) => void): () => void {
    return this.#bus.onChange(listener);
  }

  subscribe(topic: string, listener: SourceListener<ChannelMessage>): ChannelSubscription {
    const namespace = this.#history?.namespaceOf(topic);
    if (this.#history === undefined || namespace === undefined) {
      return this.#bus.subscribe(topicSubject(topic), (data, message) => {
        listener.onMessage(new ChannelMessage(data, detailsOf(message)));
      });
    }
    const share = this.#history.subscribe(topic, namespace, listener);
    const { log } = share;
    return {
      log,
      get confirmed() {
        return log.ready();
      },
      unsubscribe: () => {
        share.unsubscribe();
      },
    };
  }

  /**
   * Publishes for a client and resolves when NATS has it; in a channel with history, when it is stored.
   *
   * @throws BusError `unavailable` when it may or may not have been published, `too_large`
   */
  async publishFor(
    topic: string,
    message: Uint8Array,
    { withinMs, ...details }: PublicationDetails & { readonly withinMs: number },
  ): Promise<void> {
    const headers = publicationHeaders(details);
    if (this.#history?.namespaceOf(topic) !== undefined) {
      await this.#history.publish(topic, message, { id: randomUUID(), headers, withinMs });
      return;
    }
    const published = Promise.withResolvers<undefined>();
    this.#batch.push({
      send: () => {
        this.#bus.send(topicSubject(topic), message, headers && { headers });
      },
      published,
    });
    if (this.#batch.length === 1) setImmediate(() => void this.#publishBatch(withinMs));
    await published.promise;
  }

  /**
   * What was published in one turn of the event loop goes to NATS in one write, together with the question
   * whether it has arrived.
   */
  async #publishBatch(withinMs: number): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    const late = (): Error =>
      new BusError("unavailable", "NATS did not confirm the publication in time");
    // Asked before, it is put behind what is sent in this turn, and not into a write of its own.
    const confirmed = within(this.#bus.flush(), withinMs, late);
    const sent = batch.filter(({ send, published }) => {
      try {
        send();
        return true;
      } catch (error) {
        published.reject(error);
        return false;
      }
    });
    try {
      await confirmed;
      for (const { published } of sent) published.resolve(undefined);
    } catch (error) {
      for (const { published } of sent) published.reject(error);
    }
  }

  /**
   * Hands a message to NATS.
   *
   * @returns its ticket; tickets increase
   * @throws BusError when there is no connection or the message is too large for NATS
   */
  publish(topic: string, message: Uint8Array): number {
    this.#bus.send(topicSubject(topic), message);
    this.#sent += 1;
    this.#sentBytes += message.length;
    if (!this.#confirming) void this.#confirm();
    return this.#sent;
  }

  async #confirm(): Promise<void> {
    this.#confirming = true;
    while (this.#confirmed < this.#sent) {
      const [sent, bytes] = [this.#sent, this.#sentBytes];
      try {
        await this.#bus.flush();
        this.#confirmed = sent;
        this.#confirmedBytes = bytes;
      } catch {
        const confirmed = this.#confirmed;
        this.#confirmed = this.#sent;
        this.#confirmedBytes = this.#sentBytes;
        this.onLost(confirmed);
      }
      if (!this.full) this.onRoom();
    }
    this.#confirming = false;
  }
}
