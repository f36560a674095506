import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Cap,
  caps,
  Feed,
  maxRows,
  type Row,
  rowsPerStep,
} from "../../../../apps/web/page/topics/feed.ts";

/** A row in short: a message by its data, a mark by its kind and count. */
function short(row: Row): unknown {
  if (row.kind === "mark") return `${row.mark} ${row.count ?? "?"}`;
  return row.late ? `late ${String(row.publication.data)}` : row.publication.data;
}

function shown(feed: Feed): unknown[] {
  feed.draw();
  return feed.view.value.rows.map(short);
}

function add(feed: Feed, from: number, to: number, late = false): void {
  for (let data = from; data <= to; data += 1) feed.add({ data, offset: data }, late, data);
}

const back = (offset: number, epoch = "one", recovered = true) => ({
  ...{ wasRecovering: true, recovered },
  streamPosition: { offset, epoch },
});
const begun = (offset: number) => ({ ...back(offset), wasRecovering: false, recovered: false });

describe("a topic's feed", () => {
  it("shows the newest first, a step of them, and knows how many it keeps and has had", () => {
    const feed = new Feed();
    add(feed, 1, 700);
    const rows = shown(feed);
    assert.equal(rows.length, rowsPerStep);
    assert.deepEqual(rows.slice(0, 3), [700, 699, 698]);
    const { kept, received, waiting } = feed.view.value;
    assert.deepEqual([kept, received, waiting], [500, 700, 0]);
    assert.equal(feed.view.value.rows[0]?.number, 700);
  });

  it("changes for who looks at nothing but drawings, and makes a row once", () => {
    const feed = new Feed();
    add(feed, 1, 3);
    const first = feed.view.value;
    add(feed, 4, 5);
    assert.equal(feed.view.value, first);
    assert.equal(feed.received, 5);
    feed.draw();
    const second = feed.view.value;
    assert.deepEqual(second.rows.map(short), [5, 4, 3, 2, 1]);
    add(feed, 6, 6);
    feed.draw();
    assert.equal(feed.view.value.rows[1], second.rows[0]);
  });

  it("holds still while it is paused, counts what comes, and shows it when it goes on", () => {
    const feed = new Feed();
    add(feed, 1, 5);
    feed.pause(9);
    assert.equal(feed.pausedSince.value, 9);
    add(feed, 6, 8);
    assert.deepEqual(shown(feed), [5, 4, 3, 2, 1]);
    assert.equal(feed.view.value.waiting, 3);
    assert.equal(feed.view.value.lostWaiting, 0);
    // A second time it is as paused as before.
    feed.pause(10);
    assert.equal(feed.pausedSince.value, 9);
    feed.resume();
    assert.equal(feed.pausedSince.value, undefined);
    assert.deepEqual(shown(feed), [8, 7, 6, 5, 4, 3, 2, 1]);
    assert.equal(feed.view.value.waiting, 0);
  });

  it("keeps of what comes while it is paused as many as it may, and says how many it does not", () => {
    const feed = new Feed();
    feed.setCap(100);
    add(feed, 1, 10);
    feed.pause(0);
    add(feed, 11, 160);
    assert.deepEqual(shown(feed), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    const { waiting, lostWaiting } = feed.view.value;
    assert.deepEqual([waiting, lostWaiting], [150, 50]);
    feed.resume();
    assert.deepEqual(shown(feed)[0], 160);
    assert.equal(feed.view.value.kept, 100);
  });

  it("shows older ones step by step up to a limit, and holds still for it until it goes on", () => {
    const feed = new Feed();
    feed.setCap(1_000);
    add(feed, 1, 1_000);
    shown(feed);
    feed.showOlder(7);
    assert.equal(feed.pausedSince.value, 7);
    assert.equal(feed.view.value.rows.length, 2 * rowsPerStep);
    for (let step = 0; step < 20; step += 1) feed.showOlder(8);
    assert.equal(feed.view.value.rows.length, maxRows);
    feed.resume();
    assert.equal(feed.view.value.rows.length, rowsPerStep);
  });

  it("forgets its rows when told so, and goes on counting", () => {
    const feed = new Feed();
    add(feed, 1, 5);
    feed.clear();
    assert.deepEqual(feed.view.value.rows, []);
    assert.equal(feed.view.value.received, 5);
    add(feed, 6, 6);
    assert.deepEqual(shown(feed), [6]);
    feed.pause(0);
    add(feed, 7, 8);
    feed.clear();
    assert.deepEqual([shown(feed), feed.view.value.waiting], [[], 0]);
    add(feed, 9, 9);
    assert.deepEqual([shown(feed), feed.view.value.waiting], [[], 1]);
    feed.resume();
    assert.deepEqual(shown(feed), [9]);
  });

  it("forgets large payloads before the many that they are as large as", () => {
    const feed = new Feed();
    const large = "x".repeat(1_500_000);
    for (let n = 0; n < 4; n += 1) feed.add({ data: large + String(n) }, false, n);
    feed.draw();
    assert.equal(feed.view.value.kept, 2);
    feed.add({ data: "y".repeat(5_000_000) }, false, 5);
    feed.draw();
    assert.equal(feed.view.value.kept, 1);
    add(feed, 1, 300);
    assert.equal(shown(feed)[0], 300);
    assert.equal(feed.view.value.kept, 300);
  });

  it("marks where it was away, with the number of messages that came late", () => {
    const feed = new Feed();
    feed.subscribed(begun(0), true, 0);
    add(feed, 1, 2);
    feed.subscribed(back(2), false, 0);
    // Already drawn once, it counts on.
    assert.deepEqual(shown(feed), ["recovered 0", 2, 1]);
    add(feed, 3, 4, true);
    add(feed, 5, 5);
    feed.subscribed(back(5), false, 0);
    add(feed, 6, 6);
    const expected = [6, "recovered 0", 5, "late 4", "late 3", "recovered 2", 2, 1];
    assert.deepEqual(shown(feed), expected);
    assert.deepEqual(feed.position, { offset: 6, epoch: "one" });
  });

  it("marks what cannot be had any more, with its number where positions tell it", () => {
    const feed = new Feed();
    feed.subscribed(begun(0), true, 0);
    add(feed, 1, 2);
    feed.subscribed(back(9, "one", false), false, 0);
    add(feed, 10, 10);
    feed.subscribed(back(3, "two", false), false, 0);
    add(feed, 4, 4);
    assert.deepEqual(shown(feed), [4, "gap ?", 10, "gap 7", 2, 1]);
  });

  it("marks a hole in the offsets, which no gateway should leave", () => {
    const feed = new Feed();
    feed.subscribed(begun(4), true, 0);
    add(feed, 5, 5);
    add(feed, 8, 9);
    assert.deepEqual(shown(feed), [9, 8, "gap 2", 5]);
  });

  it("says that it knows nothing of the time away where the channel keeps nothing", () => {
    const feed = new Feed();
    const nothing = { wasRecovering: false, recovered: false };
    feed.subscribed(nothing, true, 0);
    feed.add({ data: "a" }, false, 0);
    feed.subscribed(nothing, false, 0);
    feed.add({ data: "b" }, false, 0);
    assert.deepEqual(shown(feed), ["b", "resubscribed ?", "a"]);
    assert.equal(feed.position, undefined);
  });

  it("marks nothing where it subscribes anew at the position that it has", () => {
    const feed = new Feed();
    feed.subscribed(begun(0), true, 0);
    add(feed, 1, 2);
    feed.subscribed(begun(2), false, 0);
    assert.deepEqual(shown(feed), [2, 1]);
  });

  it("is what a plain list would be, whatever is done to it", () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 400 }) }) },
      fc.record({ cap: fc.constantFrom<Cap[]>(...caps) }),
      fc.constantFrom("pause", "resume", "clear", "older"),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const feed = new Feed();
        let [kept, held]: [number[], number[] | undefined] = [[], undefined];
        let [next, cap, wanted, waiting]: [number, number, number, number] = [
          1,
          500,
          rowsPerStep,
          0,
        ];
        for (const each of steps) {
          if (each === "pause" || each === "older") {
            feed[each === "pause" ? "pause" : "showOlder"](0);
            held ??= kept;
            if (each === "older") wanted = Math.min(maxRows, wanted + rowsPerStep);
          } else if (each === "resume") {
            feed.resume();
            [held, wanted, waiting] = [undefined, rowsPerStep, 0];
          } else if (each === "clear") {
            feed.clear();
            [kept, held, wanted, waiting] = [[], held && [], rowsPerStep, 0];
          } else if ("cap" in each) {
            feed.setCap(each.cap);
            cap = each.cap;
            kept = kept.slice(0, cap);
          } else {
            const come = Array.from({ length: each.add }, () => next++);
            for (const data of come) feed.add({ data }, false, 0);
            kept = [...come.toReversed(), ...kept].slice(0, cap);
            if (held !== undefined) waiting += each.add;
          }
          feed.draw();
          const view = feed.view.value;
          assert.deepEqual(view.rows.map(short), (held ?? kept).slice(0, wanted));
          assert.equal(view.kept, (held ?? kept).length);
          assert.deepEqual([view.received, view.waiting], [next - 1, waiting]);
          assert.equal(view.lostWaiting, Math.max(0, waiting - kept.length));
        }
      }),
      { numRuns: 200 },
    );
  });
});
