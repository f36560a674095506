import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StoredMessage } from "../../../../apps/ws/history/jetstream.ts";
import {
  type ChannelPosition,
  latestOf,
  snapshotOf,
  visibleOf,
} from "../../../../apps/ws/history/snapshot.ts";
import { TailBudget } from "../../../../apps/ws/history/tail-budget.ts";
import { entryOf, Tail } from "../../../../apps/ws/history/tail.ts";
import { jsonCodec } from "../../../../apps/ws/protocol/json/codec.ts";

const bornMs = 1_790_000_000_000;
const limits = { size: 5, ttlMs: 60_000, max: 100 };

function stored(seq: number, bytes = 1): StoredMessage {
  const time = new Date(bornMs + seq * 1_000).toISOString();
  return { seq, time, data: Buffer.alloc(bytes), header: () => undefined };
}

/** The messages 1 to `to`, each a second after the other, of which it holds those from `from` on. */
function tailOf(from: number, to: number, { complete = false, bytes = 1 } = {}): Tail {
  const tail = new Tail(limits.size, new TailBudget(1e9));
  tail.clear(complete);
  for (let seq = from; seq <= to; seq += 1) tail.push(entryOf(stored(seq, bytes), seq), 0);
  return tail;
}

const at = (offset: number, epoch = "e") => ({ offset, epoch });
const offsets = (messages: readonly { offset: number | undefined }[] | undefined) =>
  messages?.map(({ offset }) => offset);

describe("a snapshot", () => {
  const recover = (tail: Tail, from: number, epoch = "e", { max = 100, afterMs = 0 } = {}) => {
    const position = at(10);
    const now = bornMs + 10_000 + afterMs;
    const snapshot = snapshotOf(tail, position, at(from, epoch), { ...limits, max }, now);
    if (snapshot === undefined) return "load";
    assert.deepEqual(snapshot.position, position);
    const { recovered = false, messages } = snapshot.recovery ?? {};
    return recovered ? offsets(messages) : "failed";
  };

  it("has just the position when nothing is to be recovered", () => {
    const snapshot = snapshotOf(tailOf(1, 3), at(3), undefined, limits, bornMs);
    assert.deepEqual(snapshot, { position: at(3) });
  });

  it("has what came after a position", () => {
    const tail = tailOf(4, 10);
    assert.deepEqual(recover(tail, 10), []);
    assert.deepEqual(recover(tail, 9), [10]);
    assert.deepEqual(recover(tail, 5), [6, 7, 8, 9, 10]);
  });

  it("has nothing beyond the size of the history, or more than one may recover", () => {
    assert.equal(recover(tailOf(1, 10), 4), "failed");
    assert.deepEqual(recover(tailOf(1, 10), 7, "e", { max: 3 }), [8, 9, 10]);
    assert.equal(recover(tailOf(1, 10), 6, "e", { max: 3 }), "failed");
  });

  it("needs more to be loaded when the tail is shorter, unless there is no more", () => {
    assert.equal(recover(tailOf(9, 10), 7), "load");
    assert.deepEqual(recover(tailOf(9, 10), 8), [9, 10]);
    assert.equal(recover(tailOf(9, 10, { complete: true }), 7), "failed");
  });

  it("is of the same epoch, or of any when none is named", () => {
    assert.equal(recover(tailOf(1, 10), 10, "f"), "failed");
    assert.equal(recover(tailOf(1, 10), 9, "f"), "failed");
    assert.deepEqual(recover(tailOf(1, 10), 9, ""), [10]);
  });

  it("fails for a position that was not reached yet", () => {
    assert.equal(recover(tailOf(1, 10), 11), "failed");
  });

  it("fails when what came after the position is too old", () => {
    // 6 is from 6 s after the beginning.
    assert.deepEqual(recover(tailOf(6, 10), 5, "e", { afterMs: 55_999 }), [6, 7, 8, 9, 10]);
    assert.equal(recover(tailOf(6, 10), 5, "e", { afterMs: 56_000 }), "failed");
    assert.deepEqual(recover(tailOf(6, 10), 6, "e", { afterMs: 56_000 }), [7, 8, 9, 10]);
    assert.deepEqual(recover(tailOf(6, 10), 10, "e", { afterMs: 900_000 }), []);
  });
});

describe("the latest publication", () => {
  const latest = (tail: Tail, afterMs: number, recover?: ChannelPosition) =>
    latestOf(tail, at(10), recover, limits, bornMs + 10_000 + afterMs);

  it("is the last one while it may be seen", () => {
    assert.deepEqual(offsets(latest(tailOf(9, 10), 59_999)?.recovery?.messages), [10]);
    const gone = { position: at(10), recovery: { recovered: false, messages: [] } };
    assert.deepEqual(latest(tailOf(9, 10), 60_000), gone);
    assert.deepEqual(latest(tailOf(1, 0, { complete: true }), 0), gone);
  });

  it("is not sent again to who has it", () => {
    const tail = tailOf(9, 10);
    assert.deepEqual(latest(tail, 0, at(10))?.recovery, { recovered: true, messages: [] });
    for (const other of [at(9), at(10, "f"), at(0, "")]) {
      assert.deepEqual(offsets(latest(tail, 0, other)?.recovery?.messages), [10]);
    }
  });

  it("must be loaded when the tail holds nothing", () => {
    assert.equal(latest(tailOf(1, 0), 0), undefined);
  });
});

describe("what may be seen", () => {
  const visible = (tail: Tail, afterMs = 0) =>
    offsets(visibleOf(tail, limits, bornMs + 10_000 + afterMs));

  it("is as many as the size says, and not too old", () => {
    assert.deepEqual(visible(tailOf(1, 10)), [6, 7, 8, 9, 10]);
    assert.deepEqual(visible(tailOf(1, 10), 58_000), [9, 10]);
    assert.deepEqual(visible(tailOf(1, 10), 60_000), []);
    assert.deepEqual(visible(tailOf(1, 0, { complete: true })), []);
  });

  it("must be loaded when the tail is shorter and not complete", () => {
    assert.equal(visible(tailOf(9, 10)), undefined);
    assert.deepEqual(visible(tailOf(9, 10, { complete: true })), [9, 10]);
  });
});

describe("a tail", () => {
  it("keeps as many as clients may see, and not many more", () => {
    const tail = tailOf(1, 1_000);
    assert.ok(tail.length >= limits.size && tail.length < limits.size + 16);
    assert.equal(tail.complete, true);
    assert.equal(tail.last?.message.offset, 1_000);
    assert.equal(tail.first?.message.offset, 1_001 - tail.length);
  });

  it("keeps a limited number of bytes, but the last publication always", () => {
    const large = tailOf(1, 4, { complete: true, bytes: 225_000 });
    assert.deepEqual([large.length, large.complete], [2, false]);
    const huge = tailOf(1, 3, { complete: true, bytes: 2_000_000 });
    assert.deepEqual([huge.length, huge.complete], [1, false]);
  });

  it("lets go of what encoders made when it is much longer than the payload", () => {
    const tail = tailOf(9, 10);
    const [first, second] = tail.newest(2);
    assert.ok(first !== undefined && second !== undefined);
    first.message.madeFor(jsonCodec).encoded = "x".repeat(10_000);
    Object.assign(second.message.madeFor(jsonCodec), { encoded: "x".repeat(100), full: "x" });
    tail.tidy(1);
    assert.equal(first.message.madeFor(jsonCodec).encoded, undefined);
    const { encoded, full } = second.message.madeFor(jsonCodec);
    assert.deepEqual([encoded, full], ["x".repeat(100), undefined]);
  });

  it("counts in the budget of all tails, which drops those first that were of no use for long", () => {
    const budget = new TailBudget(100_000);
    const tails = [1, 2, 3].map(() => new Tail(limits.size, budget));
    const push = (index: number, bytes: number, nowMs: number) =>
      tails[index]?.push(entryOf(stored(1, bytes), 1), nowMs);
    push(0, 7_500, 1);
    push(1, 7_500, 2);
    tails[0]?.use(3);
    assert.ok(budget.bytes > 60_000 && budget.bytes < 70_000);
    push(2, 10_500, 4);
    assert.deepEqual(
      tails.map(({ length }) => length),
      [1, 0, 1],
    );
    assert.equal(tails[1]?.complete, false);
    // One that is larger than all may be stays, since it is needed now.
    push(1, 37_500, 5);
    assert.deepEqual(
      tails.map(({ length }) => length),
      [0, 1, 0],
    );
    for (const tail of tails) tail.end();
    assert.equal(budget.bytes, 0);
    push(1, 37_500, 6);
    assert.equal(budget.bytes, 0);
  });

  it("copies payloads, which are pieces of larger buffers", () => {
    const large = Buffer.alloc(1_000_000);
    const { message } = entryOf({ ...stored(1), data: large.subarray(5, 10) }, 1);
    assert.ok(message.data.buffer.byteLength < 100_000);
  });

  describe("when older ones are restored", () => {
    const all = (from: number, to: number, bytes = 1) =>
      Array.from({ length: to - from + 1 }, (_, index) => stored(from + index, bytes));
    const tip = { offset: 10, seq: 10, time: stored(10).time };

    it("holds them with their offsets", () => {
      const tail = tailOf(9, 10);
      assert.equal(tail.restore(tip, all(7, 10), stored(7), 0), true);
      assert.deepEqual([tail.length, tail.complete], [4, true]);
      assert.deepEqual(offsets(tail.newest(4).map(({ message }) => message)), [7, 8, 9, 10]);
    });

    it("holds no more than clients may see", () => {
      const empty = tailOf(1, 0);
      assert.equal(empty.restore(tip, all(1, 10), stored(1), 0), true);
      assert.deepEqual(offsets(visibleOf(empty, limits, bornMs)), [6, 7, 8, 9, 10]);
    });

    it("holds nothing more when nothing is stored any more", () => {
      const empty = tailOf(1, 0);
      assert.equal(empty.restore(tip, [], undefined, 0), true);
      assert.deepEqual([empty.length, empty.complete], [0, true]);
      // What has come since it was counted, it will be given.
      const behind = tailOf(1, 0);
      assert.equal(behind.restore(tip, [stored(11)], stored(11), 0), true);
      assert.equal(behind.length, 0);
    });

    it("holds only what was there all the time while it was read", () => {
      const tail = tailOf(10, 10);
      // 8 and 9 left after 7 had been read.
      assert.equal(tail.restore(tip, [stored(7), stored(10)], stored(10), 0), true);
      assert.equal(tail.length, 1);
    });

    it("takes nothing from a replica that lags", () => {
      assert.equal(tailOf(9, 10).restore(tip, all(5, 8), stored(5), 0), false);
      assert.equal(tailOf(1, 0).restore(tip, all(5, 9), stored(5), 0), false);
      assert.equal(tailOf(1, 0).restore(tip, [], stored(5), 0), false);
      // It does not know yet what has left.
      const tail = tailOf(9, 10);
      assert.equal(tail.restore(tip, all(5, 10), stored(8), 0), true);
      assert.equal(tail.length, 3);
    });

    it("takes nothing from another stream with the same sequences", () => {
      const others = all(7, 10).map((each) => ({ ...each, time: "2027-01-01T00:00:00Z" }));
      assert.equal(tailOf(9, 10).restore(tip, others, others[0], 0), false);
      assert.equal(tailOf(1, 0).restore(tip, others, others[0], 0), false);
    });

    it("has no offset for what is older than the epoch", () => {
      const young = tailOf(1, 0);
      assert.equal(young.restore({ ...tip, offset: 2 }, all(7, 10), stored(7), 0), true);
      assert.deepEqual(offsets(young.newest(5).map(({ message }) => message)), [1, 2]);
      const none = tailOf(1, 0);
      assert.equal(none.restore({ ...tip, offset: 0 }, all(7, 10), stored(7), 0), true);
      assert.equal(none.length, 0);
    });

    it("keeps them for a while, however large they are", () => {
      const tail = tailOf(9, 10, { bytes: 400_000 });
      tail.restore(tip, all(7, 10, 400_000), stored(7), 0);
      tail.push(entryOf(stored(11), 11), 4_999);
      assert.equal(tail.complete, true);
      tail.trim(4_999);
      assert.equal(tail.complete, true);
      tail.trim(5_000);
      assert.ok(tail.length < 4);
      assert.notEqual(tail.complete, tail.length < 4);
    });
  });
});
