/**
 * What other ways to the gateway cost beside JSON on a websocket: encodings, transports, deltas, the server
 * API. Each kind of client has a gateway of its own, and all take turns in short slices, so that whatever
 * else the machine does hits all of them; a ratio is the median of those of the rounds.
 */
import { median, round } from "../table.ts";
import type { Done, Order, PayloadKind } from "./load.ts";
import { apiKey, Bench, kinds, type ServerKind, type Subject } from "./processes.ts";
import { percentile, type Report, rowsOf } from "./report.ts";

const rounds = 15;
/** What the issue of these clients promises, as ratios unless named otherwise. */
const promised = {
  protobuf: 1,
  streams: 2,
  deltaBytes: 1 / 5,
  broadcastMs: 30,
} as const;

interface Slice {
  readonly cpuUs: number;
  readonly bytes: number;
}

type Slices = ReadonlyMap<ServerKind, readonly Slice[]>;

/** @param units what is counted: costs are of one of them */
async function alternate(
  what: string,
  subjects: readonly Subject[],
  order: Order,
  units: number,
): Promise<Slices> {
  const slices = new Map<ServerKind, Slice[]>(subjects.map(({ server }) => [server.kind, []]));
  // Two rounds to warm up, which are not counted.
  for (let count = -2; count < rounds; count += 1) {
    // Each begins in turn, since who comes first may have it better or worse.
    const from = (count + 2) % subjects.length;
    for (const { server, load } of [...subjects.slice(from), ...subjects.slice(0, from)]) {
      const { cpuUs, result } = await server.cpuOf<Done>(what, () => load.obey(order));
      if (count < 0) continue;
      slices.get(server.kind)?.push({ cpuUs: cpuUs / units, bytes: result.bytes / units });
    }
  }
  return slices;
}

function middle(slices: Slices, kind: ServerKind, key: keyof Slice): number {
  return median((slices.get(kind) ?? []).map((slice) => slice[key]));
}

/** The median of what the rounds say of one kind beside another. */
function ratio(slices: Slices, kind: ServerKind, base: ServerKind, key: keyof Slice): number {
  const others = slices.get(base) ?? [];
  return median(
    (slices.get(kind) ?? []).map((slice, index) => slice[key] / (others[index]?.[key] ?? NaN)),
  );
}

async function subjectsOf(
  bench: Bench,
  servers: readonly ServerKind[],
  count: number,
  payload: PayloadKind = "short",
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const kind of servers) {
    subjects.push(await bench.subject(kind, { count, channels: ["bench"], payload }));
  }
  return subjects;
}

/** One channel, 1,000 clients of each kind. */
async function wires(): Promise<Report> {
  const clients = 1_000;
  await using bench = await Bench.start();
  const servers = [
    kinds.gateway,
    kinds.protobuf,
    kinds.httpStream,
    kinds.httpStreamProtobuf,
    kinds.sse,
  ];
  const subjects = await subjectsOf(bench, servers, clients);
  const rows: Report["rows"][number][] = [];
  for (const [name, bursts, size] of [
    ["one at a time", 30, 1],
    ["50 at a time", 4, 50],
  ] as const) {
    const order = { do: "bursts", bursts, size } as const;
    const found = await alternate(`wires-${size}`, subjects, order, clients * bursts * size);
    for (const kind of servers) {
      const isBase = kind === kinds.gateway;
      const atMost = kind === kinds.protobuf ? promised.protobuf : promised.streams;
      const value = ratio(found, kind, kinds.gateway, "cpuUs");
      rows.push(
        ...rowsOf(
          `${isBase ? "JSON" : kind.name}, ${name}`,
          [round(middle(found, kind, "cpuUs"), 2), round(middle(found, kind, "bytes"), 1)],
          isBase ? [] : [{ of: "JSON on a websocket", value, atMost }],
        ),
      );
    }
  }
  return { head: ["CPU µs per delivery", "bytes per delivery", "ratio"], rows };
}

/** A JSON document of 2 KB that changes in one field. */
async function delta(): Promise<Report> {
  const clients = 500;
  await using bench = await Bench.start();
  const pairs = [
    [kinds.whole, kinds.delta],
    [kinds.wholeProtobuf, kinds.deltaProtobuf],
  ] as const;
  const subjects = await subjectsOf(bench, pairs.flat(), clients, "document");
  const rows: Report["rows"][number][] = [];
  for (const [name, bursts, size] of [
    ["one at a time", 40, 1],
    ["20 at a time", 4, 20],
  ] as const) {
    const order = { do: "bursts", bursts, size } as const;
    const found = await alternate(`delta-${size}`, subjects, order, bursts * size);
    for (const [whole, small] of pairs) {
      for (const kind of [whole, small]) {
        const of = `of ${whole.name}`;
        const numbers = [
          round(middle(found, kind, "bytes") / clients, 1),
          round(middle(found, kind, "cpuUs")),
          round(middle(found, kind, "cpuUs") / clients, 2),
        ];
        const bytes = ratio(found, kind, whole, "bytes");
        const cpu = ratio(found, kind, whole, "cpuUs");
        rows.push(
          ...rowsOf(
            `${kind.name}, ${name}`,
            numbers,
            kind === whole
              ? []
              : [
                  { of: `bytes ${of}`, value: bytes, atMost: promised.deltaBytes },
                  { of: `CPU ${of}`, value: cpu, atMost: undefined },
                ],
          ),
        );
      }
    }
  }
  return {
    head: ["bytes per delivery", `CPU µs per message to ${clients}`, "per delivery", "ratio"],
    rows,
  };
}

/** The server API: one message to 1,000 channels, and how often one core can publish. */
async function api(): Promise<Report> {
  const count = 1_000;
  const rows: Report["rows"][number][] = [];
  for (const kind of [kinds.gateway, kinds.history]) {
    await using bench = await Bench.start();
    const channels = Array.from({ length: count }, (_, n) => `api.${n}`);
    const { server, load } = await bench.subject(kind, { count, channels });
    const call = { port: server.port, key: apiKey };
    const order = { do: "broadcast", times: 20, call } as const;
    await load.obey(order);
    const { cpuUs, result } = await server.cpuOf("broadcast", () => load.obey(order));
    const ms = percentile(result.latenciesMs, 0.5);
    const cpuMs = round(cpuUs / 1_000 / order.times, 1);
    rows.push(
      ...rowsOf(
        `${kind.name}: broadcast to ${count} channels`,
        [
          `${round(ms, 1)} ms (p90 ${round(percentile(result.latenciesMs, 0.9), 1)}, CPU ${cpuMs} with deliveries)`,
        ],
        [
          {
            of: `${promised.broadcastMs} ms`,
            value: ms / promised.broadcastMs,
            // With a history it takes as long as JetStream takes to store a thousand messages.
            atMost: kind === kinds.gateway ? 1 : undefined,
          },
        ],
      ),
    );
    for (const atATime of [1, 64]) {
      const calls = { do: "call", seconds: 3, atATime, call } as const;
      await load.obey({ ...calls, seconds: 1 });
      const found = await server.cpuOf("publish", () => load.obey(calls));
      const { published, tookMs } = found.result;
      const perCore = round((published / found.cpuUs) * 1e6);
      const perSecond = round((published / tookMs) * 1_000);
      const what = `${kind.name}: publish, ${atATime} at a time`;
      rows.push(...rowsOf(what, [`${perCore} per second of CPU (${perSecond}/s here)`]));
    }
  }
  return { head: ["what it took", "ratio"], rows };
}

export const wireCases: Readonly<Record<string, () => Promise<Report>>> = { wires, delta, api };
