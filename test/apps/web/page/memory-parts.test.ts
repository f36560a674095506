import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { signal } from "@preact/signals";
import {
  changed,
  type Content,
  type Overview,
  serverTiming,
} from "../../../../apps/web/page/memory/api.ts";
import { Editor, keyProblem, valueProblem } from "../../../../apps/web/page/memory/editor.ts";
import { find } from "../../../../apps/web/page/memory/entries.ts";
import {
  replicaName,
  type ReplicaState,
  ReplicaStrip,
  servingSummary,
  stripSummary,
} from "../../../../apps/web/page/memory/replicas.ts";
import { timesSummary } from "../../../../apps/web/page/memory/times.ts";
import type { Update } from "../../../../apps/web/page/memory/updates.ts";

const content = (rev: number, entries: Readonly<Record<string, string>>): Content => ({
  rev,
  entries: new Map(Object.entries(entries)),
});

describe("the content of M on the page", () => {
  it("takes a change on top of the revision before it, and no other", () => {
    const before = content(4, { b: "1" });
    const after = changed(before, 5, "a", "[2]");
    assert.deepEqual([after.rev, ...after.entries], [5, ["a", "[2]"], ["b", "1"]]);
    assert.deepEqual([...changed(after, 6, "b", undefined).entries.keys()], ["a"]);
    assert.equal(changed(before, 6, "a", "1"), before);
    assert.equal(changed(before, 4, "a", "1"), before);
  });

  it("is searched by key and value, whatever the case, and no longer than is wanted", () => {
    const all = content(1, { Colour: '"green"', size: "3", long: `"${"x".repeat(5_000)}end"` });
    assert.deepEqual(find(all, " COL ", 10), {
      found: [{ key: "Colour", value: '"green"' }],
      count: 1,
    });
    assert.equal(find(all, "GREEN", 10).count, 1);
    assert.deepEqual([find(all, "", 2).found.length, find(all, "", 2).count], [2, 3]);
    assert.equal(find(all, "end", 10).count, 0, "the end of a long value is not searched");
  });

  it("has the durations of a Server-Timing header", () => {
    assert.deepEqual(
      [...serverTiming("commit;dur=12.50, confirm;dur=3, other")],
      [
        ["commit", 12.5],
        ["confirm", 3],
      ],
    );
    assert.equal(serverTiming("").size, 0);
  });
});

describe("the editor", () => {
  it("says what is wrong with a key and with a value", () => {
    assert.equal(keyProblem("colour"), undefined);
    assert.match(keyProblem("") ?? "", /needed/);
    assert.equal(keyProblem("x".repeat(512)), undefined);
    assert.match(keyProblem("x".repeat(513)) ?? "", /at most 512 characters; this one has 513/);
    for (const right of ["1", '"x"', "[]", '{"a": null}', "false"]) {
      assert.equal(valueProblem(right), undefined);
    }
    assert.match(valueProblem(" ") ?? "", /needed/);
    assert.match(valueProblem("green") ?? "", /a text stands in quotes: "green"/);
    assert.match(valueProblem('{"a": }') ?? "", /no JSON: /);
    assert.match(valueProblem("null") ?? "", /deletes/);
    assert.equal(valueProblem(`"${"é".repeat(131_000)}"`), undefined);
    assert.match(valueProblem(`"${"é".repeat(132_000)}"`) ?? "", /at most 256 KiB/);
  });

  /** An editor, and what it sends. */
  function editing(first: Content) {
    const there = signal<Content | undefined>(first);
    const sent: { key: string; value: string; base: string | undefined }[] = [];
    let committed: ((rev: number) => void) | undefined;
    const editor = new Editor(there, {
      list: signal<readonly Update[]>([]),
      set: (key, value, base, onCommitted) => {
        sent.push({ key, value, base });
        committed = onCommitted;
        return sent.length;
      },
    });
    return { editor, there, sent, commit: (rev: number) => committed?.(rev) };
  }

  it("sends what it was given, over what was there when the person began", () => {
    const { editor, there, sent } = editing(content(1, { size: '{"a":1}' }));
    editor.load("size");
    assert.equal(editor.text.value, '{\n  "a": 1\n}');
    editor.setText("2");
    there.value = content(2, { size: "9" });
    assert(editor.moved.value);
    assert(editor.submit());
    assert.deepEqual(sent, [{ key: "size", value: "2", base: '{"a":1}' }]);
    editor.accept();
    assert(!editor.moved.value);
    assert(editor.submit());
    assert.equal(sent[1]?.base, "9");
  });

  it("takes a key that is new for one where nothing is", () => {
    const { editor, there, sent } = editing(content(1, {}));
    editor.setKey("fresh");
    editor.setText("1");
    there.value = content(2, { fresh: "0" });
    assert(editor.moved.value);
    editor.submit();
    assert.equal(sent[0]?.base, undefined);
  });

  it("does not take its own change for somebody else's, also where it is seen late", () => {
    const { editor, there, sent, commit } = editing(content(1, { size: "1" }));
    editor.load("size");
    editor.setText("{ }");
    editor.submit();
    commit(3);
    assert(!editor.moved.value, "the page is still at the revision before");
    there.value = content(3, { size: "{}" });
    assert(!editor.moved.value);
    editor.setText("4");
    editor.submit();
    assert.equal(sent[1]?.base, "{}");
    there.value = content(4, { size: "5" });
    assert(editor.moved.value);
  });

  it("does not take its own change for somebody else's where it is seen before the answer", () => {
    const { editor, there, commit } = editing(content(1, {}));
    editor.setKey("size");
    editor.setText("[ 1 ]");
    editor.submit();
    there.value = content(2, { size: "[1]" });
    assert(!editor.moved.value);
    there.value = content(3, { size: "[2]" });
    assert(editor.moved.value);
    there.value = content(2, { size: "[1]" });
    commit(2);
    assert(!editor.moved.value);
  });

  it("says nothing of what is missing before the person has tried, and sends nothing wrong", () => {
    const { editor, sent } = editing(content(1, {}));
    assert.deepEqual(editor.problems.value, { key: undefined, value: undefined });
    assert(!editor.submit());
    assert.notEqual(editor.problems.value.key, undefined);
    assert.notEqual(editor.problems.value.value, undefined);
    editor.setKey("a");
    editor.setText("1");
    assert.deepEqual(editor.problems.value, { key: undefined, value: undefined });
    assert(editor.submit());
    assert.equal(sent.length, 1);
  });
});

describe("the strip of replicas", () => {
  const overview = (
    rev: number,
    replicas: Readonly<Record<string, { rev: number; renewals: number } & Partial<ReplicaState>>>,
    serving = true,
  ): Overview => ({
    rev,
    answeredBy: "",
    replicas: Object.entries(replicas).map(([replica, each]) => ({
      ...{ replica, rev: each.rev, serving },
      ...(each.index === undefined ? {} : { index: each.index }),
      lease: {
        renewals: each.renewals,
        renewedAt: new Date(each.renewals).toISOString(),
        durationMs: 4_000,
      },
    })),
  });
  const conditions = (strip: ReplicaStrip): readonly string[] =>
    strip.states().map(({ id, condition }) => `${id} ${condition}`);

  it("tells who has the newest revision and who is behind", () => {
    const strip = new ReplicaStrip();
    strip.take(overview(7, { a: { rev: 7, renewals: 1 }, b: { rev: 5, renewals: 1 } }), 0);
    assert.deepEqual(conditions(strip), ["a current", "b behind"]);
    assert.equal(strip.states()[1]?.behind, 2);
    assert.equal(stripSummary(strip.states(), 7), "1 of 2 replicas at revision 7.");
    assert.equal(servingSummary(strip.states()), "2 replicas serve.");
    strip.take(overview(7, { a: { rev: 7, renewals: 2 }, b: { rev: 7, renewals: 2 } }), 1_000);
    assert.equal(stripSummary(strip.states(), 7), "All 2 replicas at revision 7.");
  });

  it("believes a confirmation before the replica's own word of it comes", () => {
    const strip = new ReplicaStrip();
    const members = { a: { rev: 6, renewals: 1 }, b: { rev: 6, renewals: 1 } };
    strip.take(overview(6, members), 0);
    strip.learn(7);
    assert.deepEqual(conditions(strip), ["a behind", "b behind"]);
    strip.confirm(7);
    assert.deepEqual(conditions(strip), ["a current", "b current"]);
    // Asked before it was committed, answered after it was confirmed.
    strip.take(overview(6, members), 100);
    assert.deepEqual(conditions(strip), ["a current", "b current"]);
  });

  it("does not believe it of one that is silent or does not serve: nobody waits for those", () => {
    const strip = new ReplicaStrip();
    const at = (ms: number, renewals: number): void => {
      const members = { a: { rev: 6, renewals }, b: { rev: 6, renewals: 1 } };
      strip.take(overview(6, members), ms);
    };
    for (const second of [0, 1, 2, 3]) at(second * 1_000, second + 1);
    strip.confirm(7);
    assert.deepEqual(conditions(strip), ["a current", "b silent"]);
    assert.equal(strip.states()[1]?.rev, 6);
    at(4_500, 6);
    assert.deepEqual(conditions(strip), ["a current", "b ended"]);
    strip.take(overview(7, { c: { rev: 6, renewals: 1 } }, false), 4_600);
    assert.equal(strip.states().find(({ id }) => id === "c")?.condition, "joining");
  });

  it("tells a lease's age between two looks, whatever the replica's clock shows", () => {
    const strip = new ReplicaStrip();
    const hour = 3_600_000;
    /** The replica's clock is an hour ahead. */
    const look = (now: number, renewals: number, renewedAt: number): number => {
      const { replicas, ...rest } = overview(1, { a: { rev: 1, renewals } });
      const at = new Date(renewedAt + hour).toISOString();
      strip.take(
        {
          ...rest,
          replicas: replicas.map((a) => ({ ...a, lease: { ...a.lease, renewedAt: at } })),
        },
        now,
      );
      return strip.states()[0]?.ageMs ?? Number.NaN;
    };
    assert.equal(look(1_300, 1, 1_000), 0, "nothing is known of its clock yet");
    assert.equal(look(2_010, 2, 2_000), 0, "the soonest that was ever seen");
    assert.equal(look(3_310, 3, 3_000), 300);
    assert.equal(look(3_510, 3, 3_000), 500);
    // Its clock was set back: it cannot have been before the look that did not see it, nor after this one.
    assert.equal(look(4_310, 4, -100_000), 800);
    assert.equal(look(5_310, 5, 100_000), 0);
  });

  it("shows for a while who has gone, and forgets them then", () => {
    const strip = new ReplicaStrip();
    strip.take(overview(1, { a: { rev: 1, renewals: 1 }, b: { rev: 1, renewals: 1 } }), 0);
    const left = (ms: number): void => {
      strip.take(overview(1, { a: { rev: 1, renewals: ms } }), ms);
    };
    left(1_000);
    assert.deepEqual(conditions(strip), ["a current", "b gone"]);
    left(9_000);
    assert.deepEqual(conditions(strip), ["a current", "b gone"]);
    left(9_001);
    assert.deepEqual(conditions(strip), ["a current"]);
    for (let n = 0; n < 100; n++) {
      strip.take(overview(1, { [`r${n}`]: { rev: 1, renewals: 1 } }), 9_002);
    }
    assert.equal(strip.states().length, 21);
  });

  it("has them in the order of their indexes, those without one last", () => {
    const strip = new ReplicaStrip();
    const members = {
      late: { rev: 1, renewals: 1 },
      two: { rev: 1, renewals: 1, index: 2 },
      zero: { rev: 1, renewals: 1, index: 0 },
    };
    strip.take(overview(1, members), 0);
    assert.deepEqual(strip.states().map(replicaName), ["replica 0", "replica 2", "replica late"]);
  });
});

describe("the times of updates, in words", () => {
  it("say the last, the middle and the most", () => {
    assert.match(timesSummary([[], [], []]), /No update/);
    assert.match(timesSummary([[1], [2], [null]]), /in 2.0 ms, and is not confirmed yet/);
    assert.equal(
      timesSummary([
        [1, 2, 3],
        [2, 2, 4],
        [10, 3_000, 30],
      ]),
      "The last was committed in 4.0 ms, and confirmed 30 ms later. Confirmations of 3: 30 ms in the middle, 3.0 s at most.",
    );
  });
});
