import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConnectionClaims } from "../../../../apps/ws/auth/tokens.ts";
import { history, onlyTask, ordinary, Peer, seconds, timeOrigin, withChannels } from "./peer.ts";

const connect = { id: 1, connect: {} };
const withToken = { id: 1, connect: { token: "t" } };
const connected = '{"id":1,"connect":{"client":"c1","version":"v1","ping":25,"pong":true}}';
const badRequest = "close 3501 bad request";

/** One that has sent a token, which is being verified. */
function verifying(
  config: unknown = {},
  message: object = withToken,
): { peer: Peer; task: number } {
  const peer = new Peer(config);
  const { task, token } = onlyTask(peer.send(message), "verify-connection");
  assert.equal(token, "t");
  return { peer, task };
}

describe("connecting without a token", () => {
  const cases: [what: string, client: object, user: string | undefined, as: string | undefined][] =
    [
      ["is refused by default", {}, undefined, undefined],
      [
        "is allowed where anonymous clients are",
        { allow_anonymous_connect_without_token: true },
        undefined,
        "",
      ],
      ["is allowed where all is", { insecure: true }, undefined, ""],
      ["is allowed to whom the header names", {}, "42", "42"],
      ["is allowed as whom the header names", { insecure: true }, "42", "42"],
    ];
  for (const [what, client, user, as] of cases) {
    it(what, () => {
      const peer = new Peer({ client }, user === undefined ? {} : { user });
      assert.equal(peer.session.user, undefined);
      const answer = peer.send(connect);
      if (as === undefined) {
        assert.deepEqual(answer, [badRequest]);
        return;
      }
      assert.deepEqual(answer, [{ kind: "connected", user: as }, connected]);
      assert.equal(peer.session.user, as);
      assert.equal(peer.session.connected, true);
      assert.equal(peer.session.client, "c1");
    });
  }

  it("says the server's time where that is configured", () => {
    const peer = new Peer({ client: { insecure: true, connect_include_server_time: true } });
    peer.now = 5.5;
    assert.deepEqual(peer.send(connect)[1], connected.replace("}}", `,"time":${timeOrigin + 5}}}`));
  });

  it("promises no pings where the transport pings", () => {
    const peer = new Peer(ordinary, { framePings: true });
    assert.deepEqual(peer.send(connect)[1], '{"id":1,"connect":{"client":"c1","version":"v1"}}');
    assert.equal(peer.session.deadline, undefined);
  });
});

describe("a connection token", () => {
  it("makes the client a user, with what the token says of it", () => {
    const { peer, task } = verifying(withChannels({}));
    assert.equal(peer.session.connected, false);
    assert.deepEqual(peer.connectionToken(task, { user: "42", info: '{"n":1.0}' }), [
      { kind: "connected", user: "42" },
      connected,
    ]);
    const { info } = onlyTask(peer.send({ id: 2, subscribe: { channel: "a" } }), "subscribe");
    assert.deepEqual(info, { user: "42", client: "c1", conn_info: '{"n":1.0}' });
  });

  it("is verified where none is needed, and goes before the header", () => {
    const peer = new Peer({ client: { insecure: true } }, { user: "1" });
    const { task } = onlyTask(peer.send(withToken), "verify-connection");
    assert.deepEqual(peer.connectionToken(task)[0], { kind: "connected", user: "42" });
  });

  const failures = [
    ["invalid", "close 3500 invalid token"],
    ["expired", '{"id":1,"error":{"code":109,"message":"token expired"}}'],
    [
      "unavailable",
      '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}',
    ],
  ] as const;
  for (const [reason, answer] of failures) {
    it(`that is ${reason} is answered with ${answer}`, () => {
      const { peer, task } = verifying({ client: { insecure: true } });
      const outcome = { ok: false, reason, message: "m" } as const;
      assert.deepEqual(peer.give({ kind: "connection-token", task, outcome }), [answer]);
      assert.equal(peer.session.connected, false);
      // The connection is of no use any more.
      const next = peer.send(connect);
      assert.deepEqual(next, reason === "invalid" ? [] : [badRequest]);
    });
  }

  it("may name no user, unless that is forbidden", () => {
    const allowed = verifying();
    assert.deepEqual(allowed.peer.connectionToken(allowed.task, { user: "" })[0], {
      kind: "connected",
      user: "",
    });
    const forbidden = verifying({ client: { disallow_anonymous_connection_tokens: true } });
    assert.deepEqual(forbidden.peer.connectionToken(forbidden.task, { user: "" }), [
      "close 3507 permission denied",
    ]);
    const named = verifying({ client: { disallow_anonymous_connection_tokens: true } });
    assert.deepEqual(named.peer.connectionToken(named.task).at(-1), connected);
  });

  const expiries: [what: string, expireAt: number | undefined, answer: string][] = [
    ["tells the client when to refresh", seconds(60_000), '"expires":true,"ttl":60,'],
    ["counts seconds as they are begun", seconds(999), '"expires":true,"ttl":1,'],
    ["is for a year at most", seconds(1e12), '"expires":true,"ttl":31536000,'],
    ["that never expires is not refreshed", undefined, ""],
  ];
  for (const [what, expireAt, fields] of expiries) {
    it(what, () => {
      const { peer, task } = verifying();
      const answer = peer.connectionToken(task, {
        expireAt: expireAt === undefined ? undefined : Math.ceil(expireAt),
      });
      assert.deepEqual(answer[1], connected.replace('"ping"', `${fields}"ping"`));
    });
  }

  it("counts what is left of the second that it is in", () => {
    const { peer, task } = verifying();
    peer.now = 400;
    const [, text] = peer.connectionToken(task, { expireAt: seconds(1_000) });
    assert.match(text as string, /"ttl":1,/);
  });

  it("that has expired by its expire_at is an error", () => {
    const { peer, task } = verifying();
    const answer = peer.connectionToken(task, { expireAt: seconds(0) });
    assert.deepEqual(answer, ['{"id":1,"error":{"code":110,"message":"expired"}}']);
  });

  it("does not expire where all is allowed", () => {
    const { peer, task } = verifying({ client: { insecure: true } });
    assert.deepEqual(peer.connectionToken(task, { expireAt: 1 })[1], connected);
  });

  it("is verified once, however often that is said", () => {
    const { peer, task } = verifying();
    assert.deepEqual(peer.connectionToken(task + 1), []);
    assert.deepEqual(peer.subscriptionToken(task), []);
    assert.equal(peer.connectionToken(task).length, 2);
    assert.deepEqual(peer.connectionToken(task), []);
  });
});

describe("a client's name", () => {
  for (const [name, version, isAllowed] of [
    ["n".repeat(16), "v".repeat(64), true],
    ["n".repeat(17), "", false],
    ["", "v".repeat(65), false],
  ] as const) {
    it(`of ${name.length} characters with a version of ${version.length} is ${isAllowed ? "" : "not "}taken`, () => {
      const answer = new Peer(ordinary).send({ id: 1, connect: { name, version } });
      assert.deepEqual(
        answer.at(-1),
        isAllowed ? connected : '{"id":1,"error":{"code":107,"message":"bad request"}}',
      );
    });
  }
});

describe("server-side subscriptions", () => {
  const recoverable = withChannels({
    ...history,
    force_recovery: true,
    presence: true,
    join_leave: true,
    force_push_join_leave: true,
  });

  it("are there before the connect reply, which tells them", () => {
    const { peer, task } = verifying(recoverable);
    const subs = {
      a: { info: '"ia"', data: '{"d":1}', override: {} },
      b: {
        override: {
          presence: false,
          join_leave: true,
          force_push_join_leave: false,
          force_recovery: false,
          force_positioning: true,
        },
      },
    };
    const effects = peer.connectionToken(task, { subs, channels: ["void"] });
    const effect = { kind: "subscribe", recover: undefined, positioned: true } as const;
    const info = { user: "42", client: "c1" };
    assert.deepEqual(effects, [
      {
        ...effect,
        task: 2,
        channel: "a",
        info: { ...info, chan_info: '"ia"' },
        presence: true,
        joinLeave: true,
        announce: true,
        recoverable: true,
      },
      {
        ...effect,
        task: 3,
        channel: "b",
        info,
        presence: false,
        joinLeave: false,
        announce: true,
        recoverable: false,
      },
    ]);
    assert.deepEqual(peer.subscribed(3, { ok: true, position: { offset: 2, epoch: "f" } }), []);
    assert.equal(peer.session.connected, false);
    assert.deepEqual(peer.subscribed(2, { ok: true, position: { offset: 1, epoch: "e" } }), [
      { kind: "connected", user: "42" },
      '{"id":1,"connect":{"client":"c1","version":"v1","subs":{"b":{"positioned":true,"epoch":"f","offset":2},' +
        '"a":{"recoverable":true,"positioned":true,"epoch":"e","offset":1,"data":{"d":1}}},"ping":25,"pong":true}}',
    ]);
    assert.deepEqual([...peer.session.channels.keys()].sort(), ["a", "b"]);
    assert.equal(peer.session.channels.get("a")?.serverSide, true);
  });

  it("recover what the client asks for", () => {
    const subs = { a: { recover: true, offset: 3, epoch: "e" }, "other:b": { recover: true } };
    const { peer, task } = verifying(recoverable, { id: 1, connect: { token: "t", subs } });
    const effect = onlyTask(peer.connectionToken(task, { channels: ["a"] }), "subscribe");
    assert.deepEqual(effect.recover, { offset: 3, epoch: "e" });
    const publications = ['{"data":1,"offset":4}'];
    const answer = peer.subscribed(effect.task, {
      ok: true,
      position: { offset: 4, epoch: "e" },
      recovery: { recovered: true, publications },
    });
    assert.deepEqual(
      answer[1],
      '{"id":1,"connect":{"client":"c1","version":"v1","subs":{"a":{"recoverable":true,"positioned":true,"epoch":"e","offset":3,' +
        '"publications":[{"data":1,"offset":4}],"recovered":true,"was_recovering":true}},"ping":25,"pong":true}}',
    );
  });

  const personal = { enabled: true };
  const sources: [
    what: string,
    config: unknown,
    claims: Partial<ConnectionClaims>,
    asked: string[],
    got: string[],
  ][] = [
    ["come from channels of the token", {}, { channels: ["a", "$b"] }, [], ["a", "$b"]],
    [
      "come from the user",
      { client: { subscribe_to_user_personal_channel: personal } },
      {},
      [],
      ["#42"],
    ],
    [
      "come from the user in a namespace",
      {
        client: {
          subscribe_to_user_personal_channel: { ...personal, personal_channel_namespace: "own" },
        },
        channel: { namespaces: [{ name: "own" }] },
      },
      { channels: ["a"] },
      [],
      ["a", "own:#42"],
    ],
    [
      "are not those of nobody",
      { client: { subscribe_to_user_personal_channel: personal } },
      { user: "" },
      [],
      [],
    ],
    [
      "are also those that the client asks for and could subscribe to itself",
      withChannels({ allow_user_limited_channels: true }),
      { channels: ["a"] },
      ["a", "b", "b#42", "b#1", "$c", "unknown:d", "bad name", "*", ""],
      ["a", "b", "b#42"],
    ],
    ["are not those that it could not", {}, {}, ["b"], []],
  ];
  for (const [what, config, claims, asked, got] of sources) {
    it(what, () => {
      const subs = Object.fromEntries(asked.map((channel) => [channel, {}]));
      const { peer, task } = verifying(config, { id: 1, connect: { token: "t", subs } });
      const effects = peer.connectionToken(task, claims);
      const channels = effects.flatMap((one) =>
        typeof one === "object" && one.kind === "subscribe" ? [one.channel] : [],
      );
      assert.deepEqual(channels, got);
      assert.equal(peer.session.connected, got.length === 0);
    });
  }

  it("may be asked for without a token, but not by whom only a header names", () => {
    const message = { id: 1, connect: { subs: { b: {} } } };
    assert.equal(onlyTask(new Peer(ordinary).send(message), "subscribe").channel, "b");
    assert.equal(
      onlyTask(new Peer({ client: { insecure: true } }).send(message), "subscribe").channel,
      "b",
    );
    const named = new Peer(ordinary, { user: "42" });
    assert.deepEqual(named.send(message), [{ kind: "connected", user: "42" }, connected]);
  });

  const impossible: [what: string, claims: Partial<ConnectionClaims>, answer: string][] = [
    [
      "in an unknown namespace",
      { channels: ["nope:a"] },
      '{"id":1,"error":{"code":102,"message":"unknown channel"}}',
    ],
    [
      "with a wrong name",
      { channels: ["a", "b*"] },
      '{"id":1,"error":{"code":107,"message":"bad request"}}',
    ],
    ["in too great number", { channels: ["a", "b", "c"] }, "close 3505 channel limit"],
  ];
  for (const [what, claims, answer] of impossible) {
    it(`cannot be ${what}`, () => {
      const { peer, task } = verifying({ client: { channel_limit: 2 } });
      assert.deepEqual(peer.connectionToken(task, claims), [answer]);
    });
  }

  it("cannot be asked for in too great number", () => {
    const subs = { a: {}, b: {}, c: {} };
    const peer = new Peer(withChannels({}, { channel_limit: 2 }));
    assert.deepEqual(peer.send({ id: 1, connect: { subs } }), ["close 3505 channel limit"]);
  });

  it("that fail make the connect command fail, when all are known", () => {
    const { peer, task } = verifying(recoverable);
    peer.connectionToken(task, { channels: ["a", "b", "c"] });
    const error = { code: 100, message: "internal server error", temporary: true } as const;
    const position = { offset: 0, epoch: "e" };
    assert.deepEqual(peer.give({ kind: "subscribed", task: 2, outcome: { ok: false, error } }), []);
    assert.deepEqual(peer.subscribed(3, { ok: true, position }), []);
    assert.deepEqual(peer.subscribed(4, { ok: true, position }), [
      { kind: "unsubscribe", channel: "b" },
      { kind: "unsubscribe", channel: "c" },
      '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}',
    ]);
    assert.equal(peer.session.channels.size, 0);
    assert.deepEqual(peer.send({ id: 2, subscribe: { channel: "a" } }), [badRequest]);
  });

  it("cannot promise a position that the transport does not know", () => {
    const { peer, task } = verifying(recoverable);
    peer.connectionToken(task, { channels: ["a"] });
    assert.deepEqual(peer.subscribed(2), [
      { kind: "unsubscribe", channel: "a" },
      '{"id":1,"error":{"code":100,"message":"internal server error","temporary":true}}',
    ]);
  });

  it("that lose their position end the connection, before its reply too", () => {
    const { peer, task } = verifying(recoverable);
    peer.connectionToken(task, { channels: ["a", "b"] });
    peer.subscribed(2, { ok: true, position: { offset: 0, epoch: "e" } });
    assert.deepEqual(peer.give({ kind: "insufficient", channel: "b" }), []);
    assert.deepEqual(peer.give({ kind: "insufficient", channel: "a" }), [
      "close 3010 insufficient state",
    ]);
  });

  it("may be ended by the client and by the server", () => {
    const { peer, task } = verifying();
    peer.connectionToken(task, { channels: ["a", "b"] });
    peer.subscribed(2);
    peer.subscribed(3);
    assert.deepEqual(peer.send({ id: 2, unsubscribe: { channel: "a" } }), [
      { kind: "unsubscribe", channel: "a" },
      '{"id":2,"unsubscribe":{}}',
    ]);
    assert.deepEqual(
      peer.give({
        kind: "order",
        what: { order: "unsubscribe", channel: "b" },
        ticket: undefined,
      }),
      [
        { kind: "unsubscribe", channel: "b" },
        '{"push":{"channel":"b","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}',
      ],
    );
    assert.equal(peer.session.channels.size, 0);
  });
});
