import type { BusSubscription } from "../lib/bus.ts";

/** Who receives what is published on a topic. */
export interface Subscriber {
  /** Takes one or more encoded messages, joined; the bytes are shared and must not be changed. */
  write(bytes: Uint8Array): void;
  /** Told that messages of a topic may be missing from now on. */
  lost?(topic: string): void;
}

export interface SourceListener<T> {
  onMessage(message: T): void;
  onLost(): void;
}

/** Where the hub's messages come from. */
export interface Source<T, S extends BusSubscription = BusSubscription> {
  subscribe(topic: string, listener: SourceListener<T>): S;
}

/** How messages become bytes for one kind of subscriber. */
export interface Encoding<T> {
  /** Subscribers with equal keys get the same bytes. */
  readonly key: string;
  /** Asked once for each topic and key. The encoder makes nothing of what is not for such subscribers. */
  encoderFor(topic: string): (message: T) => Buffer | undefined;
}

/** The subscribers of a topic who get the same bytes. */
interface Lane<T> {
  readonly key: string;
  readonly encode: (message: T) => Buffer | undefined;
  readonly subscribers: Set<Subscriber>;
  /** What has arrived in this turn and is not handed out yet, encoded. */
  readonly batch: Buffer[];
}

/** One subscription of the source and everyone who shares it. */
interface Topic<T, S> {
  readonly name: string;
  readonly source: S;
  readonly lanes: Lane<T>[];
  readonly attach: (subscriber: Subscriber, encoding: Encoding<T>) => void;
  readonly release: (subscriber: Subscriber | undefined) => void;
  /** With a subscriber attached or not yet: while there is any, the source's subscription stays. */
  subscriptions: number;
}

/**
 * Topics and their subscribers in this process: one subscription of the source per topic, and one
 * encoding per message and kind of subscriber, however many receive it.
 *
 * Messages that arrive together (NATS hands over a whole read at a time) are joined once and leave in
 * one write per subscriber; the join happens in a microtask, so a message that arrives alone leaves in the
 * same turn.
 */
export class Hub<T, S extends BusSubscription = BusSubscription> {
  readonly #source: Source<T, S>;
  readonly #topics = new Map<string, Topic<T, S>>();
  #dirty: Lane<T>[] = [];
  #taken = 0;
  #delivered = 0;

  constructor(source: Source<T, S>) {
    this.#source = source;
  }

  /** Topics that the source is subscribed to. */
  get topicCount(): number {
    return this.#topics.size;
  }

  /** Messages that came from the source, and copies of them that subscribers were given. */
  get counts(): { readonly taken: number; readonly delivered: number } {
    return { taken: this.#taken, delivered: this.#delivered };
  }

  /**
   * Subscribes to a topic. The caller attaches who receives its messages, and must `unsubscribe`,
   * whatever happens.
   *
   * @throws BusError when the source takes no subscription any more
   */
  subscribe(name: string): HubSubscription<T, S> {
    const topic = this.#topics.get(name) ?? this.#open(name);
    topic.subscriptions += 1;
    return new HubSubscription(topic);
  }

  #open(name: string): Topic<T, S> {
    const lanes: Lane<T>[] = [];
    const source = this.#source.subscribe(name, {
      onMessage: (message) => {
        this.#taken += 1;
        for (const lane of lanes) this.#take(lane, message);
      },
      onLost: () => {
        this.#handOut();
        // Who is told may leave.
        const all = lanes.flatMap(({ subscribers }) => [...subscribers]);
        for (const subscriber of all) subscriber.lost?.(name);
      },
    });
    const topic: Topic<T, S> = {
      name,
      source,
      lanes,
      attach: (subscriber, encoding) => {
        // What has arrived before is not for it.
        this.#handOut();
        attach(lanes, name, subscriber, encoding);
      },
      release: (subscriber) => {
        if (subscriber !== undefined) detach(lanes, subscriber);
        this.#release(topic);
      },
      subscriptions: 0,
    };
    this.#topics.set(name, topic);
    return topic;
  }

  #release(topic: Topic<T, S>): void {
    topic.subscriptions -= 1;
    if (topic.subscriptions > 0) return;
    this.#topics.delete(topic.name);
    topic.source.unsubscribe();
  }

  #take(lane: Lane<T>, message: T): void {
    const bytes = lane.encode(message);
    if (bytes === undefined) return;
    lane.batch.push(bytes);
    if (lane.batch.length > 1) return;
    this.#dirty.push(lane);
    if (this.#dirty.length === 1) {
      queueMicrotask(() => {
        this.#handOut();
      });
    }
  }

  #handOut(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const lane of dirty) {
      const { batch } = lane;
      const [first] = batch;
      if (first === undefined) continue;
      const bytes = batch.length === 1 ? first : Buffer.concat(batch);
      this.#delivered += batch.length * lane.subscribers.size;
      batch.length = 0;
      for (const subscriber of lane.subscribers) subscriber.write(bytes);
    }
  }
}

function attach<T>(
  lanes: Lane<T>[],
  topic: string,
  subscriber: Subscriber,
  encoding: Encoding<T>,
): void {
  let lane = lanes.find((each) => each.key === encoding.key);
  if (lane === undefined) {
    const encode = encoding.encoderFor(topic);
    lane = { key: encoding.key, encode, subscribers: new Set(), batch: [] };
    lanes.push(lane);
  }
  lane.subscribers.add(subscriber);
}

function detach<T>(lanes: Lane<T>[], subscriber: Subscriber): void {
  for (const [index, { subscribers }] of lanes.entries()) {
    if (!subscribers.delete(subscriber)) continue;
    // Nobody is left for whom a message would have to be encoded.
    if (subscribers.size === 0) lanes.splice(index, 1);
    return;
  }
}

/** One share of a topic: first confirmed, then somebody is attached, then it is ended. */
export class HubSubscription<
  T,
  S extends BusSubscription = BusSubscription,
> implements BusSubscription {
  readonly #topic: Topic<T, S>;
  #subscriber: Subscriber | undefined;
  #ended = false;

  constructor(topic: Topic<T, S>) {
    this.#topic = topic;
  }

  /** What all who share the topic have of the source. */
  get source(): S {
    return this.#topic.source;
  }

  /**
   * Resolves when every message published from now on will reach a subscriber that is attached.
   * Rejects with BusError when the source did not confirm; `unsubscribe` is called nonetheless.
   */
  get confirmed(): Promise<void> {
    return this.source.confirmed;
  }

  get attached(): boolean {
    return this.#subscriber !== undefined;
  }

  /** From now on, and not before, the subscriber gets what is published. */
  attach(subscriber: Subscriber, encoding: Encoding<T>): void {
    this.#subscriber = subscriber;
    this.#topic.attach(subscriber, encoding);
  }

  /** Detaches the subscriber; the last of a topic ends the source's subscription. Idempotent. */
  unsubscribe(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#topic.release(this.#subscriber);
  }
}
