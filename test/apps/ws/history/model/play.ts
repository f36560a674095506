import assert from "node:assert/strict";
import fc from "fast-check";
import { channel, ModelClient, other, World, type WorldOptions } from "./world.ts";

/** What happens all the time, and after which nobody needs to have missed anything. */
const harmless = [
  "arrive",
  "publish",
  "publishOther",
  "join",
  "leave",
  "verify",
  "history",
  "cut",
  "reconnect",
  "kill",
  "close",
  "lag",
  "loseNext",
] as const;
/** Many more of these are needed than of others for anything to happen. */
const weights: Partial<Record<StepKind, number>> = { arrive: 24, publish: 8, join: 6 };

/** After which epochs may end. */
export type Fault = "purgeAll" | "purge" | "remake" | "loseAnchors" | "limit" | "wait" | "burst";
type StepKind = (typeof harmless)[number] | Fault;

/** One thing that happens; the number says to whom, how many or how much. */
export interface Step {
  readonly kind: StepKind;
  readonly number: number;
}

export function schedules(faults: readonly Fault[], maxLength: number): fc.Arbitrary<Step[]> {
  const kinds: readonly StepKind[] = [...harmless, ...faults];
  const kind = fc.oneof(
    ...kinds.map((each) => ({ arbitrary: fc.constant(each), weight: weights[each] ?? 1 })),
  );
  const step = fc.record({ kind, number: fc.nat(1_000) });
  return fc.array(step, { maxLength, size: "max" });
}

export interface Played {
  readonly world: World;
  readonly clients: readonly ModelClient[];
}

/** Lets everything happen, then comes to rest and looks whether all is as it must be. */
export async function play(
  options: WorldOptions,
  steps: readonly Step[],
  { gateways = 2, clients: clientCount = 2 } = {},
): Promise<Played> {
  const world = new World(options);
  for (let each = 0; each < gateways; each += 1) world.open();
  const clients = Array.from({ length: clientCount }, () => new ModelClient(world));
  for (const step of steps) {
    take(world, clients, step);
    await world.turn();
  }
  await rest(world, clients);
  return { world, clients };
}

async function rest(world: World, clients: readonly ModelClient[]): Promise<void> {
  const { truth } = world;
  const check = (): void => {
    assert.deepEqual(truth.problems, []);
  };
  for (const gateway of world.gateways) gateway.reconnect();
  await world.calm();
  check();
  const [first] = world.gateways;
  if (first === undefined) return;
  for (const gateway of world.gateways) world.begin(gateway, gateway.verify());
  await world.calm();
  for (const client of clients) if (!client.attached) world.begin(first, client.join(first));
  await world.calm();
  check();
  // A message that everybody gets, whatever they have missed before.
  world.publish(2);
  await world.calm();
  check();
  assert.ok(clients.every(({ attached }) => attached));
  const positions = [...world.gateways].map(({ log }) => log.position);
  for (const position of positions) assert.deepEqual(position, positions[0]);
  for (const { position } of clients) assert.deepEqual(position, positions[0]);
  const shown = first.log.visible(world.time.wall()) ?? [];
  const stored = world.stream.of(channel).slice(-world.options.size);
  if (shown.length === 0) return;
  assert.deepEqual(
    shown.map(({ data }) => Number(Buffer.from(data).toString())),
    stored.slice(-shown.length).map(({ id }) => id),
  );
}

function take(world: World, clients: readonly ModelClient[], { kind, number }: Step): void {
  const { stream, time, options } = world;
  const gateways = [...world.gateways];
  const gateway = gateways[number % gateways.length];
  const client = clients[number % clients.length];
  if (gateway === undefined) return;
  switch (kind) {
    case "arrive":
      void world.arrive(number);
      return;
    case "publish":
      world.publish(1 + (number % 4));
      return;
    case "publishOther":
      world.publish(1 + (number % 3), other);
      return;
    case "join":
      if (client !== undefined) world.begin(gateway, client.join(gateway));
      return;
    case "leave":
      client?.leave();
      return;
    case "history":
      world.begin(gateway, gateway.history());
      return;
    case "burst":
      world.publish(100 + (number % 200));
      return;
    case "verify":
      world.begin(gateway, gateway.verify());
      return;
    case "cut":
      gateway.cut();
      return;
    case "reconnect":
      gateway.reconnect();
      return;
    case "kill":
      gateway.kill();
      world.open();
      return;
    case "close":
      world.begin(gateway, gateway.close());
      world.open();
      return;
    case "lag":
      world.lag = 1 + (number % 4);
      return;
    case "loseNext":
      gateway.loseNext();
      return;
    case "purgeAll":
      stream.purge();
      return;
    case "purge":
      if (purgeable(world)) stream.purge({ subject: channel, keep: number % 3 });
      return;
    case "remake":
      stream.remake();
      for (const each of gateways) each.reconnect();
      return;
    case "loseAnchors":
      world.loseAnchors({ anew: number % 2 === 0 });
      return;
    case "limit":
      stream.setMaxPerSubject(options.size);
      return;
    case "wait":
      time.pass((options.ttlMs * (number % 100)) / 90);
      return;
  }
}

/**
 * A purge of one subject can be told from expiry as long as the message is there that the anchor names.
 */
function purgeable({ anchor, stream }: World): boolean {
  if (stream.of(channel).length === 0) return true;
  return stream.of(channel).some(({ seq }) => seq === anchor?.tip.seq);
}
