import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { SubscriptionOptions } from "centrifuge";
import { clientKinds } from "../../support/client-kind.ts";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { NpmClient, type NpmSubscription } from "../../support/npm-client.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { open } from "./config.ts";
import { GatewayDoor } from "./gateway-door.ts";

const kinds = Object.values(clientKinds);

describe("recovery, as the npm client sees it", () => {
  let pair: GatewayPair;
  let door: GatewayDoor;
  let publisher: NpmClient;

  before(async () => {
    pair = await GatewayPair.start(open);
    door = await GatewayDoor.open(pair);
    publisher = await NpmClient.connect(pair.port(0));
  });
  after(async () => {
    publisher.close();
    await door[Symbol.asyncDispose]();
    await pair[Symbol.asyncDispose]();
  });

  async function publish(channel: string, ...data: readonly unknown[]): Promise<void> {
    for (const each of data) await publisher.client.publish(channel, each);
  }

  /** The stream of a channel, as JetStream has it. */
  async function streamOf(channel: string): Promise<string> {
    const manager = await pair.publisher.jetstreamManager();
    return manager.streams.find(subjectOf(channel));
  }

  async function purge(channel: string): Promise<void> {
    const manager = await pair.publisher.jetstreamManager();
    await manager.streams.purge(await streamOf(channel), { filter: subjectOf(channel) });
  }

  /** The position of a channel's end, by one of the gateways. */
  async function endOf(channel: string, index: 0 | 1): Promise<{ offset: number; epoch: string }> {
    using client = await NpmClient.connect(pair.port(index));
    const { offset, epoch } = await client.client.history(channel);
    return { offset, epoch };
  }

  /** A late client that asks for everything since a position. */
  async function late(
    channel: string,
    since: SubscriptionOptions["since"],
    index: 0 | 1 = 1,
  ): Promise<{ client: NpmClient; subscription: NpmSubscription }> {
    const client = await NpmClient.connect(pair.port(index));
    const subscription = await client.subscribe(channel, { since: since ?? null });
    return { client, subscription };
  }

  it("takes a position without an epoch for one of any", async () => {
    const channel = pair.channel();
    await publish(channel, 1, 2);
    const { client, subscription } = await late(channel, { offset: 1 });
    assert.equal(subscription.contexts[0]?.recovered, true);
    assert.deepEqual(await subscription.received(1), [2]);
    client.close();
  });

  const refused: Record<
    string,
    (channel: string, epoch: string) => { offset: number; epoch: string }
  > = {
    "of another epoch": () => ({ offset: 2, epoch: "other" }),
    "of another epoch, at the very end": () => ({ offset: 8, epoch: "other" }),
    "that is not reached yet": (_channel, epoch) => ({ offset: 9, epoch }),
    "far beyond the end": (_channel, epoch) => ({ offset: 1_000_000, epoch }),
    "older than the history": (_channel, epoch) => ({ offset: 2, epoch }),
    "from before a history that has forgotten its beginning": (_channel, epoch) => ({
      offset: 0,
      epoch,
    }),
  };
  for (const [name, position] of Object.entries(refused)) {
    it(`is refused from a position ${name}`, async () => {
      // It keeps five.
      const channel = pair.channel("short");
      await publish(channel, 1, 2, 3, 4, 5, 6, 7, 8);
      const { epoch } = await publisher.client.history(channel);
      for (const index of [0, 1] as const) {
        const { client, subscription } = await late(channel, position(channel, epoch), index);
        const [context] = subscription.contexts;
        assert.deepEqual([context?.wasRecovering, context?.recovered], [true, false]);
        assert.deepEqual(context?.streamPosition, { offset: 8, epoch });
        assert.equal(context.hasRecoveredPublications, false);
        client.close();
      }
      await publish(channel, 9);
      const { client, subscription } = await late(channel, position(channel, epoch));
      await publish(channel, 10);
      assert.deepEqual(
        subscription.publications.map(({ offset }) => offset).at(-1) ??
          (await subscription.received(1), subscription.publications[0]?.offset),
        10,
      );
      client.close();
    });
  }

  it("is possible from the oldest position of a short history, and not from one before", async () => {
    const channel = pair.channel("short");
    await publish(channel, ...Array.from({ length: 20 }, (_, index) => index + 1));
    const { epoch } = await publisher.client.history(channel);
    for (const index of [0, 1] as const) {
      const oldest = await late(channel, { offset: 15, epoch }, index);
      assert.equal(oldest.subscription.contexts[0]?.recovered, true);
      assert.deepEqual(await oldest.subscription.received(5), [16, 17, 18, 19, 20]);
      const older = await late(channel, { offset: 14, epoch }, index);
      assert.equal(older.subscription.contexts[0]?.recovered, false);
      oldest.client.close();
      older.client.close();
    }
  });

  it("is counted, and so is one that is refused", async () => {
    const channel = pair.channel();
    await publish(channel, 1);
    const { epoch } = await endOf(channel, 1);
    const counts = (): Promise<number[]> =>
      Promise.all(
        ["true", "false"].map((recovered) =>
          pair.counter(1, `gateway_recoveries_total{recovered="${recovered}"}`),
        ),
      );
    const [good = 0, bad = 0] = await counts();
    for (const since of [epoch, epoch, "long-ago"]) {
      const { client } = await late(channel, { offset: 0, epoch: since });
      client.close();
    }
    assert.deepEqual(await counts(), [good + 2, bad + 1]);
  });

  it("is refused after the channel was purged", async () => {
    const channel = pair.channel();
    door.moveTo(0);
    using client = await NpmClient.connect(door.port);
    const subscription = await client.subscribe(channel);
    await publish(channel, 1, 2, 3);
    await subscription.received(3);
    await door.away(async () => {
      await publish(channel, 4, 5);
      await purge(channel);
    });
    await eventually("it is subscribed again", () => subscription.contexts.length > 1);
    const context = subscription.contexts[1];
    assert.deepEqual([context?.wasRecovering, context?.recovered], [true, false]);
    await publish(channel, 6);
    await subscription.received(4);
    assert.deepEqual(
      subscription.publications.map(({ data }): unknown => data),
      [1, 2, 3, 6],
    );
    const ends = await Promise.all([0, 1].map((index) => endOf(channel, index === 0 ? 0 : 1)));
    assert.deepEqual(ends[0], ends[1]);
    // Its numbering goes on, or it is a new one.
    const last = subscription.publications.at(-1)?.offset;
    assert.equal(ends[0]?.offset, last);
    if (ends[0]?.epoch === subscription.contexts[0]?.streamPosition?.epoch) assert.equal(last, 6);
    else assert.equal(last, 1);
  });

  it("does not go on as if nothing were, when the channel is purged under a subscriber", async () => {
    const channel = pair.channel();
    using client = await NpmClient.connect(pair.port(1));
    const subscription = await client.subscribe(channel);
    await publish(channel, 1, 2, 3);
    await subscription.received(3);
    await purge(channel);
    await publish(channel, 4);
    // What was missed, if anything, is not said to be recovered.
    await eventually("the fourth has come, or the loss was told", () =>
      subscription.events.some((event) => event.includes(" 4") || event.includes("not recovered")),
    );
    const offsets = subscription.publications.map(({ offset }) => offset);
    if (offsets.includes(4)) assert.deepEqual(offsets, [1, 2, 3, 4]);
    await eventually("both gateways are of one opinion", async () => {
      const mine = await client.client.history(channel);
      const other = await publisher.client.history(channel);
      return mine.epoch === other.epoch && mine.offset === other.offset;
    });
  });

  it("is refused after the whole stream was deleted and made again", async () => {
    const channel = pair.channel("wish");
    door.moveTo(0);
    using client = await NpmClient.connect(door.port);
    const subscription = await client.subscribe(channel, { recoverable: true });
    await publish(channel, 1, 2, 3);
    await subscription.received(3);
    const before = subscription.position;
    const manager = await pair.publisher.jetstreamManager();
    const stream = await streamOf(channel);
    const { config } = await manager.streams.info(stream);
    await door.away(async () => {
      await manager.streams.delete(stream);
      await manager.streams.add(config);
      for (const data of [1, 2, 3]) pair.publisher.publish(subjectOf(channel), String(data));
      await pair.publisher.flush();
    });
    await eventually("it is subscribed again", () => subscription.contexts.length > 1);
    const context = subscription.contexts[1];
    assert.deepEqual([context?.wasRecovering, context?.recovered], [true, false]);
    assert.notEqual(context?.streamPosition?.epoch, before.epoch);
  });

  it("is possible for who missed nothing, after everything has expired", async () => {
    // It keeps them for a second.
    const channel = pair.channel("brief");
    door.moveTo(0);
    using client = await NpmClient.connect(door.port);
    const subscription = await client.subscribe(channel);
    await publish(channel, 1, 2);
    await subscription.received(2);
    await door.away(() => new Promise((resolve) => setTimeout(resolve, 2_500)));
    await subscription.happens("subscribed, recovered");
    await publish(channel, 3);
    assert.deepEqual(await subscription.received(3), [1, 2, 3]);
    assert.deepEqual(
      subscription.publications.map(({ offset }) => offset),
      [1, 2, 3],
    );
  });

  it("is refused for who missed something that has expired", async () => {
    const channel = pair.channel("brief");
    door.moveTo(0);
    using client = await NpmClient.connect(door.port);
    const subscription = await client.subscribe(channel);
    await publish(channel, 1);
    await subscription.received(1);
    await door.away(async () => {
      await publish(channel, 2);
      await new Promise((resolve) => setTimeout(resolve, 2_500));
    });
    await subscription.happens("subscribed, not recovered");
    await publish(channel, 3);
    assert.deepEqual(await subscription.received(2), [1, 3]);
  });

  it("is refused with 112 to who wants nothing else", async () => {
    const channel = pair.channel("short");
    await publish(channel, 1, 2, 3, 4, 5, 6, 7, 8);
    const { epoch } = await publisher.client.history(channel);
    const raw = await ProtocolClient.connect(pair.port(1));
    const subscribe = { channel, recover: true, offset: 1, epoch, flag: 2 };
    assert.partialDeepStrictEqual(await raw.command({ subscribe }), { error: { code: 112 } });
    raw.websocket.terminate();
  });

  it("answers each word as the protocol says", async () => {
    const channel = pair.channel();
    await publish(channel, 1, 2, 3);
    const { epoch } = await publisher.client.history(channel);
    const raw = await ProtocolClient.connect(pair.port(1));
    const first = await raw.command({ subscribe: { channel } });
    assert.deepEqual(first, {
      id: 2,
      subscribe: { recoverable: true, positioned: true, epoch, offset: 3 },
    });
    await raw.command({ unsubscribe: { channel } });
    const again = await raw.command({ subscribe: { channel, recover: true, offset: 1, epoch } });
    const info = { user: "", client: publisher.id };
    assert.deepEqual(again, {
      id: 4,
      subscribe: {
        ...{ recoverable: true, positioned: true, epoch, offset: 1 },
        ...{ was_recovering: true, recovered: true },
        publications: [
          { data: 2, info, offset: 2 },
          { data: 3, info, offset: 3 },
        ],
      },
    });
    await raw.command({ unsubscribe: { channel } });
    const failed = await raw.command({
      subscribe: { channel, recover: true, offset: 1, epoch: "x" },
    });
    const { subscribe } = failed as { subscribe: Record<string, unknown> };
    assert.deepEqual(
      [subscribe["was_recovering"], subscribe["recovered"], subscribe["offset"]],
      [true, undefined, 3],
    );
    raw.websocket.terminate();
  });

  it("loses nothing and repeats nothing, however quickly clients come while others publish", async () => {
    const channel = pair.channel();
    const over = new AbortController();
    let published = 0;
    const publishing = [0, 1].map(async () => {
      while (!over.signal.aborted) await publish(channel, ++published);
    });
    using stack = new DisposableStack();
    const subscriptions: NpmSubscription[] = [];
    for (let count = 0; count < 60; count += 1) {
      const kind = kinds[count % kinds.length] ?? clientKinds.jsonWebsocket;
      const index = count % 2 === 0 ? 0 : 1;
      const client = stack.use(await NpmClient.connect(pair.port(index), { kind }));
      const since = count % 3 === 0 ? null : { offset: Math.max(0, published - (count % 50)) };
      subscriptions.push(await client.subscribe(channel, { since }));
    }
    over.abort();
    await Promise.all(publishing);
    await publish(channel, "end");
    for (const subscription of subscriptions) {
      await eventually("the end has come", () => subscription.publications.at(-1)?.data === "end");
      const from = subscription.contexts[0]?.streamPosition?.offset ?? 0;
      const offsets = subscription.publications.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        Array.from({ length: offsets.length }, (_, index) => from + 1 + index),
      );
      assert.equal(offsets.at(-1), published + 1);
    }
  });
});
