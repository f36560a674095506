/** What is done to a cluster while clients use it. Each fault ends what it began. */
import type { Random } from "../../support/random.ts";
import { rest, type World } from "./world.ts";

export interface FaultContext {
  readonly world: World;
  readonly random: Random;
  readonly leaseMs: number;
}

type Fault = (context: FaultContext) => Promise<void>;

/** A replica that no other fault has its hands on. */
class Hands {
  readonly #taken = new WeakMap<World, Set<number>>();

  async withOne(
    { world, random }: FaultContext,
    work: (index: number) => Promise<void>,
  ): Promise<void> {
    const taken = this.#taken.get(world) ?? new Set();
    this.#taken.set(world, taken);
    const free = world.running.filter((index) => !taken.has(index));
    if (free.length === 0) return;
    const index = random.one(free);
    taken.add(index);
    try {
      await work(index);
    } finally {
      taken.delete(index);
    }
  }
}

const hands = new Hands();

/** By name, as a run's report lists them. */
export const faults: Readonly<Record<string, Fault>> = {
  async "kill -9, and another process at the same index"(context) {
    const { world, random } = context;
    await hands.withOne(context, async (index) => {
      await world.cluster.end(index, "SIGKILL");
      await rest(random.between(0, 500));
      await world.cluster.run(index);
    });
  },

  async "a pause longer than the lease"(context) {
    const { world, random, leaseMs } = context;
    await hands.withOne(context, async (index) => {
      world.signal(index, "SIGSTOP");
      await rest(random.between(1.2, 2.2) * leaseMs);
      world.signal(index, "SIGCONT");
    });
  },

  async "a pause shorter than the lease"(context) {
    const { world, random, leaseMs } = context;
    await hands.withOne(context, async (index) => {
      world.signal(index, "SIGSTOP");
      await rest(random.between(0.2, 0.8) * leaseMs);
      world.signal(index, "SIGCONT");
    });
  },

  async "NATS killed and started again"({ world, random }) {
    await world.nats.signal("SIGKILL");
    await rest(random.between(200, 1_500));
    await world.nats.restart();
  },

  async "a replica killed between applying and acknowledging"(context) {
    const { world, random } = context;
    // What it says on NATS is held up; what Pub/Sub and Datastore bring, it applies.
    await world.nats.signal("SIGSTOP");
    try {
      await hands.withOne(context, async (index) => {
        await rest(random.between(150, 400));
        await world.cluster.end(index, "SIGKILL");
        await world.nats.signal("SIGCONT");
        await world.cluster.run(index);
      });
    } finally {
      await world.nats.signal("SIGCONT");
    }
  },

  async "publishing fails after the commit"({ world, random }) {
    world.pubsub.close();
    await rest(random.between(500, 2_000));
    world.pubsub.open();
  },

  async "pushes twice, late, out of order, and answered with 500"({ world, random }) {
    world.cluster.pushFault = async ({ deliver }) => {
      if (random.chance(0.2)) return 500;
      await rest(random.between(0, 600));
      const first = await deliver();
      if (random.chance(0.3)) await deliver();
      return random.chance(0.2) ? 500 : first;
    };
    await rest(random.between(1_000, 2_500));
    world.cluster.pushFault = ({ deliver }) => deliver();
  },

  async "pushes lost, and NATS away"({ world, random }) {
    world.cluster.pushFault = () => Promise.resolve(503);
    await world.nats.signal("SIGKILL");
    await rest(random.between(300, 1_500));
    await world.nats.restart();
    world.cluster.pushFault = ({ deliver }) => deliver();
  },

  async "a replica cut off from Datastore for longer than its lease"(context) {
    const { world, random, leaseMs } = context;
    await hands.withOne(context, async (index) => {
      world.datastore[index]?.close();
      await rest(random.between(1.2, 2) * leaseMs);
      world.datastore[index]?.open();
    });
  },

  async "a replica cut off from NATS"(context) {
    const { world, random } = context;
    await hands.withOne(context, async (index) => {
      world.natsGates[index]?.close();
      await rest(random.between(300, 1_500));
      world.natsGates[index]?.open();
    });
  },

  async "connections to Datastore cut again and again"({ world, random }) {
    const end = performance.now() + random.between(500, 1_500);
    while (performance.now() < end) {
      random.one(world.datastore).cut();
      await rest(random.between(20, 150));
    }
  },

  async "a slow way to Datastore"(context) {
    const { world, random } = context;
    await hands.withOne(context, async (index) => {
      const gate = world.datastore[index];
      if (gate === undefined) return;
      gate.delayMs = random.between(10, 60);
      await rest(random.between(500, 1_500));
      gate.delayMs = 0;
    });
  },

  async "one replica more, and one less"(context) {
    const { world, random } = context;
    const added = world.datastore.length - 1;
    if (world.cluster.replicas[added] !== undefined) return;
    await world.cluster.subscribe(added);
    await world.cluster.run(added);
    await rest(random.between(200, 800));
    await world.cluster.end(added, random.one(["SIGTERM", "SIGKILL"]));
  },
};
