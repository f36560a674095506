import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { onlyTask, ordinary, Peer, seconds, withChannels } from "./peer.ts";

const badRequest = "close 3501 bad request";

describe("a connection without a connect command", () => {
  it("is closed when it is stale", () => {
    const peer = new Peer();
    assert.equal(peer.session.deadline, 10_000);
    assert.deepEqual(peer.tickAt(9_999), []);
    assert.deepEqual(peer.tickAt(10_000), ["close 3502 stale"]);
    assert.equal(peer.session.deadline, undefined);
  });

  it("is stale also when the command has failed, but not while it is under way", () => {
    const peer = new Peer();
    const { task } = onlyTask(peer.send({ id: 1, connect: { token: "t" } }), "verify-connection");
    assert.equal(peer.session.deadline, undefined);
    assert.deepEqual(peer.tickAt(11_000), []);
    const outcome = { ok: false, reason: "expired", message: "m" } as const;
    assert.equal(peer.give({ kind: "connection-token", task, outcome }).length, 1);
    assert.equal(peer.session.deadline, 10_000);
    assert.deepEqual(peer.tickAt(11_001), ["close 3502 stale"]);
  });
});

describe("pings", () => {
  for (const [random, first] of [
    [0, 12_500],
    [0.5, 18_750],
    [0.999, 24_987.5],
  ] as const) {
    it(`begin after ${first} ms, then come every 25 s`, () => {
      const peer = Peer.connected(ordinary, { random });
      assert.equal(peer.session.deadline, first);
      assert.deepEqual(peer.tickAt(first - 1), []);
      assert.deepEqual(peer.tickAt(first), ["{}"]);
      for (let ping = first; ping < 200_000;) {
        assert.equal(peer.session.deadline, ping + 8_000);
        assert.deepEqual(peer.tickAt(ping + 7_999), []);
        assert.deepEqual(peer.send("{}"), []);
        ping += 25_000;
        assert.equal(peer.session.deadline, ping);
        assert.deepEqual(peer.tickAt(ping), ["{}"]);
      }
    });
  }

  it("that are not answered in time end the connection", () => {
    const peer = Peer.connected(ordinary);
    peer.tickAt(18_750);
    // Other commands are no answer.
    peer.send({ id: 2, unsubscribe: { channel: "a" } });
    assert.deepEqual(peer.tickAt(26_749), []);
    assert.deepEqual(peer.tickAt(26_750), ["close 3012 no pong"]);
  });

  it("are counted from when they were sent, however late that was", () => {
    const peer = Peer.connected(ordinary);
    assert.deepEqual(peer.tickAt(30_000), ["{}"]);
    assert.equal(peer.session.deadline, 38_000);
    peer.send("{}");
    assert.equal(peer.session.deadline, 55_000);
  });

  it("are answered once each", () => {
    const peer = Peer.connected(ordinary);
    peer.tickAt(18_750);
    assert.deepEqual(peer.send("{}", "{}"), [badRequest]);
    assert.deepEqual(Peer.connected(ordinary).send("{}"), [badRequest]);
    assert.deepEqual(new Peer().send("{}"), [badRequest]);
  });

  it("have an interval and a time limit of one's own", () => {
    const peer = Peer.connected(withChannels({}, { ping_interval: "10s", pong_timeout: "2s" }));
    assert.equal(peer.session.deadline, 7_500);
    peer.tickAt(7_500);
    assert.equal(peer.session.deadline, 9_500);
  });
});

describe("a connection that expires", () => {
  const config = { client: { ping_interval: "1h0m0s" } };

  function expiring(): Peer {
    const peer = new Peer(config);
    const { task } = onlyTask(peer.send({ id: 1, connect: { token: "t" } }), "verify-connection");
    peer.connectionToken(task, { expireAt: seconds(60_000) });
    return peer;
  }

  it("is closed 25 s later", () => {
    const peer = expiring();
    assert.equal(peer.session.deadline, 85_000);
    assert.deepEqual(peer.tickAt(84_999), []);
    assert.deepEqual(peer.tickAt(85_000), ["close 3005 connection expired"]);
  });

  it("is not closed once it is refreshed", () => {
    const peer = expiring();
    peer.now = 70_000;
    const { task } = onlyTask(peer.send({ id: 2, refresh: { token: "r" } }), "verify-connection");
    peer.connectionToken(task, { expireAt: seconds(120_000) });
    assert.equal(peer.session.deadline, 145_000);
    assert.deepEqual(peer.tickAt(144_999), []);
    assert.deepEqual(peer.tickAt(145_000), ["close 3005 connection expired"]);
  });
});

describe("a subscription that expires", () => {
  const config = withChannels({}, { ping_interval: "1h0m0s" });

  function subscribe(peer: Peer, channel: string, expireAt: number): void {
    const command = { id: 2, subscribe: { channel, token: "t" } };
    const { task } = onlyTask(peer.send(command), "verify-subscription");
    onlyTask(peer.subscriptionToken(task, { channel, expireAt: seconds(expireAt) }), "subscribe");
    peer.subscribed(task + 1);
  }

  it("is ended 25 s later, and others are not", () => {
    const peer = Peer.connected(config);
    peer.subscribe("always");
    subscribe(peer, "b", 90_000);
    subscribe(peer, "a", 60_000);
    assert.equal(peer.session.deadline, 85_000);
    assert.deepEqual(peer.tickAt(84_999), []);
    assert.deepEqual(peer.tickAt(85_000), [
      { kind: "unsubscribe", channel: "a" },
      '{"push":{"channel":"a","unsubscribe":{"code":2501,"reason":"subscription expired"}}}',
    ]);
    assert.deepEqual([...peer.session.channels.keys()], ["always", "b"]);
    assert.equal(peer.session.deadline, 115_000);
    assert.equal(peer.tickAt(115_000).length, 2);
    assert.deepEqual(peer.tickAt(120_000), []);
    assert.deepEqual([...peer.session.channels.keys()], ["always"]);
  });

  it("is not ended once it is refreshed", () => {
    const peer = Peer.connected(config);
    subscribe(peer, "a", 60_000);
    const command = { id: 3, sub_refresh: { channel: "a", token: "r" } };
    const { task } = onlyTask(peer.send(command), "verify-subscription");
    peer.subscriptionToken(task, { expireAt: seconds(120_000) });
    assert.deepEqual(peer.tickAt(85_000), []);
    assert.equal(peer.session.deadline, 145_000);
    assert.equal(peer.tickAt(145_000).length, 2);
  });

  it("may be made to end sooner", () => {
    const peer = Peer.connected(config);
    subscribe(peer, "a", 120_000);
    const command = { id: 3, sub_refresh: { channel: "a", token: "r" } };
    const { task } = onlyTask(peer.send(command), "verify-subscription");
    peer.subscriptionToken(task, { expireAt: seconds(60_000) });
    assert.equal(peer.session.deadline, 85_000);
  });

  it("does not hold up a ping that is due at the same time", () => {
    const peer = Peer.connected(withChannels({}));
    subscribe(peer, "a", 1_000);
    assert.equal(peer.tickAt(26_000).length, 3);
    assert.deepEqual(peer.session.channels.size, 0);
  });
});
