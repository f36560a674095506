import type { BusSubscription } from "../lib/bus.ts";

/** Who receives what is published on a topic. */
export interface Subscriber {
  /** Takes one or more encoded messages, joined; the bytes are shared and must not be changed. */
  write(bytes: Uint8Array): void;
}

/** Where the hub's messages come from. */
export interface Source {
  subscribe(topic: string, callback: (message: Uint8Array) => void): BusSubscription;
}

/** One subscription of the source and everyone who shares it. */
interface Topic {
  readonly name: string;
  readonly source: BusSubscription;
  readonly subscribers: Set<Subscriber>;
  /** With a subscriber attached or not yet: while there is any, the source's subscription stays. */
  subscriptions: number;
  /** What has arrived in this turn and is not handed out yet, encoded. */
  batch: Buffer[];
}

/**
 * Topics and their subscribers in this process: one subscription of the source per topic, and one
 * encoding per message, however many receive it.
 *
 * Messages that arrive together (NATS hands over a whole read at a time) are joined once and leave in
 * one write per subscriber; the join happens in a microtask, so a message that arrives alone leaves in the
 * same turn.
 */
export class Hub {
  readonly #source: Source;
  readonly #encode: (message: Uint8Array) => Buffer;
  readonly #topics = new Map<string, Topic>();
  #dirty: Topic[] = [];

  constructor(source: Source, encode: (message: Uint8Array) => Buffer) {
    this.#source = source;
    this.#encode = encode;
  }

  /** Topics that the source is subscribed to. */
  get topicCount(): number {
    return this.#topics.size;
  }

  /**
   * Subscribes to a topic. The caller attaches who receives its messages, and must `unsubscribe`,
   * whatever happens.
   *
   * @throws BusError when the source takes no subscription any more
   */
  subscribe(name: string): HubSubscription {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      const created: Topic = {
        name,
        source: this.#source.subscribe(name, (message) => {
          this.#take(created, message);
        }),
        subscribers: new Set(),
        subscriptions: 0,
        batch: [],
      };
      topic = created;
      this.#topics.set(name, topic);
    }
    topic.subscriptions += 1;
    return new HubSubscription(topic, () => {
      this.#release(topic);
    });
  }

  #release(topic: Topic): void {
    topic.subscriptions -= 1;
    if (topic.subscriptions > 0) return;
    this.#topics.delete(topic.name);
    topic.source.unsubscribe();
  }

  #take(topic: Topic, message: Uint8Array): void {
    topic.batch.push(this.#encode(message));
    if (topic.batch.length > 1) return;
    this.#dirty.push(topic);
    if (this.#dirty.length === 1) {
      queueMicrotask(() => {
        this.#handOut();
      });
    }
  }

  #handOut(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const topic of dirty) {
      const [first, ...more] = topic.batch;
      topic.batch = [];
      if (first === undefined) continue;
      const bytes = more.length === 0 ? first : Buffer.concat([first, ...more]);
      for (const subscriber of topic.subscribers) subscriber.write(bytes);
    }
  }
}

/** One share of a topic: first confirmed, then somebody is attached, then it is ended. */
export class HubSubscription implements BusSubscription {
  readonly #topic: Topic;
  readonly #release: () => void;
  #subscriber: Subscriber | undefined;
  #ended = false;

  constructor(topic: Topic, release: () => void) {
    this.#topic = topic;
    this.#release = release;
  }

  /**
   * Resolves when every message published from now on will reach a subscriber that is attached.
   * Rejects with BusError when the source did not confirm; `unsubscribe` is called nonetheless.
   */
  get confirmed(): Promise<void> {
    return this.#topic.source.confirmed;
  }

  get attached(): boolean {
    return this.#subscriber !== undefined;
  }

  attach(subscriber: Subscriber): void {
    this.#subscriber = subscriber;
    this.#topic.subscribers.add(subscriber);
  }

  /** Detaches the subscriber; the last of a topic ends the source's subscription. Idempotent. */
  unsubscribe(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#subscriber !== undefined) this.#topic.subscribers.delete(this.#subscriber);
    this.#release();
  }
}
