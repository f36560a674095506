import assert from "node:assert/strict";
import { eventually } from "../../../support/eventually.ts";
import { token } from "../../../support/gateway-pair.ts";
import { indexes, publishAll, type Rows } from "./stage.ts";

export const recoveryRows: Rows = {
  async "is brought exactly what it missed, on another gateway, and goes on"(stage) {
    const publisher = await stage.connect(0);
    const door = await stage.door();
    const channel = stage.channel();
    const client = await stage.connectThrough(door);
    const subscription = await client.subscribe(channel);
    await publishAll(publisher, channel, 1, 2);
    await subscription.received(2);
    await door.away(() => publishAll(publisher, channel, 3, 4, 5), 1);
    await subscription.received(5);
    await publisher.publish(channel, 6);
    assert.deepEqual(await subscription.received(6), [1, 2, 3, 4, 5, 6]);
    const events = subscription.events.filter((event) => !/^(join|leave)/.test(event));
    assert.deepEqual(events, [
      ...["subscribing 0", "subscribed", "publication 1 1", "publication 2 2", "subscribing 1"],
      ...["subscribed, recovered", "publication 3 3", "publication 4 4", "publication 5 5"],
      "publication 6 6",
    ]);
    const [first, second] = subscription.contexts;
    assert.equal(second?.streamPosition?.epoch, first?.streamPosition?.epoch);
    // The client moves on from there with each publication.
    assert.equal(second?.streamPosition?.offset, 2);
    assert.equal(second.hasRecoveredPublications, true);
    const info = { client: publisher.id, user: "ann" };
    for (const publication of subscription.publications) assert.deepEqual(publication.info, info);
  },

  async "is told that it missed nothing when there was nothing"(stage) {
    const door = await stage.door();
    const client = await stage.connectThrough(door);
    const subscription = await client.subscribe(stage.channel());
    assert.equal(subscription.position.offset, 0);
    assert.ok(subscription.position.epoch !== "");
    for (const index of [1, 0, 1] as const) {
      const times = subscription.contexts.length;
      door.moveTo(index);
      await eventually("it is subscribed again", () => subscription.contexts.length > times);
    }
    const [first, ...others] = subscription.contexts.map((context) => [
      ...[context.wasRecovering, context.recovered],
    ]);
    assert.deepEqual(first, [false, false]);
    for (const other of others) assert.deepEqual(other, [true, true]);
    assert.deepEqual(subscription.publications, []);
  },

  async "is brought what plain NATS clients published to a channel that had nothing"(stage) {
    const door = await stage.door();
    const client = await stage.connectThrough(door);
    const subscription = await client.subscribe(stage.channel());
    await door.away(async () => {
      stage.pair.publish(subscription.channel, "plain");
      stage.pair.publish(subscription.channel, Uint8Array.of(0xff));
      await stage.pair.publisher.flush();
    });
    assert.deepEqual(await subscription.received(2), ["plain", "\ufffd"]);
    assert.equal(subscription.contexts[1]?.recovered, true);
    if (stage.kind.encoding === "protobuf") {
      assert.deepEqual(Buffer.from(subscription.payloads[1] as Uint8Array), Buffer.of(0xff));
    }
  },

  async "is told so when what it missed cannot be had"(stage) {
    // It keeps five.
    const channel = stage.channel("short");
    const publisher = await stage.connect(0);
    await publishAll(publisher, channel, 1, 2, 3, 4, 5, 6, 7, 8);
    const { epoch } = await publisher.history(channel);
    for (const index of indexes) {
      for (const since of [
        { offset: 2, epoch },
        { offset: 8, epoch: "other" },
      ]) {
        const subscription = await stage.late(channel, since, index);
        const [context] = subscription.contexts;
        assert.deepEqual([context?.wasRecovering, context?.recovered], [true, false]);
        assert.deepEqual(context?.streamPosition, { offset: 8, epoch });
        assert.equal(context.hasRecoveredPublications, false);
      }
      const oldest = await stage.late(channel, { offset: 3, epoch }, index);
      assert.equal(oldest.contexts[0]?.recovered, true);
      assert.deepEqual(await oldest.received(5), [4, 5, 6, 7, 8]);
    }
  },

  async "is brought the latest publication only, where that is configured"(stage) {
    const publisher = await stage.connect(0);
    const door = await stage.door();
    const channel = stage.channel("cache");
    const client = await stage.connectThrough(door);
    const subscription = await client.subscribe(channel);
    await publisher.publish(channel, 1);
    await subscription.received(1);
    await door.away(() => publishAll(publisher, channel, 2, 3, 4));
    assert.deepEqual(await subscription.received(2), [1, 4]);
    assert.equal(subscription.contexts[1]?.recovered, true);
  },

  async "has a position without recovery where that is configured, or if it wants"(stage) {
    const flags = async (namespace: string, options: object): Promise<unknown[]> => {
      const client = await stage.connect(1);
      const { contexts } = await client.subscribe(stage.channel(namespace), options);
      return [contexts[0]?.positioned, contexts[0]?.recoverable];
    };
    assert.deepEqual(await flags("positioned", {}), [true, false]);
    assert.deepEqual(await flags("wish", { positioned: true }), [true, false]);
    assert.deepEqual(await flags("wish", { recoverable: true }), [true, true]);
    assert.deepEqual(await flags("wish", {}), [false, false]);
  },

  async "loads its state when it cannot go on from where it is"(stage) {
    const channel = stage.channel("short");
    const publisher = await stage.connect(0);
    await publishAll(publisher, channel, 1, 2, 3, 4, 5, 6, 7, 8);
    const { epoch } = await publisher.history(channel);
    let loads = 0;
    const offsets = [1, 6];
    const client = await stage.connect(1);
    const subscription = await client.subscribe(channel, {
      getState: () => Promise.resolve({ offset: offsets[loads++] ?? 8, epoch }),
    });
    assert.equal(loads, 2);
    assert.deepEqual(await subscription.received(2), [7, 8]);
  },

  async "recovers subscriptions of the server, too"(stage) {
    const publisher = await stage.connect(0);
    const door = await stage.door();
    const channel = stage.channel();
    const client = await stage.connectThrough(door, {
      token: await token({ sub: "bob", channels: [channel] }),
    });
    await publisher.publish(channel, 1);
    await client.happens(`publication ${channel} 1 1`);
    await door.away(() => publishAll(publisher, channel, 2, 3));
    await client.happens(`publication ${channel} 3 3`);
    await publisher.publish(channel, 4);
    await client.happens(`publication ${channel} 4 4`);
    const data = client.publications.map((publication): unknown => publication.data);
    assert.deepEqual(data, [1, 2, 3, 4]);
    assert.ok(client.events.includes(`subscribed ${channel}, recovered`));
  },

  async "is told of those, too, when what it missed cannot be had"(stage) {
    const publisher = await stage.connect(0);
    const door = await stage.door();
    const channel = stage.channel("short");
    const client = await stage.connectThrough(door, {
      token: await token({ sub: "bob", channels: [channel] }),
    });
    await publisher.publish(channel, 1);
    await client.happens(`publication ${channel} 1 1`);
    await door.away(() => publishAll(publisher, channel, 2, 3, 4, 5, 6, 7));
    await client.happens(`subscribed ${channel}, not recovered`);
    await publisher.publish(channel, 8);
    await client.happens(`publication ${channel} 8 8`);
    const data = client.publications.map((publication): unknown => publication.data);
    assert.deepEqual(data, [1, 8]);
  },
};
