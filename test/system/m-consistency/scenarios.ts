/** Short runs that lead straight to where one defect shows. The real service passes them all. */
import assert from "node:assert/strict";
import { eventually } from "../../support/eventually.ts";
import type { mutants } from "./mutants.ts";
import { until, type World } from "./world.ts";

export interface Scenario {
  readonly name: string;
  readonly leaseMs: number;
  readonly run: (world: World) => Promise<void>;
}

/** Reads that are sent now, and answered when a paused replica goes on. */
function sendReads(world: World, index: number, count: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, () => world.get(index)));
}

async function confirmed(world: World, index: number): Promise<void> {
  await eventually("a POST is confirmed", async () => {
    const post = await world.post(index, world.operation(), { a: performance.now() }, { wait: 10 });
    return post?.status === 200;
  });
}

/** The replica of index 2 hears of nothing but what it asks Datastore for. */
function isolate(world: World): void {
  world.natsGates[2]?.close();
  world.cluster.pushFault = ({ index, deliver }) =>
    index === 2 ? Promise.resolve(503) : deliver();
}

/** Becomes too long for a message on NATS, so that replicas have to read it from Datastore. */
const large = '"'.repeat(110_000);

export const scenarios: Readonly<Record<keyof typeof mutants, Scenario>> = {
  counted: {
    name: "one replica is paused, for less than its lease, and another acknowledges several times",
    leaseMs: 20_000,
    async run(world) {
      await confirmed(world, 0);
      world.signal(2, "SIGSTOP");
      // It cannot be confirmed, for a replica that may serve does not have it.
      await world.post(0, world.operation(), { a: large }, { wait: 1 });
      const reads = sendReads(world, 2, 20);
      world.signal(2, "SIGCONT");
      await reads;
      await confirmed(world, 0);
    },
  },
  lease: {
    name: "a replica is paused for longer than its lease, and read when it goes on",
    leaseMs: 1_500,
    async run(world) {
      await confirmed(world, 0);
      isolate(world);
      world.signal(2, "SIGSTOP");
      await confirmed(world, 0);
      const reads = sendReads(world, 2, 20);
      world.signal(2, "SIGCONT");
      await reads;
    },
  },
  barrier: {
    name: "a replica joins again on a slow way to Datastore, and POSTs go on meanwhile",
    leaseMs: 3_000,
    async run(world) {
      await confirmed(world, 0);
      isolate(world);
      world.signal(2, "SIGSTOP");
      await confirmed(world, 0);
      const gate = world.datastore[2];
      assert.ok(gate);
      gate.delayMs = 100;
      world.signal(2, "SIGCONT");
      const over = new AbortController();
      const posting = until(over.signal, () =>
        world.post(0, world.operation(), { a: performance.now() }),
      );
      try {
        await eventually("the replica serves again", async () => {
          const answers = await Promise.all(Array.from({ length: 3 }, () => world.get(2)));
          return answers.some((answer) => answer !== undefined);
        });
      } finally {
        over.abort();
        await posting;
      }
    },
  },
  early: {
    name: "a change is too large for a message, and one replica's way to Datastore is slow",
    leaseMs: 20_000,
    async run(world) {
      await confirmed(world, 0);
      const gate = world.datastore[2];
      assert.ok(gate);
      gate.delayMs = 30;
      const post = await world.post(0, world.operation(), { a: large }, { wait: 20 });
      assert.equal(post?.status, 200);
      await sendReads(world, 2, 5);
    },
  },
};
