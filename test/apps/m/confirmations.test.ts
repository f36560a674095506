import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Confirmations, type ConfirmationsOptions } from "../../../apps/m/confirmations.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { HandClock } from "../../support/hand-clock.ts";
import { failing, Latch, leaseOf, MemoryStore } from "../../support/memory-store.ts";

const leaseMs = 1_000;
/** No test waits so long: whatever ends before was not ended by it. */
const never = 60_000;

function open(store: MemoryStore, options: Partial<ConfirmationsOptions> = {}) {
  const stopping = new AbortController();
  const { log, lines } = collectingLog();
  const clock = new HandClock();
  const asked: number[] = [];
  const confirmations = new Confirmations({
    ...{ store, times: { leaseMs }, clock: clock.read, log, signal: stopping.signal },
    ask: (rev) => asked.push(rev),
    askAfterMs: [1],
    ...options,
  });
  return {
    ...{ confirmations, clock, asked, lines },
    /** Resolves after the leases were read once more, from beginning to end. */
    looked: async () => {
      const reads = store.count("leases");
      // The second of them began after this moment; the third after the second had been dealt with.
      await eventually("leases are read", () => store.count("leases") > reads + 2);
    },
    stop: () => {
      stopping.abort();
    },
    [Symbol.dispose]: () => {
      stopping.abort();
    },
  };
}

async function storeOf(...replicas: string[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const replica of replicas) await store.join(leaseOf(replica));
  return store;
}

describe("a confirmation", () => {
  it("is there at once when everybody has the revision already, and asks nobody", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    opened.confirmations.acknowledged("a", 7);
    opened.confirmations.acknowledged("b", 9);
    assert.deepEqual(await opened.confirmations.wait(7, never), {
      confirmed: 2,
      missing: [],
      complete: true,
    });
    assert.deepEqual([store.count("leases"), opened.asked], [0, []]);
  });

  it("comes with the last acknowledgement, whatever their order", async () => {
    const store = await storeOf("a", "b", "c");
    using opened = open(store);
    const { confirmations } = opened;
    confirmations.acknowledged("b", 7);
    const waiting = confirmations.wait(7, never);
    confirmations.acknowledged("c", 8);
    confirmations.acknowledged("a", 7);
    assert.deepEqual(await waiting, { confirmed: 3, missing: [], complete: true });
  });

  it("counts a replica once, however often it answers", async () => {
    const store = await storeOf("a", "b", "c");
    using opened = open(store);
    const { confirmations } = opened;
    const waiting = confirmations.wait(7, 50);
    for (const rev of [7, 7, 8, 7, 9, 7]) confirmations.acknowledged("a", rev);
    assert.deepEqual(await waiting, { confirmed: 1, missing: ["b", "c"], complete: false });
    assert.deepEqual(await confirmations.wait(7, 0), {
      confirmed: 1,
      missing: ["b", "c"],
      complete: false,
    });
  });

  it("is what a set of replicas with their highest revisions gives, whatever is acknowledged", async () => {
    const replica = fc.constantFrom<string>("a", "b", "c", "d");
    const answers = fc.array(fc.record({ replica, rev: fc.integer({ min: 1, max: 9 }) }), {
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(
        answers,
        answers,
        fc.integer({ min: 1, max: 9 }),
        async (early, late, rev) => {
          const members = ["a", "b", "c"];
          using opened = open(await storeOf(...members), { askAfterMs: [never] });
          const { confirmations } = opened;
          for (const each of early) confirmations.acknowledged(each.replica, each.rev);
          const waiting = confirmations.wait(rev, 0);
          for (const each of late) confirmations.acknowledged(each.replica, each.rev);
          const has = new Set(
            [...early, ...late].filter((each) => each.rev >= rev).map((each) => each.replica),
          );
          assert.deepEqual(await waiting, {
            confirmed: members.filter((member) => has.has(member)).length,
            missing: members.filter((member) => !has.has(member)),
            complete: members.every((member) => has.has(member)),
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it("is not given by the process that was at the index before", async () => {
    const store = await storeOf("a", "new");
    using opened = open(store);
    const { confirmations } = opened;
    confirmations.acknowledged("a", 7);
    const waiting = confirmations.wait(7, 50);
    confirmations.acknowledged("old", 7);
    assert.deepEqual(await waiting, { confirmed: 1, missing: ["new"], complete: false });
  });

  it("is not given by an older revision", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const waiting = opened.confirmations.wait(7, 50);
    opened.confirmations.acknowledged("a", 6);
    assert.deepEqual(await waiting, { confirmed: 0, missing: ["a"], complete: false });
  });

  it("serves several that wait with one answer", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations } = opened;
    const waiting = [5, 6, 7].map((rev) => confirmations.wait(rev, never));
    const later = confirmations.wait(8, 50);
    confirmations.acknowledged("a", 7);
    assert.deepEqual(
      await Promise.all(waiting),
      Array(3).fill({ confirmed: 1, missing: [], complete: true }),
    );
    assert.deepEqual(await later, { confirmed: 0, missing: ["a"], complete: false });
  });

  it("is asked for again and again, by the newest revision, until it is complete", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    const { confirmations } = opened;
    const waiting = [5, 7].map((rev) => confirmations.wait(rev, never));
    await eventually("it has asked several times", () => opened.asked.length > 2);
    confirmations.acknowledged("a", 7);
    confirmations.acknowledged("b", 7);
    await Promise.all(waiting);
    assert.ok(opened.asked.every((rev) => rev === 7));
    const before = opened.asked.length;
    const next = confirmations.wait(8, never);
    await eventually("it asks for the next", () => opened.asked.at(-1) === 8);
    assert.equal(opened.asked[before], 8, "it has not asked for what was complete");
    confirmations.acknowledged("a", 8);
    confirmations.acknowledged("b", 8);
    await next;
  });

  it("is found in a lease when no message brings it", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    const waiting = opened.confirmations.wait(7, never);
    await store.renew(leaseOf("a", { renewal: 2, rev: 7 }));
    await store.renew(leaseOf("b", { renewal: 2, rev: 9 }));
    assert.deepEqual(await waiting, { confirmed: 2, missing: [], complete: true });
  });

  it("goes on although the leases cannot be read for a while", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    let failures = 3;
    store.before = (call) => {
      if (call === "leases" && failures-- > 0) throw failing("unavailable");
    };
    const waiting = opened.confirmations.wait(7, never);
    await store.renew(leaseOf("a", { renewal: 2, rev: 7 }));
    assert.deepEqual(await waiting, { confirmed: 1, missing: [], complete: true });
    assert.equal(opened.lines.filter((line) => line.includes("cannot read leases")).length, 3);
  });

  it("says at the deadline who is missing", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    opened.confirmations.acknowledged("a", 7);
    assert.deepEqual(await opened.confirmations.wait(7, 0), {
      confirmed: 1,
      missing: ["b"],
      complete: false,
    });
  });

  it("ends for all who wait when the service stops", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations } = opened;
    const waiting = [1, 2].map((rev) => confirmations.wait(rev, never));
    opened.stop();
    for (const each of waiting)
      assert.deepEqual(await each, { confirmed: 0, missing: ["a"], complete: false });
    assert.deepEqual(await confirmations.wait(3, never), {
      confirmed: 0,
      missing: ["a"],
      complete: false,
    });
  });
});

describe("the members that a confirmation is made of", () => {
  it("are those after the commit: who joins later is not waited for", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations } = opened;
    const latch = new Latch();
    store.before = (call) => (call === "members" ? latch.pass() : undefined);
    const waiting = confirmations.wait(7, never);
    await eventually("they are read", () => latch.waiting === 1);
    await store.join(leaseOf("b"));
    latch.open();
    await opened.looked();
    await store.join(leaseOf("c"));
    confirmations.acknowledged("a", 7);
    confirmations.acknowledged("b", 7);
    assert.deepEqual(await waiting, { confirmed: 2, missing: [], complete: true });
  });

  it("are none when there are none", async () => {
    using opened = open(new MemoryStore());
    assert.deepEqual(await opened.confirmations.wait(7, never), {
      ...{ confirmed: 0, missing: [], complete: true },
    });
  });

  it("are read once for all who ask in one turn, and again for those who ask later", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations } = opened;
    confirmations.acknowledged("a", 7);
    const latch = new Latch();
    store.before = (call) => (call === "members" ? latch.pass() : undefined);
    const together = [5, 6, 7].map((rev) => confirmations.wait(rev, never));
    await eventually("they are read", () => latch.waiting === 1);
    const later = confirmations.wait(4, never);
    await eventually("they are read again", () => latch.waiting === 2);
    latch.open();
    await Promise.all([...together, later]);
    assert.equal(store.count("members"), 2);
  });

  it("are read again when that has failed", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    let failures = 1;
    store.before = (call) => {
      if (call === "members" && failures-- > 0) throw failing("unavailable");
    };
    opened.confirmations.acknowledged("a", 7);
    assert.deepEqual(await opened.confirmations.wait(7, never), {
      ...{ confirmed: 1, missing: [], complete: true },
    });
  });

  it("leave it incomplete when they are not known in time, whoever has the revision", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations } = opened;
    confirmations.acknowledged("a", 7);
    const unknown = { confirmed: 1, missing: [], complete: false };
    store.before = () => {
      throw failing("unavailable");
    };
    assert.deepEqual(await confirmations.wait(7, 0), unknown);
    const latch = new Latch();
    store.before = () => latch.pass();
    assert.deepEqual(await confirmations.wait(7, 20), unknown);
    latch.open();
  });
});

describe("a replica that others wait for", () => {
  it("is expelled when its lease has ended, which ends the wait", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    const { confirmations, clock } = opened;
    confirmations.acknowledged("a", 7);
    const waiting = confirmations.wait(7, never);
    await opened.looked();
    clock.pass(leaseMs - 1);
    await opened.looked();
    assert.deepEqual(await store.members(), ["a", "b"]);
    clock.pass(1);
    assert.deepEqual(await waiting, { confirmed: 1, missing: [], complete: true });
    assert.deepEqual(await store.members(), ["a"]);
  });

  it("is waited for as long as it renews its lease", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations, clock } = opened;
    let ended = false;
    const waiting = confirmations.wait(7, never).finally(() => (ended = true));
    for (let renewal = 2; renewal < 6; renewal += 1) {
      await opened.looked();
      clock.pass(leaseMs - 1);
      await store.renew(leaseOf("a", { renewal, rev: 6 }));
    }
    await opened.looked();
    assert.equal(ended, false);
    confirmations.acknowledged("a", 7);
    assert.deepEqual(await waiting, { confirmed: 1, missing: [], complete: true });
    assert.equal(store.count("expel"), 0);
  });

  it("is not expelled when it renews its lease at the last moment", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations, clock } = opened;
    const waiting = confirmations.wait(7, never);
    await opened.looked();
    store.before = async (call) => {
      if (call !== "expel") return;
      store.before = () => undefined;
      await store.renew(leaseOf("a", { renewal: 2, rev: 6 }));
    };
    clock.pass(leaseMs);
    await eventually("it was to be expelled", () => store.count("expel") === 1);
    await opened.looked();
    assert.deepEqual(await store.members(), ["a"]);
    confirmations.acknowledged("a", 7);
    assert.deepEqual(await waiting, { confirmed: 1, missing: [], complete: true });
  });

  it("is not expelled by a suspension of who waits", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const waiting = opened.confirmations.wait(7, never);
    await opened.looked();
    opened.clock.suspend(10 * leaseMs);
    await opened.looked();
    assert.equal(store.count("expel"), 0);
    opened.confirmations.acknowledged("a", 7);
    await waiting;
  });

  it("is not expelled by leases that were read long before", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const latch = new Latch();
    store.after = (call) => (call === "leases" ? latch.pass() : undefined);
    const waiting = opened.confirmations.wait(7, never);
    await eventually("its lease is read", () => latch.waiting === 1);
    opened.clock.pass(leaseMs);
    store.after = () => undefined;
    latch.open();
    await opened.looked();
    assert.equal(store.count("expel"), 0);
    opened.confirmations.acknowledged("a", 7);
    await waiting;
  });

  it("is not waited for any more once it has left", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    opened.confirmations.acknowledged("a", 7);
    const waiting = opened.confirmations.wait(7, never);
    await opened.looked();
    await store.leave("b");
    assert.deepEqual(await waiting, { confirmed: 1, missing: [], complete: true });
  });

  it("is expelled once only, for all who wait", async () => {
    const store = await storeOf("a");
    using opened = open(store);
    const { confirmations, clock } = opened;
    const waiting = [5, 6, 7].map((rev) => confirmations.wait(rev, never));
    await opened.looked();
    clock.pass(leaseMs);
    assert.deepEqual(
      await Promise.all(waiting),
      Array(3).fill({ confirmed: 0, missing: [], complete: true }),
    );
    assert.equal(store.count("expel"), 1);
  });
});

describe("a look at who has a revision", () => {
  it("goes by the leases of those who are members now", async () => {
    const store = await storeOf("a", "b", "gone");
    using opened = open(store);
    await store.renew(leaseOf("a", { renewal: 2, rev: 7 }));
    await store.renew(leaseOf("b", { renewal: 2, rev: 6 }));
    await store.leave("gone");
    assert.deepEqual(await opened.confirmations.look(7), {
      confirmed: 1,
      missing: ["b"],
      complete: false,
    });
    opened.confirmations.acknowledged("b", 7);
    assert.deepEqual(await opened.confirmations.look(7), {
      confirmed: 2,
      missing: [],
      complete: true,
    });
  });

  it("does not count those who leave while it looks", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    await store.renew(leaseOf("a", { renewal: 2, rev: 7 }));
    store.before = async (call) => {
      if (call !== "leases") return;
      store.before = () => undefined;
      await store.leave("b");
    };
    assert.deepEqual(await opened.confirmations.look(7), {
      confirmed: 1,
      missing: [],
      complete: true,
    });
  });
});

describe("the sweep", () => {
  it("expels those whose lease has ended although nobody waits for them", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store);
    const { confirmations, clock } = opened;
    await confirmations.sweep();
    clock.pass(leaseMs);
    await store.renew(leaseOf("a", { renewal: 2 }));
    await confirmations.sweep();
    assert.deepEqual(await store.members(), ["a"]);
  });

  it("forgets those who are members no more, but not those that somebody waits for", async () => {
    const store = await storeOf("a", "b");
    using opened = open(store, { askAfterMs: [never] });
    const { confirmations } = opened;
    confirmations.acknowledged("a", 7);
    confirmations.acknowledged("b", 6);
    confirmations.acknowledged("c", 7);
    const waiting = confirmations.wait(7, never);
    await store.leave("a");
    await store.leave("b");
    await confirmations.sweep();
    confirmations.acknowledged("b", 7);
    await waiting;
    for (const replica of ["a", "b", "c"]) await store.join(leaseOf(replica));
    assert.deepEqual(await confirmations.wait(7, 0), {
      confirmed: 1,
      missing: ["a", "c"],
      complete: false,
    });
  });
});
