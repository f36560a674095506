/**
 * Replicated memory: how long a confirmation takes beside the commit, and beside the design with a
 * counter; what a read costs beside bare node:http; how fast M is loaded; how many POSTs there are.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatastoreStore } from "../apps/m/datastore-store.ts";
import { Datastore } from "../apps/m/datastore.ts";
import { Memory } from "../apps/m/memory.ts";
import { type Emulator, startEmulator } from "../test/support/emulators.ts";
import { eventually } from "../test/support/eventually.ts";
import { MCluster } from "../test/support/m-cluster.ts";
import { NatsServer } from "../test/support/nats.ts";
import { median, type Row, round, table } from "./table.ts";

const project = "local-project";
const limits = {
  confirm50Ms: 5,
  confirm99Ms: 25,
  counterRatio: 10,
  readRatio: 0.9,
  loadRatio: 1.2,
} as const;
const here = import.meta.dirname;

interface Servers {
  readonly datastore: Emulator;
  readonly pubsub: Emulator;
  readonly nats: NatsServer;
}

interface Timing {
  readonly commit: number;
  readonly confirm: number;
}

/** What an answer's Server-Timing header says, in milliseconds. */
function timingOf(headers: Headers): Timing {
  const text = headers.get("server-timing") ?? "";
  const [, commit, confirm] = /commit;dur=([\d.]+), confirm;dur=([\d.]+)/.exec(text) ?? [];
  return { commit: Number(commit), confirm: Number(confirm) };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function startCluster(servers: Servers, replicas: number, nats = true): Promise<MCluster> {
  return MCluster.start({
    replicas,
    datastore: servers.datastore.host,
    pubsub: servers.pubsub.host,
    // Nothing listens there.
    nats: nats ? servers.nats.url : "nats://127.0.0.1:9",
  });
}

/** Posts one after the other, in turn to every replica. */
async function postTimings(cluster: MCluster, count: number): Promise<Timing[]> {
  const timings: Timing[] = [];
  const n = cluster.options.replicas;
  // The first ones make connections and compile.
  for (let i = -2 * n; i < count; i++) {
    const { status, headers, body } = await cluster.at((i + 2 * n) % n).post({ n: i });
    if (status !== 200) throw new Error(`a POST was answered: ${status} ${JSON.stringify(body)}`);
    if (i >= 0) timings.push(timingOf(headers));
  }
  return timings;
}

/** The first line of a child's output, which holds its port. */
async function portOf(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error("the child has no output");
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return (JSON.parse(line) as { port: number }).port;
}

async function counterTimings(servers: Servers, n: number, count: number): Promise<Timing[]> {
  const counts = new Map<string, number>();
  const counters = createServer((request, response) => {
    const rev = request.url ?? "";
    if (request.method === "POST") counts.set(rev, (counts.get(rev) ?? 0) + 1);
    response.end(String(counts.get(rev) ?? 0));
  });
  counters.listen(0, "127.0.0.1");
  await once(counters, "listening");
  const name = `c${randomUUID().slice(0, 8)}`;
  const topic = `projects/${project}/topics/${name}`;
  const api = `http://${servers.pubsub.host}/v1`;
  const put = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(`${api}/${path}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  const children: ChildProcess[] = [];
  try {
    await put(topic, {});
    const ports: number[] = [];
    for (let i = 0; i < n; i++) {
      const child = spawn(
        process.execPath,
        [
          join(here, "m/counter.ts"),
          ...[servers.datastore.host, servers.pubsub.host, topic, name],
          `http://127.0.0.1:${(counters.address() as AddressInfo).port}`,
          String(n),
        ],
        {
          env: { ...process.env, METADATA_SERVER_DETECTION: "none" },
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      children.push(child);
      ports.push(await portOf(child));
      const pushEndpoint = `http://127.0.0.1:${ports.at(-1) ?? 0}/push`;
      await put(`projects/${project}/subscriptions/${name}-${i}`, {
        topic,
        pushConfig: { pushEndpoint },
      });
    }
    const timings: Timing[] = [];
    for (let i = -n; i < count; i++) {
      const answer = await fetch(`http://127.0.0.1:${ports[(i + n) % n] ?? 0}/m`, {
        method: "POST",
      });
      await answer.text();
      if (i >= 0) timings.push(timingOf(answer.headers));
    }
    return timings;
  } finally {
    for (const child of children) child.kill("SIGKILL");
    for (let i = 0; i < n; i++) {
      await fetch(`${api}/projects/${project}/subscriptions/${name}-${i}`, { method: "DELETE" });
    }
    counters.closeAllConnections();
    counters.close();
  }
}

async function confirmations(servers: Servers): Promise<void> {
  const rows: Row[] = [];
  for (const n of [1, 3, 5, 10, 20]) {
    const timings: Timing[] = [];
    const pushed: Timing[] = [];
    {
      await using cluster = await startCluster(servers, n);
      timings.push(...(await postTimings(cluster, 300)));
    }
    {
      await using cluster = await startCluster(servers, n, false);
      pushed.push(...(await postTimings(cluster, 20)));
    }
    const counter = await counterTimings(servers, n, 20);
    const confirm = timings.map((timing) => timing.confirm);
    const own50 = percentile(confirm, 0.5);
    const own99 = percentile(confirm, 0.99);
    const counter50 = percentile(
      counter.map((timing) => timing.confirm),
      0.5,
    );
    const holds =
      own50 <= limits.confirm50Ms &&
      own99 <= limits.confirm99Ms &&
      counter50 / own50 >= limits.counterRatio;
    rows.push([
      n,
      round(
        percentile(
          timings.map((timing) => timing.commit),
          0.5,
        ),
        1,
      ),
      round(own50, 2),
      round(own99, 1),
      round(
        percentile(
          pushed.map((timing) => timing.confirm),
          0.5,
        ),
      ),
      round(counter50),
      round(counter50 / own50),
      holds ? "yes" : "NO",
    ]);
  }
  console.log(
    "From commit to confirmation, in ms; POSTs one after the other, to each replica in turn",
  );
  console.log(
    table(
      [
        ...["replicas", "commit p50", "confirmed p50", "p99", "without NATS, p50"],
        ...["counter and poll, p50", "× ours", "holds"],
      ],
      rows,
    ),
  );
}

async function posts(servers: Servers): Promise<void> {
  const rows: Row[] = [];
  for (const n of [1, 3, 5, 10]) {
    await using cluster = await startCluster(servers, n);
    await postTimings(cluster, 20);
    const times: number[] = [];
    let refused = 0;
    const began = performance.now();
    const end = began + 8_000;
    await Promise.all(
      Array.from({ length: 20 }, async (_, client) => {
        while (performance.now() < end) {
          const sent = performance.now();
          const { status } = await cluster.at(client % n).post({ [`client${client}`]: sent });
          if (status === 200) times.push(performance.now() - sent);
          else refused += 1;
        }
      }),
    );
    const seconds = (performance.now() - began) / 1_000;
    rows.push([
      n,
      round(times.length / seconds),
      round(percentile(times, 0.5)),
      round(percentile(times, 0.99)),
      refused,
    ]);
  }
  console.log("POSTs of 20 clients at once, each confirmed by every replica");
  console.log(table(["replicas", "POSTs/s", "p50 ms", "p99 ms", "not confirmed"], rows));
}

async function reads(servers: Servers): Promise<void> {
  const load = fork(join(here, "m/load.ts"));
  const perSecond = async (port: number, connections: number): Promise<number> => {
    const ms = 2_000;
    load.send({ port, connections, ms });
    const [{ count }] = (await once(load, "message")) as [{ count: number }];
    return (count / ms) * 1_000;
  };
  const rows: Row[] = [];
  try {
    for (const { name, bytes, connections } of [
      { name: "1 KB", bytes: 1_024, connections: 32 },
      { name: "1 MB", bytes: 1_048_576, connections: 8 },
    ]) {
      await using cluster = await startCluster(servers, 1);
      const replica = cluster.at(0);
      // Entries of at most 100 KB.
      for (let left = bytes - 20, i = 0; left > 0; i++) {
        const size = Math.min(left, 100_000);
        await replica.post({ [`k${i}`]: "x".repeat(Math.max(1, size - 10)) });
        left -= size;
      }
      const whole = await fetch(`${replica.url}/m`);
      const length = (await whole.arrayBuffer()).byteLength;
      const bare = spawn(process.execPath, [join(here, "m/bare.ts"), String(length)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        const ports = { own: Number(new URL(replica.url).port), bare: await portOf(bare) };
        const results: { own: number[]; bare: number[] } = { own: [], bare: [] };
        for (let round = 0; round <= 5; round++) {
          const order = round % 2 === 0 ? (["own", "bare"] as const) : (["bare", "own"] as const);
          for (const who of order) {
            const value = await perSecond(ports[who], connections);
            // The first round warms up.
            if (round > 0) results[who].push(value);
          }
        }
        const ratio = median(results.own) / median(results.bare);
        rows.push([
          name,
          length,
          round(median(results.own)),
          round(median(results.bare)),
          round(ratio, 2),
          ratio >= limits.readRatio ? "yes" : "NO",
        ]);
      } finally {
        bare.kill("SIGKILL");
      }
    }
  } finally {
    load.kill("SIGKILL");
  }
  console.log("GET /m beside node:http that writes as many bytes; requests per second");
  console.log(table(["M", "bytes", "GET /m", "bare node:http", "× bare", "holds"], rows));
}

async function fullLoad(servers: Servers): Promise<void> {
  const entries = 10_000;
  const namespace = `load${randomUUID().slice(0, 8)}`;
  const options = { project, namespace, emulator: servers.datastore.host, callMs: 60_000 };
  const store = new DatastoreStore({ ...options, renewMs: 60_000 });
  const datastore = new Datastore(options);
  try {
    for (let i = 0; i < entries; i += 500) {
      const patch = new Map(
        Array.from({ length: 500 }, (_, j) => [`key-${i + j}`, JSON.stringify({ n: i + j })]),
      );
      await store.commit([{ id: randomUUID(), patch, ifRev: undefined, idempotency: undefined }]);
    }
    const times: { ours: number[]; client: number[] } = { ours: [], client: [] };
    for (let round = 0; round <= 2; round++) {
      const ours = async (): Promise<void> => {
        const memory = new Memory();
        memory.replace(await store.snapshot());
        memory.bytes();
        if (memory.rev !== entries / 500) throw new Error("not everything was loaded");
      };
      const client = async (): Promise<void> => {
        let count = 0;
        await datastore.snapshot("MEntry", [], () => (count += 1));
        if (count !== entries) throw new Error("not everything was read");
      };
      for (const [name, work] of round % 2 === 0
        ? ([
            ["ours", ours],
            ["client", client],
          ] as const)
        : ([
            ["client", client],
            ["ours", ours],
          ] as const)) {
        const began = performance.now();
        await work();
        if (round > 0) times[name].push(performance.now() - began);
      }
    }
    const ratio = median(times.ours) / median(times.client);
    console.log(`Full load of ${entries} entries beside reading the same entities, median ms of 2`);
    console.log(
      table(
        ["loaded into memory, ms", "entities read, ms", "×", "holds"],
        [
          [
            round(median(times.ours)),
            round(median(times.client)),
            round(ratio, 2),
            ratio <= limits.loadRatio ? "yes" : "NO",
          ],
        ],
      ),
    );
  } finally {
    await store.close();
    await datastore.close();
  }
}

/** From `kill -9` of a replica to the answer of a POST that has to do without it. */
async function killed(servers: Servers): Promise<void> {
  const times: number[] = [];
  await using cluster = await startCluster(servers, 3);
  for (let run = 0; run < 3; run++) {
    await cluster.end(2, "SIGKILL");
    const began = performance.now();
    const { status } = await cluster.at(0).post({ run });
    if (status !== 200) throw new Error(`the POST was answered with ${status}`);
    times.push(performance.now() - began);
    await cluster.run(2);
    await eventually("it takes part again", async () => {
      const { body } = await cluster.at(0).post({ run });
      return (body as { confirmed: number }).confirmed === 3;
    });
  }
  console.log("A POST just after one of three replicas was killed, beside the lease");
  console.log(
    table(
      ["median ms", "lease, ms", "×"],
      [[round(median(times)), 4_000, round(median(times) / 4_000, 2)]],
    ),
  );
}

export async function main(): Promise<void> {
  // The Google clients of this process would look for a metadata server.
  process.env["METADATA_SERVER_DETECTION"] = "none";
  for (const part of [confirmations, posts, reads, fullLoad, killed]) {
    // Servers of its own: what one part leaves behind is nothing to the next.
    await using datastore = await startEmulator("datastore");
    await using pubsub = await startEmulator("pubsub");
    await using nats = await NatsServer.start();
    await part({ datastore, pubsub, nats });
    console.log();
  }
}

if (import.meta.main) await main();
