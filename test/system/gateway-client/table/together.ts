/** What clients of every kind do at the same time, in one channel. */
import assert from "node:assert/strict";
import { type ClientKind, decodeData } from "../../../support/client-kind.ts";
import { eventually } from "../../../support/eventually.ts";
import { type GatewayPair, token } from "../../../support/gateway-pair.ts";
import { NpmClient, type NpmSubscription } from "../../../support/npm-client.ts";
import { GatewayDoor } from "../gateway-door.ts";
import { indexes } from "./stage.ts";

export interface Crowd {
  readonly pair: GatewayPair;
  readonly kinds: readonly ClientKind[];
}

interface Member {
  readonly client: NpmClient;
  readonly subscription: NpmSubscription;
}

async function member(
  kind: ClientKind,
  channel: string,
  { port, emulationPort }: { port: number; emulationPort: number },
): Promise<Member> {
  const client = await NpmClient.connect(port, {
    ...{ kind, emulationPort, token: await token({ sub: "ann" }) },
  });
  return { client, subscription: await client.subscribe(channel) };
}

/** One of each kind on each gateway. */
async function members(
  { pair, kinds }: Crowd,
  channel: string,
  stack: DisposableStack,
): Promise<Member[]> {
  const all = await Promise.all(
    kinds.flatMap((kind) =>
      indexes.map((index) => {
        const [port, emulationPort] = [pair.port(index), pair.port(index === 0 ? 1 : 0)];
        return member(kind, channel, { port, emulationPort });
      }),
    ),
  );
  for (const { client } of all) stack.use(client);
  return all;
}

/** One of each kind behind one door. */
async function membersBehind(
  door: GatewayDoor,
  kinds: readonly ClientKind[],
  channel: string,
  stack: AsyncDisposableStack,
): Promise<Member[]> {
  const ports = { port: door.port, emulationPort: door.port };
  const all = await Promise.all(kinds.map((kind) => member(kind, channel, ports)));
  for (const { client } of all) stack.use(client);
  return all;
}

/** All that somebody has got, with its offsets: 1, 2, 3, without a hole. */
function inOrder({ publications }: NpmSubscription): unknown[] {
  const offsets = publications.map(({ offset }) => offset);
  assert.deepEqual(
    offsets,
    offsets.map((_, index) => index + 1),
  );
  return publications.map(({ data }): unknown => data);
}

/** A thousand publications by clients of every kind and by NATS clients, JSON and bytes. */
export async function sameForAll(crowd: Crowd): Promise<void> {
  const { pair } = crowd;
  using stack = new DisposableStack();
  const channel = pair.channel("long");
  const all = await members(crowd, channel, stack);
  const perMember = Math.floor(900 / all.length);
  const publishing = all.map(async ({ client }, index) => {
    for (let n = 0; n < perMember; n += 1) {
      const bytes = n % 10 === 0 && client.kind.encoding === "protobuf";
      await client.publish(channel, bytes ? Uint8Array.of(index, n, 0xff) : { index, n, ü: "ß" });
    }
  });
  for (let n = 0; n < 100; n += 1) {
    pair.publish(channel, n % 2 === 0 ? JSON.stringify({ plain: n }) : Uint8Array.of(0xfe, n));
  }
  await Promise.all(publishing);
  const count = all.length * perMember + 100;
  await Promise.all(all.map(({ subscription }) => subscription.received(count)));
  const [first, ...others] = all.map(({ subscription }) => inOrder(subscription));
  for (const other of others) assert.deepEqual(other, first);
  for (const index of all.keys()) {
    const numbers = (first ?? []).flatMap((data) => {
      const own = data as { index?: number; n?: number };
      return own.index === index ? [own.n] : [];
    });
    assert.deepEqual(
      numbers,
      numbers.toSorted((a = 0, b = 0) => a - b),
    );
  }
  // Those who have bytes have the same bytes.
  const inBytes = all.filter(({ client }) => client.kind.encoding === "protobuf");
  const [bytes, ...otherBytes] = inBytes.map(({ subscription }) => subscription.payloads);
  for (const other of otherBytes) assert.deepEqual(other, bytes);
  if (bytes !== undefined) assert.deepEqual(bytes.map(decodeData), first);
  for (const { client } of all) assert.deepEqual(client.connection, ["connecting 0", "connected"]);
}

/** One of each kind reads nothing for a while, one of each kind reads. */
export async function slowReaders({ pair, kinds }: Crowd): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const channel = pair.channel("plain");
  const [slowDoor, door] = [
    stack.use(await GatewayDoor.open(pair)),
    stack.use(await GatewayDoor.open(pair)),
  ];
  const slow = await membersBehind(slowDoor, kinds, channel, stack);
  const quick = await membersBehind(door, kinds, channel, stack);
  const before = await pair.total(0, "gateway_slow_closes_total");
  const hung = slowDoor.hang();
  const filler = "x".repeat(50_000);
  const count = 200;
  for (let n = 1; n <= count; n += 1) {
    pair.publish(channel, JSON.stringify({ n, filler }));
    if (n % 20 > 0) continue;
    await Promise.all(quick.map(({ subscription }) => subscription.received(n)));
  }
  await eventually("all that read nothing are ended", async () => {
    return (await pair.total(0, "gateway_slow_closes_total")) === before + kinds.length;
  });
  hung.resume();
  for (const { client, subscription } of slow) {
    // What says so may have been stuck behind what was not read.
    await eventually("it comes back", () =>
      client.connection.some((event) => event === "connecting 3008" || event === "connecting 1"),
    );
    await eventually("it is subscribed again", () => subscription.contexts.length === 2);
    assert.ok(subscription.publications.length < count);
  }
  pair.publish(channel, '"end"');
  for (const { subscription } of [...slow, ...quick]) {
    await eventually("it goes on", () => subscription.publications.at(-1)?.data === "end");
  }
  for (const { client } of quick) {
    assert.deepEqual(client.connection, ["connecting 0", "connected"]);
  }
}

/** A gateway leaves in good order, then the other one dies. */
export async function takeOver({ pair, kinds }: Crowd): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const channel = pair.channel("long");
  const door = stack.use(await GatewayDoor.open(pair));
  const all = await membersBehind(door, kinds, channel, stack);
  const own = { token: await token({ sub: "bob" }) };
  const publisher = stack.use(await NpmClient.connect(pair.port(1), own));
  await publisher.publish(channel, 1);
  await Promise.all(all.map(({ subscription }) => subscription.received(1)));

  door.leadTo(1);
  pair.gateway(0).signal("SIGTERM");
  let published = 1;
  while (!pair.gateway(0).ended) await publisher.publish(channel, ++published);
  await pair.restart(0);
  for (const { client, subscription } of all) {
    await subscription.received(published);
    assert.deepEqual(client.connection.slice(0, 3), [
      ...["connecting 0", "connected", "connecting 3001"],
    ]);
  }

  publisher.close();
  await pair.gateway(1).end("SIGKILL");
  door.leadTo(0);
  const survivor = stack.use(await NpmClient.connect(pair.port(0), own));
  await survivor.publish(channel, ++published);
  for (const { client, subscription } of all) {
    await subscription.received(published);
    assert.deepEqual(
      inOrder(subscription),
      Array.from({ length: published }, (_, index) => index + 1),
    );
    assert.ok(!subscription.events.includes("subscribed, not recovered"));
    assert.ok(!client.connection.some((event) => event.startsWith("disconnected")));
  }
  await eventually("nobody is counted twice", async () => {
    const { clients } = await survivor.presence(channel);
    const ids = all.map(({ client }) => client.id).sort();
    return Object.keys(clients).sort().join() === ids.join();
  });
}
