import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it, mock } from "node:test";
import { setTimeout } from "node:timers/promises";
import { DatastoreStore, keptChanges } from "../../../apps/m/datastore-store.ts";
import type { Change } from "../../../apps/m/memory.ts";
import type { WriteOutcome, WriteRequest } from "../../../apps/m/plan.ts";
import {
  type CommitResult,
  type Store,
  StoreError,
  type StoreErrorCode,
} from "../../../apps/m/store.ts";
import { type Emulator, emulatorsMissing, startEmulator } from "../../support/emulators.ts";
import { eventually } from "../../support/eventually.ts";
import { Gate } from "../../support/gate.ts";
import { leaseOf, MemoryStore, writing } from "../../support/memory-store.ts";

const rev = (number: number): WriteOutcome => ({ kind: "committed", rev: number });

// The clients of Google would look for the machine that they run on.
process.env["METADATA_SERVER_DETECTION"] = "none";

/** Repeats what others get in the way of, as the writer does. */
async function persist<T>(
  work: () => Promise<T>,
  codes: readonly StoreErrorCode[] = ["contention"],
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError) || !codes.includes(error.code)) throw error;
      // Those who wait for each other's locks must not do so in step.
      await setTimeout(Math.random() * 50);
    }
  }
}

function commit(store: Store, ...requests: WriteRequest[]): Promise<CommitResult> {
  return persist(() => store.commit(requests));
}

async function contents(store: Store): Promise<Record<string, unknown>> {
  const { entries } = await store.snapshot();
  return Object.fromEntries([...entries].map(([key, text]) => [key, JSON.parse(text) as unknown]));
}

function revs(changes: readonly Change[]): number[] {
  return changes.map((change) => change.rev);
}

/** Each is started once, and ends with the last test. */
const emulators = (() => {
  const started: Promise<Emulator>[] = [];
  after(async () => {
    for (const emulator of started) await (await emulator)[Symbol.asyncDispose]();
  });
  const start = (name: "datastore" | "firestore") => {
    let emulator: Promise<Emulator> | undefined;
    return (): Promise<Emulator> => {
      if (emulator === undefined) started.push((emulator = startEmulator(name)));
      return emulator;
    };
  };
  return { datastore: start("datastore"), firestore: start("firestore") };
})();

interface Kind {
  readonly name: string;
  readonly emulator: "datastore" | "firestore" | undefined;
  /** How many may get in each other's way; where they wait for locks, that costs 2 s each time. */
  readonly rivals: number;
  /** Keys of a large patch. */
  readonly manyKeys: number;
}

const kinds: readonly Kind[] = [
  {
    name: "in memory",
    ...{ emulator: undefined, rivals: 4, manyKeys: 5_000 },
  },
  {
    name: "in Datastore, by its own emulator",
    // It answers queries in pieces of 300, each of which takes as long as all before it together.
    ...{ emulator: "datastore", rivals: 4, manyKeys: 1_000 },
  },
  {
    name: "in Datastore, by the emulator with locks",
    ...{ emulator: "firestore", rivals: 2, manyKeys: 5_000 },
  },
];

for (const { name, emulator, rivals, manyKeys } of kinds) {
  describe(
    `the store ${name}`,
    {
      skip: emulator === undefined ? undefined : emulatorsMissing(),
    },
    () => {
      let running: Emulator | undefined;
      const stores: Store[] = [];
      before(async () => {
        if (emulator !== undefined) running = await emulators[emulator]();
      });
      after(async () => {
        await Promise.all(stores.map((store) => store.close()));
      });

      /** A store with nothing in it, or another process's view of one. */
      function open(like?: { store?: Store; namespace: string; host?: string }) {
        const namespace = like?.namespace ?? `n${randomUUID().slice(0, 8)}`;
        const store =
          running === undefined
            ? new MemoryStore(like?.store instanceof MemoryStore ? { like: like.store } : {})
            : new DatastoreStore({
                ...{ project: "p", namespace, emulator: like?.host ?? running.host },
                // Long enough that no machine is so slow.
                ...{ callMs: 60_000, renewMs: 60_000 },
              });
        stores.push(store);
        return { store, namespace };
      }

      it("is empty at first, and apart from others", async () => {
        const { store } = open();
        await commit(store, writing({ a: 1 }));
        await store.join(leaseOf("r"));
        const other = open().store;
        assert.deepEqual(await other.head(), { rev: 0, published: 0 });
        assert.deepEqual(await other.snapshot(), { rev: 0, entries: new Map() });
        assert.deepEqual(await other.changesAfter(0, 5), []);
        assert.deepEqual(await other.members(), []);
        assert.deepEqual(await other.leases(["r"]), []);
        assert.deepEqual(await other.leases([]), []);
      });

      it("numbers what is committed, and keeps what it is and what it changed", async () => {
        const { store } = open();
        const first = await commit(store, writing({ a: 1, b: [1, { c: null }] }));
        const second = await commit(
          store,
          writing({ a: null, c: "x" }),
          writing({ c: "y", d: "" }),
        );
        assert.deepEqual(first.outcomes, [rev(1)]);
        assert.deepEqual(second.outcomes, [rev(2), rev(3)]);
        assert.deepEqual(revs(second.changes), [2, 3]);
        assert.equal((await store.head()).rev, 3);
        assert.deepEqual(await contents(store), { b: [1, { c: null }], c: "y", d: "" });
        assert.deepEqual(await store.changesAfter(0, 3), [
          {
            rev: 1,
            patch: new Map([
              ["a", "1"],
              ["b", '[1,{"c":null}]'],
            ]),
          },
          {
            rev: 2,
            patch: new Map([
              ["a", null],
              ["c", '"x"'],
            ]),
          },
          {
            rev: 3,
            patch: new Map([
              ["c", '"y"'],
              ["d", '""'],
            ]),
          },
        ]);
        assert.deepEqual(revs(await store.changesAfter(1, 2)), [2]);
        assert.deepEqual(await store.changesAfter(3, 9), []);
        assert.deepEqual(await store.changesAfter(3, 3), []);
      });

      it("takes any key, and tells those apart that look alike", async () => {
        const { store } = open();
        const keys = [
          "",
          "__proto__",
          "__a__",
          "a/b",
          "1",
          "01",
          "\ud800",
          "\udc00",
          "é",
          "e\u0301",
          "\0",
        ];
        const longest = ["語".repeat(512), `${"語".repeat(511)}文`];
        const patch = new Map([...keys, ...longest].map((key, index) => [key, String(index)]));
        await commit(store, writing({}, { patch }));
        assert.deepEqual((await store.snapshot()).entries, new Map([...patch].sort(byKey)));
        assert.deepEqual(await store.changesAfter(0, 1), [{ rev: 1, patch }]);

        function byKey([a]: [string, string], [b]: [string, string]): number {
          return keys.concat(longest).indexOf(a) - keys.concat(longest).indexOf(b);
        }
      });

      it("commits a request with If-Match on its revision only", async () => {
        const { store } = open();
        const { outcomes } = await commit(
          store,
          writing({ a: 1 }, { ifRev: 0 }),
          writing({ a: 2 }, { ifRev: 0 }),
          writing({ a: 3 }, { ifRev: 1 }),
        );
        assert.deepEqual(outcomes, [rev(1), { kind: "mismatch", rev: 1 }, rev(2)]);
        const refused = await commit(store, writing({ a: 4 }, { ifRev: 1 }));
        assert.deepEqual(refused, { outcomes: [{ kind: "mismatch", rev: 2 }], changes: [] });
        assert.deepEqual(await contents(store), { a: 3 });
      });

      it("commits a request with an idempotency key once", async () => {
        const { store } = open();
        const idempotency = { key: "k", digest: "d" };
        const { outcomes } = await commit(
          store,
          writing({ a: 1 }, { idempotency }),
          writing({ b: 2 }),
          writing({ a: 1 }, { idempotency }),
        );
        assert.deepEqual(outcomes, [rev(1), rev(2), { kind: "replayed", rev: 1 }]);
        const again = await commit(
          store,
          writing({ a: 1 }, { idempotency, ifRev: 0 }),
          writing({ a: 9 }, { idempotency: { key: "k", digest: "other" } }),
          writing({ c: 3 }, { idempotency: { key: "l", digest: "d" } }),
        );
        assert.deepEqual(again.outcomes, [
          { kind: "replayed", rev: 1 },
          { kind: "reused key" },
          rev(3),
        ]);
        assert.deepEqual(await contents(store), { a: 1, b: 2, c: 3 });
      });

      it("forgets idempotency keys after a day, and not before", async () => {
        const { store } = open();
        const write = async (key: string): Promise<WriteOutcome | undefined> => {
          const request = writing({ [key]: 1 }, { idempotency: { key, digest: "d" } });
          return (await commit(store, request)).outcomes[0];
        };
        await write("old");
        await store.forgetUsedKeys();
        assert.deepEqual(await write("old"), { kind: "replayed", rev: 1 });
        mock.timers.enable({ apis: ["Date"], now: Date.now() + 86_400_000 - 60_000 });
        try {
          await write("new");
          await store.forgetUsedKeys();
          assert.deepEqual(await write("old"), { kind: "replayed", rev: 1 });
          mock.timers.setTime(Date.now() + 120_000);
          await store.forgetUsedKeys();
          assert.deepEqual(await write("old"), rev(3));
          assert.deepEqual(await write("new"), { kind: "replayed", rev: 2 });
        } finally {
          mock.timers.reset();
        }
      });

      it("forgets them all, however many they are", async () => {
        const { store } = open();
        const keyed = Array.from({ length: 210 }, (_, index) =>
          writing({}, { idempotency: { key: `k${index}`, digest: "d" } }),
        );
        await commit(store, ...keyed);
        mock.timers.enable({ apis: ["Date"], now: Date.now() + 2 * 86_400_000 });
        try {
          await store.forgetUsedKeys();
        } finally {
          mock.timers.reset();
        }
        const { outcomes } = await commit(store, ...[0, 200, 209].flatMap((at) => keyed[at] ?? []));
        assert.deepEqual(outcomes, [rev(211), rev(212), rev(213)]);
      });

      it("finds again what was committed in doubt, among what others wrote", async () => {
        const { store } = open();
        await commit(store, writing({ a: 1 }));
        const requests = [writing({ b: 1 }), writing({ b: 2 }, { ifRev: 2 })];
        await store.commit(requests);
        await commit(store, writing({ c: 1 }));
        const { outcomes, changes } = await store.commit(requests, 1);
        assert.deepEqual(outcomes, [rev(2), rev(3)]);
        assert.deepEqual(changes, []);
        assert.equal((await store.head()).rev, 4);
      });

      it("commits what was in doubt and is not there, whatever others wrote", async () => {
        const { store } = open();
        await commit(store, writing({ a: 1 }));
        assert.deepEqual((await store.commit([writing({ b: 1 })], 1)).outcomes, [rev(2)]);
        await commit(store, writing({ a: 2 }), writing({ a: 3 }));
        assert.deepEqual((await store.commit([writing({ c: 1 })], 2)).outcomes, [rev(5)]);
      });

      it("keeps the last changes only, and stays in doubt where they would tell", async () => {
        const { store } = open();
        const doubtful = [writing({ a: 1 }), writing({ a: 2 })];
        await store.commit(doubtful);
        const many = (count: number): WriteRequest[] =>
          Array.from({ length: count }, () => writing({}));
        for (let left = keptChanges - 2; left > 0; left -= 499) {
          await store.commit(many(Math.min(left, 499)));
        }
        assert.equal((await store.head()).rev, keptChanges);
        assert.deepEqual(revs(await store.changesAfter(0, 2)), [1, 2]);
        assert.deepEqual((await store.commit(doubtful, 0)).outcomes, [rev(1), rev(2)]);
        await store.commit(many(1));
        assert.deepEqual(await store.changesAfter(0, 5), [], "the next one is not there");
        assert.deepEqual(revs(await store.changesAfter(1, 5)), [2, 3, 4, 5]);
        await assert.rejects(store.commit(doubtful, 0), { code: "in doubt", base: 0 });
        assert.equal((await store.head()).rev, keptChanges + 1);
        // A part of them at once, to be asked for again.
        const part = await store.changesAfter(1, keptChanges + 1);
        assert.deepEqual(
          revs(part),
          Array.from(part, (_, index) => index + 2),
        );
        assert.ok(part.length > 1 && part.length < keptChanges);
        assert.deepEqual(await contents(store), { a: 2 });
      });

      it("loses nothing of what several commit at the same time", async () => {
        const first = open();
        const each = 3;
        const writers = Array.from({ length: rivals }, (_, index) => ({
          index,
          store: index === 0 ? first.store : open(first).store,
        }));
        const outcomes = await Promise.all(
          writers.map(async ({ index, store }) => {
            const own: number[] = [];
            for (let round = 0; round < each; round += 1) {
              const { changes } = await commit(
                store,
                writing({ [`${index}-${round}`]: round, last: index }),
              );
              own.push(...revs(changes));
            }
            return own;
          }),
        );
        const all = outcomes.flat().sort((a, b) => a - b);
        assert.deepEqual(
          all,
          Array.from({ length: rivals * each }, (_, index) => index + 1),
        );
        assert.equal(Object.keys(await contents(first.store)).length, rivals * each + 1);
        assert.deepEqual(revs(await first.store.changesAfter(0, 99)), all);
      });

      it("lets one of several win who match the same revision or use the same key", async () => {
        const first = open();
        const idempotency = { key: "k", digest: "d" };
        const outcomes = await Promise.all(
          Array.from({ length: rivals }, async (_, index) => {
            const matching = writing({ winner: index }, { ifRev: 0 });
            const result = await commit(
              open(first).store,
              matching,
              writing({ key: 1 }, { idempotency }),
            );
            return result.outcomes;
          }),
        );
        const count = (at: number, kind: string): number =>
          outcomes.filter((each) => each[at]?.kind === kind).length;
        assert.deepEqual([count(0, "committed"), count(0, "mismatch")], [1, rivals - 1]);
        assert.deepEqual([count(1, "committed"), count(1, "replayed")], [1, rivals - 1]);
        assert.equal((await first.store.head()).rev, 2);
      });

      // Whole commits come between its requests. Of those that are under way at the same time, the
      // emulator with locks shows a part: it applies a commit entity by entity, and a transaction that
      // only reads waits for no lock. One in three of its answers then lacks some of a commit whose time
      // is before the answer's own.
      if (emulator !== undefined) {
        for (const [requests, named] of [
          ["its first request", ["MHead"]],
          ["its second request", ["MEntry"]],
          ["both of its requests", ["MHead", "MEntry"]],
        ] as const) {
          it(`reads a snapshot of one moment while others write before ${requests}`, async () => {
            const { store: writer, namespace } = open();
            const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
            let written = 0;
            const write = async (): Promise<void> => {
              written += 1;
              await commit(writer, writing(Object.fromEntries(keys.map((key) => [key, written]))));
            };
            await write();
            await using gate = await Gate.to(running?.host ?? "");
            const { store: reader } = open({ namespace, host: gate.host });
            const left = new Set<string>(named);
            gate.before = (sent) => {
              // Once each: its own emulator refuses to read on, and the next try has to be left alone.
              const kind = named.find((each) => left.has(each) && sent.includes(each));
              return kind !== undefined && left.delete(kind) ? write() : undefined;
            };
            const { rev: at, entries } = await persist(() => reader.snapshot(), ["unavailable"]);
            await reader.close();
            assert.equal(written, 1 + named.length);
            assert.deepEqual(new Set(entries.values()), new Set([String(at)]));
            assert.equal(entries.size, keys.length);
          });
        }
      }

      if (emulator === "firestore") {
        it("has nothing in a snapshot that is older than its revision while others write", async () => {
          const first = open();
          const writer = open(first).store;
          const keys = Array.from({ length: 250 }, (_, index) => `k${index}`);
          const write = (value: number): Promise<CommitResult> =>
            commit(writer, writing(Object.fromEntries(keys.map((key) => [key, value]))));
          await write(1);
          const stopping = new AbortController();
          const writes = (async () => {
            for (let next = 2; !stopping.signal.aborted; next += 1) {
              await write(next);
              await setTimeout(0);
            }
          })();
          try {
            for (let round = 0; round < 5; round += 1) {
              const { rev: at, entries } = await persist(
                () => first.store.snapshot(),
                ["unavailable"],
              );
              const older = [...entries.values()].filter((value) => Number(value) < at);
              assert.deepEqual([older, entries.size], [[], keys.length]);
            }
          } finally {
            stopping.abort();
            await writes;
          }
        });
      }

      it("takes and gives back as much as a patch may be", async () => {
        const { store } = open();
        const many = Object.fromEntries(
          Array.from({ length: manyKeys }, (_, index) => [`key-${index}`, `${index}`.repeat(8)]),
        );
        const large = {
          text: "語".repeat(87_000),
          quotes: '"'.repeat(130_000),
          numbers: Array(45_000).fill(1e20) as number[],
        };
        await commit(store, writing(many));
        for (const [key, value] of Object.entries(large)) {
          await commit(store, writing({ [key]: value }));
        }
        assert.deepEqual(await contents(store), { ...many, ...large });
        const changes: Change[] = [];
        while (changes.length < 4) {
          const more = await store.changesAfter(changes.length, 4);
          assert.ok(more.length > 0);
          changes.push(...more);
        }
        assert.deepEqual(revs(changes), [1, 2, 3, 4]);
        assert.equal(changes[0]?.patch.size, manyKeys);
        assert.equal(changes[3]?.patch.get("numbers"), JSON.stringify(large.numbers));
      });

      it("remembers how far Pub/Sub was told", async () => {
        const { store } = open();
        await commit(store, writing({ a: 1 }), writing({ a: 2 }));
        await store.markPublished(1);
        assert.deepEqual(await store.head(), { rev: 2, published: 1 });
        await store.markPublished(2);
        assert.deepEqual(await store.head(), { rev: 2, published: 2 });
      });

      it("knows its members by their leases, as they wrote them", async () => {
        const { store } = open();
        await commit(store, writing({ a: 1 }));
        const whole = leaseOf("whole", {
          ...{ instance: "i", version: "v", index: 0, renewal: 7, rev: 3, serving: true },
          ...{ renewedAt: new Date("2026-11-22T01:02:03.456Z"), leaseMs: 4_000 },
        });
        const bare = leaseOf("bare");
        assert.equal((await store.join(whole)).rev, 1);
        assert.equal((await store.join(bare)).rev, 1);
        assert.deepEqual(new Set(await store.members()), new Set(["whole", "bare"]));
        assert.deepEqual(await store.leases(["bare", "nobody", "whole"]), [bare, whole]);
        const renewed = { ...whole, renewal: 8, rev: 4, index: undefined };
        assert.equal(await store.renew(renewed), true);
        assert.deepEqual(await store.leases(["whole"]), [renewed]);
        assert.equal((await store.join(whole)).rev, 1, "once more, after an answer that was lost");
        assert.deepEqual(new Set(await store.members()), new Set(["whole", "bare"]));
      });

      it("renews no lease of a replica that is no member", async () => {
        const { store } = open();
        assert.equal(await store.renew(leaseOf("r")), false);
        await store.join(leaseOf("r"));
        await store.leave("r");
        assert.equal(await store.renew(leaseOf("r", { renewal: 2 })), false);
        assert.deepEqual(await store.leases(["r"]), []);
        assert.deepEqual(await store.members(), []);
        await store.leave("r");
      });

      it("expels a replica whose lease is as it was, and no other", async () => {
        const { store } = open();
        for (const replica of ["a", "b"]) await store.join(leaseOf(replica, { renewal: 5 }));
        await store.renew(leaseOf("a", { renewal: 6 }));
        assert.equal(await store.expel("a", 5), false);
        assert.deepEqual(new Set(await store.members()), new Set(["a", "b"]));
        assert.equal(await store.expel("b", 5), true);
        assert.deepEqual(await store.members(), ["a"]);
        assert.equal(await store.renew(leaseOf("b", { renewal: 6 })), false);
        assert.equal(await store.expel("b", 5), true, "somebody else did it before");
        assert.deepEqual((await store.leases(["a"]))[0]?.renewal, 6);
      });

      it("loses no member when several come and go at the same time", async () => {
        const first = open();
        await first.store.join(leaseOf("goes"));
        await Promise.all([
          ...Array.from({ length: rivals - 1 }, (_, index) =>
            persist(() => open(first).store.join(leaseOf(`comes-${index}`))),
          ),
          persist(() => open(first).store.leave("goes")),
        ]);
        assert.deepEqual(
          new Set(await first.store.members()),
          new Set(Array.from({ length: rivals - 1 }, (_, index) => `comes-${index}`)),
        );
      });

      it("shows a replica that joins to those who commit, or what they commit to the replica", async () => {
        const first = open();
        const joining = open(first).store;
        for (let round = 0; round < 10; round += 1) {
          const replica = `r${round}`;
          const [committed, joined] = await Promise.all([
            commit(first.store, writing({ a: round })).then(async ({ changes }) => ({
              rev: changes[0]?.rev ?? 0,
              members: await first.store.members(),
            })),
            persist(() => joining.join(leaseOf(replica))),
          ]);
          assert.ok(committed.members.includes(replica) || joined.rev >= committed.rev);
        }
      });
    },
  );
}

describe("Datastore when it does not answer", { skip: emulatorsMissing() }, () => {
  /** A store whose connections can be disturbed, and one with the same contents whose cannot. */
  async function open({ renewMs = 60_000 } = {}) {
    const { host } = await emulators.datastore();
    const gate = await Gate.to(host);
    const namespace = `n${randomUUID().slice(0, 8)}`;
    const make = (emulator: string): DatastoreStore =>
      new DatastoreStore({ ...{ project: "p", namespace, emulator, renewMs }, callMs: 60_000 });
    const [disturbed, sure] = [make(gate.host), make(host)];
    return {
      ...{ gate, disturbed, sure },
      [Symbol.asyncDispose]: async () => {
        await Promise.all([disturbed.close(), sure.close()]);
        await gate[Symbol.asyncDispose]();
      },
    };
  }

  /** What is written in a transaction is sent with its commit, and goes by this name. */
  const marker = "sent-with-the-commit";

  it("leaves a commit in doubt whose answer was lost, and has it when it is asked again", async () => {
    await using opened = await open();
    const { gate, disturbed, sure } = opened;
    await commit(sure, writing({ a: 1 }));
    gate.fate = (sent) => (sent.includes(marker) ? "its answer is lost" : "arrives");
    const requests = [writing({ b: marker })];
    const committed = disturbed.commit(requests);
    committed.catch(() => undefined);
    await eventually("it is committed", async () => (await sure.head()).rev === 2);
    gate.cut();
    await assert.rejects(committed, { name: "StoreError", code: "in doubt", base: 1 });
    const { outcomes, changes } = await persist(
      () => disturbed.commit(requests, 1),
      ["contention", "unavailable"],
    );
    assert.deepEqual([outcomes, changes], [[rev(2)], []]);
  });

  it("leaves a commit in doubt that was lost on its way, and takes it when it comes again", async () => {
    await using opened = await open();
    const { gate, disturbed, sure } = opened;
    let lost = false;
    gate.fate = (sent) => {
      if (!sent.includes(marker)) return "arrives";
      lost = true;
      return "is lost";
    };
    const requests = [writing({ b: marker })];
    const committed = disturbed.commit(requests);
    committed.catch(() => undefined);
    await eventually("it is sent", () => lost);
    gate.fate = () => "arrives";
    gate.cut();
    await assert.rejects(committed, { name: "StoreError", code: "in doubt", base: 0 });
    const { outcomes } = await persist(
      () => disturbed.commit(requests, 0),
      ["contention", "unavailable"],
    );
    assert.deepEqual(outcomes, [rev(1)]);
    assert.equal((await sure.head()).rev, 1);
  });

  it("has written nothing when it was not reached", async () => {
    await using gate = await Gate.to((await emulators.datastore()).host);
    gate.close();
    const store = new DatastoreStore({
      ...{ project: "p", namespace: "away", emulator: gate.host, callMs: 60_000, renewMs: 60_000 },
    });
    for (const call of [
      () => store.commit([writing({ a: 1 })]),
      () => store.head(),
      () => store.changesAfter(0, 1),
      () => store.snapshot(),
      () => store.join(leaseOf("r")),
      () => store.renew(leaseOf("r")),
      () => store.leave("r"),
      () => store.expel("r", 1),
      () => store.members(),
      () => store.leases(["r"]),
      () => store.markPublished(1),
      () => store.forgetUsedKeys(),
    ]) {
      await assert.rejects(call(), { name: "StoreError", code: "unavailable" });
    }
    await store.close();
  });

  it("may be asked again to take a member, which is one then", async () => {
    await using opened = await open();
    const { gate, disturbed, sure } = opened;
    gate.fate = (sent) => (sent.includes(marker) ? "its answer is lost" : "arrives");
    const joined = disturbed.join(leaseOf(marker));
    joined.catch(() => undefined);
    await eventually("it has joined", async () => (await sure.members()).includes(marker));
    gate.cut();
    await assert.rejects(joined, { name: "StoreError", code: "unavailable" });
    gate.fate = () => "arrives";
    await persist(() => disturbed.join(leaseOf(marker)), ["contention", "unavailable"]);
    assert.deepEqual(await sure.members(), [marker]);
  });

  it("is waited for no longer than the next renewal by a renewal", async () => {
    await using opened = await open({ renewMs: 200 });
    const { gate, disturbed, sure } = opened;
    await sure.join(leaseOf("r"));
    await disturbed.head();
    gate.fate = () => "its answer is lost";
    await assert.rejects(disturbed.renew(leaseOf("r", { renewal: 2 })), {
      ...{ name: "StoreError", code: "unavailable" },
    });
    // It counts for those who look, and not for who did not hear of it.
    await eventually("it is written", async () => (await sure.leases(["r"]))[0]?.renewal === 2);
  });
});
