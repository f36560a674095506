/** A cluster whose surroundings can be disturbed, and clients that write down what they see. */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { DatastoreStore } from "../../../apps/m/datastore-store.ts";
import { Gate } from "../../support/gate.ts";
import { type Answer, MCluster, type Running } from "../../support/m-cluster.ts";
import { NatsServer } from "../../support/nats.ts";
import type { Get, History, Post } from "./history.ts";

export interface WorldOptions {
  /** `host:port` of each emulator. */
  readonly datastore: string;
  readonly pubsub: string;
  readonly replicas: number;
  readonly leaseMs: number;
  /** The program; `apps/m` as it is by default. */
  readonly main?: string | undefined;
}

/** A paused process answers nothing for a while; nothing takes longer than this. */
const patienceMs = 15_000;

export class World implements AsyncDisposable {
  readonly cluster: MCluster;
  readonly nats: NatsServer;
  /** Before Datastore, one for each index. */
  readonly datastore: readonly Gate[];
  /** Before NATS, one for each index. */
  readonly natsGates: readonly Gate[];
  /** Between the replicas and Pub/Sub's publishing side. */
  readonly pubsub: Gate;
  readonly posts: Post[] = [];
  readonly gets: Get[] = [];
  /** Reads that were refused: not serving, too old. */
  refused = 0;
  #operations = 0;

  private constructor(
    parts: Pick<World, "cluster" | "nats" | "datastore" | "natsGates" | "pubsub">,
  ) {
    this.cluster = parts.cluster;
    this.nats = parts.nats;
    this.datastore = parts.datastore;
    this.natsGates = parts.natsGates;
    this.pubsub = parts.pubsub;
  }

  /** Room for one replica more than are started. */
  static async start(options: WorldOptions): Promise<World> {
    const { replicas, leaseMs, main } = options;
    const nats = await NatsServer.start();
    const before = (target: string): Promise<Gate[]> =>
      Promise.all(Array.from({ length: replicas + 1 }, () => Gate.to(target)));
    const datastore = await before(options.datastore);
    const natsGates = await before(`127.0.0.1:${nats.port}`);
    const pubsub = await Gate.to(options.pubsub);
    const cluster = await MCluster.start({
      ...{ replicas, leaseMs },
      datastore: (index) => datastore[index]?.host ?? options.datastore,
      pubsub: options.pubsub,
      publishTo: pubsub.host,
      nats: (index) => `nats://${natsGates[index]?.host ?? `127.0.0.1:${nats.port}`}`,
      ...(main === undefined ? {} : { main }),
    });
    return new World({ cluster, nats, datastore, natsGates, pubsub });
  }

  /** The indexes at which a process runs. */
  get running(): number[] {
    return [...this.cluster.replicas.keys()].filter(
      (index) => this.cluster.replicas[index] !== undefined,
    );
  }

  /** A name for a POST, which it writes into M itself. */
  operation(): string {
    return `operation-${++this.#operations}`;
  }

  /** Posts to the replica of an index, and writes down what came of it. */
  async post(
    index: number,
    operation: string,
    changes: Readonly<Record<string, unknown>>,
    { repeatable = false, wait: seconds = 3 }: { repeatable?: boolean; wait?: number } = {},
  ): Promise<Post | undefined> {
    const running = this.cluster.replicas[index];
    if (running === undefined) return undefined;
    const patch: Readonly<Record<string, unknown>> = { ...changes, operation };
    const invoked = performance.now();
    const answer: Partial<Answer> = await running
      .post(patch, {
        headers: repeatable ? { "idempotency-key": operation } : {},
        query: `?wait=${seconds}`,
        signal: AbortSignal.timeout(patienceMs),
      })
      .catch(() => ({}));
    const { status } = answer;
    const { rev, error } = (answer.body ?? {}) as { rev?: number; error?: { code: string } };
    const post: Post = {
      ...{ kind: "post", invoked, returned: performance.now(), operation, status, rev },
      code: error?.code,
      patch: new Map(
        Object.entries(patch).map(([key, value]) => [
          key,
          value === null ? null : JSON.stringify(value),
        ]),
      ),
    };
    this.posts.push(post);
    return post;
  }

  /** Reads M from the replica of an index, and writes down what came back. */
  async get(index: number, minRev = 0): Promise<Get | undefined> {
    const running = this.cluster.replicas[index];
    if (running === undefined) return undefined;
    const invoked = performance.now();
    const answer = await running
      .get(
        "/m",
        minRev === 0 ? {} : { "if-min-rev": String(minRev) },
        AbortSignal.timeout(patienceMs),
      )
      .catch(() => undefined);
    if (answer?.status !== 200) {
      this.refused += 1;
      return undefined;
    }
    const get: Get = {
      ...{ kind: "get", invoked, returned: performance.now(), minRev },
      replica: nameOf(index, running),
      rev: Number(/^"(\d+)"$/.exec(answer.headers.get("etag") ?? "")?.[1]),
      body: answer.body,
    };
    this.gets.push(get);
    return get;
  }

  /** Sends a signal to the process of an index, which may be gone. */
  signal(index: number, signal: NodeJS.Signals): void {
    this.cluster.replicas[index]?.process.signal(signal);
  }

  /** What was done and seen, with what Datastore holds. */
  async history(datastore: string): Promise<History> {
    const store = new DatastoreStore({
      project: "local-project",
      namespace: this.cluster.namespace,
      emulator: datastore,
      callMs: 30_000,
      renewMs: 30_000,
    });
    try {
      const { rev } = await store.head();
      const log: History["log"][number][] = [];
      while (log.length < rev) {
        const changes = await store.changesAfter(log.length, rev);
        if (changes.length === 0) throw new Error("the log of changes is not complete any more");
        log.push(...changes.map(({ patch }) => patch));
      }
      return { posts: this.posts, gets: this.gets, log };
    } finally {
      await store.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const index of this.running) this.signal(index, "SIGCONT");
    await this.cluster[Symbol.asyncDispose]();
    await this.nats[Symbol.asyncDispose]();
    for (const gate of [...this.datastore, ...this.natsGates, this.pubsub]) {
      await gate[Symbol.asyncDispose]();
    }
  }
}

function nameOf(index: number, running: Running): string {
  return `replica ${index} (process ${running.process.pid})`;
}

/** Something that goes on until the signal aborts. */
export async function until(signal: AbortSignal, turn: () => Promise<unknown>): Promise<void> {
  while (!signal.aborted) await turn();
}

/** Waits, or less long when the signal aborts. */
export async function rest(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}

/** A value that no other has. */
export function unique(): string {
  return randomUUID();
}
