/**
 * The clients and publishers of the benchmark, in a process of their own. The parent sends one order at
 * a time over IPC and gets its answer, or why it failed: a message that is missing, twice or out of order
 * is a failure, not a number.
 */
import { setTimeout as wait } from "node:timers/promises";
import { connect, type NatsConnection } from "nats";
import { topicSubject } from "../../apps/lib/topic-subject.ts";
import { type Call, post, publishForSeconds } from "./api.ts";
import {
  CentrifugeClient,
  type Client,
  clientOf,
  type Dialect,
  type Position,
  Tally,
} from "./clients.ts";

export type Order =
  /** Connects clients and subscribes them to the channels in turn, so many at a time. */
  | {
      readonly do: "open";
      readonly port: number;
      readonly natsUrl: string;
      readonly dialect: Dialect;
      readonly count: number;
      readonly channels: readonly string[];
      readonly atATime: number;
      /** Each client recovers from where it was before the last `close`. */
      readonly recover?: boolean;
      /** Each client asks for deltas. */
      readonly delta?: boolean;
      /** What is published: 128 bytes by default. */
      readonly payload?: PayloadKind;
    }
  | { readonly do: "close" }
  /** Publishes bursts to the one channel, each when the one before has reached everybody. */
  | { readonly do: "bursts"; readonly bursts: number; readonly size: number }
  /** Publishes to all channels in turn, at that rate. */
  | { readonly do: "pace"; readonly perSecond: number; readonly seconds: number }
  /** Every client publishes on its own channel and waits for its message, so many times. */
  | { readonly do: "round-trips"; readonly times: number }
  /** Publishes into every channel and waits until the stream has it. */
  | { readonly do: "store"; readonly perChannel: number }
  /** Looks at what the clients have recovered. */
  | { readonly do: "verify"; readonly perChannel: number }
  /** Publishes to all channels in one call of the server API, so many times. */
  | { readonly do: "broadcast"; readonly times: number; readonly call: Call }
  /** Calls the server API to publish as fast as it is answered, with so many calls at a time. */
  | {
      readonly do: "call";
      readonly seconds: number;
      readonly atATime: number;
      readonly call: Call;
    }
  /** From a client on one gateway to a client on another, beside NATS alone. */
  | {
      readonly do: "across";
      readonly natsUrl: string;
      readonly from: number;
      readonly to: number;
      readonly channel: string;
      readonly times: number;
      readonly perSecond: number;
    };

/** 2 KB of JSON in which one field changes. */
export type PayloadKind = "short" | "document";

export interface Done {
  readonly tookMs: number;
  /** How many publications were made, where the order does not say it. */
  readonly published: number;
  /** What all clients together got from the network meanwhile. */
  readonly bytes: number;
  /** Milliseconds that single messages took, where the order asks for it. */
  readonly latenciesMs: readonly number[];
  readonly natsLatenciesMs: readonly number[];
}

const payloadBytes = 128;
/** One client in so many looks at the content of all that it receives. */
const oneIn = 50;

let nats: NatsConnection | undefined;
let dialect: Dialect = "centrifuge";
let channels: readonly string[] = [];
let clients: Client[] = [];
let positions: (Position | undefined)[] = [];
let tally = new Tally();
let payload: PayloadKind = "short";
/** How many publications each channel has had; numbers begin with 1,000,000 so that all are as long. */
const published = new Map<string, number>();
const encoder = new TextEncoder();

/** Of a kind that applications send whole: a score board, an order book, a vehicle's state. */
const rows = Array.from({ length: 25 }, (_, index) => ({
  id: `player-${index}-${(index * 7_919) % 1_000}`,
  name: ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Tony"][index % 6],
  score: (index * 48_271) % 100_000,
  at: [(index * 16_807) % 640, (index * 69_621) % 480],
  active: index % 3 > 0,
}));

function documentText(n: number): string {
  return JSON.stringify({ room: "lobby", version: 3, rows, n, closed: false });
}

/** JSON of 128 bytes, or of 2 KB. */
function dataText(n: number): string {
  if (payload === "document") return documentText(n);
  const text = `{"n":${n},"pad":""}`;
  return `${text.slice(0, -2)}${"x".repeat(payloadBytes - text.length)}"}`;
}

function numberIn(message: string): number {
  return Number(/"n":(\d+)/.exec(message)?.[1]);
}

function nextNumber(channel: string): number {
  const n = (published.get(channel) ?? 1_000_000) + 1;
  published.set(channel, n);
  return n;
}

/** What a service publishes on NATS so that it reaches the channel; with Socket.IO, what its adapter does. */
function publication(channel: string): { subject: string; payload: Uint8Array } {
  const data = dataText(nextNumber(channel));
  if (dialect !== "socket.io") {
    return { subject: topicSubject(channel), payload: encoder.encode(data) };
  }
  const text =
    `{"fromUid":"load","packet":{"type":2,"data":["message",${data}],"nsp":"/"},` +
    `"opts":{"rooms":[${JSON.stringify(channel)}],"except":[],"flags":{}}}`;
  return { subject: "socketIO./", payload: encoder.encode(text) };
}

function publish(channel: string): void {
  const { subject, payload } = publication(channel);
  connected().publish(subject, payload);
}

function connected(): NatsConnection {
  if (nats === undefined) throw new Error("there is no connection to NATS yet");
  return nats;
}

/** Fails when a client misses a message, or gets one twice or out of order. */
function checkOrder(client: Client): void {
  let last = published.get(client.channel) ?? 1_000_000;
  client.onPublication = (text) => {
    const n = numberIn(text);
    if (n !== last + 1) throw new Error(`${client.channel}: ${n} came after ${last}`);
    last = n;
  };
}

async function open(order: Order & { do: "open" }): Promise<number> {
  nats ??= await connect({ servers: order.natsUrl });
  ({ dialect, channels, payload = "short" } = order);
  clients = [];
  tally = new Tally();
  const since = order.recover === true ? positions : [];
  const begin = performance.now();
  let next = 0;
  const openOneAfterTheOther = async (): Promise<void> => {
    while (next < order.count) {
      const index = next;
      next += 1;
      const client = clientOf(dialect, {
        ...{ port: order.port, tally, since: since[index], delta: order.delta === true },
        channel: channels[index % channels.length] ?? "",
      });
      clients[index] = client;
      await client.ready();
      if (index % oneIn === 0 && order.recover !== true) checkOrder(client);
    }
  };
  await Promise.all(Array.from({ length: order.atATime }, openOneAfterTheOther));
  return performance.now() - begin;
}

interface SubscribeReply {
  readonly subscribe: {
    readonly epoch?: string;
    readonly offset?: number;
    readonly recovered?: boolean;
    readonly publications?: readonly { readonly offset: number; readonly data: { n: number } }[];
  };
}

function replyTo(client: Client | undefined): SubscribeReply["subscribe"] {
  if (!(client instanceof CentrifugeClient)) throw new Error("this client cannot recover");
  return (JSON.parse(client.reply.toString()) as SubscribeReply).subscribe;
}

/** Ends all connections; where the channel has a history, remembers what the clients have seen. */
function close(): void {
  positions = clients.map((client) => {
    if (!(client instanceof CentrifugeClient)) return undefined;
    const { epoch, offset = 0, publications } = replyTo(client);
    if (epoch === undefined) return undefined;
    return { epoch, offset: publications?.at(-1)?.offset ?? offset };
  });
  for (const client of clients) client.close();
  clients = [];
}

function verify(perChannel: number): void {
  clients.forEach((client, index) => {
    const reply = replyTo(client);
    const found = reply.publications ?? [];
    const since = positions[index];
    const begin = (published.get(client.channel) ?? 0) - perChannel;
    const whole =
      reply.recovered === true &&
      since !== undefined &&
      found.length === perChannel &&
      found.every(
        ({ offset, data }, at) => offset === since.offset + at + 1 && data.n === begin + at + 1,
      );
    if (!whole) {
      const text = JSON.stringify(reply).slice(0, 300);
      throw new Error(`client ${index} on ${client.channel} did not recover all: ${text}`);
    }
  });
}

async function noMoreThan(expected: number): Promise<void> {
  await wait(50);
  const surplus = tally.publications - expected;
  if (surplus > 0) throw new Error(`${surplus} publications came twice`);
}

async function bursts(count: number, size: number): Promise<number> {
  const [channel = ""] = channels;
  const begin = performance.now();
  let expected = tally.publications;
  for (let burst = 0; burst < count; burst += 1) {
    expected += size * clients.length;
    for (let index = 0; index < size; index += 1) publish(channel);
    await tally.reach(expected);
  }
  const tookMs = performance.now() - begin;
  await noMoreThan(expected);
  return tookMs;
}

async function pace(perSecond: number, seconds: number): Promise<number> {
  const total = perSecond * seconds;
  const perPublication = clients.length / channels.length;
  const expected = tally.publications + total * perPublication;
  const begin = performance.now();
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, ((performance.now() - begin) * perSecond) / 1_000);
    for (; sent < due; sent += 1) publish(channels[sent % channels.length] ?? "");
    await wait(1);
  }
  await tally.reach(expected);
  const tookMs = performance.now() - begin;
  await noMoreThan(expected);
  return tookMs;
}

async function roundTrips(times: number): Promise<Done> {
  const latenciesMs: number[] = [];
  const replies = tally.replies + clients.length * times;
  const begin = performance.now();
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve, reject) => {
          let left = times;
          let sentAt = 0;
          let n = 0;
          const next = (): void => {
            n = nextNumber(client.channel);
            sentAt = performance.now();
            client.publish(dataText(n));
          };
          client.onPublication = (text) => {
            if (numberIn(text) !== n) reject(new Error("not the client's own message"));
            latenciesMs.push(performance.now() - sentAt);
            left -= 1;
            if (left > 0) next();
            else resolve();
          };
          next();
        }),
    ),
  );
  const tookMs = performance.now() - begin;
  await wait(100);
  if (tally.replies !== replies) throw new Error(`${replies - tally.replies} replies are missing`);
  return { ...nothing, tookMs, latenciesMs };
}

async function store(perChannel: number): Promise<void> {
  const stream = connected().jetstream();
  for (const channel of channels) {
    // One connection keeps the order.
    await Promise.all(
      Array.from({ length: perChannel }, () => {
        const { subject, payload } = publication(channel);
        return stream.publish(subject, payload);
      }),
    );
  }
}

/** Milliseconds that each call took. */
async function broadcast(times: number, call: Call): Promise<number[]> {
  const latenciesMs: number[] = [];
  const perCall = clients.length;
  let expected = tally.publications;
  for (let n = 0; n < times; n += 1) {
    expected += perCall;
    const numbers = new Set(channels.map(nextNumber));
    // All channels have had as many.
    const [number = 0] = numbers;
    const data = JSON.parse(dataText(number)) as unknown;
    const begin = performance.now();
    await post(call, "broadcast", { channels, data });
    latenciesMs.push(performance.now() - begin);
    await tally.reach(expected);
  }
  await noMoreThan(expected);
  return latenciesMs;
}

async function across(order: Order & { do: "across" }): Promise<Done> {
  const [publisher, receiver] = await Promise.all([
    connect({ servers: order.natsUrl }),
    connect({ servers: order.natsUrl }),
  ]);
  const other = { channel: `${order.channel}.other`, tally: new Tally() };
  const from = clientOf("centrifuge", { port: order.from, ...other });
  const to = clientOf("centrifuge", {
    ...{ port: order.to, channel: order.channel, tally: new Tally() },
  });
  const latenciesMs: number[] = [];
  const natsLatenciesMs: number[] = [];
  try {
    await Promise.all([from.ready(), to.ready()]);
    const publishOn = { protocol: new Map<number, number>(), nats: new Map<number, number>() };
    let last = 0;
    let allHere: () => void = () => undefined;
    const arrived = (sentAt: number | undefined, latencies: number[]): void => {
      if (sentAt === undefined) throw new Error("a message came that nobody had sent");
      latencies.push(performance.now() - sentAt);
      if (latenciesMs.length + natsLatenciesMs.length === 2 * order.times) allHere();
    };
    to.onPublication = (text) => {
      const n = numberIn(text);
      if (n !== last + 1) throw new Error(`${n} came after ${last}`);
      last = n;
      arrived(publishOn.protocol.get(n), latenciesMs);
    };
    receiver.subscribe("bench.bare", {
      callback: (_error, { data }) => {
        arrived(publishOn.nats.get(numberIn(Buffer.from(data).toString())), natsLatenciesMs);
      },
    });
    await receiver.flush();
    const begin = performance.now();
    const everything = new Promise<void>((resolve, reject) => {
      allHere = resolve;
      setTimeout(() => {
        reject(new Error("messages did not arrive on the other gateway"));
      }, 60_000).unref();
    });
    for (let n = 1; n <= order.times; n += 1) {
      // Half an interval apart, so that neither waits for the other.
      const due = begin + (n * 1_000) / order.perSecond;
      await until(due);
      publishOn.protocol.set(n, performance.now());
      from.publish(dataText(n), order.channel);
      await until(due + 500 / order.perSecond);
      publishOn.nats.set(n, performance.now());
      publisher.publish("bench.bare", encoder.encode(dataText(n)));
    }
    await everything;
    return { ...nothing, tookMs: performance.now() - begin, latenciesMs, natsLatenciesMs };
  } finally {
    from.close();
    to.close();
    await Promise.all([publisher.close(), receiver.close()]);
  }
}

/** By timers only: nats-server has the same core, and would wait for a loop that spins. */
async function until(time: number): Promise<void> {
  while (performance.now() < time) await wait(1);
}

const nothing: Done = {
  ...{ tookMs: 0, published: 0, bytes: 0 },
  ...{ latenciesMs: [], natsLatenciesMs: [] },
};

async function obey(order: Order): Promise<Done> {
  const before = tally.bytes;
  const done = (tookMs = 0): Done => ({ ...nothing, tookMs, bytes: tally.bytes - before });
  switch (order.do) {
    case "open":
      return { ...nothing, tookMs: await open(order) };
    case "close":
      close();
      return nothing;
    case "bursts":
      return done(await bursts(order.bursts, order.size));
    case "pace":
      return done(await pace(order.perSecond, order.seconds));
    case "round-trips":
      return roundTrips(order.times);
    case "store":
      await store(order.perChannel);
      return nothing;
    case "verify":
      verify(order.perChannel);
      return nothing;
    case "broadcast":
      return { ...nothing, latenciesMs: await broadcast(order.times, order.call) };
    case "call": {
      const { call, seconds, atATime } = order;
      // Nobody is there: what subscribers cost is measured elsewhere.
      const channel = `${channels[0] ?? ""}.calls`;
      return { ...nothing, ...(await publishForSeconds(call, { channel, seconds, atATime })) };
    }
    case "across":
      return across(order);
  }
}

process.on("message", (order: Order) => {
  obey(order).then(
    (done) => process.send?.(done),
    (error: unknown) => {
      // The parent sees the process end, and the reason on standard error.
      throw error;
    },
  );
});
