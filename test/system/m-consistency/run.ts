/** One run: clients and faults at the same time, then the check of what was seen. */
import { eventually } from "../../support/eventually.ts";
import { Random } from "../../support/random.ts";
import { faults } from "./faults.ts";
import { violations } from "./history.ts";
import { rest, unique, until, World, type WorldOptions } from "./world.ts";

export interface RunOptions extends Omit<WorldOptions, "replicas" | "leaseMs"> {
  readonly seed: number;
  readonly replicas?: number;
  readonly leaseMs?: number;
  readonly faultCount?: number;
  /** How many clients post; on a database that locks, more of them only wait for each other. */
  readonly writers?: number;
}

export interface Report {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly faults: readonly string[];
  readonly revisions: number;
  readonly confirmed: number;
  readonly unconfirmed: number;
  readonly reads: number;
  readonly refusedReads: number;
  /** From the end of the last fault until every replica serves the last revision. */
  readonly convergedMs: number;
}

/** What a run must have seen, for a check of nothing would find nothing. */
export const enough = { confirmed: 5, reads: 50 } as const;

const keys = ["a", "b", "c", "d", "e"];

export async function run(options: RunOptions): Promise<Report> {
  const { seed, replicas = 3, leaseMs = 1_000, faultCount = 7, writers = 3 } = options;
  const random = new Random(seed);
  await using world = await World.start({ ...options, replicas, leaseMs });
  const over = new AbortController();
  const clients: Promise<void>[] = [];

  for (let writer = 0; writer < writers; writer++) {
    const own = new Random(random.below(2 ** 31));
    clients.push(
      until(over.signal, async () => {
        await write(world, own);
        await rest(own.between(5, 60), over.signal);
      }),
    );
  }
  for (let index = 0; index <= replicas; index++) {
    const own = new Random(random.below(2 ** 31));
    // A paused replica answers what waits for it when it goes on: several readers keep asking.
    for (let reader = 0; reader < 3; reader++) {
      clients.push(
        until(over.signal, async () => {
          const minRev = own.chance(0.1) ? (world.gets.at(-1)?.rev ?? 0) + own.below(2) : 0;
          await world.get(index, minRev);
          await rest(own.between(5, 60), over.signal);
        }),
      );
    }
  }

  const names = Object.keys(faults);
  const done: string[] = [];
  const running: Promise<void>[] = [];
  // On a machine that is busy otherwise clients do less in the time of a fault: there are more then.
  const didEnough = (): boolean =>
    world.posts.filter(({ status }) => status === 200).length >= enough.confirmed &&
    world.gets.length >= enough.reads;
  for (let count = 0; count < faultCount || (count < 2 * faultCount && !didEnough()); count++) {
    // Every fault has its turn within two seeds that follow each other.
    const name = names[(seed * faultCount + count) % names.length] ?? "";
    const fault = faults[name];
    if (fault === undefined) throw new Error(`there is no fault ${name}`);
    done.push(name);
    const going = fault({ world, random: new Random(random.below(2 ** 31)), leaseMs });
    running.push(going);
    // Some faults overlap.
    if (random.chance(0.6) || exclusive(name)) await Promise.all(running.splice(0));
    else await rest(random.between(50, 400));
  }
  await Promise.all(running);

  const healed = performance.now();
  over.abort();
  await Promise.all(clients);
  // A transaction whose client was cut off may keep its locks for a minute.
  const last = await eventually(
    "a POST is confirmed after the faults",
    async () => {
      const index = world.running[0];
      const post = index === undefined ? undefined : await world.post(index, world.operation(), {});
      return post?.status === 200 ? post.rev : undefined;
    },
    { withinMs: 120_000 },
  );
  await Promise.all(
    world.running.map((index) =>
      eventually(`replica ${index} serves revision ${last}`, async () => {
        const get = await world.get(index);
        return get !== undefined && get.rev >= last;
      }),
    ),
  );
  const convergedMs = performance.now() - healed;

  const history = await world.history(options.datastore);
  const { posts, gets, log } = history;
  return {
    seed,
    problems: violations(history),
    faults: done,
    revisions: log.length,
    confirmed: posts.filter(({ status }) => status === 200).length,
    unconfirmed: posts.filter(({ status }) => status !== 200).length,
    reads: gets.length,
    refusedReads: world.refused,
    convergedMs,
  };
}

/** Faults that reach for the same servers do not run at the same time. */
function exclusive(name: string): boolean {
  return /NATS|pushes|acknowledging/.test(name);
}

/** One operation, sent until its fate is known when it is one that may be repeated. */
async function write(world: World, random: Random): Promise<void> {
  const operation = world.operation();
  const repeatable = random.chance(0.5);
  const changes = { [random.one(keys)]: random.chance(0.2) ? null : unique() };
  const tries = repeatable ? 3 : 1;
  for (let attempt = 0; attempt < tries; attempt++) {
    const { running } = world;
    if (running.length === 0) return;
    const index = random.one(running);
    const post = await world.post(index, operation, changes, { repeatable });
    // A confirmed revision must be everywhere at once.
    if (post?.status === 200) {
      await Promise.all(running.map((each) => world.get(each)));
      if (!random.chance(0.2)) return;
    }
  }
}
