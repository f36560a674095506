import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HttpError } from "../../../apps/lib/http.ts";
import { type CommitResult, StoreError } from "../../../apps/m/store.ts";
import { Writer, type WriterLimits } from "../../../apps/m/writer.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { failing, Latch, MemoryStore, writing } from "../../support/memory-store.ts";

/** It tries again at once, and for as long as a test may take. */
const patient: Partial<WriterLimits> = { giveUpMs: 600_000, firstPauseMs: 1, longestPauseMs: 1 };
/** It tries a few times and gives up. */
const impatient: Partial<WriterLimits> = { giveUpMs: 20, firstPauseMs: 1, longestPauseMs: 1 };

function open(store: MemoryStore, limits: Partial<WriterLimits> = patient) {
  const { log, lines } = collectingLog();
  const committed: CommitResult[] = [];
  const writer = new Writer({
    ...{ store, log, limits },
    onCommitted: (result) => committed.push(result),
  });
  return {
    ...{ committed, lines },
    /** What became of a POST of this. */
    write: async (key: string) => (await writer.write(writing({ [key]: 1 }), "own")).outcome,
    writer,
  };
}

/** The sizes of the transactions that wrote something. */
function batches(committed: readonly CommitResult[]): number[] {
  return committed.map(({ outcomes }) => outcomes.length);
}

async function refusal(work: Promise<unknown>): Promise<HttpError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof HttpError);
    return error;
  }
  throw new Error("it was not refused");
}

const rev = (number: number): object => ({ kind: "committed", rev: number });

describe("the writer of M", () => {
  it("commits what is posted, tells of it, and answers with the revision and the time it took", async () => {
    const store = new MemoryStore();
    const { writer, committed } = open(store);
    const written = await writer.write(writing({ a: 1 }), "own");
    assert.deepEqual(written.outcome, rev(1));
    assert.ok(written.commitMs >= 0);
    assert.deepEqual(
      committed.map(({ changes }) => changes.map((change) => [change.rev, [...change.patch]])),
      [[[1, [["a", "1"]]]]],
    );
  });

  it("tells of a commit before those who wait for it go on", async () => {
    const store = new MemoryStore();
    const { write, committed } = open(store);
    const told = await write("a").then(() => committed.length);
    assert.equal(told, 1);
  });

  it("puts what is posted during a transaction into the next one, in its order", async () => {
    const store = new MemoryStore();
    const latch = new Latch();
    store.before = () => latch.pass();
    const { write, committed } = open(store);
    const first = write("a");
    await eventually("a transaction is under way", () => latch.waiting === 1);
    const others = ["b", "c", "d"].map((key) => write(key));
    assert.equal(store.count("commit"), 1, "there is one transaction at a time");
    latch.open();
    assert.deepEqual(await Promise.all([first, ...others]), [rev(1), rev(2), rev(3), rev(4)]);
    assert.deepEqual(batches(committed), [1, 3]);
  });

  it("puts no more into one transaction than it may, and at least one", async () => {
    const store = new MemoryStore();
    const latch = new Latch();
    store.before = () => latch.pass();
    const limits = { ...patient, batchRequests: 3, batchSize: 1_000 };
    const { writer, write, committed } = open(store, limits);
    const small = ["a", "b", "c", "d", "e", "f", "g", "h"].map((key) => write(key));
    // With 200 for the entity and one for the key.
    const large = [600, 400, 5_000, 210].map((length) =>
      writer.write(writing({ x: "y".repeat(length - 203) }), "own"),
    );
    latch.open();
    await Promise.all([...small, ...large]);
    assert.deepEqual(batches(committed), [1, 3, 3, 2, 1, 1, 1]);
  });

  it("gives each request of a transaction its own outcome", async () => {
    const store = new MemoryStore();
    const latch = new Latch();
    store.before = () => latch.pass();
    const { writer, committed } = open(store);
    const idempotency = { key: "k", digest: "d" };
    const requests = [
      writing({ a: 1 }),
      writing({ a: 2 }, { ifRev: 0 }),
      writing({ a: 3 }, { idempotency }),
      writing({ a: 3 }, { idempotency }),
      writing({ a: 4 }, { idempotency: { key: "k", digest: "e" } }),
    ];
    const written = requests.map((request) => writer.write(request, "own"));
    latch.open();
    assert.deepEqual(
      (await Promise.all(written)).map(({ outcome }) => outcome),
      [
        rev(1),
        { kind: "mismatch", rev: 1 },
        rev(2),
        { kind: "replayed", rev: 2 },
        { kind: "reused key" },
      ],
    );
    assert.deepEqual(batches(committed), [1, 4]);
  });

  it("refuses more than may wait, and says that nothing was committed", async () => {
    const store = new MemoryStore();
    const latch = new Latch();
    store.before = () => latch.pass();
    const { writer, write } = open(store, { ...patient, waiting: 2 });
    const taken = [write("a"), write("b"), write("c")];
    const error = await refusal((async () => writer.write(writing({ d: 1 }), "own"))());
    assert.deepEqual(
      [error.status, error.code, error.message, error.headers["retry-after"]],
      [503, "busy", "too many requests wait for their turn; nothing was committed", "1"],
    );
    latch.open();
    await Promise.all(taken);
    assert.equal((await store.head()).rev, 3);
    assert.deepEqual(await write("e"), rev(4));
  });

  it("fails the requests of a transaction that meets a bug, and goes on with the others", async () => {
    const store = new MemoryStore();
    const { write } = open(store);
    store.before = () => {
      store.before = () => undefined;
      throw new TypeError("a bug");
    };
    const failed = write("a");
    const next = write("b");
    await assert.rejects(failed, TypeError);
    assert.deepEqual(await next, rev(1));
  });
});

describe("the writer among other writers", () => {
  it("repeats what others got in the way of, until it is written once", async () => {
    const store = new MemoryStore();
    let times = 5;
    store.before = () => {
      if (times-- > 0) throw failing("contention");
    };
    const { write } = open(store);
    assert.deepEqual(await write("a"), rev(1));
    assert.equal(store.count("commit"), 6);
  });

  it("gives up when that stays, and says that nothing was committed", async () => {
    const store = new MemoryStore();
    store.before = () => {
      throw failing("contention");
    };
    const { write, committed, lines } = open(store, impatient);
    const error = await refusal(write("a"));
    assert.deepEqual(
      [error.status, error.code, error.message, error.headers["retry-after"]],
      [
        503,
        "contention",
        "others wrote at the same time, again and again; nothing was committed",
        "1",
      ],
    );
    assert.ok(store.count("commit") > 1);
    store.before = () => undefined;
    assert.deepEqual([(await store.head()).rev, committed], [0, []]);
    assert.ok(lines.some((line) => line.includes("a commit was given up")));
    assert.deepEqual(await write("b"), rev(1), "the next one is not harmed");
  });

  it("says the same when the store is not there", async () => {
    const store = new MemoryStore();
    store.before = () => {
      throw failing("unavailable");
    };
    const { write } = open(store, impatient);
    const error = await refusal(write("a"));
    assert.deepEqual(
      [error.status, error.code, error.message],
      [503, "unavailable", "Datastore does not answer; nothing was committed"],
    );
  });
});

describe("the writer in doubt", () => {
  it("finds again what was committed without an answer, and does not write it twice", async () => {
    const store = new MemoryStore();
    const latch = new Latch();
    store.before = () => latch.pass();
    store.after = () => {
      store.after = () => undefined;
      throw failing("in doubt");
    };
    const { write, committed } = open(store);
    const all = [write("a"), write("b"), write("c")];
    latch.open();
    assert.deepEqual(await Promise.all(all), [rev(1), rev(2), rev(3)]);
    assert.equal((await store.head()).rev, 3);
    assert.equal(store.count("commit"), 3);
    assert.deepEqual(batches(committed), [1, 2]);
  });

  it("writes once what was not committed", async () => {
    const store = new MemoryStore();
    store.before = () => {
      store.before = () => undefined;
      throw failing("in doubt");
    };
    const { write } = open(store);
    assert.deepEqual(await write("a"), rev(1));
    assert.equal((await store.head()).rev, 1);
  });

  it("finds its own among what others have written meanwhile", async () => {
    for (const landed of [true, false]) {
      const store = new MemoryStore();
      const other = new MemoryStore({ like: store });
      const mishap = async (): Promise<void> => {
        store.before = () => undefined;
        store.after = () => undefined;
        await other.commit([writing({ x: 1 }), writing({ y: 1 })]);
        throw failing("in doubt");
      };
      if (landed) store.after = mishap;
      else store.before = mishap;
      const { write } = open(store);
      assert.deepEqual(await write("a"), rev(landed ? 1 : 3));
      assert.equal((await store.head()).rev, 3);
    }
  });

  it("looks through all that came since the first doubt, whatever gets in the way after it", async () => {
    const store = new MemoryStore();
    const other = new MemoryStore({ like: store });
    let tries = 0;
    store.before = async () => {
      tries += 1;
      // The first did not get there; then somebody else wrote; the second did; the others find it.
      if (tries === 1) throw failing("in doubt");
      if (tries === 2) await other.commit([writing({ x: 1 })]);
      if (tries === 3) throw failing("unavailable");
      if (tries === 4) throw failing("contention");
    };
    store.after = () => {
      if (tries === 2) throw failing("in doubt");
    };
    const { write } = open(store);
    assert.deepEqual(await write("a"), rev(2));
    assert.deepEqual([tries, (await store.head()).rev], [5, 2]);
  });

  it("takes what it has found for done, also when another of its requests is in doubt next", async () => {
    const store = new MemoryStore();
    const other = new MemoryStore({ like: store });
    await other.commit(Array.from({ length: 4 }, () => writing({ x: 1 })));
    const latch = new Latch();
    store.before = () => latch.pass();
    const { writer, write } = open(store);
    // What comes while this one is under way shares the next transaction.
    const first = write("first");
    const both = Promise.all([
      writer.write(writing({ a: 1 }), "own"),
      writer.write({ ...writing({ b: 1 }), ifRev: 7 }, "own"),
    ]);
    let tries = 0;
    store.before = async () => {
      tries += 1;
      // The first try has committed one of the two; now there is the revision of the other one.
      if (tries === 2) await other.commit([writing({ x: 1 })]);
    };
    store.after = () => {
      if (tries === 1 || tries === 2) throw failing("in doubt");
    };
    latch.open();
    assert.deepEqual(await first, rev(5));
    assert.deepEqual(
      (await both).map(({ outcome }) => outcome),
      [rev(6), rev(8)],
    );
    assert.deepEqual([tries, (await store.head()).rev], [3, 8]);
  });

  it("says that the outcome is unknown when the doubt is never settled", async () => {
    for (const last of ["in doubt", "unavailable", "contention"] as const) {
      const store = new MemoryStore();
      store.after = () => {
        store.before = () => {
          throw failing(last);
        };
        throw failing("in doubt");
      };
      const { write, committed } = open(store, impatient);
      const error = await refusal(write("a"));
      assert.deepEqual(
        [error.status, error.code, error.message],
        [
          503,
          "outcome_unknown",
          "Datastore did not say whether it committed; send the request again with the same Idempotency-Key, or look at M",
        ],
      );
      assert.ok(error.cause instanceof StoreError);
      assert.deepEqual(committed, []);
    }
  });
});
