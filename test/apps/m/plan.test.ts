import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { plan, type UsedKey, type WriteOutcome, type WriteRequest } from "../../../apps/m/plan.ts";

function request(id: string, rest: Partial<WriteRequest> = {}): WriteRequest {
  return { id, patch: new Map([[id, "1"]]), ifRev: undefined, idempotency: undefined, ...rest };
}

/** One request at a time, each in a transaction of its own, with nothing but arrays. */
class Naive {
  readonly log: { id: string; key: string | undefined; digest: string | undefined }[] = [];

  write({ id, ifRev, idempotency }: WriteRequest): WriteOutcome {
    const same = this.log.findIndex((entry) => entry.id === id);
    if (same >= 0) return { kind: "committed", rev: same + 1 };
    const used = this.log.findIndex((entry) => idempotency && entry.key === idempotency.key);
    if (used >= 0) {
      return this.log[used]?.digest === idempotency?.digest
        ? { kind: "replayed", rev: used + 1 }
        : { kind: "reused key" };
    }
    if (ifRev !== undefined && ifRev !== this.log.length) {
      return { kind: "mismatch", rev: this.log.length };
    }
    this.log.push({ id, key: idempotency?.key, digest: idempotency?.digest });
    return { kind: "committed", rev: this.log.length };
  }
}

describe("the plan of a transaction", () => {
  it("makes of a batch what the requests become one after the other", () => {
    const asked = fc.record({
      ifRev: fc.option(fc.nat(6), { nil: undefined }),
      idempotency: fc.option(
        fc.record({ key: fc.constantFrom("k", "l"), digest: fc.constantFrom("d", "e") }),
        { nil: undefined },
      ),
    });
    fc.assert(
      fc.property(
        fc.array(asked, { maxLength: 5 }),
        fc.array(asked, { maxLength: 8 }),
        fc.boolean(),
        (before, batch, again) => {
          const naive = new Naive();
          for (const [index, each] of before.entries()) naive.write(request(`old${index}`, each));
          const rev = naive.log.length;
          const requests = batch.map((each, index) => request(`new${index}`, each));
          const used = (): Map<string, UsedKey> =>
            new Map(
              naive.log.flatMap(({ key, digest = "" }, index) =>
                key === undefined ? [] : [[key, { rev: index + 1, digest }]],
              ),
            );
          const usedBefore = used();
          const { outcomes, changes } = plan(requests, rev, usedBefore, new Map());
          assert.deepEqual(
            outcomes,
            requests.map((each) => naive.write(each)),
          );
          assert.deepEqual(
            changes.map((change) => [change.rev, change.request.id]),
            naive.log.slice(rev).map(({ id }, index) => [rev + 1 + index, id]),
          );
          for (const change of changes) assert.equal(change.patch, change.request.patch);
          if (!again) return;
          // The same batch once more, after a commit of which nobody heard.
          const done = new Map(naive.log.map(({ id }, index) => [id, index + 1]));
          const repeated = plan(requests, naive.log.length, used(), done);
          assert.deepEqual(
            repeated.outcomes,
            requests.map((each) => naive.write(each)),
          );
          assert.ok(!repeated.changes.some(({ request: { id } }) => done.has(id)));
        },
      ),
    );
  });

  it("compares If-Match with what the requests before it in the batch have made", () => {
    const { outcomes, changes } = plan(
      [request("a"), request("b", { ifRev: 7 }), request("c", { ifRev: 8 })],
      7,
      new Map(),
      new Map(),
    );
    assert.deepEqual(outcomes, [
      { kind: "committed", rev: 8 },
      { kind: "mismatch", rev: 8 },
      { kind: "committed", rev: 9 },
    ]);
    assert.deepEqual(
      changes.map(({ rev }) => rev),
      [8, 9],
    );
  });

  it("answers a repeated key with its first revision, whatever If-Match says by now", () => {
    const idempotency = { key: "k", digest: "d" };
    const used = new Map([["k", { rev: 3, digest: "d" }]]);
    const { outcomes, changes } = plan(
      [
        request("a", { idempotency, ifRev: 2 }),
        request("b", { idempotency: { key: "k", digest: "other" } }),
      ],
      9,
      used,
      new Map(),
    );
    assert.deepEqual(outcomes, [{ kind: "replayed", rev: 3 }, { kind: "reused key" }]);
    assert.deepEqual(changes, []);
    assert.deepEqual([...used.keys()], ["k"], "what it was given stays as it was");
  });

  it("finds what an earlier try has committed and does the rest only", () => {
    const { outcomes, changes } = plan(
      [request("a", { ifRev: 4 }), request("b")],
      5,
      new Map(),
      new Map([["a", 5]]),
    );
    assert.deepEqual(outcomes, [
      { kind: "committed", rev: 5 },
      { kind: "committed", rev: 6 },
    ]);
    assert.deepEqual(
      changes.map(({ rev, request: { id } }) => [rev, id]),
      [[6, "b"]],
    );
  });

  it("does not use a key up for a request that it refuses", () => {
    const idempotency = { key: "k", digest: "d" };
    const { outcomes } = plan(
      [request("a", { idempotency, ifRev: 1 }), request("b", { idempotency })],
      0,
      new Map(),
      new Map(),
    );
    assert.deepEqual(outcomes, [
      { kind: "mismatch", rev: 0 },
      { kind: "committed", rev: 1 },
    ]);
  });
});
