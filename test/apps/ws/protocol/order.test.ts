import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { onlyTask, ordinary, Peer, type Seen, withChannels } from "./peer.ts";

const badRequest = "close 3501 bad request";
const error = (id: number, code: number, message: string): string =>
  JSON.stringify({ id, error: { code, message } });
const kinds = (list: readonly Seen[]): string[] =>
  list.map((one) => (typeof one === "string" ? one : one.kind));

describe("before the connect command", () => {
  const commands = [
    { id: 1, subscribe: { channel: "a" } },
    { id: 1, unsubscribe: { channel: "a" } },
    { id: 1, publish: { channel: "a", data: 1 } },
    { id: 1, presence: { channel: "a" } },
    { id: 1, presence_stats: { channel: "a" } },
    { id: 1, history: { channel: "a" } },
    { id: 1, rpc: { method: "a" } },
    { id: 1, refresh: { token: "a" } },
    { id: 1, sub_refresh: { channel: "a", token: "a" } },
    { id: 1, ping: {} },
    { send: {} },
    {},
  ];
  for (const command of commands) {
    it(`${JSON.stringify(command)} ends the connection`, () => {
      assert.deepEqual(new Peer(ordinary).send(command), [badRequest]);
    });
  }
});

describe("after the end", () => {
  it("nothing is answered or done", () => {
    const peer = Peer.connected(ordinary);
    peer.send(
      { id: 2, subscribe: { channel: "a" } },
      { id: 3, publish: { channel: "a", data: 1 } },
    );
    assert.deepEqual(peer.send("x"), [badRequest]);
    assert.deepEqual(peer.send({ id: 3, unsubscribe: { channel: "a" } }), []);
    assert.deepEqual(peer.send("x"), []);
    assert.deepEqual(peer.subscribed(1), []);
    assert.deepEqual(peer.give({ kind: "insufficient", channel: "a" }), []);
    assert.deepEqual(peer.tickAt(1e9), []);
    assert.equal(peer.session.connected, false);
    assert.equal(peer.session.channels.size, 0);
  });

  it("what follows in the same frame is not looked at", () => {
    const peer = Peer.connected(ordinary);
    assert.deepEqual(
      peer.send(
        { id: 2, unsubscribe: { channel: "a" } },
        { send: {} },
        { id: 3, unsubscribe: { channel: "a" } },
      ),
      ['{"id":2,"unsubscribe":{}}', "close 3508 not available"],
    );
  });
});

describe("a second connect command", () => {
  it("ends the connection", () => {
    assert.deepEqual(Peer.connected(ordinary).send({ id: 2, connect: {} }), [badRequest]);
  });

  it("ends it when the first is answered", () => {
    const peer = new Peer(ordinary);
    const frame = [
      { id: 1, connect: { token: "t" } },
      { id: 2, connect: {} },
    ];
    assert.deepEqual(kinds(peer.send(...frame)), ["verify-connection"]);
    const effects = peer.connectionToken(1);
    assert.deepEqual(kinds(effects).slice(0, 1), ["connected"]);
    assert.equal(effects.at(-1), badRequest);
  });
});

describe("what comes while the connect command is under way", () => {
  it("waits for its end, in the order in which it came", () => {
    const peer = new Peer(withChannels({ allow_publish_for_client: true }));
    peer.send({ id: 1, connect: { token: "t" } });
    assert.deepEqual(
      peer.send(
        { id: 2, subscribe: { channel: "a" } },
        { id: 3, publish: { channel: "b", data: 1 } },
        { id: 4, unsubscribe: { channel: "c" } },
      ),
      [],
    );
    assert.deepEqual(kinds(peer.connectionToken(1)), [
      "connected",
      '{"id":1,"connect":{"client":"c1","version":"v1","ping":25,"pong":true}}',
      "subscribe",
      "publish",
      '{"id":4,"unsubscribe":{}}',
    ]);
  });

  for (const last of ["x", "{}", '{"id":5,"nonsense":{}}']) {
    it(`has its turn, too, when it is ${last}, and nothing behind it has`, () => {
      const peer = new Peer(ordinary);
      peer.send({ id: 1, connect: { token: "t" } }, { id: 2, unsubscribe: { channel: "a" } });
      assert.deepEqual(peer.send(last), []);
      assert.deepEqual(peer.send({ id: 3, unsubscribe: { channel: "a" } }), []);
      assert.deepEqual(peer.send("{}"), []);
      assert.deepEqual(kinds(peer.connectionToken(1)).slice(2), [
        '{"id":2,"unsubscribe":{}}',
        badRequest,
      ]);
    });
  }

  it("ends the connection when the connect command fails", () => {
    const peer = new Peer(ordinary);
    peer.send({ id: 1, connect: { token: "t" } }, { id: 2, subscribe: { channel: "a" } });
    const outcome = { ok: false, reason: "expired", message: "m" } as const;
    assert.deepEqual(peer.give({ kind: "connection-token", task: 1, outcome }), [
      error(1, 109, "token expired"),
      badRequest,
    ]);
  });
});

describe("what comes while a channel is being subscribed", () => {
  const config = withChannels({
    allow_publish_for_subscriber: true,
    allow_publish_for_anonymous: true,
    presence: true,
    allow_presence_for_subscriber: true,
    allow_presence_for_anonymous: true,
  });

  it("waits when it concerns the channel, and only then", () => {
    const peer = Peer.connected(config);
    const effects = peer.send(
      { id: 2, subscribe: { channel: "a" } },
      { id: 3, publish: { channel: "a", data: 1 } },
      { id: 4, presence: { channel: "a" } },
      { id: 5, unsubscribe: { channel: "b" } },
    );
    assert.deepEqual(kinds(effects), ["subscribe", '{"id":5,"unsubscribe":{}}']);
    assert.deepEqual(kinds(peer.subscribed(1)), ['{"id":2,"subscribe":{}}', "publish", "presence"]);
  });

  it("may end the subscription and begin it again", () => {
    const peer = Peer.connected(config);
    const effects = peer.send(
      { id: 2, subscribe: { channel: "a" } },
      { id: 3, unsubscribe: { channel: "a" } },
      { id: 4, subscribe: { channel: "a" } },
      { id: 5, subscribe: { channel: "a" } },
      { id: 6, unsubscribe: { channel: "a" } },
    );
    assert.deepEqual(kinds(effects), ["subscribe"]);
    assert.deepEqual(kinds(peer.subscribed(1)), [
      '{"id":2,"subscribe":{}}',
      "unsubscribe",
      '{"id":3,"unsubscribe":{}}',
      "subscribe",
      error(5, 105, "already subscribed"),
    ]);
    assert.deepEqual(kinds(peer.subscribed(2)), [
      '{"id":4,"subscribe":{}}',
      "unsubscribe",
      '{"id":6,"unsubscribe":{}}',
    ]);
    assert.equal(peer.session.channels.size, 0);
  });

  it("waits for its token, too, and goes on when it fails", () => {
    const peer = Peer.connected(config);
    const { task } = onlyTask(
      peer.send(
        { id: 2, subscribe: { channel: "a", token: "t" } },
        { id: 3, unsubscribe: { channel: "a" } },
        { id: 4, publish: { channel: "a", data: 1 } },
      ),
      "verify-subscription",
    );
    const outcome = { ok: false, reason: "invalid", message: "m" } as const;
    assert.deepEqual(peer.give({ kind: "subscription-token", task, outcome }), [
      error(2, 103, "permission denied"),
      '{"id":3,"unsubscribe":{}}',
      error(4, 103, "permission denied"),
    ]);
  });

  it("may be the server's wish to end it", () => {
    const peer = Peer.connected(config);
    peer.send({ id: 2, subscribe: { channel: "a" } });
    const what = { order: "unsubscribe", channel: "a" } as const;
    const order = { kind: "order", what, ticket: undefined } as const;
    assert.deepEqual(peer.give(order), []);
    assert.deepEqual(kinds(peer.subscribed(1)), [
      '{"id":2,"subscribe":{}}',
      "unsubscribe",
      '{"push":{"channel":"a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}',
    ]);
    assert.deepEqual(peer.give(order), []);
  });
});

describe("answers", () => {
  it("may come in any order", () => {
    const peer = Peer.connected(
      withChannels({ allow_publish_for_client: true, allow_publish_for_anonymous: true }),
    );
    peer.send(
      { id: 7, publish: { channel: "a", data: 1 } },
      { id: 8, publish: { channel: "a", data: 2 } },
    );
    assert.deepEqual(peer.give({ kind: "published", task: 2 }), ['{"id":8,"publish":{}}']);
    assert.deepEqual(peer.give({ kind: "published", task: 1 }), ['{"id":7,"publish":{}}']);
  });
});
