import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Order } from "../../../../apps/ws/protocol/control.ts";
import { history, onlyTask, ordinary, Peer, seconds, type Seen, withChannels } from "./peer.ts";

const news: Order = { order: "subscribe", channel: "news", override: {} };
const kept = withChannels({ ...history, force_recovery: true });

function give(peer: Peer, what: Order, ticket: number | undefined = 7): Seen[] {
  return peer.give({ kind: "order", what, ticket });
}

const obeyed = { kind: "obeyed", ticket: 7 } as const;

describe("an order to subscribe", () => {
  it("is carried out when the subscription is there, and the client is told of it before", () => {
    const peer = Peer.connected(kept);
    const order = { ...news, info: '{"a":1}', data: '{"b":2}', override: { presence: true } };
    const wanted = onlyTask(give(peer, order), "subscribe");
    assert.partialDeepStrictEqual(wanted, {
      ...{ channel: "news", presence: true, positioned: true, recoverable: true },
      info: { chan_info: '{"a":1}' },
    });
    assert.equal(peer.session.channels.has("news"), false);
    const position = { offset: 3, epoch: "e" };
    assert.deepEqual(peer.subscribed(wanted.task, { ok: true, position }), [
      '{"push":{"channel":"news","subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":3,"data":{"b":2}}}}',
      obeyed,
    ]);
    assert.equal(peer.session.channels.get("news")?.serverSide, true);
  });

  it("brings what was published since a position behind the push", () => {
    const peer = Peer.connected(kept);
    const since = { offset: 1, epoch: "e" };
    const wanted = onlyTask(give(peer, { ...news, recoverSince: since }), "subscribe");
    assert.deepEqual(wanted.recover, since);
    const publications = ["one", "two"];
    const outcome = {
      ...{ ok: true as const, position: { offset: 3, epoch: "e" } },
      recovery: { recovered: true, publications },
    };
    assert.deepEqual(peer.subscribed(wanted.task, outcome), [
      '{"push":{"channel":"news","subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":1}}}',
      { kind: "publications", channel: "news", publications },
      obeyed,
    ]);
  });

  it("is carried out already where the client has subscribed, or is about to", () => {
    const peer = Peer.connected(ordinary);
    peer.subscribe("news");
    assert.deepEqual(give(peer, news), [obeyed]);
    const { task } = onlyTask(peer.send({ id: 5, subscribe: { channel: "other" } }), "subscribe");
    assert.deepEqual(give(peer, { ...news, channel: "other" }), []);
    assert.deepEqual(peer.subscribed(task), ['{"id":5,"subscribe":{}}', obeyed]);
    assert.equal(peer.session.channels.get("other")?.serverSide, false);
  });

  it("waits for the connect command, and means nothing to who has none", () => {
    const peer = new Peer(ordinary);
    assert.deepEqual(give(peer, news), [obeyed]);
    const withToken = new Peer({ client: { token: { hmac_secret_key: "k" } } });
    const { task } = onlyTask(
      withToken.send({ id: 1, connect: { token: "t" } }),
      "verify-connection",
    );
    assert.deepEqual(give(withToken, news), []);
    const seen = withToken.connectionToken(task);
    assert.equal(onlyTask(seen.slice(2), "subscribe").channel, "news");
  });

  it("is refused with the reason", () => {
    const peer = Peer.connected(withChannels({}, { channel_limit: 1 }));
    const code = (what: Order): unknown => {
      const [seen] = give(peer, what);
      return typeof seen === "object" && seen.kind === "obeyed" ? seen.error?.code : seen;
    };
    assert.equal(code({ ...news, channel: "unknown:a" }), 102);
    assert.equal(code({ ...news, expireAt: seconds(peer.now) }), 110);
    peer.subscribe("one");
    assert.equal(code(news), 106);
    assert.deepEqual([...peer.session.channels.keys()], ["one"]);
  });

  it("leaves nothing behind when the subscription fails", () => {
    const peer = Peer.connected(kept);
    const wanted = onlyTask(give(peer, news), "subscribe");
    const error = { code: 100, message: "m" };
    const outcome = {
      kind: "subscribed",
      task: wanted.task,
      outcome: { ok: false, error },
    } as const;
    assert.deepEqual(peer.give(outcome), [{ ...obeyed, error }]);
    // The channel is free again.
    onlyTask(peer.send({ id: 5, subscribe: { channel: "news" } }), "subscribe");
  });

  it("ends the connection with 3006 when its time is over, since nobody can renew it", () => {
    const peer = Peer.connected(
      withChannels({}, { expired_sub_close_delay: "2s", ping_interval: "60s" }),
    );
    const wanted = onlyTask(give(peer, { ...news, expireAt: seconds(10_000) }), "subscribe");
    peer.subscribed(wanted.task);
    assert.deepEqual(peer.tickAt(11_999), []);
    assert.deepEqual(peer.tickAt(12_000), ["close 3006 subscription expired"]);
  });
});

describe("an order to unsubscribe", () => {
  it("ends the subscription with 2000, and one that is not there as well", () => {
    const peer = Peer.connected(ordinary);
    peer.subscribe("news");
    assert.deepEqual(give(peer, { order: "unsubscribe", channel: "news" }), [
      { kind: "unsubscribe", channel: "news" },
      '{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}',
      obeyed,
    ]);
    assert.deepEqual(give(peer, { order: "unsubscribe", channel: "news" }), [obeyed]);
  });

  it("waits for a subscription that is under way, the client's or one that was ordered", () => {
    const peer = Peer.connected(ordinary);
    const { task } = onlyTask(peer.send({ id: 5, subscribe: { channel: "a" } }), "subscribe");
    assert.deepEqual(give(peer, { order: "unsubscribe", channel: "a" }), []);
    assert.deepEqual(peer.subscribed(task).at(-1), obeyed);
    const ordered = onlyTask(give(peer, { ...news, channel: "b" }, 8), "subscribe");
    assert.deepEqual(give(peer, { order: "unsubscribe", channel: "b" }), []);
    const seen = peer.subscribed(ordered.task);
    assert.deepEqual(seen.filter((each) => typeof each === "object").at(-1), obeyed);
    assert.equal(peer.session.channels.size, 0);
  });

  it("of no channel ends all, also those that are under way", () => {
    const peer = Peer.connected(ordinary);
    peer.subscribe("a", 50);
    peer.subscribe("b", 51);
    const { task } = onlyTask(peer.send({ id: 5, subscribe: { channel: "c" } }), "subscribe");
    const seen = give(peer, { order: "unsubscribe", channel: "" });
    assert.equal(seen.filter((each) => typeof each === "string").length, 2);
    assert.deepEqual(seen.at(-1), obeyed);
    peer.subscribed(task);
    assert.equal(peer.session.channels.size, 0);
  });
});

describe("an order to refresh", () => {
  it("sets until when the connection lasts, and tells the client", () => {
    const peer = Peer.connected(
      withChannels({}, { expired_close_delay: "2s", ping_interval: "60s" }),
    );
    const expireAt = seconds(20_000);
    assert.deepEqual(give(peer, { order: "refresh", expired: false, expireAt }), [
      '{"push":{"refresh":{"expires":true,"ttl":20}}}',
      obeyed,
    ]);
    assert.deepEqual(peer.tickAt(21_999), []);
    assert.deepEqual(peer.tickAt(22_000), ["close 3005 connection expired"]);
  });

  it("without a time lets it last, with other info for others to see", () => {
    const peer = Peer.connected(ordinary);
    give(peer, { order: "refresh", expired: false, expireAt: seconds(1_000) });
    assert.deepEqual(give(peer, { order: "refresh", expired: false, info: '{"x":1}' }), [
      '{"push":{"refresh":{}}}',
      obeyed,
    ]);
    const { info } = onlyTask(peer.send({ id: 5, subscribe: { channel: "a" } }), "subscribe");
    assert.equal(info.conn_info, '{"x":1}');
  });

  it("ends the connection that it says has expired", () => {
    const peer = Peer.connected(ordinary);
    assert.deepEqual(give(peer, { order: "refresh", expired: true }), [
      "close 3005 connection expired",
    ]);
  });
});
