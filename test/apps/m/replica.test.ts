import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseNews, subjects } from "../../../apps/m/channel.ts";
import { Replica } from "../../../apps/m/replica.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import type { MemoryBus } from "../../support/memory-bus.ts";
import { failing, Latch, MemoryStore, writing } from "../../support/memory-store.ts";
import { SharedBus } from "../../support/shared-bus.ts";

/** No test waits so long: whatever ends before was not ended by it. */
const never = 60_000;
/** So long that no lease ends in a test, nor is renewed but by request; and so short that some do. */
const long = 600_000;
const short = 400;

interface Running {
  readonly replica: Replica;
  readonly store: MemoryStore;
  readonly bus: MemoryBus;
  readonly published: Readonly<Record<string, string>>[];
  readonly lines: readonly string[];
  readonly stop: () => Promise<void>;
}

/** Replicas "a", "b", … that share a store and a bus, in this process. All of them serve. */
async function start(count: number, leaseMs = long) {
  const shared = new MemoryStore();
  const nats = new SharedBus();
  const running: Running[] = [];
  const run = (name: string): Running => {
    const stopping = new AbortController();
    const { log, lines } = collectingLog();
    const store = new MemoryStore({ like: shared });
    const bus = nats.connect();
    const published: Readonly<Record<string, string>>[] = [];
    const replica = new Replica({
      identity: { replica: name, instance: undefined, version: "v1" },
      ...{ store, bus, log, leaseMs, signal: stopping.signal },
      publisher: {
        publish: (attributes) => {
          published.push(attributes);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      },
    });
    const each: Running = {
      ...{ replica, store, bus, published, lines },
      stop: async () => {
        store.before = () => undefined;
        store.after = () => undefined;
        stopping.abort();
        await replica.stop();
      },
    };
    running.push(each);
    return each;
  };
  const replicas = ["a", "b", "c", "d"].slice(0, count).map(run);
  for (const { replica } of replicas) assert.ok(await replica.whenServing(never));
  return {
    ...{ replicas, run, nats, shared },
    at: (index: number): Running => {
      const found = replicas[index];
      assert.ok(found);
      return found;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(running.map((each) => each.stop()));
    },
  };
}

/** A replica that lives and reaches nobody. */
function isolate({ store, bus }: Running): void {
  bus.change(false);
  store.before = () => {
    throw failing("unavailable");
  };
}

const whole = (confirmed: number): object => ({ confirmed, missing: [], complete: true });

describe("replicas of M", () => {
  it("all have what one of them confirms, whoever was asked", async () => {
    await using cluster = await start(3);
    for (const [index, { replica }] of cluster.replicas.entries()) {
      const { outcome, confirmation } = await replica.post(writing({ [index]: index }), never);
      assert.deepEqual([outcome, confirmation], [{ kind: "committed", rev: index + 1 }, whole(3)]);
      for (const { replica: each } of cluster.replicas) {
        assert.equal(each.follower.rev, index + 1);
        assert.equal(each.follower.memory.value(String(index)), String(index));
      }
    }
    for (const { replica } of cluster.replicas) {
      assert.equal(replica.follower.memory.bytes().toString(), '{"0":0,"1":1,"2":2}');
    }
  });

  it("know by the changes in the messages, and need not read them", async () => {
    await using cluster = await start(3);
    for (let round = 0; round < 5; round += 1) {
      await cluster.at(0).replica.post(writing({ round }), never);
    }
    for (const { store } of cluster.replicas) {
      assert.deepEqual([store.count("changesAfter"), store.count("snapshot")], [0, 1]);
      assert.equal(store.count("leases"), 0);
    }
  });

  it("let one of them commit for all, once they know each other", async () => {
    await using cluster = await start(3);
    for (const { replica } of cluster.replicas) await replica.post(writing({ a: 1 }), never);
    const before = cluster.replicas.map(({ store }) => store.count("commit"));
    for (const { replica } of cluster.replicas) {
      const { confirmation } = await replica.post(writing({ a: 2 }), never);
      assert.deepEqual(confirmation, whole(3));
    }
    const after = cluster.replicas.map(
      ({ store }, index) => store.count("commit") - (before[index] ?? 0),
    );
    assert.deepEqual(after, [3, 0, 0]);
  });

  it("are asked again when the news did not reach them", async () => {
    await using cluster = await start(3);
    let lost = 0;
    cluster.nats.loses = (subject, text) => {
      const news = subject === subjects.changes && parseNews(text).changes.length > 0;
      if (news) lost += 1;
      return news;
    };
    const { confirmation } = await cluster.at(0).replica.post(writing({ a: 1 }), never);
    assert.deepEqual([confirmation, lost], [whole(3), 1]);
    for (const { replica } of cluster.replicas) assert.equal(replica.follower.rev, 1);
  });

  it("are asked again when their acknowledgement was lost", async () => {
    await using cluster = await start(2);
    let left = 1;
    cluster.nats.loses = (subject) => subject === subjects.acknowledgement("a") && left-- > 0;
    const { confirmation } = await cluster.at(0).replica.post(writing({ a: 1 }), never);
    assert.deepEqual([confirmation, left < 0], [whole(2), true]);
  });

  it("acknowledge only what they have applied, and then at once", async () => {
    await using cluster = await start(2);
    const latch = new Latch();
    const { store, replica } = cluster.at(1);
    store.before = (call) => (call === "changesAfter" ? latch.pass() : undefined);
    cluster.nats.loses = (subject, text) =>
      subject === subjects.changes && parseNews(text).changes.length > 0;
    const posted = cluster.at(0).replica.post(writing({ a: 1 }), never);
    await eventually("it fetches what it was asked for", () => latch.waiting > 0);
    // It is asked once, and must remember who has asked.
    cluster.nats.loses = (subject) => subject === subjects.changes;
    assert.equal(replica.follower.rev, 0);
    const told = (): number =>
      cluster.nats.sent.filter(({ subject }) => subject === subjects.acknowledgement("a")).length;
    assert.equal(told(), 0);
    latch.open();
    assert.deepEqual((await posted).confirmation, whole(2));
    assert.ok(told() > 0);
  });

  it("confirm each other by their leases while NATS is away", async () => {
    await using cluster = await start(3, 2_000);
    for (const { bus } of cluster.replicas) bus.change(false);
    const { confirmation } = await cluster.at(1).replica.post(writing({ a: 1 }), never);
    assert.deepEqual(confirmation, whole(3));
    for (const { replica } of cluster.replicas) assert.equal(replica.follower.rev, 1);
  });

  it("are not waited for once their lease has ended, and do not serve from before then", async () => {
    await using cluster = await start(3, short);
    const lost = cluster.at(2);
    isolate(lost);
    const { confirmation } = await cluster.at(0).replica.post(writing({ a: 1 }), never);
    assert.equal(confirmation?.complete, true);
    assert.notEqual(lost.replica.membership.obstacle(), undefined);
    assert.equal(lost.replica.follower.rev, 0);
    assert.ok(!(await cluster.shared.members()).includes("c"));
    // It comes back with what it has missed.
    lost.store.before = () => undefined;
    assert.ok(await lost.replica.whenServing(never));
    assert.equal(lost.replica.follower.rev, 1);
  });

  it("are not waited for once they have left", async () => {
    await using cluster = await start(3);
    await cluster.at(2).stop();
    const { confirmation } = await cluster.at(0).replica.post(writing({ a: 1 }), never);
    assert.deepEqual(confirmation, whole(2));
  });

  it("commit without the one that commits for all when it does not answer", async () => {
    await using cluster = await start(3, short);
    for (const { replica } of cluster.replicas) await replica.post(writing({ a: 1 }), never);
    isolate(cluster.at(0));
    const { outcome, confirmation } = await cluster.at(1).replica.post(writing({ a: 2 }), never);
    assert.deepEqual([outcome, confirmation?.complete], [{ kind: "committed", rev: 4 }, true]);
    assert.notEqual(cluster.at(0).replica.membership.obstacle(), undefined);
  });

  it("serve what was committed before they were there", async () => {
    await using cluster = await start(1);
    await cluster.at(0).replica.post(writing({ a: 1 }), never);
    const { replica } = cluster.run("z");
    assert.ok(await replica.whenServing(never));
    assert.equal(replica.follower.rev, 1);
    const { confirmation } = await cluster.at(0).replica.post(writing({ a: 2 }), never);
    assert.deepEqual(confirmation, whole(2));
  });

  it("publish what they have written, and mark it", async () => {
    await using cluster = await start(2);
    await cluster.at(0).replica.post(writing({ a: 1 }), never);
    await eventually("it is marked", async () => (await cluster.shared.head()).published === 1);
    assert.deepEqual(cluster.at(0).published, [{ rev: "1", writer: "a" }]);
    assert.deepEqual(cluster.at(1).published, []);
  });
});

describe("a post to a replica", () => {
  it("that writes nothing is confirmed by nobody", async () => {
    await using cluster = await start(1);
    const { replica } = cluster.at(0);
    const mismatch = await replica.post(writing({ a: 1 }, { ifRev: 5 }), never);
    assert.deepEqual(
      [mismatch.outcome, mismatch.confirmation, mismatch.confirmMs],
      [{ kind: "mismatch", rev: 0 }, undefined, 0],
    );
  });

  it("that repeats an earlier one is confirmed anew, by asking", async () => {
    await using cluster = await start(2);
    const idempotency = { key: "k", digest: "d" };
    const post = (): ReturnType<Replica["post"]> =>
      cluster.at(0).replica.post(writing({ a: 1 }, { idempotency }), never);
    await post();
    await cluster.at(0).replica.post(writing({ a: 2 }), never);
    const asked = (): boolean =>
      cluster.nats.sent.some(({ subject, text }) => {
        if (subject !== subjects.changes) return false;
        const { rev, changes } = parseNews(text);
        return rev === 1 && changes.length === 0;
      });
    assert.equal(asked(), false);
    const { outcome, confirmation } = await post();
    assert.deepEqual([outcome, confirmation], [{ kind: "replayed", rev: 1 }, whole(2)]);
    assert.equal(asked(), true);
  });

  it("says how long its commit and its confirmation took, and logs when that was too long", async () => {
    await using cluster = await start(2);
    isolate(cluster.at(1));
    const { confirmation, commitMs, confirmMs } = await cluster
      .at(0)
      .replica.post(writing({ a: 1 }), 50);
    assert.deepEqual(confirmation, { confirmed: 1, missing: ["b"], complete: false });
    // A timer may be early by a millisecond or so.
    assert.ok(commitMs >= 0 && confirmMs >= 40);
    assert.ok(cluster.at(0).lines.some((line) => line.includes("not confirmed in time")));
  });

  it("is counted among the unconfirmed when not all had it in time", async () => {
    await using cluster = await start(2);
    const { replica, lines } = cluster.at(0);
    await replica.post(writing({ a: 1 }), never);
    isolate(cluster.at(1));
    const { confirmation } = await replica.post(writing({ a: 2 }), 20);
    assert.equal(confirmation?.complete, false);
    replica.reportFigures(10);
    await eventually("the figures are logged", () =>
      lines.some((line) => /"posts":2,"unconfirmed":1\b/.test(line)),
    );
  });
});

describe("a push to a replica", () => {
  it("is taken once its revision is applied, and acknowledged to the writer", async () => {
    await using cluster = await start(2);
    const { replica, store } = cluster.at(1);
    const latch = new Latch();
    store.before = (call) => (call === "changesAfter" ? latch.pass() : undefined);
    cluster.nats.loses = (subject) => subject === subjects.changes;
    const posted = cluster.at(0).replica.post(writing({ a: 1 }), never);
    await eventually("it is committed", async () => (await cluster.shared.head()).rev === 1);
    let taken = false;
    const pushed = replica
      .receive({ rev: 1, writer: "a", index: 4 }, never)
      .finally(() => (taken = true));
    await eventually("the revision is fetched", () => latch.waiting === 1);
    assert.deepEqual([taken, replica.membership.index], [false, 4]);
    latch.open();
    await pushed;
    assert.equal(replica.follower.rev, 1);
    assert.deepEqual((await posted).confirmation, whole(2));
    // Once more, as Pub/Sub may do.
    const acknowledged = cluster.nats.sent.length;
    await replica.receive({ rev: 1, writer: "a", index: undefined }, never);
    assert.deepEqual(cluster.nats.sent.slice(acknowledged), [
      { subject: subjects.acknowledgement("a"), text: '{"replica":"b","rev":1}' },
    ]);
    assert.equal(replica.membership.index, 4);
  });

  it("is refused when its revision cannot be had in time", async () => {
    await using cluster = await start(1);
    await assert.rejects(
      cluster.at(0).replica.receive({ rev: 9, writer: "w", index: undefined }, 20),
    );
    assert.deepEqual(cluster.nats.sent, []);
  });

  it("is told by the lease while NATS is away", async () => {
    await using cluster = await start(2);
    for (const { bus } of cluster.replicas) bus.change(false);
    const posted = cluster.at(0).replica.post(writing({ a: 1 }), never);
    await eventually("it is committed", async () => (await cluster.shared.head()).rev === 1);
    await cluster.at(1).replica.receive({ rev: 1, writer: "a", index: undefined }, never);
    assert.deepEqual((await posted).confirmation, whole(2));
  });
});

describe("what a replica says of all", () => {
  it("is how far a revision has got", async () => {
    await using cluster = await start(2);
    const { replica } = cluster.at(0);
    assert.equal(await replica.operation(1), undefined);
    await replica.post(writing({ a: 1 }), never);
    assert.deepEqual(await replica.operation(1), whole(2));
    assert.equal(await replica.operation(2), undefined);
  });

  it("is where the store is, and every replica's lease", async () => {
    await using cluster = await start(2);
    await cluster.at(0).replica.post(writing({ a: 1 }), never);
    const { rev, leases } = await cluster.at(0).replica.replicas();
    assert.equal(rev, 1);
    assert.deepEqual(leases.map(({ replica, version }) => [replica, version]).sort(), [
      ["a", "v1"],
      ["b", "v1"],
    ]);
  });
});

describe("a replica that starts or stops", () => {
  it("says that it does not serve when it could not within the time", async () => {
    await using cluster = await start(0);
    const { replica, store, stop } = cluster.run("a");
    store.before = () => {
      throw failing("unavailable");
    };
    assert.equal(await replica.whenServing(0), false);
    const waiting = replica.whenServing(never);
    await stop();
    assert.equal(await waiting, false);
  });

  it("commits for nobody any more, so that the others do it themselves", async () => {
    await using cluster = await start(2);
    for (const { replica } of cluster.replicas) await replica.post(writing({ a: 1 }), never);
    const latch = new Latch();
    cluster.at(0).store.before = (call) => (call === "leave" ? latch.pass() : undefined);
    const stopped = cluster.at(0).replica.membership.ended();
    const stopping = cluster.at(0).stop();
    const { outcome } = await cluster.at(1).replica.post(writing({ a: 2 }), 0);
    assert.deepEqual(outcome, { kind: "committed", rev: 3 });
    latch.open();
    await Promise.all([stopped, stopping]);
  });
});
