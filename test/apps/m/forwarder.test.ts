import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Forwarder } from "../../../apps/m/forwarder.ts";
import { decodePatch } from "../../../apps/m/patch.ts";
import type { WriteOutcome, WriteRequest } from "../../../apps/m/plan.ts";
import { Writer } from "../../../apps/m/writer.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { failing, MemoryStore } from "../../support/memory-store.ts";

let requests = 0;

function posting(patch: object, idempotency?: WriteRequest["idempotency"]): WriteRequest {
  return { id: `request-${++requests}`, patch: decodePatch(patch), ifRev: undefined, idempotency };
}

/** The forwarder of replica "b", on a store of its own, and what it hands to others. */
function open({
  members = ["c", "b", "a"],
  answerMs = 60_000,
  suspectMs = 60_000,
}: { members?: readonly string[]; answerMs?: number; suspectMs?: number } = {}) {
  const store = new MemoryStore();
  const { log } = collectingLog();
  const writer = new Writer({
    ...{ store, log, limits: { giveUpMs: 100, firstPauseMs: 1, longestPauseMs: 1 } },
    onCommitted: () => undefined,
  });
  const sent: { readonly to: string; readonly request: WriteRequest }[] = [];
  const state = { members, reachable: true, rev: 0 };
  const forwarder = new Forwarder({
    replica: "b",
    members: () => state.members,
    rev: () => state.rev,
    send: (to, request) => {
      if (state.reachable) sent.push({ to, request });
      return state.reachable;
    },
    ...{ writer, log, answerMs, suspectMs },
  });
  return { forwarder, writer, store, sent, state };
}

async function lastSent<T>(sent: readonly T[], count: number): Promise<T> {
  await eventually("the request is handed on", () => sent.length === count);
  const last = sent.at(-1);
  assert.ok(last);
  return last;
}

describe("who writes what is posted to a replica", () => {
  it("is the smallest member, whose answer is the caller's", async () => {
    const { forwarder, store, sent } = open();
    const outcomes: WriteOutcome[] = [
      { kind: "committed", rev: 7 },
      { kind: "mismatch", rev: 8 },
      { kind: "reused key" },
    ];
    for (const [index, outcome] of outcomes.entries()) {
      const written = forwarder.write(posting({ a: 1 }));
      const { request } = await lastSent(sent, index + 1);
      forwarder.answered({ id: request.id, fate: outcome });
      assert.deepEqual((await written).outcome, outcome);
    }
    assert.deepEqual(new Set(sent.map(({ to }) => to)), new Set(["a"]));
    assert.equal((await store.head()).rev, 0);
  });

  it("is the replica itself when it is the smallest, or knows of nobody", async () => {
    for (const members of [["b", "c"], []]) {
      const { forwarder, sent, store } = open({ members });
      const { outcome } = await forwarder.write(posting({ a: 1 }));
      assert.deepEqual([outcome, sent], [{ kind: "committed", rev: 1 }, []]);
      assert.equal((await store.head()).rev, 1);
    }
  });

  it("is the replica itself when the request cannot be sent, or the other one could not write", async () => {
    const { forwarder, sent, state } = open();
    state.reachable = false;
    assert.deepEqual((await forwarder.write(posting({ a: 1 }))).outcome, {
      ...{ kind: "committed", rev: 1 },
    });
    state.reachable = true;
    const written = forwarder.write(posting({ a: 2 }));
    forwarder.answered({ id: (await lastSent(sent, 1)).request.id, fate: { kind: "nothing" } });
    assert.deepEqual((await written).outcome, { kind: "committed", rev: 2 });
  });

  it("is the replica itself when no answer comes, and then the next member for a while", async () => {
    const { forwarder, sent, state } = open({ answerMs: 20 });
    assert.deepEqual((await forwarder.write(posting({ a: 1 }))).outcome, {
      ...{ kind: "committed", rev: 1 },
    });
    state.members = ["a", "aa", "b"];
    const written = forwarder.write(posting({ a: 2 }));
    const next = await lastSent(sent, 2);
    assert.equal(next.to, "aa");
    forwarder.answered({ id: next.request.id, fate: { kind: "committed", rev: 2 } });
    await written;
  });

  it("is the first one again when its time is over", async () => {
    const { forwarder, sent } = open({ answerMs: 5, suspectMs: 1 });
    await forwarder.write(posting({ a: 1 }));
    await eventually("the first one is asked again", async () => {
      await forwarder.write(posting({ a: 1 }));
      return sent.length > 1 && sent.at(-1)?.to === "a";
    });
  });
});

describe("a request that was handed on", () => {
  it("takes effect once when the other one has written it and only its answer was lost", async () => {
    const { forwarder, writer, store, sent } = open();
    const posted = forwarder.write(posting({ a: 1 }));
    const { request } = await lastSent(sent, 1);
    assert.deepEqual((await writer.write(request, "b")).outcome, { kind: "committed", rev: 1 });
    forwarder.answered({ id: request.id, fate: { kind: "unknown" } });
    assert.deepEqual((await posted).outcome, { kind: "committed", rev: 1 });
    assert.equal((await store.head()).rev, 1);
  });

  it("takes effect once when the other one writes it after all", async () => {
    const { forwarder, writer, store, sent } = open({ answerMs: 5 });
    const { outcome } = await forwarder.write(posting({ a: 1 }));
    assert.deepEqual(outcome, { kind: "committed", rev: 1 });
    const late = await writer.write((await lastSent(sent, 1)).request, "b");
    assert.deepEqual(late.outcome, { kind: "replayed", rev: 1 });
    assert.equal((await store.head()).rev, 1);
  });

  it("keeps the caller's own key, and says when that was used before", async () => {
    const { forwarder, writer, sent } = open({ answerMs: 5 });
    const own = { key: "key", digest: "digest" };
    await writer.write(posting({ a: 1 }, own), "a");
    const { outcome } = await forwarder.write(posting({ a: 1 }, own));
    assert.deepEqual(outcome, { kind: "replayed", rev: 1 });
    assert.deepEqual((await lastSent(sent, 1)).request.idempotency, own);
  });

  it("is of unknown outcome when the other one may have written it, and here it cannot be", async () => {
    for (const answer of ["none", "unknown", "nothing"] as const) {
      const { forwarder, store, sent } = open({ answerMs: answer === "none" ? 5 : 60_000 });
      store.before = () => {
        throw failing("unavailable");
      };
      const posted = forwarder.write(posting({ a: 1 }));
      const { request } = await lastSent(sent, 1);
      if (answer !== "none") forwarder.answered({ id: request.id, fate: { kind: answer } });
      await assert.rejects(posted, {
        name: "HttpError",
        status: 503,
        code: answer === "nothing" ? "unavailable" : "outcome_unknown",
      });
    }
  });

  it("names no revision that is still to come, which the other one could find when this one has refused it", async () => {
    const { forwarder, sent, state } = open();
    state.rev = 6;
    const { outcome } = await forwarder.write({ ...posting({ a: 1 }), ifRev: 7 });
    assert.deepEqual([outcome, sent], [{ kind: "mismatch", rev: 0 }, []]);
    state.rev = 7;
    const handedOn = forwarder.write({ ...posting({ a: 1 }), ifRev: 7 });
    const { request } = await lastSent(sent, 1);
    forwarder.answered({ id: request.id, fate: { kind: "committed", rev: 8 } });
    assert.deepEqual((await handedOn).outcome, { kind: "committed", rev: 8 });
  });
});
