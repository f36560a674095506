import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tagsFrom } from "../../../../apps/ws/channel/tags.ts";
import { history, onlyTask, Peer, withChannels } from "./peer.ts";

const deltas = { allowed_delta_types: ["fossil"] };
const filters = { allow_tags_filter: true };
const badRequest = '{"id":2,"error":{"code":107,"message":"bad request"}}';
const isBtc = { key: "ticker", cmp: "eq", val: "BTC" };

describe("a subscription with deltas", () => {
  it("is one where the channel's options allow it, and the client is told", () => {
    const peer = Peer.connected(withChannels(deltas));
    const answer = peer.send({ id: 2, subscribe: { channel: "a", delta: "fossil" } });
    const { task, delta } = onlyTask(answer, "subscribe");
    assert.equal(delta, true);
    assert.deepEqual(peer.subscribed(task), ['{"id":2,"subscribe":{"delta":true}}']);
  });

  it("is none where it is not asked for, or not allowed", () => {
    for (const [options, delta] of [
      [deltas, ""],
      [{ delta_publish: true }, "fossil"],
      [{ allowed_delta_types: [] }, "fossil"],
    ] as const) {
      const peer = Peer.connected(withChannels(options));
      const effect = onlyTask(
        peer.send({ id: 2, subscribe: { channel: "a", delta } }),
        "subscribe",
      );
      assert.equal("delta" in effect, false);
      assert.deepEqual(peer.subscribed(effect.task), ['{"id":2,"subscribe":{}}']);
    }
  });

  it("may be one that a token allows", () => {
    const peer = Peer.connected(withChannels({ ...deltas, allow_subscribe_for_client: false }));
    const subscribe = { channel: "a", token: "t", delta: "fossil" };
    const { task } = onlyTask(peer.send({ id: 2, subscribe }), "verify-subscription");
    assert.equal(onlyTask(peer.subscriptionToken(task), "subscribe").delta, true);
  });
});

describe("a subscription with a filter", () => {
  const subscribe = (tf: object, options: object = filters, more: object = {}) =>
    Peer.connected(withChannels(options)).send({ id: 2, subscribe: { channel: "a", tf, ...more } });

  it("gets what the filter accepts, where filters are allowed", () => {
    const { filter, delta } = onlyTask(subscribe(isBtc), "subscribe");
    assert.equal(delta, undefined);
    assert.equal(filter?.accepts(tagsFrom([["ticker", "BTC"]])), true);
    assert.equal(filter.accepts(tagsFrom([["ticker", "ETH"]])), false);
    assert.equal(filter.accepts(undefined), false);
  });

  it("keeps its filter while its token is verified", () => {
    const peer = Peer.connected(withChannels({ ...filters, allow_subscribe_for_client: false }));
    const answer = peer.send({ id: 2, subscribe: { channel: "a", token: "t", tf: isBtc } });
    const { task } = onlyTask(answer, "verify-subscription");
    const { filter } = onlyTask(peer.subscriptionToken(task), "subscribe");
    assert.equal(filter?.accepts(tagsFrom([["ticker", "ETH"]])), false);
  });

  it("is refused where filters are not allowed, with deltas, and when it is none", () => {
    assert.deepEqual(subscribe(isBtc, {}), [badRequest]);
    for (const options of [filters, { ...filters, ...deltas }]) {
      assert.deepEqual(subscribe(isBtc, options, { delta: "fossil" }), [badRequest]);
    }
    for (const tf of [{}, { key: "a" }, { op: "not", nodes: [isBtc, isBtc] }, { op: "and" }]) {
      assert.deepEqual(subscribe(tf), [badRequest]);
    }
  });

  it("is at the top of the stream when the filter has left nothing to recover", () => {
    const peer = Peer.connected(withChannels({ ...history, ...filters, force_recovery: true }));
    const recover = { recover: true, offset: 3, epoch: "e" };
    const answer = peer.send({ id: 2, subscribe: { channel: "a", tf: isBtc, ...recover } });
    const { task } = onlyTask(answer, "subscribe");
    const recovery = { recovered: true, publications: [] };
    assert.deepEqual(
      peer.subscribed(task, { ok: true, position: { offset: 5, epoch: "e" }, recovery }),
      [
        '{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":5,"recovered":true,"was_recovering":true}}',
      ],
    );
  });
});
