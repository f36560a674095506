import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConnectionClaims, SubscriptionClaims } from "../../../../apps/ws/auth/tokens.ts";
import { onlyTask, ordinary, Peer, seconds } from "./peer.ts";

const badRequest = "close 3501 bad request";
const internal = '{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}';
const expired = '{"id":2,"error":{"code":110,"message":"expired"}}';
const inAMinute = seconds(60_000);

/** One that has connected with a token. */
function withToken(claims: Partial<ConnectionClaims> = {}, config: unknown = ordinary): Peer {
  const peer = new Peer(config);
  const { task } = onlyTask(peer.send({ id: 1, connect: { token: "t" } }), "verify-connection");
  peer.connectionToken(task, { expireAt: inAMinute, ...claims });
  return peer;
}

describe("refresh", () => {
  function refreshing(peer: Peer): number {
    const effect = onlyTask(peer.send({ id: 2, refresh: { token: "r" } }), "verify-connection");
    assert.equal(effect.token, "r");
    return effect.task;
  }

  it("lets the connection last longer, and tells how long", () => {
    const peer = withToken();
    assert.deepEqual(peer.connectionToken(refreshing(peer), { expireAt: seconds(90_000) }), [
      '{"id":2,"refresh":{"client":"c1","version":"v1","expires":true,"ttl":90}}',
    ]);
    assert.deepEqual(peer.tickAt(60_000 + 25_000).includes("close 3005 connection expired"), false);
  });

  it("lets it last for ever", () => {
    const peer = withToken();
    assert.deepEqual(peer.connectionToken(refreshing(peer), { expireAt: undefined }), [
      '{"id":2,"refresh":{"client":"c1","version":"v1"}}',
    ]);
  });

  it("changes what others see of the client, if the token says something", () => {
    const peer = withToken({ info: '"old"' });
    const infoOf = (channel: string): unknown =>
      onlyTask(peer.send({ id: 3, subscribe: { channel } }), "subscribe").info.conn_info;
    assert.equal(infoOf("a"), '"old"');
    peer.connectionToken(refreshing(peer), { expireAt: undefined });
    assert.equal(infoOf("b"), '"old"');
    peer.connectionToken(refreshing(peer), { expireAt: undefined, info: '"new"' });
    assert.equal(infoOf("c"), '"new"');
  });

  const failures = [
    ["invalid", "close 3500 invalid token"],
    ["expired", "close 3005 connection expired"],
    ["unavailable", internal],
  ] as const;
  for (const [reason, answer] of failures) {
    it(`with a token that is ${reason} is answered with ${answer}`, () => {
      const peer = withToken();
      const outcome = { ok: false, reason, message: "m" } as const;
      const task = refreshing(peer);
      assert.deepEqual(peer.give({ kind: "connection-token", task, outcome }), [answer]);
    });
  }

  it("with a token of another user ends the connection", () => {
    const peer = withToken();
    assert.deepEqual(peer.connectionToken(refreshing(peer), { user: "1" }), [
      "close 3500 invalid token",
    ]);
  });

  it("with a token whose time is over is an error", () => {
    const peer = withToken();
    assert.deepEqual(peer.connectionToken(refreshing(peer), { expireAt: seconds(0) }), [expired]);
  });

  it("is not for who came without a token, nor without one", () => {
    const anonymous = Peer.connected(ordinary);
    assert.deepEqual(anonymous.send({ id: 2, refresh: { token: "r" } }), [badRequest]);
    const named = Peer.connected(ordinary, { user: "42" });
    assert.deepEqual(named.send({ id: 2, refresh: { token: "r" } }), [badRequest]);
    assert.deepEqual(withToken().send({ id: 2, refresh: {} }), [badRequest]);
  });

  it("does not bring an end where all is allowed", () => {
    const peer = withToken({}, { client: { insecure: true } });
    assert.deepEqual(peer.connectionToken(refreshing(peer), { expireAt: inAMinute }), [
      '{"id":2,"refresh":{"client":"c1","version":"v1"}}',
    ]);
  });

  const channels: [what: string, before: string[], after: string[], answer: RegExp][] = [
    ["the same channels", ["a", "b"], ["b", "a"], /"refresh":/],
    ["another channel", ["a"], ["a", "b"], /^close 3010 insufficient state$/],
    ["fewer channels", ["a", "b"], ["a"], /^close 3010 insufficient state$/],
  ];
  for (const [what, before, after, answer] of channels) {
    it(`with a token that names ${what} is answered with ${String(answer)}`, () => {
      const peer = withToken({ channels: before });
      for (const index of before.keys()) peer.subscribed(2 + index);
      assert.equal(peer.session.connected, true);
      const [text] = peer.connectionToken(refreshing(peer), { channels: after });
      assert.match(text as string, answer);
    });
  }

  it("does not mind channels that no token named", () => {
    const peer = withToken();
    peer.subscribe("own");
    const [text] = peer.connectionToken(refreshing(peer), {});
    assert.match(text as string, /"refresh":/);
  });
});

describe("sub_refresh", () => {
  /** One with a subscription that ends in a minute. */
  function subscribed(): Peer {
    const peer = Peer.connected(ordinary);
    const command = { id: 2, subscribe: { channel: "a", token: "t" } };
    const { task } = onlyTask(peer.send(command), "verify-subscription");
    peer.subscriptionToken(task, { expireAt: inAMinute, info: '"old"' });
    peer.subscribed(task + 1);
    assert.equal(peer.session.channels.get("a")?.expireAt, inAMinute);
    return peer;
  }

  function refreshing(peer: Peer): number {
    const command = { id: 2, sub_refresh: { channel: "a", token: "r" } };
    return onlyTask(peer.send(command), "verify-subscription").task;
  }

  it("lets the subscription last longer, and tells how long", () => {
    const peer = subscribed();
    assert.deepEqual(peer.subscriptionToken(refreshing(peer), { expireAt: seconds(90_000) }), [
      '{"id":2,"sub_refresh":{"expires":true,"ttl":90}}',
    ]);
    assert.equal(peer.session.channels.get("a")?.chanInfo, '"old"');
    assert.deepEqual(peer.subscriptionToken(refreshing(peer), { info: '"new"' }), [
      '{"id":2,"sub_refresh":{}}',
    ]);
    assert.equal(peer.session.channels.get("a")?.expireAt, undefined);
    assert.equal(peer.session.channels.get("a")?.chanInfo, '"new"');
  });

  const failures = [
    ["invalid", "close 3500 invalid token"],
    ["expired", '{"id":2,"error":{"code":109,"message":"token expired"}}'],
    ["unavailable", internal],
  ] as const;
  for (const [reason, answer] of failures) {
    it(`with a token that is ${reason} is answered with ${answer}`, () => {
      const peer = subscribed();
      const outcome = { ok: false, reason, message: "m" } as const;
      const task = refreshing(peer);
      assert.deepEqual(peer.give({ kind: "subscription-token", task, outcome }), [answer]);
    });
  }

  const others: [what: string, claims: Partial<SubscriptionClaims>, answer: string][] = [
    ["another channel", { channel: "b" }, "close 3500 invalid token"],
    ["another user", { user: "1" }, "close 3500 invalid token"],
    ["another client", { client: "c2" }, "close 3500 invalid token"],
    ["a time that is over", { expireAt: seconds(0) }, expired],
  ];
  for (const [what, claims, answer] of others) {
    it(`with a token for ${what} is answered with ${answer}`, () => {
      const peer = subscribed();
      assert.deepEqual(peer.subscriptionToken(refreshing(peer), claims), [answer]);
    });
  }

  const refusals: [request: object, answer: string][] = [
    [{ token: "r" }, badRequest],
    [{ channel: "b", token: "r" }, '{"id":2,"error":{"code":103,"message":"permission denied"}}'],
    [{ channel: "b" }, '{"id":2,"error":{"code":103,"message":"permission denied"}}'],
    [{ channel: "a" }, '{"id":2,"error":{"code":107,"message":"bad request"}}'],
  ];
  for (const [request, answer] of refusals) {
    it(`${JSON.stringify(request)} is answered with ${answer}`, () => {
      assert.deepEqual(subscribed().send({ id: 2, sub_refresh: request }), [answer]);
    });
  }

  it("is not for server-side subscriptions", () => {
    const peer = withToken({ channels: ["s"] });
    peer.subscribed(2);
    assert.deepEqual(peer.send({ id: 2, sub_refresh: { channel: "s", token: "r" } }), [badRequest]);
  });

  it("comes too late when the subscription has ended meanwhile", () => {
    const peer = subscribed();
    const task = refreshing(peer);
    peer.send({ id: 3, unsubscribe: { channel: "a" } });
    assert.deepEqual(peer.subscriptionToken(task), [
      '{"id":2,"error":{"code":103,"message":"permission denied"}}',
    ]);
  });
});
