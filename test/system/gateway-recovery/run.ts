/** One run: clients and faults at the same time, then the check of what was seen. */
import { eventually } from "../../support/eventually.ts";
import { centrifuge } from "../../support/gateway-process.ts";
import { Random } from "../../support/random.ts";
import { Publisher, Recorder, Subscriber } from "./clients.ts";
import { perform } from "./faults.ts";
import { type Answer, type Position, violations } from "./history.ts";
import { type Plan, planFor, type PlanOptions, speakingOf, variants } from "./plan.ts";
import { rest, World } from "./world.ts";

export interface RunOptions extends PlanOptions {
  readonly seed: number;
  /** The program; the bundle of `apps/ws` by default. */
  readonly main?: string | undefined;
}

export interface Report {
  readonly plan: Plan;
  readonly problems: readonly string[];
  readonly published: number;
  readonly acknowledged: number;
  readonly delivered: number;
  readonly recovered: number;
  readonly notRecovered: number;
  /** From the last publication until every subscriber has it. */
  readonly convergedMs: number;
}

/** How long subscribers may take to be back once everything is well again. */
const convergeMs = 20_000;

export async function run(options: RunOptions): Promise<Report> {
  const plan = planFor(options.seed, options);
  const { size, reachable, fillerBytes } = variants[plan.variant];
  const { main } = options;
  await using world = await World.start({ gateways: plan.gateways, size, main, seed: plan.seed });
  await using stack = new AsyncDisposableStack();
  const over = new AbortController();
  stack.defer(() => {
    over.abort();
  });

  const subscribers: Subscriber[] = [];
  const subscribe = async (
    who: Parameters<typeof Subscriber.start>[0],
    since?: ReadonlyMap<string, Position>,
  ): Promise<Subscriber> => {
    const subscriber = await Subscriber.start(who, world.door.port, since);
    subscribers.push(subscriber);
    stack.defer(() => {
      subscriber.close();
    });
    return subscriber;
  };
  const early = plan.subscribers.filter(({ joinsAt }) => joinsAt === undefined);
  await Promise.all(early.map((each) => subscribe(each)));
  await eventually("all early subscribers are subscribed", () =>
    subscribers.every(({ subscribed }) => subscribed),
  );
  const recorder = await Recorder.start(world.nats.port, plan.channels);
  stack.defer(() => recorder.close());
  const recording = recorder.run(over.signal);

  const ports = { door: world.door.port, nats: world.nats.port };
  const publishers = await Promise.all(plan.publishers.map((each) => Publisher.start(each, ports)));
  for (const publisher of publishers) stack.defer(() => publisher.close());
  const publishing = publishers.map((publisher) => publisher.run(over.signal, fillerBytes));

  const began = performance.now();
  const until = (at: number): Promise<void> => rest(Math.max(0, began + at - performance.now()));
  const random = new Random(plan.seed);
  const fidgeting = plan.subscribers.map(async ({ name, restless, joinsAt }) => {
    const subscriber = subscribers.find(({ followers }) => followers[0]?.name === name);
    const own = new Random(random.below(2 ** 31));
    if (restless && joinsAt === undefined) await subscriber?.fidget(own, over.signal);
  });
  const joining = plan.subscribers
    .filter(({ joinsAt }) => joinsAt !== undefined)
    .map(async (each) => {
      const own = new Random(random.below(2 ** 31));
      await until(each.joinsAt ?? 0);
      await subscribe(each, sinceOf(each, subscribers, own));
    });
  await Promise.all(
    plan.steps.map(async (step) => {
      await until(step.at);
      await perform(step, world);
    }),
  );
  await Promise.all(joining);
  await rest(200);

  over.abort();
  await Promise.all([...publishing, ...fidgeting, recording]);
  await Promise.all(publishers.map((publisher) => publisher.settle()));
  const last = await Publisher.start(
    {
      ...{ name: "the-last", kind: "stream", speaks: speakingOf(0) },
      ...{ channels: plan.channels, everyMs: 0, seed: 0 },
    },
    ports,
  );
  stack.defer(() => last.close());
  let sequence = 0;
  for (const channel of plan.channels) {
    await eventually(`a publication on ${channel} is confirmed`, async () => {
      await last.publish(channel, ++sequence);
      return last.publishes.at(-1)?.acknowledged !== undefined;
    });
  }
  const calm = performance.now();
  const answers = await askAll(world, plan);
  const haveAll = (): boolean =>
    answers.every(({ channel, position }) =>
      subscribers.every(
        (subscriber) =>
          subscriber.followers.every((follower) => follower.channel !== channel) ||
          subscriber.isAt(channel, position),
      ),
    );
  // Who does not get there is found by the checker, with a name.
  await eventually("all are at the end", haveAll, { withinMs: convergeMs }).catch(() => undefined);
  const convergedMs = performance.now() - calm;

  await eventually("the streams can be read", async () => {
    await recorder.read();
    return true;
  });
  world.complain();
  const publishes = [...publishers, last].flatMap((publisher) => publisher.publishes);
  const followers = subscribers.flatMap((subscriber) => subscriber.followers);
  const history = {
    ...{ followers, publishes, truth: recorder.truth, answers, reachable },
    lossless: plan.variant !== "short history",
  };
  const events = followers.flatMap(({ seen }) => seen);
  const recoveries = events.filter(
    (event) => event.kind === "subscribed" && event.wasRecovering,
  ) as { recovered: boolean }[];
  if (recorder.missed > 0) {
    throw new Error(`${recorder.missed} messages were dropped before the test could read them`);
  }
  return {
    plan,
    problems: [...world.problems, ...violations(history)],
    published: publishes.length,
    acknowledged: publishes.filter(({ acknowledged }) => acknowledged !== undefined).length,
    delivered: events.filter(({ kind }) => kind === "publication").length,
    recovered: recoveries.filter(({ recovered }) => recovered).length,
    notRecovered: recoveries.filter(({ recovered }) => !recovered).length,
    convergedMs,
  };
}

/** From where a late subscriber asks for everything. */
function sinceOf(
  { since, channels }: Plan["subscribers"][number],
  others: readonly Subscriber[],
  random: Random,
): ReadonlyMap<string, Position> {
  const positions = new Map<string, Position>();
  for (const channel of channels) {
    if (since === "the beginning") positions.set(channel, { offset: 0, epoch: "" });
    if (since !== "where another one was") continue;
    const known = others.flatMap((other) => other.position(channel) ?? []);
    if (known.length === 0) continue;
    const { offset, epoch } = random.one(known);
    positions.set(channel, { epoch, offset: random.below(offset + 1) });
  }
  return positions;
}

/** What every gateway says of every channel. */
async function askAll(world: World, plan: Plan): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let index = 0; index < plan.gateways; index++) {
    const client = centrifuge(world.port(index));
    client.connect();
    for (const channel of plan.channels) {
      const history = await eventually(`gateway ${index} answers for ${channel}`, () =>
        client.history(channel, { limit: -1 }),
      );
      answers.push({
        gateway: `gateway ${index}`,
        channel,
        position: { offset: history.offset, epoch: history.epoch },
        publications: history.publications.map(({ offset, data }) => ({
          offset,
          id: (data as { id: string }).id,
        })),
      });
    }
    client.disconnect();
  }
  return answers;
}

/** One line that says what was done and seen. */
export function describeReport({ plan, ...report }: Report): string {
  const { seed, variant, gateways, steps } = plan;
  return (
    `seed ${seed}: ${report.problems.length === 0 ? "holds" : "BROKEN"}; ${variant}, ` +
    `${gateways} gateways, ${report.published} published (${report.acknowledged} acknowledged), ` +
    `${report.delivered} delivered, ${report.recovered} recoveries and ${report.notRecovered} refused, ` +
    `converged after ${(report.convergedMs / 1000).toFixed(1)} s; ` +
    steps.map(({ at, fault }) => `${at} ms: ${fault}`).join("; ")
  );
}
