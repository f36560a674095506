import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anchorSlack } from "../../../../apps/ws/history/continuation.ts";
import { channel, ModelClient, type ModelGateway, other, World } from "./model/world.ts";

const hourMs = 3_600_000;

/** A world in which nothing has failed yet, with gateways that follow the channel. */
async function worldOf(
  gateways: number,
  options: { size?: number; ttlMs?: number; metaTtlMs?: number; replicas?: number } = {},
): Promise<{ world: World; a: ModelGateway; b: ModelGateway; all: ModelGateway[] }> {
  const world = new World({ size: 100, ttlMs: hourMs, ...options });
  const all = Array.from({ length: gateways }, () => world.open());
  await world.calm();
  const [a, b = a] = all;
  assert.ok(a !== undefined && b !== undefined);
  return { world, a, b, all };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** The world comes to rest, and nothing was wrong. */
async function rests(world: World): Promise<void> {
  await world.calm();
  assert.deepEqual(world.truth.problems, []);
}

async function comes(world: World, client: ModelClient, gateway: ModelGateway): Promise<void> {
  world.begin(gateway, client.join(gateway));
  await rests(world);
  assert.ok(client.attached);
}

describe("a channel's log", () => {
  it("counts publications from 1, also those from before anybody followed the channel", async () => {
    const { world, a } = await worldOf(1);
    assert.equal(a.log.position.offset, 0);
    assert.match(a.log.position.epoch, /^\w{8}$/);
    world.publish(2);
    await rests(world);
    assert.deepEqual([a.log.position.offset, a.handed], [2, [1, 2]]);
    const late = new World({ size: 100, ttlMs: hourMs });
    late.publish(3);
    const gateway = late.open();
    await rests(late);
    assert.equal(gateway.log.position.offset, 3);
    assert.deepEqual(gateway.handed, []);
  });

  it("counts from 1 also when others publish while it is opened", async () => {
    for (let after = 0; after < 12; after += 1) {
      for (const before of [0, 1, 3]) {
        const world = new World({ size: 100, ttlMs: hourMs });
        world.publish(before);
        const gateway = world.open();
        for (let step = 0; step < after; step += 1) await world.arrive(0);
        world.publish(2);
        await rests(world);
        world.publish(1);
        await rests(world);
        assert.equal(gateway.log.position.offset, before + 3);
      }
    }
  });

  it("has the same offsets and epoch on all gateways that open it at a time", async () => {
    const { all } = await worldOf(5);
    for (const { log } of all) assert.deepEqual(log.position, all[0]?.log.position);
  });

  it("asks nothing while publications come one after the other", async () => {
    const { world, a } = await worldOf(1);
    world.publish(1);
    await rests(world);
    world.count();
    world.publish(40);
    await world.settle();
    assert.deepEqual(a.handed, range(1, 41));
    assert.equal(world.count(), 0);
  });

  it("reads what it did not get, and hands it out in order", async () => {
    const { world, a } = await worldOf(1);
    world.publish(2);
    await rests(world);
    a.loseNext();
    world.publish(3);
    await rests(world);
    assert.deepEqual(a.handed, range(1, 5));
  });

  it("is not disturbed by what comes after it was read", async () => {
    const { world, a } = await worldOf(1);
    world.publish(2);
    await rests(world);
    a.loseNext();
    world.publish(3);
    // Both others are read because of the second, before the third arrives.
    const late = world.pending.pop();
    await world.calm();
    assert.deepEqual(a.handed, range(1, 5));
    world.count();
    assert.ok(late !== undefined);
    world.send(late);
    await world.settle();
    assert.equal(a.log.following, true);
    assert.equal(world.count(), 0);
    assert.deepEqual(a.handed, range(1, 5));
  });

  it("gets what is published as soon as it is ready, without a further question", async () => {
    const { world, a } = await worldOf(1);
    assert.equal(a.log.following, true);
    world.publish(1);
    await rests(world);
    assert.deepEqual(a.handed, [1]);
  });

  it("misses nothing of what is published while it finds out what it has missed", async () => {
    for (let steps = 0; steps < 16; steps += 1) {
      const { world, a } = await worldOf(1);
      world.publish(2);
      await rests(world);
      a.loseNext();
      world.publish(2);
      for (let step = 0; step < steps; step += 1) await world.arrive(0);
      world.publish(2);
      await rests(world);
      assert.deepEqual(a.handed, range(1, 6));
    }
  });

  it("reads again when more came than it keeps meanwhile", async () => {
    for (let steps = 0; steps < 12; steps += 1) {
      const { world, a } = await worldOf(1);
      world.publish(1);
      await rests(world);
      a.loseNext();
      world.publish(2);
      for (let step = 0; step < steps; step += 1) await world.arrive(0);
      // Together more than 4 MiB, which come before the next answer.
      world.stream.padding = 1_000_000;
      const asked = world.pending.splice(0);
      world.publish(6);
      for (const pending of world.pending.splice(0)) pending.run();
      world.pending.push(...asked);
      await rests(world);
      assert.deepEqual(a.handed, range(1, 9));
    }
  });

  it("takes a burst into an empty channel as it comes, and the first after a long silence", async () => {
    const { world, a } = await worldOf(1, { size: 10, ttlMs: 60_000 });
    for (const burst of [1, 2]) {
      world.begin(a, a.verify());
      await rests(world);
      world.count();
      world.publish(anchorSlack + 100);
      await world.settle();
      assert.equal(world.count("last") + world.count("read"), 0);
      await rests(world);
      assert.equal(a.handed.length, burst * (anchorSlack + 100));
      for (let each = 0; each < 8; each += 1) {
        world.time.pass(10_000);
        world.begin(a, a.verify());
        await rests(world);
      }
    }
    assert.equal(a.handed.includes("lost"), false);
  });

  it("looks again when the connection breaks once more meanwhile", async () => {
    for (let steps = 0; steps < 12; steps += 1) {
      const { world, a } = await worldOf(1);
      world.publish(1);
      await rests(world);
      a.cut();
      world.publish(1);
      a.reconnect();
      for (let step = 0; step < steps; step += 1) await world.arrive(0);
      // What is under way goes on, but this message does not come.
      a.loseNext();
      world.publish(1);
      a.log.reconnected();
      await rests(world);
      assert.deepEqual(a.handed, [1, 2, 3]);
    }
  });

  it("goes on when its connection was away, and tells nobody", async () => {
    const { world, a, b } = await worldOf(2);
    const client = new ModelClient(world);
    await comes(world, client, a);
    world.publish(5);
    await rests(world);
    a.cut();
    world.publish(5);
    await world.calm();
    a.reconnect();
    await rests(world);
    world.publish(1);
    await rests(world);
    assert.deepEqual(a.handed, range(1, 11));
    assert.deepEqual(a.log.position, b.log.position);
    assert.equal(client.position?.offset, 11);
  });

  it("has no snapshot while it does not follow its stream", async () => {
    const { world, a } = await worldOf(1);
    world.publish(2);
    await rests(world);
    a.loseNext();
    world.publish(2);
    await world.turn();
    await world.arrive(0);
    const { position } = a.log;
    const nowMs = world.time.wall();
    assert.equal(a.log.following, false);
    assert.equal(a.log.snapshot(position, { max: 10, nowMs }), undefined);
    assert.equal(a.log.latest(nowMs), undefined);
    assert.equal(a.log.visible(nowMs), undefined);
    await rests(world);
    assert.notEqual(a.log.snapshot(position, { max: 10, nowMs }), undefined);
  });

  it("does not let one gateway count twice what another has counted", async () => {
    const { world, a } = await worldOf(1);
    world.publish(10);
    await rests(world);
    a.kill();
    world.publish(5);
    const next = world.open();
    await rests(world);
    assert.equal(next.log.position.offset, 15);
    assert.equal(next.log.position.epoch, a.log.position.epoch);
  });
});

describe("a channel's log whose stream is harmed", () => {
  /** Both gateways have counted 5, and a client of each has seen them. */
  async function counted(options = {}) {
    const made = await worldOf(2, options);
    const { world, a, b } = made;
    const [x, y] = [new ModelClient(world), new ModelClient(world)];
    await comes(world, x, a);
    await comes(world, y, b);
    world.publish(3, other);
    world.publish(5);
    await rests(world);
    return { ...made, x, y, epoch: a.log.position.epoch };
  }

  /** Everybody is told, once, that the numbering has ended, and goes on in the same new one. */
  async function begunAnew(made: Awaited<ReturnType<typeof counted>>): Promise<void> {
    const { world, a, b, x, y, epoch } = made;
    for (const gateway of [a, b]) world.begin(gateway, gateway.verify());
    await rests(world);
    for (const gateway of [a, b]) {
      assert.deepEqual(
        gateway.handed.filter((handed) => handed === "lost"),
        ["lost"],
      );
    }
    assert.notEqual(a.log.position.epoch, epoch);
    assert.deepEqual(a.log.position, b.log.position);
    await comes(world, x, b);
    await comes(world, y, a);
    assert.deepEqual([x.recoveries, y.recoveries], [[false], [false]]);
    world.publish(1);
    await rests(world);
    assert.equal(x.position?.epoch, a.log.position.epoch);
  }

  it("begins anew after a purge of everything", async () => {
    const made = await counted();
    made.world.stream.purge();
    await begunAnew(made);
    assert.equal(made.a.log.position.offset, 1);
  });

  it("begins anew after a purge of the channel, at its next publication", async () => {
    for (const keep of [0, 2]) {
      const made = await counted();
      made.world.stream.purge({ subject: channel, keep });
      if (keep === 0) made.world.publish(1);
      else made.world.stream.purge({ subject: channel });
      await begunAnew(made);
    }
  });

  it("goes on after a purge of what was published longer ago", async () => {
    const { world, a, b, x, epoch } = await counted();
    world.stream.purge({ subject: channel, keep: 2 });
    for (const gateway of [a, b]) world.begin(gateway, gateway.verify());
    world.publish(1);
    await rests(world);
    assert.equal(a.log.position.epoch, epoch);
    x.leave();
    await comes(world, x, b);
    assert.deepEqual(x.recoveries, [true]);
  });

  it("does not take a purged channel for one that was never used", async () => {
    // All who have counted are gone, and the anchor was never moved by the number of publications.
    const { world, a, b, x, epoch } = await counted();
    a.kill();
    b.kill();
    world.stream.purge({ subject: channel });
    world.publish(4);
    const next = world.open();
    await rests(world);
    assert.notEqual(next.log.position.epoch, epoch);
    await comes(world, x, next);
    assert.deepEqual(x.recoveries, [false]);
  });

  it("begins anew in a stream that was made anew, even if as much is in it", async () => {
    for (const published of [0, 1, 5, 8, 9]) {
      const made = await counted();
      made.world.time.pass(5);
      made.world.stream.remake();
      for (const gateway of made.all) gateway.loseNext();
      made.world.publish(published);
      await begunAnew(made);
    }
  });

  it("begins anew when who comes finds the same sequences in another stream", async () => {
    const { world, a, x, epoch } = await counted();
    world.time.pass(5);
    world.stream.remake();
    world.publish(8);
    a.miss();
    x.leave();
    await comes(world, x, a);
    assert.deepEqual(x.recoveries, [false]);
    assert.notEqual(a.log.position.epoch, epoch);
    assert.equal(a.log.position.offset, 8);
  });

  it("takes what the old stream handed on for old", async () => {
    const made = await counted();
    const { world } = made;
    world.publish(3);
    world.time.pass(5);
    world.stream.remake();
    await begunAnew(made);
    assert.equal(made.a.log.position.offset, 1);
  });

  it("begins anew when the stream has lost what was counted, at once", async () => {
    const made = await counted();
    const { world } = made;
    world.stream.rewind(2);
    const before = world.time.monotonic();
    for (const gateway of made.all) world.begin(gateway, gateway.verify());
    await world.settle();
    await world.calm();
    assert.ok(world.time.monotonic() - before < 900);
    assert.notEqual(made.a.log.position.epoch, made.epoch);
    assert.deepEqual(made.a.log.position, made.b.log.position);
  });

  it("gives the leader of a cluster a moment to learn what the one before has handed on", async () => {
    const { world, a, x, epoch } = await counted({ replicas: 3 });
    const { stream } = world;
    const known = stream.messages;
    stream.rewind(2);
    world.begin(a, a.verify());
    await world.settle();
    world.time.pass(300);
    await world.settle();
    assert.equal(a.log.following, false);
    stream.restore(known);
    await rests(world);
    assert.equal(a.log.position.epoch, epoch);
    assert.ok(x.attached);
    stream.rewind(2);
    world.begin(a, a.verify());
    await rests(world);
    assert.notEqual(a.log.position.epoch, epoch);
  });

  it("believes what others have counted rather than what the stream shows", async () => {
    // The first has not got any of it, when the channel is purged.
    const { world, a, b } = await worldOf(2);
    world.publish(1, other);
    a.cut();
    world.publish(3);
    await rests(world);
    assert.ok((world.anchor?.tip.offset ?? 0) >= 1);
    world.stream.purge({ subject: channel });
    a.reconnect();
    await rests(world);
    world.publish(2);
    await rests(world);
    assert.deepEqual(a.log.position, b.log.position);
  });

  it("believes what the stream has handed on rather than what it shows", async () => {
    const { world, a } = await worldOf(1);
    const { epoch } = a.log.position;
    world.publish(1, other);
    // For so long nobody has looked that others may have come and gone before the first that comes.
    world.time.pass(hourMs * 0.6);
    world.publish(1);
    // It is purged before it can be read for the first time.
    world.stream.purge({ subject: channel });
    await rests(world);
    assert.notEqual(a.log.position.epoch, epoch);
    world.publish(1);
    await rests(world);
    assert.deepEqual(a.handed, ["lost", 2]);
  });
});

describe("a channel's log after a long time away", () => {
  it("goes on in the same epoch, from the anchor of a gateway that was there", async () => {
    const { world, a, b } = await worldOf(2, { size: 10 });
    const client = new ModelClient(world);
    await comes(world, client, a);
    world.publish(3);
    await rests(world);
    a.cut();
    for (let each = 0; each < 20; each += 1) {
      world.publish(30);
      await world.calm();
    }
    a.reconnect();
    await rests(world);
    assert.deepEqual(a.handed, [1, 2, 3, "lost"]);
    assert.deepEqual(a.log.position, b.log.position);
    assert.equal(a.log.position.offset, 603);
    await comes(world, client, a);
    assert.deepEqual(client.recoveries, [false]);
  });

  it("begins anew when nobody was there while more was published than is kept", async () => {
    const { world, a } = await worldOf(1, { size: 10 });
    world.publish(3);
    await rests(world);
    a.cut();
    world.publish(anchorSlack + 20);
    a.reconnect();
    await rests(world);
    assert.deepEqual(a.handed, [1, 2, 3, "lost"]);
    assert.equal(a.log.position.offset, anchorSlack + 10);
  });

  it("goes on when nobody was there, and it is provable that all is there", async () => {
    const { world, a } = await worldOf(1, { ttlMs: 60_000 });
    world.publish(3);
    await rests(world);
    const { epoch } = a.log.position;
    world.begin(a, a.close());
    await rests(world);
    world.time.pass(50_000);
    world.publish(2);
    const next = world.open();
    await rests(world);
    assert.deepEqual(next.log.position, { offset: 5, epoch });
  });

  it("goes on in a channel that was idle for long, if somebody was there until lately", async () => {
    const { world, a } = await worldOf(1, { ttlMs: 60_000 });
    world.publish(3);
    await rests(world);
    const { epoch } = a.log.position;
    // Others publish all the time, so that it is not the stream as a whole that is idle.
    for (let each = 0; each < 40; each += 1) {
      world.publish(1, other);
      world.begin(a, a.verify());
      await rests(world);
      world.time.pass(15_000);
    }
    a.kill();
    world.time.pass(10_000);
    const next = world.open();
    await rests(world);
    assert.deepEqual(next.log.position, { offset: 3, epoch });
    assert.deepEqual(a.handed, [1, 2, 3]);
    world.publish(1);
    await rests(world);
    assert.deepEqual(next.log.position, { offset: 4, epoch });
  });

  it("finds the place again after what it names was too old, when more was published", async () => {
    const { world, a } = await worldOf(1, { ttlMs: 60_000 });
    world.publish(1);
    await rests(world);
    const { epoch } = a.log.position;
    for (let each = 0; each < 10; each += 1) {
      world.time.pass(45_000);
      world.publish(1);
      await rests(world);
      world.time.pass(100);
      await rests(world);
    }
    a.kill();
    const next = world.open();
    await rests(world);
    assert.deepEqual(next.log.position, { offset: 11, epoch });
  });

  it("remembers a channel's position for as long as somebody follows it", async () => {
    const { world, a } = await worldOf(1, { ttlMs: 60_000, metaTtlMs: 600_000 });
    const { epoch } = a.log.position;
    for (let each = 0; each < 100; each += 1) {
      world.begin(a, a.verify());
      await rests(world);
      world.time.pass(15_000);
    }
    assert.ok(world.anchorWrites < 15);
    a.kill();
    const next = world.open();
    await rests(world);
    assert.equal(next.log.position.epoch, epoch);
  });

  it("does not miscount when the limit was lowered by another version", async () => {
    const { world, a } = await worldOf(1, { size: 20, ttlMs: 60_000 });
    world.publish(3);
    await rests(world);
    world.time.pass(30_000);
    world.publish(1, other);
    world.begin(a, a.verify());
    await rests(world);
    const { epoch } = a.log.position;
    a.cut();
    world.time.pass(40_000);
    world.stream.setMaxPerSubject(30);
    world.publish(40);
    a.reconnect();
    await rests(world);
    assert.notEqual(a.log.position.epoch, epoch);
  });
});

describe("anchors", () => {
  it("are written rarely, however many gateways follow a channel", async () => {
    const { world } = await worldOf(3);
    for (let each = 0; each < 200; each += 1) {
      world.publish(5);
      await world.settle();
      world.time.pass(1);
    }
    await rests(world);
    // One for the beginning, one for the first publication, and one for each step.
    assert.ok(world.anchorWrites <= 2 + 1_000 / 64, `${world.anchorWrites}`);
    assert.ok(world.anchorWrites >= 1_000 / 128, `${world.anchorWrites}`);
    assert.ok(world.count("writeAnchor") <= 3 * (2 + 1_000 / 64));
  });

  it("are not written for an idle channel when its stream is idle, too", async () => {
    const { world, all } = await worldOf(3, { ttlMs: 60_000 });
    world.publish(5);
    await rests(world);
    const before = world.anchorWrites;
    for (let each = 0; each < 50; each += 1) {
      for (const gateway of all) world.begin(gateway, gateway.verify());
      await rests(world);
      world.time.pass(15_000);
    }
    assert.ok(world.anchorWrites - before <= 2);
  });

  it("are written by one gateway every third to half of the ttl for an idle channel", async () => {
    const { world, all } = await worldOf(3, { ttlMs: 60_000 });
    world.publish(5);
    await rests(world);
    const before = world.anchorWrites;
    for (let each = 0; each < 60; each += 1) {
      world.publish(1, other);
      for (const gateway of all) world.begin(gateway, gateway.verify());
      await rests(world);
      world.time.pass(5_000);
    }
    const writes = world.anchorWrites - before;
    assert.ok(writes >= 9 && writes <= 15, `${writes} in 5 ttl`);
  });

  it("that are lost are written again, in the same epoch, by who goes on counting", async () => {
    for (const anew of [false, true]) {
      const { world, a } = await worldOf(1);
      world.publish(3);
      await rests(world);
      const { epoch } = a.log.position;
      world.loseAnchors({ anew });
      a.cut();
      world.publish(2);
      a.reconnect();
      await rests(world);
      assert.deepEqual(a.log.position, { offset: 5, epoch });
      const anchored = () => world.anchor?.epoch;
      assert.equal(anchored(), epoch);
      // Without a gap, they are found to be lost when the next is to be written.
      world.loseAnchors({ anew });
      world.publish(140);
      await rests(world);
      assert.equal(anchored(), epoch);
      world.publish(1);
      await rests(world);
      assert.equal(a.handed.includes("lost"), false);
    }
  });

  it("that are lost are written again although nothing is published", async () => {
    const { world, a } = await worldOf(1);
    const { epoch } = a.log.position;
    world.loseAnchors({ anew: false });
    a.cut();
    a.reconnect();
    await rests(world);
    assert.deepEqual(world.anchor?.epoch, epoch);
  });

  it("of another epoch end the one that is known, however they are learnt of", async () => {
    const other = (world: World) => ({ epoch: "other", tip: tipOf(world) });
    const revisionOf = (world: World) => world.anchor?.revision ?? 0;
    const tipOf = (world: World) => {
      const { anchor } = world;
      assert.ok(anchor !== undefined);
      return anchor.tip;
    };
    const ways: ((world: World, gateway: ModelGateway) => void)[] = [
      // By the message that says so.
      (world) => world.writeAnchor(other(world), revisionOf(world)),
      // After a reconnect.
      (world, gateway) => {
        gateway.cut();
        world.writeAnchor(other(world), revisionOf(world));
        gateway.reconnect();
      },
      // When the gateway writes one itself.
      (world, gateway) => {
        world.writeAnchor(other(world), revisionOf(world));
        gateway.miss();
        world.publish(140);
      },
      // From a stream of anchors that was made anew, in which it is the first.
      (world) => {
        const anchor = other(world);
        world.loseAnchors({ anew: true });
        world.writeAnchor(anchor, 0);
      },
    ];
    for (const way of ways) {
      const { world, a } = await worldOf(1);
      world.publish(200);
      await rests(world);
      way(world, a);
      await world.calm();
      assert.equal(a.log.position.epoch, "other");
      assert.equal(a.handed.filter((handed) => handed === "lost").length, 1);
    }
  });

  it("that were written while a channel was opened are not gone back behind", async () => {
    for (let steps = 0; steps < 12; steps += 1) {
      const world = new World({ size: 100, ttlMs: hourMs });
      world.publish(3);
      const first = world.open();
      await world.calm();
      const second = world.open();
      for (let step = 0; step < steps; step += 1) await world.arrive(0);
      const { anchor } = world;
      assert.ok(anchor !== undefined);
      world.writeAnchor({ epoch: "other", tip: anchor.tip }, anchor.revision);
      await world.calm();
      assert.equal(second.log.position.epoch, "other");
      assert.deepEqual(first.log.position, second.log.position);
    }
  });

  it("that cannot be written are not tried again with every publication", async () => {
    const { world, a } = await worldOf(1);
    world.failing.add("writeAnchor");
    world.count();
    for (let each = 0; each < 300; each += 1) {
      world.publish(1);
      await world.settle();
      world.time.pass(10);
    }
    await rests(world);
    assert.ok(world.count("writeAnchor") <= 4);
    assert.ok(a.errors.length >= 1 && a.errors.length <= 4);
    world.failing.clear();
    world.time.pass(2_000);
    world.publish(1);
    await rests(world);
    assert.equal(world.anchor?.tip.offset, 301);
  });
});

describe("who comes to a channel", () => {
  it("gets what was stored before, also if it was not handed on", async () => {
    const { world, a } = await worldOf(1);
    const client = new ModelClient(world);
    await comes(world, client, a);
    client.leave();
    a.loseNext();
    world.publish(1);
    await rests(world);
    assert.equal(a.log.position.offset, 0);
    await comes(world, client, a);
    assert.deepEqual([client.recoveries, client.position?.offset], [[true], 1]);
    client.leave();
    a.loseNext();
    world.publish(1);
    await rests(world);
    await comes(world, client, a);
    assert.deepEqual([client.recoveries, client.position?.offset], [[true, true], 2]);
  });

  it("shares the question with all who come at a time", async () => {
    const { world, a } = await worldOf(1);
    world.publish(3);
    await rests(world);
    world.time.pass(1_000);
    world.count();
    const clients = range(1, 1_000).map(() => new ModelClient(world));
    for (const client of clients) world.begin(a, client.join(a));
    await rests(world);
    assert.ok(clients.every(({ attached }) => attached));
    assert.ok(world.count() <= 2);
  });

  it("is not what makes a verified log ask when nothing at all has happened in the stream", async () => {
    const { world, a } = await worldOf(1);
    world.publish(3);
    await rests(world);
    for (const asks of [1, 0, 0]) {
      world.begin(a, a.verify());
      world.count();
      await rests(world);
      assert.equal(world.count("last"), asks);
    }
    a.loseNext();
    world.publish(1);
    world.begin(a, a.verify());
    await rests(world);
    assert.equal(a.log.position.offset, 4);
  });

  it("waits for a moment when others were just there, so that a storm asks little", async () => {
    const { world, a } = await worldOf(1);
    world.publish(3);
    await rests(world);
    world.count();
    for (let each = 0; each < 100; each += 1) {
      world.begin(a, new ModelClient(world).join(a));
      await world.settle();
      world.time.pass(1);
    }
    await rests(world);
    assert.ok(world.count("last") <= 8);
  });

  it("recovers from what was published before the gateway came, read once for all", async () => {
    const { world, a } = await worldOf(1);
    const clients = range(1, 50).map(() => new ModelClient(world));
    for (const client of clients) world.begin(a, client.join(a));
    await rests(world);
    for (let each = 0; each < 20; each += 1) {
      world.publish(10);
      await world.settle();
      world.time.pass(5);
      if (each === 12) for (const client of clients) client.leave();
    }
    world.begin(a, a.close());
    await rests(world);
    const next = world.open();
    await rests(world);
    world.count();
    for (const client of clients) world.begin(next, client.join(next));
    await rests(world);
    assert.ok(clients.every(({ recoveries }) => recoveries[0]));
    assert.equal(world.count("read"), 1);
    assert.equal(next.log.visible(world.time.wall())?.length, 100);
  });

  it("is served by a later reading when a replica lags", async () => {
    const { world, a } = await worldOf(1);
    const client = new ModelClient(world);
    await comes(world, client, a);
    world.publish(20);
    await rests(world);
    client.leave();
    world.publish(20);
    await rests(world);
    a.kill();
    const next = world.open();
    await rests(world);
    world.lag = 3;
    world.begin(next, next.history());
    await rests(world);
    await comes(world, client, next);
    assert.deepEqual(client.recoveries, [true]);
  });

  it("sees a history while others publish", async () => {
    for (let steps = 0; steps < 24; steps += 1) {
      const { world, a } = await worldOf(1, { size: 10 });
      world.publish(140);
      await rests(world);
      a.kill();
      const next = world.open();
      await rests(world);
      world.begin(next, next.history());
      for (let step = 0; step < steps; step += 1) {
        if (step % 3 === 0) world.publish(1 + (step % 12));
        await world.arrive(0);
      }
      await rests(world);
    }
  });
});

describe("a channel's log whose questions fail", () => {
  it("asks again, after longer and longer pauses, and says what went wrong", async () => {
    const { world, a } = await worldOf(1);
    world.publish(1);
    await rests(world);
    for (const question of ["last", "readAnchor"] as const) {
      world.failing.add(question);
      a.errors.length = 0;
      a.log.reconnected();
      for (let each = 0; each < 1_000; each += 1) {
        await world.settle();
        world.time.pass(10);
      }
      assert.ok(a.errors.length > 10 && a.errors.length < 40, `${a.errors.length} in 10 s`);
      world.failing.clear();
      await rests(world);
    }
    world.publish(1);
    await rests(world);
    assert.deepEqual(a.handed, [1, 2]);
  });

  it("counts no message twice when an anchor was written, but the answer was lost", async () => {
    for (let steps = 0; steps < 30; steps += 1) {
      const world = new World({ size: 100, ttlMs: hourMs });
      world.publish(2);
      const gateway = world.open();
      for (let step = 0; step < steps; step += 1) await world.arrive(0);
      gateway.cut();
      gateway.reconnect();
      await rests(world);
      world.publish(1);
      await rests(world);
      assert.equal(gateway.log.position.offset, 3);
      assert.ok(world.anchorWrites <= 4);
    }
  });

  it("ends whatever it is doing", async () => {
    for (let steps = 0; steps < 20; steps += 1) {
      const { world, a } = await worldOf(1);
      world.publish(3);
      await rests(world);
      a.loseNext();
      world.publish(2);
      const waiting = a.log.fresh();
      waiting.catch(() => undefined);
      for (let step = 0; step < steps; step += 1) await world.arrive(0);
      const ended = a.log.close();
      assert.equal(a.log.following, false);
      await world.settle();
      await ended;
      await waiting.catch((error: unknown) => {
        assert.match(String(error), /has ended/);
      });
      await world.settle();
      assert.equal(world.time.waiting, 0);
      assert.deepEqual(a.errors, []);
      await assert.rejects(a.log.ready(), /has ended/);
      const { anchorWrites } = world;
      await a.log.close();
      assert.equal(world.anchorWrites, anchorWrites);
    }
  });

  it("ends while there is no connection, and says what it could not write", async () => {
    const { world, a } = await worldOf(1);
    world.publish(3);
    await rests(world);
    world.publish(3);
    await rests(world);
    a.cut();
    await a.log.close();
    assert.equal(a.errors.length, 1);
    await world.settle();
    assert.equal(world.time.waiting, 0);
  });

  it("writes where it was when it ends, so that the next one goes on", async () => {
    const { world, a } = await worldOf(1, { ttlMs: 60_000 });
    world.publish(30);
    await rests(world);
    world.begin(a, a.close());
    await rests(world);
    assert.equal(world.anchor?.tip.offset, 30);
    const { anchorWrites } = world;
    const next = world.open();
    await rests(world);
    world.begin(next, next.close());
    await rests(world);
    assert.equal(world.anchorWrites, anchorWrites);
  });
});
