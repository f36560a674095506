import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Deadlines, type Timed } from "../../../apps/ws/deadlines.ts";
import { eventually } from "../../support/eventually.ts";

class Clock implements Timed {
  deadline: number | undefined;
  readonly calls: number[] = [];
  next: (now: number) => number | undefined = () => undefined;

  constructor(inMs: number | undefined) {
    this.deadline = inMs === undefined ? undefined : performance.now() + inMs;
  }

  onDeadline(now: number): void {
    this.calls.push(now);
    this.deadline = this.next(now);
  }
}

describe("deadlines", () => {
  it("calls each after its deadline and not before, and forgets those that have none any more", async () => {
    const deadlines = new Deadlines(5);
    const all = [0, 10, 25, 60].map((ms) => new Clock(ms));
    const due = all.map(({ deadline }) => deadline ?? 0);
    const never = new Clock(undefined);
    for (const each of [...all, never]) deadlines.watch(each);
    await eventually("all are called", () => all.every(({ calls }) => calls.length > 0));
    for (const [index, { calls }] of all.entries()) {
      assert.equal(calls.length, 1);
      assert.ok((calls[0] ?? 0) >= (due[index] ?? 0), "not before its time");
    }
    assert.deepEqual([never.calls.length, deadlines.size], [0, 0]);
    deadlines.stop();
  });

  it("notices a deadline that has come nearer when it is told, and one that moved away by itself", async () => {
    const deadlines = new Deadlines(5);
    const nearer = new Clock(1e9);
    const away = new Clock(10);
    deadlines.watch(nearer);
    deadlines.watch(away);
    nearer.deadline = performance.now() + 10;
    away.deadline = performance.now() + 1e9;
    deadlines.watch(nearer);
    await eventually("the nearer one is called", () => nearer.calls.length === 1);
    assert.deepEqual([away.calls.length, deadlines.size], [0, 1]);
    deadlines.stop();
  });

  it("calls again and again whoever has a new deadline each time", async () => {
    const deadlines = new Deadlines(2);
    const beat = new Clock(1);
    beat.next = (now) => now + 4;
    deadlines.watch(beat);
    await eventually("it was called ten times", () => beat.calls.length >= 10);
    assert.equal(deadlines.size, 1);
    deadlines.forget(beat);
    assert.equal(deadlines.size, 0);
    deadlines.stop();
  });

  it("does not call one that another has made it forget in the same turn", async () => {
    const deadlines = new Deadlines(20);
    const [first, second, later] = [new Clock(1), new Clock(1), new Clock(60)];
    first.next = () => {
      deadlines.forget(second);
      return undefined;
    };
    second.next = () => {
      deadlines.forget(first);
      return undefined;
    };
    for (const each of [first, second, later]) deadlines.watch(each);
    await eventually("the later one is called", () => later.calls.length === 1);
    assert.equal(first.calls.length + second.calls.length, 1);
    deadlines.stop();
  });
});
