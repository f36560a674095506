import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BacklogBudget } from "../../../apps/ws/backlog-budget.ts";

describe("the budget of all backlogs", () => {
  it("takes its bound, and beyond lets go the largest until an eighth is free", () => {
    const budget = new BacklogBudget(800);
    const gone: string[] = [];
    const share = (name: string) => budget.share(() => gone.push(name));
    const [small, large, larger] = [share("small"), share("large"), share("larger")];
    small.report(100);
    large.report(300);
    larger.report(400);
    assert.deepEqual([budget.totalBytes, gone], [800, []]);
    small.report(101);
    assert.deepEqual([budget.totalBytes, gone], [401, ["larger"]]);
    larger.report(900);
    assert.deepEqual([budget.totalBytes, gone], [401, ["larger"]], "it has ended");
    large.report(0);
    large.end();
    small.end();
    small.end();
    assert.equal(budget.totalBytes, 0);
  });

  it("is the sum of what was reported last, never above its bound, whatever is reported", () => {
    const step = fc.record({ index: fc.nat(9), bytes: fc.nat(300), end: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const budget = new BacklogBudget(1_000);
        const bytes = new Map<number, number>();
        const ended = new Set<number>();
        const shares = Array.from({ length: 10 }, (_, index) =>
          budget.share(() => {
            const most = Math.max(...bytes.values());
            assert.equal(bytes.get(index), most, "nobody has more");
            bytes.delete(index);
            ended.add(index);
          }),
        );
        for (const { index, bytes: count, end } of steps) {
          if (!ended.has(index)) bytes.set(index, end ? 0 : count);
          if (end) {
            ended.add(index);
            shares[index]?.end();
          } else {
            shares[index]?.report(count);
          }
          const sum = [...bytes.values()].reduce((total, each) => total + each, 0);
          assert.equal(budget.totalBytes, sum);
          assert.ok(sum <= 1_000);
        }
      }),
    );
  });
});
