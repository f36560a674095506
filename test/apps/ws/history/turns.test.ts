import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Turns } from "../../../../apps/ws/history/turns.ts";

describe("turns", () => {
  it("let so much work go on at a time, in order, whether it fails or not", async () => {
    const turns = new Turns(2);
    const begun: number[] = [];
    const works = Array.from({ length: 6 }, () => Promise.withResolvers<number>());
    const outcomes = works.map(({ promise }, index) =>
      turns
        .run(() => {
          begun.push(index);
          return promise;
        })
        .catch((error: unknown) => String(error)),
    );
    await setImmediate();
    assert.deepEqual(begun, [0, 1]);
    works[1]?.reject(new Error("failed"));
    await setImmediate();
    assert.deepEqual(begun, [0, 1, 2]);
    for (const [index, { resolve }] of works.entries()) resolve(index);
    assert.deepEqual(await Promise.all(outcomes), [0, "Error: failed", 2, 3, 4, 5]);
    // All turns are there again.
    const again = [7, 8].map((each) => turns.run(() => Promise.resolve(each)));
    assert.deepEqual(await Promise.all(again), [7, 8]);
    assert.deepEqual(begun, [0, 1, 2, 3, 4, 5]);
  });
});
