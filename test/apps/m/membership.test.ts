import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Follower } from "../../../apps/m/follower.ts";
import type { LeaseTimes } from "../../../apps/m/lease.ts";
import { Membership } from "../../../apps/m/membership.ts";
import type { Head } from "../../../apps/m/store.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { HandClock } from "../../support/hand-clock.ts";
import { failing, Latch, MemoryStore, writing } from "../../support/memory-store.ts";

const notYet = "this replica is not a member yet";
const ended = "this replica's lease has ended";
const isStopping = "this instance is stopping";

/** A lease lasts as long as the test's clock says; it is renewed all the time, or by request only. */
const busy: LeaseTimes = { leaseMs: 1_000, renewMs: 2, marginMs: 100 };
const idle: LeaseTimes = { leaseMs: 1_000, renewMs: 2 ** 30, marginMs: 100 };

/** Replica "own" of a store. */
function start(store: MemoryStore, times: LeaseTimes = busy) {
  const stopping = new AbortController();
  const { signal } = stopping;
  const { log, lines } = collectingLog();
  const clock = new HandClock();
  const follower = new Follower({ store, log, signal, retryMs: { first: 1, longest: 2 } });
  const heads: Head[] = [];
  const membership = new Membership({
    identity: { replica: "own", instance: "i", version: "v" },
    ...{ times, store, follower, log, signal },
    clock: clock.read,
    onHead: (head) => heads.push(head),
  });
  return {
    ...{ membership, follower, clock, heads },
    logged: (message: string) => lines.filter((line) => line.includes(message)).length,
    serving: () => eventually("it may serve", () => membership.obstacle() === undefined),
    stop: () => {
      stopping.abort();
    },
    [Symbol.asyncDispose]: async () => {
      store.before = () => undefined;
      store.after = () => undefined;
      stopping.abort();
      await membership.ended();
    },
  };
}

async function commit(store: MemoryStore): Promise<number> {
  await store.commit([writing({ a: 1 })]);
  return (await store.head()).rev;
}

/** Makes calls fail from now on, but those that are named. */
function failAllBut(store: MemoryStore, ...calls: string[]): void {
  store.before = (call) => {
    if (!calls.includes(call)) throw failing("unavailable");
  };
}

describe("a replica's membership", () => {
  it("lets it serve once it has joined and has what there was then", async () => {
    const store = new MemoryStore();
    await commit(store);
    const latch = new Latch();
    store.before = (call) => (call === "join" ? latch.pass() : undefined);
    await using own = start(store);
    assert.equal(own.membership.obstacle(), notYet);
    await eventually("it joins", () => latch.waiting === 1);
    assert.equal(own.follower.rev, 1, "it has loaded before");
    assert.equal(own.membership.obstacle(), notYet);
    latch.open();
    await own.serving();
    assert.deepEqual(await store.members(), ["own"]);
  });

  it("keeps it from serving until it is at the revision of its join, although no message comes", async () => {
    const store = new MemoryStore();
    const joining = new Latch();
    const reading = new Latch();
    store.before = (call) => (call === "join" ? joining.pass() : undefined);
    // No renewal finds it either.
    await using own = start(store, idle);
    await eventually("it joins", () => joining.waiting === 1);
    store.before = (call) => (call === "changesAfter" ? reading.pass() : undefined);
    assert.equal(await commit(store), 1);
    assert.equal(await commit(store), 2);
    joining.open();
    await eventually("it fetches what it has missed", () => reading.waiting > 0);
    assert.equal(own.membership.obstacle(), "this replica is at revision 0 and must have 2 first");
    assert.equal(store.lease("own")?.serving, false);
    reading.open();
    await own.serving();
    assert.equal(own.follower.rev, 2);
  });

  it("is written with what the replica has and is", async () => {
    const store = new MemoryStore();
    await commit(store);
    await using own = start(store);
    await own.serving();
    own.membership.index = 3;
    const lease = await eventually("the lease says so", () => {
      const written = store.lease("own");
      return written?.serving === true && written.index === 3 ? written : undefined;
    });
    const { renewal, renewedAt, ...rest } = lease;
    assert.deepEqual(rest, {
      ...{ replica: "own", instance: "i", version: "v", index: 3 },
      ...{ rev: 1, serving: true, leaseMs: 1_000 },
    });
    assert.ok(renewedAt instanceof Date);
    await eventually("each renewal has its number", () => {
      const next = store.lease("own")?.renewal ?? 0;
      return next > renewal;
    });
    assert.equal(own.membership.index, 3);
  });

  it("is renewed for as long as the store answers, and serves all the while", async () => {
    const store = new MemoryStore();
    await using own = start(store);
    await own.serving();
    for (let round = 0; round < 5; round += 1) {
      const renewal = store.lease("own")?.renewal ?? 0;
      // Two: one of them was sent after this moment.
      await eventually("it is renewed", () => (store.lease("own")?.renewal ?? 0) > renewal + 2);
      own.clock.pass(400);
      assert.equal(own.membership.obstacle(), undefined);
    }
    assert.equal(store.count("join"), 1);
  });

  it("asks where the store is with each renewal, and fetches what messages did not bring", async () => {
    const store = new MemoryStore();
    await using own = start(store);
    await own.serving();
    await commit(store);
    await eventually("it is there", () => own.follower.rev === 1);
    assert.deepEqual(own.heads.at(-1), { rev: 1, published: 0 });
  });

  it("is renewed at once when it is asked for", async () => {
    const store = new MemoryStore();
    await using own = start(store, idle);
    await own.serving();
    assert.deepEqual([store.count("renew"), store.lease("own")?.rev], [0, 0]);
    const { changes } = await store.commit([writing({ a: 1 })]);
    own.follower.offer(changes);
    own.membership.renewNow();
    await eventually("its lease says so", () => store.lease("own")?.rev === 1);
    assert.equal(store.count("renew"), 1);
  });

  it("is renewed once more when that is asked for while a renewal is under way", async () => {
    const store = new MemoryStore();
    await using own = start(store, idle);
    await own.serving();
    const latch = new Latch();
    store.before = (call) => (call === "renew" ? latch.pass() : undefined);
    own.membership.renewNow();
    await eventually("it renews", () => latch.waiting === 1);
    const { changes } = await store.commit([writing({ a: 1 })]);
    own.follower.offer(changes);
    own.membership.renewNow();
    own.membership.renewNow();
    latch.open();
    await eventually("its lease says so", () => store.lease("own")?.rev === 1);
    assert.equal(store.count("renew"), 2);
  });

  it("tries to join until it can", async () => {
    const store = new MemoryStore();
    failAllBut(store, "snapshot");
    await using own = start(store);
    await eventually("it has tried", () => store.count("join") === 2);
    assert.equal(own.membership.obstacle(), notYet);
    store.before = () => undefined;
    await own.serving();
  });
});

describe("a replica whose lease is not renewed", () => {
  it("serves until shortly before its end and no longer", async () => {
    const store = new MemoryStore();
    await using own = start(store);
    await own.serving();
    failAllBut(store);
    const tries = store.count("renew");
    await eventually("renewals fail", () => store.count("renew") > tries + 1);
    own.clock.pass(899);
    assert.equal(own.membership.obstacle(), undefined);
    own.clock.pass(1);
    assert.equal(own.membership.obstacle(), ended);
  });

  it("joins again when the store answers, and then has to be as far as the others are", async () => {
    const store = new MemoryStore();
    await using own = start(store);
    await own.serving();
    failAllBut(store, "commit", "head", "members");
    own.clock.pass(900);
    await eventually("it has given up its lease", () => own.membership.obstacle() === notYet);
    // Nobody waits for it any more.
    await commit(store);
    const latch = new Latch();
    store.before = (call) => (call === "changesAfter" ? latch.pass() : undefined);
    await eventually(
      "it has joined and fetches",
      () => latch.waiting > 0 && own.logged("joined") === 2,
    );
    assert.equal(own.membership.obstacle(), "this replica is at revision 0 and must have 1 first");
    latch.open();
    await own.serving();
  });

  it("is not revived by a renewal that is answered after its end", async () => {
    const store = new MemoryStore();
    await using own = start(store, idle);
    await own.serving();
    const renewing = new Latch();
    const joining = new Latch();
    store.after = (call) => (call === "renew" ? renewing.pass() : undefined);
    store.before = (call) => (call === "join" ? joining.pass() : undefined);
    own.membership.renewNow();
    await eventually("a renewal was written, its answer under way", () => renewing.waiting === 1);
    own.clock.pass(900);
    renewing.open();
    await eventually("it joins again", () => joining.waiting === 1);
    assert.equal(own.membership.obstacle(), notYet);
    assert.equal(own.logged("lease lost"), 1);
    joining.open();
    await own.serving();
  });

  it("counts its lease from when it asked for it, not from when it was answered", async () => {
    const store = new MemoryStore();
    await using own = start(store, idle);
    await own.serving();
    const [first, second] = [new Latch(), new Latch()];
    store.before = (call) => (call === "renew" ? first.pass() : undefined);
    own.clock.pass(500);
    own.membership.renewNow();
    await eventually("it renews", () => first.waiting === 1);
    own.clock.pass(300);
    store.before = (call) => (call === "renew" ? second.pass() : undefined);
    own.membership.renewNow();
    first.open();
    await eventually("it has the answer, and renews again", () => second.waiting === 1);
    own.clock.pass(599);
    assert.equal(own.membership.obstacle(), undefined);
    own.clock.pass(1);
    assert.equal(own.membership.obstacle(), ended);
    second.open();
  });

  it("does not serve on a join that was answered after a whole lease", async () => {
    const store = new MemoryStore();
    const latch = new Latch();
    store.after = (call) => (call === "join" ? latch.pass() : undefined);
    await using own = start(store, idle);
    await eventually("it has joined and does not know", () => latch.waiting === 1);
    own.clock.pass(900);
    latch.open();
    await eventually("it knows", () => own.logged("joined") === 1);
    assert.equal(own.membership.obstacle(), ended);
  });

  it("serves no more after a suspension during which it was expelled, and joins with a new barrier", async () => {
    const store = new MemoryStore();
    await using own = start(store, idle);
    await own.serving();
    own.clock.suspend(1_000);
    assert.equal(await store.expel("own", store.lease("own")?.renewal ?? 0), true);
    await commit(store);
    assert.equal(own.membership.obstacle(), ended);
    const latch = new Latch();
    store.before = (call) => (call === "changesAfter" ? latch.pass() : undefined);
    own.membership.renewNow();
    await eventually(
      "it has joined and fetches",
      () => own.logged("joined") === 2 && latch.waiting > 0,
    );
    assert.equal(own.membership.obstacle(), "this replica is at revision 0 and must have 1 first");
    latch.open();
    await own.serving();
    assert.deepEqual(await store.members(), ["own"]);
  });

  it("joins again when it is told that it is no member, however valid it thinks its lease", async () => {
    const store = new MemoryStore();
    await using own = start(store);
    await own.serving();
    await store.leave("own");
    await eventually("it has joined again", () => store.count("join") === 2);
    await own.serving();
    assert.equal(own.logged("lease lost"), 1);
  });
});

describe("a replica whose store was replaced by an older one", () => {
  it("does not serve, and says why", async () => {
    const store = new MemoryStore();
    await commit(store);
    await using own = start(store);
    await own.serving();
    store.head = () => Promise.resolve({ rev: 0, published: 0 });
    await eventually("it notices", () => own.membership.obstacle() !== undefined);
    assert.equal(
      own.membership.obstacle(),
      "Datastore is at revision 0, before this replica's 1: it was replaced; restart the service",
    );
  });
});

describe("a replica that stops", () => {
  it("serves no more from that moment, and leaves", async () => {
    const store = new MemoryStore();
    await using own = start(store, idle);
    await own.serving();
    own.stop();
    assert.equal(own.membership.obstacle(), isStopping);
    await own.membership.ended();
    assert.deepEqual(await store.members(), []);
    assert.equal(store.lease("own"), undefined);
  });

  for (const call of ["join", "renew"] as const) {
    it(`leaves after a ${call} that was under way, not before it`, async () => {
      const store = new MemoryStore();
      const latch = new Latch();
      store.before = (each) => (each === call ? latch.pass() : undefined);
      await using own = start(store);
      await eventually(`a ${call} is under way`, () => latch.waiting === 1);
      own.stop();
      latch.open();
      await own.membership.ended();
      assert.deepEqual(store.calls.at(-1), "leave");
      assert.deepEqual(await store.members(), []);
    });
  }

  it("ends although it has never got as far as to join", async () => {
    const store = new MemoryStore();
    failAllBut(store);
    await using own = start(store);
    await eventually("it tries to load", () => store.count("snapshot") > 1);
    own.stop();
    await own.membership.ended();
    assert.equal(own.logged("could not leave; the lease ends by itself"), 1);
    assert.equal(own.membership.obstacle(), isStopping);
  });

  it("does not wait for a store that does not answer", async () => {
    const store = new MemoryStore();
    await using own = start(store, idle);
    await own.serving();
    store.before = (call) => (call === "leave" ? new Latch().pass() : undefined);
    own.stop();
    await own.membership.ended();
    assert.equal(own.logged("could not leave; the lease ends by itself"), 1);
  });
});
