/** Clients that write down what they see and do. */
import type { Centrifuge, PublicationContext, SubscribedContext, Subscription } from "centrifuge";
import { SignJWT } from "jose";
import { connect, type NatsConnection } from "nats";
import { clientKinds, decodeData, encodeData } from "../../support/client-kind.ts";
import { centrifuge, subjectOf } from "../../support/gateway-process.ts";
import { Random } from "../../support/random.ts";
import type { Delivered, Ended, Follower, Position, Publish, Subscribed } from "./history.ts";
import type { PublisherPlan, SubscriberPlan } from "./plan.ts";
import { rest, tokenKey } from "./world.ts";

/** What is published. */
interface Payload {
  readonly id: string;
}

function now(): number {
  return performance.now();
}

interface OpenFollower extends Follower {
  readonly seen: (Subscribed | Delivered | Ended)[];
}

/** A client with recoverable subscriptions, by the client or by the server. */
export class Subscriber {
  readonly followers: readonly OpenFollower[];
  readonly #client: Centrifuge;
  #subscriptions: Subscription[] = [];
  #closed = false;

  /** @param since by channel, from where it asks for everything that it missed */
  static async start(
    plan: Pick<SubscriberPlan, "name" | "speaks" | "channels" | "serverSide">,
    port: number,
    since: ReadonlyMap<string, Position> = new Map(),
  ): Promise<Subscriber> {
    const token = plan.serverSide
      ? await new SignJWT({ channels: plan.channels })
          .setProtectedHeader({ alg: "HS256" })
          .setSubject(plan.name)
          .sign(Buffer.from(tokenKey))
      : undefined;
    return new Subscriber(plan, port, since, token);
  }

  private constructor(
    { name, speaks, channels }: Pick<SubscriberPlan, "name" | "speaks" | "channels">,
    port: number,
    since: ReadonlyMap<string, Position>,
    token: string | undefined,
  ) {
    this.followers = channels.map((channel) => ({
      name,
      channel,
      since: since.get(channel),
      seen: [],
    }));
    const client = centrifuge(port, {
      kind: clientKinds[speaks],
      // Quicker than the default to give up a gateway that hangs.
      ...{ timeout: 3_000, maxServerPingDelay: 1_500 },
      ...(token === undefined ? {} : { token }),
    });
    this.#client = client;
    client.on("disconnected", ({ code, reason }) => {
      for (const { channel } of this.followers) this.#end(channel, `${code} ${reason}`);
    });
    if (token === undefined) {
      for (const { channel, since: from } of this.followers) {
        const subscription = client.newSubscription(channel, {
          ...{ minResubscribeDelay: 50, maxResubscribeDelay: 500 },
          ...(from === undefined ? {} : { since: from }),
        });
        subscription.on("subscribed", (context) => {
          this.#subscribed(context);
        });
        subscription.on("publication", (context) => {
          this.#delivered(context);
        });
        subscription.on("unsubscribed", ({ code, reason }) => {
          // 0: it was this side that did it.
          if (code !== 0) this.#end(channel, `unsubscribed, ${code} ${reason}`);
        });
        subscription.subscribe();
        this.#subscriptions.push(subscription);
      }
    } else {
      client.on("subscribed", (context) => {
        this.#subscribed(context);
      });
      client.on("publication", (context) => {
        this.#delivered(context);
      });
      client.on("unsubscribed", ({ channel }) => {
        this.#end(channel, "unsubscribed by the server");
      });
    }
    client.connect();
  }

  get subscribed(): boolean {
    return this.followers.every(({ seen }) => seen.length > 0);
  }

  /** Where it is on a channel. */
  position(channel: string): Position | undefined {
    let position: Position | undefined;
    for (const event of this.#follower(channel)?.seen ?? []) {
      if (event.kind === "subscribed") position = event.position;
      else if (event.kind === "publication" && position !== undefined) {
        position = { ...position, offset: event.offset ?? position.offset };
      }
    }
    return position;
  }

  /** Whether it is where a channel ends. */
  isAt(channel: string, end: Position): boolean {
    const position = this.position(channel);
    return position?.offset === end.offset && position.epoch === end.epoch;
  }

  /** Unsubscribes and subscribes again until the signal aborts. */
  async fidget(random: Random, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#subscriptions.length > 0) {
      await rest(random.between(20, 600), signal);
      const subscription = random.one(this.#subscriptions);
      subscription.unsubscribe();
      if (random.chance(0.5)) await rest(random.between(0, 100), signal);
      subscription.subscribe();
    }
  }

  close(): void {
    this.#closed = true;
    this.#client.disconnect();
  }

  #follower(channel: string): OpenFollower | undefined {
    return this.followers.find((follower) => follower.channel === channel);
  }

  #subscribed(context: Omit<SubscribedContext, "state">): void {
    const { wasRecovering, recovered, streamPosition, hasRecoveredPublications } = context;
    this.#follower(context.channel)?.seen.push({
      ...{ kind: "subscribed", at: now(), wasRecovering, recovered },
      ...{ position: streamPosition, brought: hasRecoveredPublications },
    });
  }

  #delivered({ channel, offset, data }: PublicationContext): void {
    const id = idOf(data);
    this.#follower(channel)?.seen.push({ kind: "publication", at: now(), offset, id });
  }

  #end(channel: string, reason: string): void {
    if (this.#closed) return;
    this.#follower(channel)?.seen.push({ kind: "ended", at: now(), reason });
  }
}

function idOf(payload: unknown): string {
  const data = decodeData(payload);
  const id: unknown = typeof data === "object" && data !== null && "id" in data ? data.id : data;
  return typeof id === "string" ? id : `something else: ${JSON.stringify(data)}`;
}

/** Publishes until the signal aborts. */
export class Publisher {
  readonly publishes: Publish[] = [];
  readonly #plan: PublisherPlan;
  readonly #publish: (channel: string, payload: Payload) => Promise<"acknowledged" | "sent">;
  readonly #close: () => Promise<void>;

  private constructor(
    plan: PublisherPlan,
    publish: (channel: string, payload: Payload) => Promise<"acknowledged" | "sent">,
    close: () => Promise<void>,
  ) {
    this.#plan = plan;
    this.#publish = publish;
    this.#close = close;
  }

  /** @param ports of the load balancer and of NATS */
  static async start(
    plan: PublisherPlan,
    ports: { readonly door: number; readonly nats: number },
  ): Promise<Publisher> {
    if (plan.kind === "client") {
      const kind = clientKinds[plan.speaks];
      const client = centrifuge(ports.door, { kind, timeout: 3_000, maxServerPingDelay: 1_500 });
      client.connect();
      const publish = async (channel: string, payload: Payload): Promise<"acknowledged"> => {
        await client.publish(channel, encodeData(kind, payload));
        return "acknowledged";
      };
      return new Publisher(plan, publish, () => {
        client.disconnect();
        return Promise.resolve();
      });
    }
    const nats = await natsClient(ports.nats);
    const publish = async (channel: string, payload: Payload): Promise<"acknowledged" | "sent"> => {
      const bytes = Buffer.from(JSON.stringify(payload));
      if (plan.kind === "core") {
        nats.publish(subjectOf(channel), bytes);
        return "sent";
      }
      const answer = await nats.request(subjectOf(channel), bytes, { timeout: 2_000 });
      const { error } = answer.json<{ error?: { description: string } }>();
      if (error !== undefined) throw new Error(error.description);
      return "acknowledged";
    };
    return new Publisher(plan, publish, () => nats.close());
  }

  async run(signal: AbortSignal, fillerBytes: readonly [low: number, high: number]): Promise<void> {
    const random = new Random(this.#plan.seed);
    for (let sequence = 1; !signal.aborted; sequence++) {
      await rest(random.between(0, 2 * this.#plan.everyMs), signal);
      const filler = "x".repeat(random.between(...fillerBytes));
      await this.publish(random.one(this.#plan.channels), sequence, { filler });
    }
  }

  /** Publishes once; the id, whether or not it was acknowledged. */
  async publish(channel: string, sequence: number, more: object = {}): Promise<string> {
    const { name } = this.#plan;
    const id = `${name.replace(" ", "-")}#${sequence}`;
    const entry = { id, channel, publisher: name, sequence, repeatable: false, invoked: now() };
    const index = this.publishes.push(entry) - 1;
    try {
      const outcome = await this.#publish(channel, { ...more, id });
      if (outcome === "acknowledged") this.publishes[index] = { ...entry, acknowledged: now() };
    } catch {
      // Nobody knows whether it is there.
    }
    return id;
  }

  /** Resolves when nothing can be stored any more that was published before. */
  async settle(): Promise<void> {
    const unknown = this.publishes.filter(({ acknowledged }) => acknowledged === undefined);
    const last = Math.max(...unknown.map(({ invoked }) => invoked));
    if (this.#plan.kind === "client") await rest(Math.max(0, last + retriedMs - now()));
  }

  async close(): Promise<void> {
    await this.#close();
  }
}

/** For so long a gateway tries to store what a client has published, whether that still waits or not. */
const retriedMs = 4_500;

/** A client of NATS that never gives up. */
export function natsClient(port: number): Promise<NatsConnection> {
  return connect({
    servers: `nats://127.0.0.1:${port}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    waitOnFirstConnect: true,
  });
}

interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  /** In base64. */
  readonly data: string;
}

/** Reads the streams themselves, and remembers what they drop. */
export class Recorder {
  /** By channel, ids in the stream's order. */
  readonly truth = new Map<string, string[]>();
  /** Messages that were gone before they could be read. */
  missed = 0;
  readonly #nats: NatsConnection;
  readonly #streams: Map<string, number>;
  readonly #subjects: ReadonlyMap<string, string>;

  private constructor(
    nats: NatsConnection,
    streams: readonly string[],
    subjects: ReadonlyMap<string, string>,
  ) {
    this.#nats = nats;
    this.#streams = new Map(streams.map((stream) => [stream, 0]));
    this.#subjects = subjects;
  }

  static async start(port: number, channels: readonly string[]): Promise<Recorder> {
    const nats = await natsClient(port);
    const manager = await nats.jetstreamManager();
    const subjects = new Map(channels.map((channel) => [subjectOf(channel), channel]));
    const streams = new Set<string>();
    for (const subject of subjects.keys()) streams.add(await manager.streams.find(subject));
    return new Recorder(nats, [...streams], subjects);
  }

  /** Goes on reading until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.read().catch(() => undefined);
      await rest(50, signal);
    }
  }

  /** Reads everything that is new. */
  async read(): Promise<void> {
    const manager = await this.#nats.jetstreamManager({ timeout: 2_000 });
    for (const [stream, known] of this.#streams) {
      const { state } = await manager.streams.info(stream);
      for (let seq = known; seq < state.last_seq;) {
        const message = await this.#next(stream, seq + 1);
        this.missed += message.seq - seq - 1;
        seq = message.seq;
        const channel = this.#subjects.get(message.subject) ?? message.subject;
        const ids = this.truth.get(channel) ?? [];
        this.truth.set(channel, ids);
        ids.push(idOf(JSON.parse(Buffer.from(message.data, "base64").toString("utf8"))));
        this.#streams.set(stream, seq);
      }
    }
  }

  /** The first message from a sequence on. */
  async #next(stream: string, seq: number): Promise<StoredMessage> {
    const query = JSON.stringify({ seq, next_by_subj: ">" });
    const answer = await this.#nats.request(`$JS.API.STREAM.MSG.GET.${stream}`, query, {
      timeout: 2_000,
    });
    const { message } = answer.json<{ message?: StoredMessage }>();
    if (message === undefined) throw new Error(`${stream} has nothing from ${seq} on`);
    return message;
  }

  async close(): Promise<void> {
    await this.#nats.close();
  }
}
