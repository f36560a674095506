import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Follower, type FollowerOptions } from "../../../apps/m/follower.ts";
import type { Change } from "../../../apps/m/memory.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { failing, Latch, MemoryStore, writing } from "../../support/memory-store.ts";

/** No test waits so long: whatever happens before was not brought about by it. */
const never = 60_000;

function follow(store: MemoryStore, options: Partial<FollowerOptions> = {}) {
  const stopping = new AbortController();
  const { log, lines } = collectingLog();
  const follower = new Follower({
    ...{ store, log, signal: stopping.signal },
    retryMs: { first: 1, longest: 2 },
    ...options,
  });
  return {
    follower,
    lines,
    stop: () => {
      stopping.abort();
    },
    [Symbol.dispose]: () => {
      stopping.abort();
    },
  };
}

/** Commits so many revisions, each of which sets its own key; what they changed. */
async function commit(store: MemoryStore, count = 1): Promise<Change[]> {
  const { rev } = await store.head();
  const requests = Array.from({ length: count }, (_, index) =>
    writing({ [`k${rev + index + 1}`]: rev + index + 1, last: rev + index + 1 }),
  );
  return [...(await store.commit(requests)).changes];
}

async function assertSame(follower: Follower, store: MemoryStore): Promise<void> {
  const snapshot = await store.snapshot();
  const expected = Object.fromEntries(
    [...snapshot.entries].map(([key, value]) => [key, JSON.parse(value) as unknown]),
  );
  assert.equal(follower.rev, snapshot.rev);
  assert.deepEqual(JSON.parse(follower.memory.bytes().toString()), expected);
}

const { signal: forever } = new AbortController();

describe("the follower", () => {
  it("has what was committed before once it has loaded", async () => {
    const store = new MemoryStore();
    await commit(store, 5);
    using following = follow(store);
    await following.follower.load();
    await assertSame(following.follower, store);
  });

  it("loads however often it takes", async () => {
    const store = new MemoryStore();
    await commit(store);
    let failures = 3;
    store.before = (call) => {
      if (call === "snapshot" && failures-- > 0) throw failing("unavailable");
    };
    using following = follow(store);
    await following.follower.load();
    assert.equal(following.follower.rev, 1);
    assert.equal(following.lines.filter((line) => line.includes("cannot load M")).length, 3);
  });

  it("stops loading when it is told to stop", async () => {
    const store = new MemoryStore();
    store.before = () => {
      throw failing("unavailable");
    };
    using following = follow(store);
    const loading = following.follower.load();
    await eventually("it has tried", () => store.count("snapshot") > 1);
    following.stop();
    await assert.rejects(loading);
  });

  it("applies what comes in any order and more than once, without asking the store", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }).chain((count) =>
          fc.record({
            count: fc.constant(count),
            order: fc.array(fc.nat(count - 1), { maxLength: 20 }),
            rest: fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
          }),
        ),
        async ({ count, order, rest }) => {
          const store = new MemoryStore();
          using following = follow(store, { gapMs: never });
          const { follower } = following;
          await follower.load();
          const changes = await commit(store, count);
          const seen: number[] = [];
          follower.onAdvance((rev) => seen.push(rev));
          const asked = store.calls.length;
          for (const index of [...order, ...rest]) follower.offer(changes.slice(index, index + 1));
          assert.equal(store.calls.length, asked);
          assert.deepEqual(
            seen,
            seen.toSorted((a, b) => a - b),
          );
          assert.equal(seen.at(-1), count);
          await assertSame(follower, store);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("fetches what did not come, after it has waited a moment for it", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    await following.follower.load();
    const changes = await commit(store, 3);
    following.follower.offer(changes.slice(2));
    assert.equal(following.follower.rev, 0, "a gap is not jumped");
    await eventually("the gap is closed", () => following.follower.rev === 3);
    assert.deepEqual([store.count("changesAfter"), store.count("snapshot")], [1, 1]);
    await assertSame(following.follower, store);
  });

  it("fetches a revision of which it has heard only the number", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    await following.follower.load();
    await commit(store, 250);
    following.follower.expect(250);
    await eventually("it is there", () => following.follower.rev === 250);
    assert.equal(store.count("snapshot"), 1, "the log has it all, piece by piece");
    await assertSame(following.follower, store);
  });

  it("fetches also what it heard of while it was loading", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    const latch = new Latch();
    store.after = (call) => (call === "snapshot" ? latch.pass() : undefined);
    const loading = following.follower.load();
    await eventually("it loads", () => latch.waiting === 1);
    const [change] = await commit(store, 1);
    await commit(store, 1);
    following.follower.offer(change === undefined ? [] : [change]);
    following.follower.expect(2);
    latch.open();
    await loading;
    following.follower.expect(1);
    await eventually("it is there", () => following.follower.rev === 2);
    await assertSame(following.follower, store);
  });

  it("loads everything when the log does not reach back far enough", async () => {
    const store = new MemoryStore({ kept: 10 });
    using following = follow(store);
    await following.follower.load();
    await commit(store, 30);
    following.follower.expect(30);
    await eventually("it is there", () => following.follower.rev === 30);
    assert.equal(store.count("snapshot"), 2);
    await assertSame(following.follower, store);
  });

  it("learns that a revision does not exist, and asks no more for it", async () => {
    const store = new MemoryStore();
    await commit(store, 2);
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    follower.expect(99);
    await eventually("it has looked", () => store.count("snapshot") === 2);
    // What comes later is taken as ever, and needs no further look.
    for (let round = 0; round < 3; round += 1) {
      const changes = await commit(store);
      follower.expect(3 + round);
      await eventually("it is there", () => follower.rev === 3 + round);
      follower.offer(changes);
    }
    assert.equal(store.count("snapshot"), 2);
    await assertSame(follower, store);
  });

  it("catches up with what was committed while it was fetching", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    await commit(store, 1);
    const latch = new Latch();
    store.after = (call) => (call === "changesAfter" ? latch.pass() : undefined);
    follower.expect(1);
    await eventually("it fetches", () => latch.waiting === 1);
    await commit(store, 1);
    follower.expect(2);
    latch.open();
    await eventually("it has both", () => follower.rev === 2);
    await assertSame(follower, store);
  });

  it("misses no wish that comes just as it has caught up", async () => {
    for (let steps = 0; steps < 8; steps += 1) {
      const store = new MemoryStore();
      using following = follow(store, { gapMs: never });
      const { follower } = following;
      await follower.load();
      await commit(store, 1);
      const reached = Promise.withResolvers<undefined>();
      const remove = follower.onAdvance(() => {
        remove();
        void (async () => {
          for (let step = 0; step < steps; step += 1) await Promise.resolve();
          void commit(store, 1);
          await follower.reach(2, forever);
          reached.resolve(undefined);
        })();
      });
      await follower.reach(1, forever);
      await reached.promise;
    }
  });

  it("goes on asking while the store fails", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    await commit(store, 2);
    let failures = 4;
    store.before = () => {
      if (failures-- > 0) throw failing("unavailable");
    };
    await follower.reach(2, forever);
    assert.equal(failures, -1);
    assert.equal(following.lines.filter((line) => line.includes("cannot catch up")).length, 4);
    await assertSame(follower, store);
  });

  it("keeps a bounded number of changes that came too early, and fetches the others", async () => {
    const store = new MemoryStore();
    using following = follow(store, { gapMs: never });
    const { follower } = following;
    await follower.load();
    const changes = await commit(store, 400);
    follower.offer(changes.slice(1));
    follower.offer(changes.slice(0, 1));
    assert.equal(follower.rev, 257);
    await follower.reach(400, forever);
    await assertSame(follower, store);
  });

  it("keeps a bounded size of changes that came too early", async () => {
    const store = new MemoryStore();
    using following = follow(store, { gapMs: never });
    const { follower } = following;
    await follower.load();
    const megabyte = "x".repeat(1024 * 1024 - 16);
    const requests = Array.from({ length: 8 }, () => writing({ a: megabyte }));
    const { changes } = await store.commit(requests);
    // Twice, since what is kept already takes no more room.
    follower.offer(changes.slice(1));
    follower.offer(changes.slice(1));
    follower.offer(changes.slice(0, 1));
    assert.equal(follower.rev, 5);
    // What was applied has left its room to others.
    follower.offer(changes.slice(6));
    follower.offer(changes.slice(5, 6));
    assert.equal(follower.rev, 8);
  });

  it("reaches a committed revision at once, without waiting for it to come by itself", async () => {
    const store = new MemoryStore();
    using following = follow(store, { gapMs: never });
    const { follower } = following;
    await follower.load();
    await commit(store, 2);
    await follower.reach(2, forever);
    assert.equal(follower.rev, 2);
    await follower.reach(1, forever);
  });

  it("gives up reaching a revision when the time is over", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    await following.follower.load();
    const waiting = new AbortController();
    const reached = following.follower.reach(5, waiting.signal);
    await eventually("it has looked", () => store.count("snapshot") === 2);
    waiting.abort();
    await assert.rejects(reached);
    await assert.rejects(following.follower.reach(5, waiting.signal));
  });
});

describe("the search for a revision of which nobody knows", () => {
  it("asks the store one question for all who ask at the same time", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    await commit(store, 3);
    const asked = store.count("head");
    await Promise.all([3, 1, 2, 3].map((rev) => follower.seek(rev, forever)));
    assert.equal(store.count("head") - asked, 1);
    await follower.seek(3, forever);
    assert.equal(store.count("head") - asked, 1, "what is here is not asked for");
    await assertSame(follower, store);
  });

  it("finds what was committed after another's question had been asked", async () => {
    const store = new MemoryStore();
    await commit(store, 1);
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    const latch = new Latch();
    store.after = (call) => (call === "head" ? latch.pass() : undefined);
    const others = new AbortController();
    const other = follower.seek(99, others.signal);
    await eventually("the other has asked", () => latch.waiting === 1);
    store.after = () => undefined;
    await commit(store, 1);
    const found = follower.seek(2, forever);
    latch.open();
    await found;
    others.abort();
    await assert.rejects(other);
  });

  it("looks for nothing that the store does not have, and takes it when it comes", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    const waiting = new AbortController();
    const found = follower.seek(1, forever);
    const lost = follower.seek(2, waiting.signal);
    await eventually("it has asked", () => store.count("head") === 1);
    waiting.abort();
    await assert.rejects(lost);
    const reads = store.count("changesAfter") + store.count("snapshot");
    assert.equal(reads, 1, "only what it has loaded");
    follower.offer(await commit(store));
    await found;
  });

  it("waits on although the store does not answer", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    store.before = (call) => {
      if (call === "head") throw failing("unavailable");
    };
    const found = follower.seek(1, forever);
    await eventually("it has asked", () => store.count("head") === 1);
    const { changes } = await store.commit([writing({ a: 1 })]);
    follower.offer(changes);
    await found;
  });
});

describe("the follower's check", () => {
  it("finds what no message has brought", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    await following.follower.load();
    await commit(store, 2);
    assert.deepEqual(await following.follower.check(), { rev: 2, published: 0 });
    await eventually("it is there", () => following.follower.rev === 2);
  });

  it("tells when the store is behind, until it is no more", async () => {
    const store = new MemoryStore();
    const other = new MemoryStore();
    await commit(store, 3);
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    assert.equal(follower.behind, undefined);
    // Somebody has put an older copy in its place.
    let replaced = true;
    const head = store.head.bind(store);
    store.head = () => (replaced ? other.head() : head());
    await follower.check();
    assert.equal(follower.behind, 0);
    replaced = false;
    await follower.check();
    assert.equal(follower.behind, undefined);
  });

  it("does not think so because it went on while it was asking", async () => {
    const store = new MemoryStore();
    using following = follow(store);
    const { follower } = following;
    await follower.load();
    const latch = new Latch();
    store.after = (call) => (call === "head" ? latch.pass() : undefined);
    const checked = follower.check();
    await eventually("it asks", () => latch.waiting === 1);
    store.after = () => undefined;
    follower.offer(await commit(store));
    assert.equal(follower.rev, 1);
    latch.open();
    assert.deepEqual(await checked, { rev: 0, published: 0 });
    assert.equal(follower.behind, undefined);
  });
});
