import { setImmediate } from "node:timers/promises";
import { BusError } from "../../../../../apps/lib/bus.ts";
import type { ChannelMessage } from "../../../../../apps/ws/channel-message.ts";
import type { Anchor, WrittenAnchor } from "../../../../../apps/ws/history/anchor.ts";
import { ChannelLog } from "../../../../../apps/ws/history/channel-log.ts";
import type { ChannelStore, LiveMessage } from "../../../../../apps/ws/history/channel-store.ts";
import { storedPerChannel } from "../../../../../apps/ws/history/continuation.ts";
import { JetStreamError } from "../../../../../apps/ws/history/jetstream.ts";
import { TailBudget } from "../../../../../apps/ws/history/tail-budget.ts";
import { ModelStream } from "./stream.ts";
import { ModelTime } from "./time.ts";
import { Truth } from "./truth.ts";

export const channel = "channel";
export const other = "other";
const defaultMetaTtlMs = 1_000 * 3_600_000;

export interface WorldOptions {
  readonly size: number;
  readonly ttlMs: number;
  readonly metaTtlMs?: number;
  readonly replicas?: number;
}

export type Question =
  "subscribed" | "last" | "first" | "read" | "state" | "readAnchor" | "writeAnchor";

/** Something that has been sent and has not arrived. */
interface Pending {
  readonly gateway: ModelGateway;
  run(): unknown;
  fail(): void;
}

/** JetStream, its network, gateways and time, all of which do only what the test says. */
export class World {
  readonly time = new ModelTime();
  readonly stream: ModelStream;
  readonly truth = new Truth();
  readonly budget = new TailBudget(1_000_000_000);
  readonly options: WorldOptions;
  readonly gateways = new Set<ModelGateway>();
  anchorWrites = 0;
  /** How often each question was asked. */
  readonly asked = new Map<Question, number>();
  /** What the server refuses to do. */
  readonly failing = new Set<Question>();
  /** By how many changes the replica is behind that answers the next reads. */
  lag = 0;
  pending: Pending[] = [];
  /** What the test has begun at gateways, and has not come to its end. */
  readonly #begun = new Set<{ readonly gateway: ModelGateway }>();
  #anchor: WrittenAnchor | undefined;
  #anchorSeq = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    const { size, ttlMs } = options;
    const limits = { maxPerSubject: storedPerChannel(size), maxAgeMs: ttlMs };
    this.stream = new ModelStream(() => this.time.wall(), limits);
    this.stream.replicas = options.replicas ?? 1;
    this.stream.onStored = (message, subject) => {
      if (subject !== channel) return;
      for (const gateway of this.gateways) gateway.live(message);
    };
  }

  get anchor(): WrittenAnchor | undefined {
    const { metaTtlMs = defaultMetaTtlMs } = this.options;
    const old = (this.#anchor?.writtenMs ?? 0) + metaTtlMs <= this.time.wall();
    return old ? undefined : this.#anchor;
  }

  /** How often questions were asked since the last call, of one kind or of all. */
  count(question?: Question): number {
    let sum = 0;
    for (const [kind, count] of this.asked) {
      if (question === undefined || kind === question) sum += count;
    }
    this.asked.clear();
    return sum;
  }

  open(): ModelGateway {
    const gateway = new ModelGateway(this);
    this.gateways.add(gateway);
    return gateway;
  }

  publish(count = 1, subject = channel): void {
    for (let each = 0; each < count; each += 1) this.stream.publish(subject);
  }

  /** Begins something at a gateway that goes on meanwhile; when it fails, that is no matter. */
  begin(gateway: ModelGateway, work: Promise<void>): void {
    const begun = { gateway };
    this.#begun.add(begun);
    const ended = (): void => {
      this.#begun.delete(begun);
    };
    work.then(ended, ended);
  }

  /** Lets everything happen that follows from what has happened, and no time pass. */
  async turn(): Promise<void> {
    await setImmediate();
  }

  /** Lets everything arrive that is under way, and what comes of it, while no time passes. */
  async settle(): Promise<void> {
    await this.turn();
    while (this.pending.length > 0) {
      this.pending.shift()?.run();
      await this.turn();
    }
  }

  /** Lets one thing arrive. */
  async arrive(which: number): Promise<void> {
    const index = which % Math.max(1, this.pending.length);
    const [pending] = this.pending.splice(index, 1);
    pending?.run();
    await this.turn();
    // Everything takes its time.
    this.time.pass(1);
  }

  /** Lets everything arrive, and time pass while somebody waits for it. */
  async calm(): Promise<void> {
    for (let step = 0; step < 20_000; step += 1) {
      await this.turn();
      if (this.pending.length > 0) await this.arrive(0);
      else if (this.#isWaiting()) this.time.pass(10);
      else return;
    }
    throw new Error("it never becomes calm");
  }

  #isWaiting(): boolean {
    const begun = [...this.#begun].some(({ gateway }) => this.gateways.has(gateway));
    const busy = [...this.gateways].some((gateway) => gateway.busy);
    return begun || busy || this.time.waiting > 0;
  }

  writeAnchor(anchor: Anchor, revision: number): number | undefined {
    if ((this.anchor?.revision ?? 0) !== revision) return undefined;
    this.#anchorSeq += 1;
    this.anchorWrites += 1;
    this.#anchor = { ...anchor, revision: this.#anchorSeq, writtenMs: this.time.wall() };
    for (const gateway of this.gateways) gateway.notice(this.#anchor);
    return this.#anchorSeq;
  }

  /** @param anew their sequences begin again, too */
  loseAnchors({ anew }: { anew: boolean }): void {
    this.#anchor = undefined;
    if (anew) this.#anchorSeq = 0;
  }

  send(pending: Pending): void {
    this.pending.push(pending);
  }

  /** What is under way to and from a gateway is lost. */
  drop(gateway: ModelGateway): void {
    const lost = this.pending.filter((pending) => pending.gateway === gateway);
    this.pending = this.pending.filter((pending) => pending.gateway !== gateway);
    for (const pending of lost) pending.fail();
  }
}

/** A gateway that follows one channel, with its connection to NATS. */
export class ModelGateway {
  readonly log: ChannelLog;
  readonly errors: unknown[] = [];
  readonly listeners = new Set<ModelClient>();
  /** What it has handed out: the publishers' numbers, and "lost". */
  readonly handed: (number | "lost")[] = [];
  readonly #world: World;
  #onMessage: (message: LiveMessage) => void = () => undefined;
  #connected = true;
  /** True once the server knows the subscription; with a new connection, it does at once. */
  #subscribed = false;
  #reconnected = Promise.withResolvers<undefined>();
  #dead = false;
  readonly #queue: (() => void)[] = [];
  #losesNext = false;

  constructor(world: World) {
    this.#world = world;
    const { size, ttlMs, metaTtlMs = defaultMetaTtlMs } = world.options;
    this.log = new ChannelLog({
      store: this.#store(),
      limits: { size, ttlMs },
      metaTtlMs,
      budget: world.budget,
      clock: world.time,
      onMessage: (message) => {
        this.#world.truth.saw(this.log.position.epoch, message);
        this.handed.push(Number(Buffer.from(message.data).toString()));
        for (const client of [...this.listeners]) client.take(message);
      },
      onLost: () => {
        this.handed.push("lost");
        for (const client of [...this.listeners]) client.lose();
      },
      onError: (error) => this.errors.push(error),
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** True while it waits for time to pass. */
  get busy(): boolean {
    return !this.#dead && this.#connected && !this.log.following;
  }

  live(message: LiveMessage): void {
    if (!this.#connected || !this.#subscribed || this.#dead) return;
    if (this.#losesNext) {
      this.#losesNext = false;
      return;
    }
    this.#inOrder(() => {
      this.#onMessage(message);
    });
  }

  notice(anchor: WrittenAnchor): void {
    if (!this.#connected || this.#dead) return;
    this.#inOrder(() => {
      this.log.anchorWritten(anchor);
    });
  }

  /** The next live message is not handed on, as when the stream's leader changes. */
  loseNext(): void {
    this.#losesNext = true;
  }

  cut(): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#reconnected = Promise.withResolvers();
    this.miss();
  }

  /** What is on its way to it, and its questions, are lost. */
  miss(): void {
    this.#queue.length = 0;
    this.#world.drop(this);
  }

  /** Its subscriptions are there again; that it has been away, the log is told a little later. */
  reconnect(): void {
    if (this.#connected || this.#dead) return;
    this.#connected = true;
    this.#subscribed = true;
    this.#reconnected.resolve(undefined);
    this.#send(() => {
      this.log.reconnected();
    });
  }

  /** Ends without a word. */
  kill(): void {
    this.#dead = true;
    this.cut();
    this.#world.gateways.delete(this);
    for (const client of [...this.listeners]) client.lose();
  }

  async close(): Promise<void> {
    for (const client of [...this.listeners]) client.lose();
    await this.log.close();
    this.#world.gateways.delete(this);
  }

  async verify(): Promise<void> {
    const asked = this.#world.time.monotonic();
    const state = await this.#ask("state", () => this.#world.stream.state(channel));
    await this.log.verify(state, asked);
  }

  /** Asks for the history, as a client's command does. */
  async history(): Promise<void> {
    const { truth, time, stream } = this.#world;
    const stored = stream.published.get(channel) ?? 0;
    await this.log.fresh();
    for (;;) {
      const shown = this.log.visible(time.wall());
      if (shown !== undefined) {
        truth.answered(this.log.position, stored);
        truth.showed(this.log.position, shown);
        return;
      }
      await (this.log.following ? this.log.load() : this.log.ready());
    }
  }

  /** Messages on one subscription come in their order. */
  #inOrder(deliver: () => void): void {
    this.#queue.push(deliver);
    this.#send(() => this.#queue.shift()?.());
  }

  #send(run: () => unknown): void {
    this.#world.send({ gateway: this, run, fail: () => undefined });
  }

  /** A question and its answer, each of which takes its time. */
  async #ask<T>(question: Question, execute: () => T): Promise<T> {
    const { asked, failing } = this.#world;
    asked.set(question, (asked.get(question) ?? 0) + 1);
    if (!this.#connected) throw new BusError("unavailable", "there is no connection");
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        reject(new BusError("unavailable", "the connection broke"));
      };
      this.#world.send({
        gateway: this,
        fail,
        run: () => {
          if (failing.has(question)) {
            reject(new JetStreamError(10_008, `the server refuses: ${question}`));
            return;
          }
          const answer = execute();
          const arrive = (): void => {
            resolve(answer);
          };
          this.#world.send({ gateway: this, fail, run: arrive });
        },
      });
    });
  }

  #store(): ChannelStore {
    const world = this.#world;
    const { stream } = world;
    return {
      subscribe: (onMessage) => {
        this.#onMessage = onMessage;
        this.#send(() => (this.#subscribed = true));
        return { unsubscribe: () => (this.#onMessage = () => undefined) };
      },
      subscribed: async () => {
        if (!this.#connected) await this.#reconnected.promise;
        await this.#ask("subscribed", () => (this.#subscribed = true));
      },
      last: () => this.#ask("last", () => stream.last(channel)),
      first: (fromSeq) => this.#ask("first", () => stream.first(channel, fromSeq)),
      read: (fromSeq) =>
        this.#ask("read", () => {
          const { lag } = world;
          world.lag = 0;
          return stream.read(channel, fromSeq, lag);
        }),
      state: () => this.#ask("state", () => stream.state(channel)),
      readAnchor: () => this.#ask("readAnchor", () => world.anchor),
      writeAnchor: (anchor, revision) =>
        this.#ask("writeAnchor", () => world.writeAnchor(anchor, revision)),
    };
  }
}

/** A subscriber that remembers where it was, as the client SDKs do. */
export class ModelClient {
  position: { offset: number; epoch: string } | undefined;
  /** Outcomes of its recoveries. */
  readonly recoveries: boolean[] = [];
  readonly #world: World;
  #gateway: ModelGateway | undefined;
  #attempt = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get attached(): boolean {
    return this.#gateway !== undefined;
  }

  /** Subscribes as the gateway's connections do. */
  async join(gateway: ModelGateway, { max = 1_000 } = {}): Promise<void> {
    this.leave();
    this.#attempt += 1;
    const attempt = this.#attempt;
    const { log } = gateway;
    const { truth, stream, time } = this.#world;
    const stored = stream.published.get(channel) ?? 0;
    const recover = this.position;
    await log.fresh();
    for (;;) {
      if (attempt !== this.#attempt) return;
      const snapshot = log.snapshot(recover, { max, nowMs: time.wall() });
      if (snapshot !== undefined) {
        const { position, recovery } = snapshot;
        truth.answered(position, stored);
        for (const message of recovery?.messages ?? []) truth.saw(position.epoch, message);
        if (recovery !== undefined) this.recoveries.push(recovery.recovered);
        if (recovery?.recovered === true) {
          truth.recovered(recover, position, recovery.messages);
        }
        this.position = position;
        this.#gateway = gateway;
        gateway.listeners.add(this);
        return;
      }
      await (log.following ? log.load() : log.ready());
    }
  }

  take(message: ChannelMessage): void {
    const { position } = this;
    if (position === undefined) throw new Error("a message came before the snapshot");
    const { offset = Number.NaN } = message;
    const expected = position.offset + 1;
    if (offset !== expected) throw this.#world.truth.wrong(`${offset} came and not ${expected}`);
    if (this.#gateway?.log.position.epoch !== position.epoch) {
      throw this.#world.truth.wrong("a message came of another epoch");
    }
    this.position = { ...position, offset };
  }

  lose(): void {
    this.leave();
  }

  leave(): void {
    this.#attempt += 1;
    this.#gateway?.listeners.delete(this);
    this.#gateway = undefined;
  }
}
