import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Outbox, type OutboxOptions } from "../../../apps/m/outbox.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { failing, Latch, MemoryStore, writing } from "../../support/memory-store.ts";

/** No test waits so long: whatever happens before was not brought about by it. */
const never = 60_000;

/** A store at a revision, and the outbox of one replica. */
async function open(rev: number, options: Partial<OutboxOptions> = {}) {
  const store = new MemoryStore();
  await store.commit(Array.from({ length: rev }, () => writing({ a: 1 })));
  return { store, ...attach(store, "own", options) };
}

function attach(store: MemoryStore, replica: string, options: Partial<OutboxOptions> = {}) {
  const stopping = new AbortController();
  const { log, lines } = collectingLog();
  const published: Readonly<Record<string, string>>[] = [];
  /** Runs before a publication is taken; what it throws is the publication's error. */
  const pubsub = { before: (): void | Promise<void> => undefined, tries: 0 };
  const outbox = new Outbox({
    ...{ replica, store, log, signal: stopping.signal, retryMs: 1, markMs: 1 },
    publisher: {
      publish: async (attributes) => {
        pubsub.tries += 1;
        await pubsub.before();
        published.push(attributes);
      },
      close: () => Promise.resolve(),
    },
    ...options,
  });
  return {
    ...{ outbox, pubsub, published, lines },
    revs: () => published.map(({ rev }) => rev),
    stop: () => {
      stopping.abort();
    },
    [Symbol.dispose]: () => {
      stopping.abort();
    },
  };
}

function marked(store: MemoryStore, rev: number): Promise<unknown> {
  return eventually(`the mark is at ${rev}`, async () => (await store.head()).published === rev);
}

describe("the outbox", () => {
  it("publishes a revision with the replica that wrote it, and then marks it", async () => {
    using opened = await open(7);
    opened.outbox.add(7);
    await marked(opened.store, 7);
    assert.deepEqual(opened.published, [{ rev: "7", writer: "own" }]);
  });

  it("publishes the newest only of what has come meanwhile", async () => {
    using opened = await open(9);
    const latch = new Latch();
    opened.pubsub.before = () => latch.pass();
    opened.outbox.add(5);
    for (const rev of [6, 9, 8, 9]) opened.outbox.add(rev);
    latch.open();
    await marked(opened.store, 9);
    opened.outbox.add(9);
    opened.outbox.add(4);
    assert.deepEqual(opened.revs(), ["5", "9"]);
  });

  it("publishes the first one at once, and the next ones together later, while NATS brings them", async () => {
    let hurry = false;
    using opened = await open(9, { hurry: () => hurry, spacingMs: 200 });
    opened.outbox.add(1);
    await eventually("the first is published", () => opened.revs().length === 1);
    for (const rev of [2, 3, 4]) opened.outbox.add(rev);
    await eventually("the others are published", () => opened.revs().length === 2);
    assert.deepEqual(opened.revs(), ["1", "4"]);
    // Without NATS nothing waits.
    hurry = true;
    for (const rev of [5, 6]) {
      opened.outbox.add(rev);
      await eventually(`${rev} is published`, () => opened.revs().at(-1) === String(rev));
    }
    assert.deepEqual(opened.revs(), ["1", "4", "5", "6"]);
  });

  it("does not mark what is not published yet", async () => {
    using opened = await open(6);
    opened.outbox.add(5);
    await marked(opened.store, 5);
    const latch = new Latch();
    opened.pubsub.before = () => latch.pass();
    opened.outbox.add(6);
    await eventually("it publishes", () => latch.waiting === 1);
    assert.equal(opened.store.count("markPublished"), 1);
    latch.open();
    await marked(opened.store, 6);
  });

  it("tries until it is published, with what is the newest by then", async () => {
    using opened = await open(6);
    opened.pubsub.before = () => {
      if (opened.pubsub.tries < 4) throw new Error("Pub/Sub is away");
    };
    opened.outbox.add(5);
    opened.outbox.add(6);
    await marked(opened.store, 6);
    assert.deepEqual(opened.revs(), ["6"]);
    assert.equal(opened.pubsub.tries, 4);
    const failures = opened.lines.filter((line) => line.includes("Pub/Sub is away"));
    assert.equal(failures.length, 3);
  });

  it("marks several publications at once", async () => {
    using opened = await open(9, { markMs: 50 });
    for (let rev = 1; rev <= 9; rev += 1) {
      opened.outbox.add(rev);
      await eventually("it is published", () => opened.revs().at(-1) === String(rev), {
        everyMs: 0,
      });
    }
    await marked(opened.store, 9);
    assert.ok(opened.store.count("markPublished") < 9);
  });

  it("marks once more when it has published during a mark", async () => {
    using opened = await open(6);
    const latch = new Latch();
    opened.store.before = (call) => (call === "markPublished" ? latch.pass() : undefined);
    opened.outbox.add(5);
    await eventually("it marks", () => latch.waiting === 1);
    opened.outbox.add(6);
    await eventually("it has published", () => opened.revs().length === 2);
    latch.open();
    await marked(opened.store, 6);
  });

  it("tries and marks no more once the service stops", async () => {
    using opened = await open(5, { markMs: 0 });
    opened.pubsub.before = () => {
      if (opened.pubsub.tries < 3) throw new Error("Pub/Sub is away");
      opened.stop();
    };
    opened.outbox.add(4);
    await eventually("it was published at the last moment", () => opened.revs().length === 1);
    opened.outbox.add(5);
    // Timers of the same length fire in their order: one that it had set would have fired by then.
    await setTimeout(0);
    assert.equal(opened.store.count("markPublished"), 0);
    assert.equal(opened.pubsub.tries, 3);
  });
});

describe("a revision that nobody has published", () => {
  it("is published by any replica that finds it overdue", async () => {
    // A writer that died after its commit.
    using opened = await open(7, { overdueMs: -1 });
    opened.outbox.notice(await opened.store.head());
    assert.equal(opened.pubsub.tries, 0, "it was only just noticed");
    opened.outbox.notice(await opened.store.head());
    await marked(opened.store, 7);
    assert.deepEqual(opened.published, [{ rev: "7", writer: "own" }]);
    opened.outbox.notice(await opened.store.head());
    opened.outbox.notice(await opened.store.head());
    assert.equal(opened.pubsub.tries, 1);
  });

  it("is left to its writer for a while, and for as long as the mark moves", async () => {
    using patient = await open(7, { overdueMs: never });
    for (let round = 0; round < 3; round += 1) patient.outbox.notice({ rev: 7, published: 6 });
    using watching = await open(7, { overdueMs: -1 });
    for (let rev = 1; rev <= 7; rev += 1) watching.outbox.notice({ rev, published: rev - 1 });
    watching.outbox.notice({ rev: 7, published: 7 });
    watching.outbox.notice({ rev: 8, published: 6 });
    assert.deepEqual([patient.pubsub.tries, watching.pubsub.tries], [0, 0]);
  });

  it("is published no sooner than it is overdue", async () => {
    using opened = await open(7, { overdueMs: 50 });
    const head = { rev: 7, published: 3 };
    const begin = performance.now();
    await eventually(
      "it publishes",
      () => {
        opened.outbox.notice(head);
        return opened.pubsub.tries > 0;
      },
      { everyMs: 1 },
    );
    assert.ok(performance.now() - begin >= 49);
  });

  it("is only marked once more by who has published it", async () => {
    using opened = await open(7, { overdueMs: -1 });
    opened.store.before = (call) => {
      if (call === "markPublished") throw failing("unavailable");
    };
    opened.outbox.add(7);
    await eventually("the mark has failed", () =>
      opened.lines.some((line) => line.includes("the mark of what is published was not written")),
    );
    opened.store.before = () => undefined;
    opened.outbox.notice(await opened.store.head());
    opened.outbox.notice(await opened.store.head());
    await marked(opened.store, 7);
    assert.equal(opened.pubsub.tries, 1);
  });

  it("is published by one of several that notice it, or by more, and marked", async () => {
    using first = await open(7, { overdueMs: -1 });
    using second = attach(first.store, "second", { overdueMs: -1 });
    for (let round = 0; round < 2; round += 1) {
      first.outbox.notice(await first.store.head());
      second.outbox.notice(await first.store.head());
    }
    await marked(first.store, 7);
    assert.deepEqual([...first.revs(), ...second.revs()], ["7", "7"]);
  });
});
