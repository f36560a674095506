import type { BusSubscription } from "../lib/bus.ts";
import { Predecessors } from "./delta/predecessors.ts";

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
  /** Whether a message's bytes depend on the message before it. */
  readonly chained?: boolean;
  /** Joins the bytes of messages that leave together; left out: they just follow each other. */
  readonly join?: ((pieces: readonly Buffer[]) => Buffer) | undefined;
  /**
   * Asked once for each topic and key.
   *
   * @returns the encoder; with `chained`, it is told the message that the subscribers have got before this
   * one, undefined when some have got none or it is not known any more
   */
  encoderFor(topic: string): (message: T, before: T | undefined) => Buffer;
}

/** What a subscriber wants of a topic, and what it has of it. */
export interface Wish<T> {
  /** Which messages it gets; filters with equal keys accept the same. Not with a chained encoding. */
  readonly filter?: { readonly key: string; readonly accepts: (message: T) => boolean } | undefined;
  /** The last message that it has got, by another way; of use to chained encodings. */
  readonly has?: T | undefined;
}

/** The subscribers of a topic whose bytes are made in the same way. */
interface Lane<T> {
  readonly key: string;
  readonly chained: boolean;
  readonly encode: (message: T, before: T | undefined) => Buffer;
  readonly join: (pieces: readonly Buffer[]) => Buffer;
  /** All of them, for messages; by what they want, for those who come. */
  readonly audiences: Audience<T>[];
  unfiltered: Audience<T> | undefined;
  filtered: Map<string, Audience<T>> | undefined;
}

/** Those of a lane who want the same messages. */
interface Audience<T> {
  readonly filter: Wish<T>["filter"];
  readonly join: Lane<T>["join"];
  readonly subscribers: Set<Subscriber>;
  /** Subscribers to whom the first message of the batch means nothing as it is: they have not the one before. */
  fresh: Set<Subscriber> | undefined;
  /** What has arrived in this turn and is not handed out yet, encoded. */
  readonly batch: Buffer[];
  /** The first of the batch, for those who are fresh. */
  first: Buffer | undefined;
}

/** Where a subscriber is in a topic. */
interface Place<T> {
  readonly lane: Lane<T>;
  readonly audience: Audience<T>;
}

/** One subscription of the source and everyone who shares it. */
interface Topic<T, S> {
  readonly name: string;
  readonly source: S;
  /** Few: one for each kind of wire. */
  readonly lanes: Lane<T>[];
  chainedLanes: number;
  readonly attach: (subscriber: Subscriber, encoding: Encoding<T>, wish: Wish<T>) => Place<T>;
  readonly release: (subscriber: Subscriber | undefined, place: Place<T> | undefined) => void;
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
  readonly #predecessors: Predecessors<T>;
  #dirty: Audience<T>[] = [];
  #taken = 0;
  #delivered = 0;

  /** @param predecessors of topics with a chained encoding, if there are such */
  constructor(source: Source<T, S>, predecessors = new Predecessors<T>(0, () => 0)) {
    this.#source = source;
    this.#predecessors = predecessors;
  }

  /** Topics that the source is subscribed to. */
  get topicCount(): number {
    return this.#topics.size;
  }

  /** Topics that have subscribers, and how many. */
  *subscriberCounts(): Generator<readonly [topic: string, count: number]> {
    for (const { name, lanes } of this.#topics.values()) {
      let count = 0;
      for (const { audiences } of lanes) {
        for (const { subscribers, fresh } of audiences) {
          count += subscribers.size + (fresh?.size ?? 0);
        }
      }
      if (count > 0) yield [name, count];
    }
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
        const before = topic.chainedLanes > 0 ? this.#predecessors.get(name) : undefined;
        for (const lane of lanes) this.#take(lane, message, before);
        if (topic.chainedLanes > 0) this.#predecessors.set(name, message);
      },
      onLost: () => {
        this.#handOut();
        // Who is told may leave.
        const all = lanes.flatMap(({ audiences }) => audiences.flatMap(everybody));
        for (const subscriber of all) subscriber.lost?.(name);
      },
    });
    const topic: Topic<T, S> = {
      name,
      source,
      lanes,
      attach: (subscriber, encoding, wish) => {
        // What has arrived before is not for it.
        this.#handOut();
        return this.#attach(topic, subscriber, encoding, wish);
      },
      release: (subscriber, place) => {
        if (subscriber !== undefined && place !== undefined) detach(topic, subscriber, place);
        if (topic.chainedLanes === 0) this.#predecessors.delete(name);
        this.#release(topic);
      },
      chainedLanes: 0,
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

  #attach(
    topic: Topic<T, S>,
    subscriber: Subscriber,
    encoding: Encoding<T>,
    { filter, has }: Wish<T>,
  ): Place<T> {
    const { name } = topic;
    const isFirst = topic.chainedLanes === 0;
    const place = placeIn(topic, encoding, filter);
    const { lane, audience } = place;
    if (!lane.chained) {
      audience.subscribers.add(subscriber);
      return place;
    }
    // Nobody is here who could have another one.
    if (isFirst && has !== undefined) this.#predecessors.set(name, has);
    const isAbreast = has !== undefined && this.#predecessors.get(name) === has;
    if (isAbreast) audience.subscribers.add(subscriber);
    else (audience.fresh ??= new Set()).add(subscriber);
    return place;
  }

  #take({ audiences, encode }: Lane<T>, message: T, before: T | undefined): void {
    let bytes: Buffer | undefined;
    for (const audience of audiences) {
      const { filter, batch, fresh } = audience;
      if (filter?.accepts(message) === false) continue;
      bytes ??= encode(message, before);
      if (batch.length === 0) {
        if (fresh !== undefined) {
          audience.first = before === undefined ? bytes : encode(message, undefined);
        }
        this.#dirty.push(audience);
        if (this.#dirty.length === 1) {
          queueMicrotask(() => {
            this.#handOut();
          });
        }
      }
      batch.push(bytes);
    }
  }

  #handOut(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const audience of dirty) {
      const { subscribers, batch, fresh, first, join } = audience;
      const count = batch.length;
      const bytes = joined(batch, join);
      if (first !== undefined) batch[0] = first;
      const bytesForFresh = first === undefined ? undefined : joined(batch, join);
      batch.length = 0;
      audience.first = undefined;
      this.#delivered += count * subscribers.size;
      for (const subscriber of subscribers) subscriber.write(bytes);
      if (fresh === undefined || bytesForFresh === undefined) continue;
      this.#delivered += count * fresh.size;
      // From now on they have what the others have.
      audience.fresh = undefined;
      for (const subscriber of fresh) subscribers.add(subscriber);
      for (const subscriber of fresh) {
        // One may leave while another is written to.
        if (subscribers.has(subscriber)) subscriber.write(bytesForFresh);
      }
    }
  }
}

function joined(batch: readonly Buffer[], join: (pieces: readonly Buffer[]) => Buffer): Buffer {
  const [first] = batch;
  return batch.length === 1 && first !== undefined ? first : join(batch);
}

function concatenated(pieces: readonly Buffer[]): Buffer {
  return Buffer.concat(pieces);
}

function everybody<T>({ subscribers, fresh }: Audience<T>): Subscriber[] {
  return fresh === undefined ? [...subscribers] : [...subscribers, ...fresh];
}

function placeIn<T, S>(
  topic: Topic<T, S>,
  encoding: Encoding<T>,
  filter: Wish<T>["filter"],
): Place<T> {
  const { lanes, name } = topic;
  let lane = lanes.find(({ key }) => key === encoding.key);
  if (lane === undefined) {
    const { key, chained = false, join = concatenated } = encoding;
    const encode = encoding.encoderFor(name);
    lane = {
      key,
      chained,
      encode,
      join,
      audiences: [],
      unfiltered: undefined,
      filtered: undefined,
    };
    lanes.push(lane);
    if (chained) topic.chainedLanes += 1;
  }
  const known = filter === undefined ? lane.unfiltered : lane.filtered?.get(filter.key);
  return { lane, audience: known ?? openAudience(lane, filter) };
}

function openAudience<T>(lane: Lane<T>, filter: Wish<T>["filter"]): Audience<T> {
  const audience: Audience<T> = {
    filter,
    join: lane.join,
    subscribers: new Set(),
    fresh: undefined,
    batch: [],
    first: undefined,
  };
  lane.audiences.push(audience);
  if (filter === undefined) lane.unfiltered = audience;
  else (lane.filtered ??= new Map<string, Audience<T>>()).set(filter.key, audience);
  return audience;
}

/** Nobody may be left for whom a message would have to be encoded. */
function detach<T, S>(topic: Topic<T, S>, subscriber: Subscriber, place: Place<T>): void {
  const { lanes } = topic;
  const { lane, audience } = place;
  const { filter, subscribers, fresh } = audience;
  if (!subscribers.delete(subscriber)) fresh?.delete(subscriber);
  if (fresh?.size === 0) audience.fresh = undefined;
  if (subscribers.size > 0 || audience.fresh !== undefined) return;
  lane.audiences.splice(lane.audiences.indexOf(audience), 1);
  if (filter === undefined) lane.unfiltered = undefined;
  else lane.filtered?.delete(filter.key);
  if (lane.audiences.length > 0) return;
  lanes.splice(lanes.indexOf(lane), 1);
  if (lane.chained) topic.chainedLanes -= 1;
}

/** One share of a topic: first confirmed, then somebody is attached, then it is ended. */
export class HubSubscription<
  T,
  S extends BusSubscription = BusSubscription,
> implements BusSubscription {
  readonly #topic: Topic<T, S>;
  #subscriber: Subscriber | undefined;
  #place: Place<T> | undefined;
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
  attach(subscriber: Subscriber, encoding: Encoding<T>, wish: Wish<T> = {}): void {
    this.#subscriber = subscriber;
    this.#place = this.#topic.attach(subscriber, encoding, wish);
  }

  /** Detaches the subscriber; the last of a topic ends the source's subscription. Idempotent. */
  unsubscribe(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#topic.release(this.#subscriber, this.#place);
  }
}
