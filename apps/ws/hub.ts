import type { BusSubscription } from "../lib/bus.ts";

/** Who receives what is published on a topic. */
export interface Member {
  /** Takes one or more encoded messages, joined; the bytes are shared and must not be changed. */
  write(bytes: Uint8Array): void;
}

/** Where the hub's messages come from. */
export interface Source {
  subscribe(topic: string, callback: (message: Uint8Array) => void): BusSubscription;
}

/** One subscription and everyone who shares it. */
interface Topic {
  readonly name: string;
  readonly subscription: BusSubscription;
  readonly members: Set<Member>;
  /** Members, and those who wait to become one: while there is any, the subscription stays. */
  seats: number;
  /** What has arrived in this turn and is not handed out yet, encoded. */
  batch: Buffer[];
}

/**
 * Topics and their members in this process: one subscription per topic however many members, one
 * encoding per message however many receivers.
 *
 * Messages that arrive together (NATS hands over a whole read at a time) are joined once and leave in
 * one write per member; the join happens in a microtask, so a message that arrives alone leaves in the
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

  /** Topics that have a subscription. */
  get topicCount(): number {
    return this.#topics.size;
  }

  /** Reserves a place on a topic; its owner must `leave` it, whatever happens. */
  join(name: string): Seat {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      const created: Topic = {
        name,
        subscription: this.#source.subscribe(name, (message) => {
          this.#take(created, message);
        }),
        members: new Set(),
        seats: 0,
        batch: [],
      };
      topic = created;
      this.#topics.set(name, topic);
    }
    topic.seats += 1;
    return new Seat(topic, () => {
      this.#release(topic);
    });
  }

  #release(topic: Topic): void {
    topic.seats -= 1;
    if (topic.seats > 0) return;
    this.#topics.delete(topic.name);
    topic.subscription.unsubscribe();
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
      for (const member of topic.members) member.write(bytes);
    }
  }
}

/** A place on a topic: first reserved, then taken by a member, then left. */
export class Seat {
  readonly #topic: Topic;
  readonly #release: () => void;
  #member: Member | undefined;
  #left = false;

  constructor(topic: Topic, release: () => void) {
    this.#topic = topic;
    this.#release = release;
  }

  /**
   * Resolves when every message published from now on will reach a member that sits here.
   * Rejects with BusError when the subscription could not be confirmed; the seat must be left then.
   */
  get ready(): Promise<void> {
    return this.#topic.subscription.confirmed;
  }

  get taken(): boolean {
    return this.#member !== undefined;
  }

  sit(member: Member): void {
    this.#member = member;
    this.#topic.members.add(member);
  }

  /** Gives the place up; the last one ends the subscription. Idempotent. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    if (this.#member !== undefined) this.#topic.members.delete(this.#member);
    this.#release();
  }
}
