import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Shared } from "../../../apps/m/shared.ts";

/** Work that ends when the test says so; each time with the next number. */
function open() {
  const turns: PromiseWithResolvers<number>[] = [];
  const shared = new Shared(() => {
    const turn = Promise.withResolvers<number>();
    turns.push(turn);
    return turn.promise;
  });
  return { shared, turns };
}

describe("shared work", () => {
  it("is done once for all who ask before it has begun", async () => {
    const { shared, turns } = open();
    const asked = [shared.next(), shared.next(), shared.next()];
    await setImmediate();
    assert.equal(turns.length, 1);
    turns[0]?.resolve(1);
    assert.deepEqual(await Promise.all(asked), [1, 1, 1]);
  });

  it("is done once more for all who ask while it is under way, and not before it has ended", async () => {
    const { shared, turns } = open();
    const first = shared.next();
    await setImmediate();
    const later = [shared.next(), shared.next()];
    await setImmediate();
    assert.equal(turns.length, 1);
    turns[0]?.resolve(1);
    assert.equal(await first, 1);
    await setImmediate();
    assert.equal(turns.length, 2);
    turns[1]?.resolve(2);
    assert.deepEqual(await Promise.all(later), [2, 2]);
  });

  it("fails for those who share it, and for nobody else", async () => {
    const { shared, turns } = open();
    const first = shared.next();
    await setImmediate();
    const later = shared.next();
    turns[0]?.reject(new Error("it failed"));
    await assert.rejects(first, /^Error: it failed$/);
    await setImmediate();
    turns[1]?.resolve(2);
    assert.equal(await later, 2);
  });

  it("goes on after work that fails before it has begun to wait", async () => {
    let failures = 1;
    const shared = new Shared(() => {
      if (failures-- > 0) throw new Error("at once");
      return Promise.resolve("done");
    });
    await assert.rejects(shared.next(), /^Error: at once$/);
    assert.equal(await shared.next(), "done");
  });
});
