/** The cases of the benchmark, each with servers of its own, so that each can be run alone. */
import { median, round } from "../table.ts";
import type { Done, Order } from "./load.ts";
import { Bench, kinds, type OpenOptions, type ServerKind, type Subject } from "./processes.ts";
import { percentile, type Promised, type Report, rowsOf } from "./report.ts";
import { wireCases } from "./wires.ts";

const rounds = 5;
/** What the issue of the gateway promises, as ratios unless named otherwise. */
const promised = {
  oneAtATime: 1.15,
  bursts: 1.3,
  burstsOfOneAtATime: 1 / 10,
  burstsOfSocketIo: 1 / 8,
  lone: 1.2,
  channels: 1.2,
  idleBytes: 11_000,
  storm: 2,
  across50Ms: 3,
  across99Ms: 15,
} as const;
const sockets = 1_000;
const modes = {
  oneAtATime: { do: "bursts", bursts: 100, size: 1 },
  bursts: { do: "bursts", bursts: 6, size: 50 },
} as const satisfies Record<string, Order>;
const fanOutServers = [
  kinds.bare,
  kinds.atOnce,
  kinds.gateway,
  kinds.history,
  kinds.socketIo,
] as const;

/** Costs of one delivery, or of whatever else is counted. */
interface Cost {
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly latencyMs: number;
}

/** Rounds alternate between the servers, so that whatever else the machine does hits all. */
async function costs(
  what: string,
  subjects: readonly Subject[],
  order: Order,
  units: number,
): Promise<ReadonlyMap<ServerKind, Cost>> {
  const samples = new Map<ServerKind, Cost[]>(subjects.map(({ server }) => [server.kind, []]));
  // One round to warm up, which is not counted.
  for (let count = 0; count <= rounds; count += 1) {
    for (const { server, load } of count % 2 === 0 ? subjects : subjects.toReversed()) {
      const { cpuUs, result } = await server.cpuOf<Done>(what, () => load.obey(order));
      if (count === 0) continue;
      samples.get(server.kind)?.push({
        cpuUs: cpuUs / units,
        perSecond: (units / result.tookMs) * 1_000,
        latencyMs: percentile(result.latenciesMs, 0.5),
      });
    }
  }
  const middle = (all: readonly Cost[], key: keyof Cost): number =>
    median(all.map((cost) => cost[key]));
  return new Map(
    [...samples].map(([kind, all]) => [
      kind,
      {
        cpuUs: middle(all, "cpuUs"),
        perSecond: middle(all, "perSecond"),
        latencyMs: middle(all, "latencyMs"),
      },
    ]),
  );
}

/** What was promised is of the gateway alone: a history is more than the other servers do. */
function only(kind: ServerKind, atMost: number): number | undefined {
  return kind === kinds.gateway ? atMost : undefined;
}

function isGateway(kind: ServerKind): boolean {
  return kind === kinds.gateway || kind === kinds.history;
}

function cpuOf(of: ReadonlyMap<ServerKind, Cost>, kind: ServerKind): number {
  return of.get(kind)?.cpuUs ?? Number.NaN;
}

async function subjectsOf(
  bench: Bench,
  servers: readonly ServerKind[],
  clients: OpenOptions,
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const kind of servers) subjects.push(await bench.subject(kind, clients));
  return subjects;
}

const deliveryHead = ["CPU µs per delivery", "deliveries/s", "ratio"];

function deliveryRows(
  of: ReadonlyMap<ServerKind, Cost>,
  ratios: (kind: ServerKind) => readonly Promised[],
): Report["rows"] {
  return [...of].flatMap(([kind, { cpuUs, perSecond }]) =>
    rowsOf(kind.name, [round(cpuUs, 2), round(perSecond)], ratios(kind)),
  );
}

/** One channel, 1,000 sockets, a message at a time. */
async function oneAtATime(): Promise<Report> {
  await using bench = await Bench.start();
  const subjects = await subjectsOf(bench, fanOutServers, { count: sockets, channels: ["bench"] });
  const { bursts: messages, size } = modes.oneAtATime;
  const found = await costs("single", subjects, modes.oneAtATime, messages * size * sockets);
  return {
    head: deliveryHead,
    rows: deliveryRows(found, (kind) =>
      !isGateway(kind)
        ? []
        : [
            {
              of: "bare ws",
              value: cpuOf(found, kind) / cpuOf(found, kinds.bare),
              atMost: only(kind, promised.oneAtATime),
            },
          ],
    ),
  };
}

/** One channel, 1,000 sockets, 50 messages at a time. */
async function bursts(): Promise<Report> {
  await using bench = await Bench.start();
  const subjects = await subjectsOf(bench, fanOutServers, { count: sockets, channels: ["bench"] });
  const gateways = subjects.filter(({ server }) => isGateway(server.kind));
  const single = await costs(
    "single-before-bursts",
    gateways,
    modes.oneAtATime,
    modes.oneAtATime.bursts * modes.oneAtATime.size * sockets,
  );
  const found = await costs(
    "bursts",
    subjects,
    modes.bursts,
    modes.bursts.bursts * modes.bursts.size * sockets,
  );
  return {
    head: deliveryHead,
    rows: deliveryRows(found, (kind) => {
      if (!isGateway(kind)) return [];
      const own = cpuOf(found, kind);
      return [
        {
          of: "bare ws",
          value: own / cpuOf(found, kinds.bare),
          atMost: only(kind, promised.bursts),
        },
        {
          of: `one at a time (${round(cpuOf(single, kind), 2)} µs)`,
          value: own / cpuOf(single, kind),
          atMost: only(kind, promised.burstsOfOneAtATime),
        },
        {
          of: "Socket.IO",
          value: own / cpuOf(found, kinds.socketIo),
          atMost: only(kind, promised.burstsOfSocketIo),
        },
      ];
    }),
  };
}

/** 50 clients that each publish on a channel of their own and wait for their message. */
async function lone(): Promise<Report> {
  const clients = 50;
  const times = 200;
  await using bench = await Bench.start();
  const subjects = await subjectsOf(
    bench,
    [kinds.atOnce, kinds.bare, kinds.gateway, kinds.history, kinds.socketIo],
    { count: clients, channels: Array.from({ length: clients }, (_, n) => `lone.${n}`) },
  );
  const found = await costs("lone", subjects, { do: "round-trips", times }, clients * times);
  return {
    head: ["CPU µs per round trip", "round trips/s", "p50 ms", "ratio"],
    rows: [...found].flatMap(([kind, { cpuUs, perSecond, latencyMs }]) =>
      rowsOf(
        kind.name,
        [round(cpuUs, 1), round(perSecond), round(latencyMs, 2)],
        !isGateway(kind)
          ? []
          : [
              {
                of: "at once",
                value: cpuUs / cpuOf(found, kinds.atOnce),
                atMost: only(kind, promised.lone),
              },
            ],
      ),
    ),
  };
}

/** 1,000 channels with one subscriber each, 20,000 messages a second. */
async function channels(): Promise<Report> {
  const perSecond = 20_000;
  const seconds = 2;
  await using bench = await Bench.start();
  const subjects = await subjectsOf(
    bench,
    [kinds.bare, kinds.gateway, kinds.history, kinds.socketIo],
    { count: sockets, channels: Array.from({ length: sockets }, (_, n) => `many.${n}`) },
  );
  const order = { do: "pace", perSecond, seconds } as const;
  const found = await costs("channels", subjects, order, perSecond * seconds);
  return {
    head: deliveryHead,
    rows: deliveryRows(found, (kind) =>
      !isGateway(kind)
        ? []
        : [
            {
              of: "bare ws",
              value: cpuOf(found, kind) / cpuOf(found, kinds.bare),
              atMost: only(kind, promised.channels),
            },
          ],
    ),
  };
}

/** 10,000 connections that do nothing, each subscribed to one of 100 channels. */
async function idle(): Promise<Report> {
  const connections = 10_000;
  const names = Array.from({ length: 100 }, (_, n) => `idle.${n}`);
  const rows = [];
  for (const kind of [kinds.bare, kinds.gateway, kinds.history, kinds.socketIo]) {
    await using bench = await Bench.start();
    // The first connections compile and make what all share.
    const { server, load } = await bench.subject(kind, { count: 500, channels: names });
    await load.obey({ do: "close" });
    await server.idle();
    const before = await server.memory();
    await load.open(server, { count: connections, channels: names });
    await server.idle();
    const after = await server.memory();
    const rssBytes = (after.rssBytes - before.rssBytes) / connections;
    const heapBytes = (after.heapBytes - before.heapBytes) / connections;
    rows.push(
      ...rowsOf(
        kind.name,
        [round(rssBytes / 1_000, 2), round(heapBytes / 1_000, 2)],
        kind !== kinds.gateway
          ? []
          : [{ of: "11 KB", value: rssBytes / promised.idleBytes, atMost: 1 }],
      ),
    );
  }
  return { head: ["KB of RSS each", "KB of heap each", "ratio"], rows };
}

/** 5,000 clients reconnect at once, and each recovers 50 messages. */
async function storm(): Promise<Report> {
  const clients = 5_000;
  const missed = 50;
  /** So many are under way at once: what the kernel queues of connections for one listener is 4,096. */
  const atATime = 2_500;
  const runs = 3;
  interface Storm {
    readonly cpuMs: number;
    readonly tookMs: number;
  }
  const rows: Report["rows"][number][] = [];
  const tell = (name: string, storms: readonly Storm[], plain?: readonly Storm[]): Storm => {
    const cpuMs = median(storms.map((each) => each.cpuMs));
    const tookMs = median(storms.map((each) => each.tookMs));
    const base = plain?.map((each) => each);
    const ratios =
      base === undefined
        ? []
        : [
            {
              of: "CPU without recovery",
              value: cpuMs / median(base.map((each) => each.cpuMs)),
              atMost: promised.storm,
            },
            {
              of: "time without recovery",
              value: tookMs / median(base.map((each) => each.tookMs)),
              atMost: promised.storm,
            },
          ];
    rows.push(...rowsOf(name, [round(cpuMs, 3), round(tookMs)], ratios));
    return { cpuMs, tookMs };
  };
  const strike = async (
    { server, load }: Subject,
    what: string,
    options: OpenOptions,
  ): Promise<Storm> => {
    const { cpuUs, result } = await server.cpuOf(what, () =>
      load.open(server, { atATime, ...options }),
    );
    return { cpuMs: cpuUs / 1_000 / clients, tookMs: result.tookMs };
  };
  const part = async ({ server, load }: Subject): Promise<void> => {
    await load.obey({ do: "close" });
    await server.idle();
  };

  for (const kind of [kinds.bare, kinds.socketIo, kinds.gateway]) {
    await using bench = await Bench.start();
    const options = { count: clients, channels: Array.from({ length: 100 }, (_, n) => `s.${n}`) };
    const subject = await bench.subject(kind, options);
    const storms: Storm[] = [];
    for (let run = 0; run < runs; run += 1) {
      await part(subject);
      storms.push(await strike(subject, "storm-no-history", options));
    }
    tell(kind.name, storms);
  }
  for (const channelCount of [100, 1]) {
    await using bench = await Bench.start();
    const names = Array.from({ length: channelCount }, (_, n) => `storm.${n}`);
    const options = { count: clients, channels: names };
    const subject = await bench.subject(kinds.history, options);
    const plain: Storm[] = [];
    const recovering: Storm[] = [];
    // The first of each warms up.
    for (let run = 0; run <= runs; run += 1) {
      await part(subject);
      const without = await strike(subject, "storm-plain", options);
      await part(subject);
      await subject.load.obey({ do: "store", perChannel: missed });
      await subject.server.idle();
      const withRecovery = await strike(subject, "storm-recovery", { ...options, recover: true });
      await subject.load.obey({ do: "verify", perChannel: missed });
      if (run === 0) continue;
      plain.push(without);
      recovering.push(withRecovery);
    }
    const where = channelCount === 1 ? "one channel" : `${channelCount} channels`;
    tell(`${kinds.history.name}, ${where}, no recovery`, plain);
    tell(`${kinds.history.name}, ${where}, ${missed} recovered`, recovering, plain);
  }
  return { head: ["CPU ms per client", "all, ms", "ratio"], rows };
}

/** From a publish over the protocol on one gateway to a client on another, with history. */
async function across(): Promise<Report> {
  await using bench = await Bench.start();
  const [from, to] = [await bench.server(kinds.history), await bench.server(kinds.history)];
  const load = bench.load();
  const rows = [];
  for (const [name, perSecond, times] of [
    ["warm-up", 200, 400],
    ["100 a second", 100, 1_000],
    ["500 a second", 500, 5_000],
  ] as const) {
    const work = (): Promise<Done> =>
      load.obey({
        do: "across",
        natsUrl: bench.nats.url,
        from: from.port,
        to: to.port,
        channel: `hist:across.${name.replaceAll(/\W/g, "")}`,
        times,
        perSecond,
      });
    const before = from.waitedMs() + to.waitedMs();
    const { result } = await from.cpuOf(`across-${perSecond}`, work);
    const waitedMs = from.waitedMs() + to.waitedMs() - before;
    if (name === "warm-up") continue;
    for (const [share, atMost] of [
      [0.5, promised.across50Ms],
      [0.99, promised.across99Ms],
    ] as const) {
      const own = percentile(result.latenciesMs, share);
      const bare = percentile(result.natsLatenciesMs, share);
      rows.push(
        ...rowsOf(
          `${name}, p${share * 100}`,
          [round(own, 2), round(bare, 2), round(own / bare, 1), round(waitedMs)],
          [{ of: `${atMost} ms`, value: own / atMost, atMost: 1 }],
        ),
      );
    }
  }
  return {
    head: ["gateway to gateway, ms", "NATS alone, ms", "× NATS", "without a core, ms", "ratio"],
    rows,
  };
}

export const cases: Readonly<Record<string, () => Promise<Report>>> = {
  "one-at-a-time": oneAtATime,
  bursts,
  lone,
  channels,
  idle,
  storm,
  across,
  ...wireCases,
};
