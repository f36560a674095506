import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SubscriptionClaims } from "../../../../apps/ws/auth/tokens.ts";
import { history, onlyTask, ordinary, Peer, seconds, type Seen, withChannels } from "./peer.ts";

const error = (code: number, message: string, id = 2): string =>
  JSON.stringify({ id, error: { code, message } });
const badRequest = "close 3501 bad request";
const internal = '{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}';

/** What is answered to a subscribe command of one that has connected. */
function answerTo(request: object, config: unknown = ordinary): Seen[] {
  return Peer.connected(config).send({ id: 2, subscribe: request });
}

describe("a subscribe command", () => {
  it("is answered when the channel is subscribed", () => {
    const peer = Peer.connected(ordinary);
    assert.deepEqual(peer.send({ id: 2, subscribe: { channel: "a", flag: 1 } }), [
      {
        kind: "subscribe",
        task: 1,
        channel: "a",
        info: { user: "", client: "c1" },
        presence: false,
        joinLeave: false,
        announce: false,
        positioned: false,
        recoverable: false,
        recover: undefined,
      },
    ]);
    assert.equal(peer.session.channels.size, 0);
    assert.deepEqual(peer.subscribed(1), ['{"id":2,"subscribe":{}}']);
    assert.deepEqual([...peer.session.channels.keys()], ["a"]);
    assert.equal(peer.session.channels.get("a")?.serverSide, false);
    assert.deepEqual(peer.subscribed(1), []);
  });

  const namespaces = [{ name: "closed" }, { name: "limited", allow_user_limited_channels: true }];
  const config = { ...ordinary, channel: { ...ordinary.channel, namespaces } };
  const refusals: [request: object, answer: string][] = [
    [{}, badRequest],
    [{ channel: "a", delta: "other" }, badRequest],
    [{ channel: "", delta: "fossil" }, badRequest],
    [{ channel: "a", type: 1 }, error(108, "not available")],
    [{ channel: "a", type: 2 }, error(108, "not available")],
    [{ channel: "a", type: 3 }, error(108, "not available")],
    [{ channel: "a", type: 4 }, error(108, "not available")],
    [{ channel: "a", type: -1 }, error(108, "not available")],
    [{ channel: "a".repeat(256) }, error(107, "bad request")],
    [{ channel: "*" }, error(107, "bad request")],
    [{ channel: "a b" }, error(107, "bad request")],
    [{ channel: "a\n" }, error(107, "bad request")],
    [{ channel: "unknown:a" }, error(102, "unknown channel")],
    [{ channel: "unknown:a", token: "t" }, error(102, "unknown channel")],
    [{ channel: "a", tf: { key: "k", cmp: "eq", val: "v" } }, error(107, "bad request")],
    [{ channel: "closed:a" }, error(103, "permission denied")],
    [{ channel: "$a" }, error(103, "permission denied")],
    [{ channel: "limited:a#1" }, error(103, "permission denied")],
    [{ channel: "#42" }, error(103, "permission denied")],
  ];
  for (const [request, answer] of refusals) {
    it(`${JSON.stringify(request).slice(0, 80)} is answered with ${answer}`, () => {
      assert.deepEqual(answerTo(request, config), [answer]);
    });
  }

  it("may name a channel of 255 characters, ask for deltas and get none", () => {
    const request = { channel: "a".repeat(255), delta: "fossil" };
    const peer = Peer.connected(ordinary);
    const { task } = onlyTask(peer.send({ id: 2, subscribe: request }), "subscribe");
    assert.deepEqual(peer.subscribed(task), ['{"id":2,"subscribe":{}}']);
  });

  it("for a channel that is subscribed or about to be is an error", () => {
    const peer = Peer.connected(ordinary);
    peer.send({ id: 2, subscribe: { channel: "a" } });
    assert.deepEqual(peer.send({ id: 3, subscribe: { channel: "a" } }), [
      error(105, "already subscribed", 3),
    ]);
    peer.subscribed(1);
    assert.deepEqual(peer.send({ id: 4, subscribe: { channel: "a" } }), [
      error(105, "already subscribed", 4),
    ]);
  });

  it("for one channel more than there may be is an error", () => {
    const peer = Peer.connected(withChannels({}, { channel_limit: 2 }));
    peer.subscribe("a");
    peer.send({ id: 2, subscribe: { channel: "b" } });
    assert.deepEqual(peer.send({ id: 3, subscribe: { channel: "c" } }), [
      error(106, "limit exceeded", 3),
    ]);
    const failed = { ok: false, error: { code: 100, message: "m", temporary: true } } as const;
    peer.give({ kind: "subscribed", task: 2, outcome: failed });
    onlyTask(peer.send({ id: 4, subscribe: { channel: "c" } }), "subscribe");
  });

  it("allows 128 channels unless configured otherwise", () => {
    const peer = Peer.connected(ordinary);
    for (let index = 0; index < 128; index += 1) peer.subscribe(`a${index}`);
    assert.deepEqual(peer.send({ id: 2, subscribe: { channel: "b" } }), [
      error(106, "limit exceeded"),
    ]);
    peer.send({ id: 3, unsubscribe: { channel: "a0" } });
    peer.subscribe("b");
  });

  it("that fails leaves the channel free", () => {
    const peer = Peer.connected(ordinary);
    peer.send({ id: 2, subscribe: { channel: "a" } });
    const failed = { code: 100, message: "internal server error", temporary: true } as const;
    assert.deepEqual(
      peer.give({ kind: "subscribed", task: 1, outcome: { ok: false, error: failed } }),
      [internal],
    );
    assert.equal(peer.session.channels.size, 0);
    peer.subscribe("a");
  });

  it("may be for any channel where all is allowed", () => {
    for (const channel of ["$a", "#42", "a#1", "closed:a"]) {
      const peer = Peer.connected({
        client: { insecure: true },
        channel: { namespaces: [{ name: "closed" }] },
      });
      onlyTask(peer.send({ id: 2, subscribe: { channel } }), "subscribe");
    }
  });
});

describe("a subscription token", () => {
  const request = { channel: "$a", token: "t" };

  function verifying(config: unknown = ordinary): { peer: Peer; task: number } {
    const peer = Peer.connected(config);
    const { task, token } = onlyTask(
      peer.send({ id: 2, subscribe: request }),
      "verify-subscription",
    );
    assert.equal(token, "t");
    return { peer, task };
  }

  it("allows what is not allowed without, and says how", () => {
    const { peer, task } = verifying({
      client: ordinary.client,
      channel: { without_namespace: { presence: true, ...history } },
    });
    const effect = onlyTask(
      peer.subscriptionToken(task, {
        channel: "$a",
        client: "c1",
        info: '"i"',
        data: "1.0",
        expireAt: Math.ceil(seconds(30_000)),
        override: {
          presence: false,
          join_leave: true,
          force_push_join_leave: true,
          force_recovery: true,
        },
      }),
      "subscribe",
    );
    assert.deepEqual(effect, {
      kind: "subscribe",
      task: 2,
      channel: "$a",
      info: { user: "", client: "c1", chan_info: '"i"' },
      presence: false,
      joinLeave: true,
      announce: true,
      positioned: true,
      recoverable: true,
      recover: undefined,
    });
    assert.deepEqual(peer.subscribed(2, { ok: true, position: { offset: 0, epoch: "e" } }), [
      '{"id":2,"subscribe":{"expires":true,"ttl":30,"recoverable":true,"positioned":true,"epoch":"e","data":1.0}}',
    ]);
  });

  const failures = [
    ["invalid", error(103, "permission denied")],
    ["expired", error(109, "token expired")],
    ["unavailable", internal],
  ] as const;
  for (const [reason, answer] of failures) {
    it(`that is ${reason} is answered with ${answer}`, () => {
      const { peer, task } = verifying();
      const outcome = { ok: false, reason, message: "m" } as const;
      assert.deepEqual(peer.give({ kind: "subscription-token", task, outcome }), [answer]);
      // The connection stays, and the channel is free.
      onlyTask(peer.send({ id: 3, subscribe: request }), "verify-subscription");
    });
  }

  const others: [what: string, claims: Partial<SubscriptionClaims>, answer: string][] = [
    ["another channel", { channel: "$b" }, "close 3500 invalid token"],
    ["another user", { channel: "$a", user: "1" }, "close 3500 invalid token"],
    ["another client", { channel: "$a", client: "c2" }, "close 3500 invalid token"],
    ["a time that is over", { channel: "$a", expireAt: seconds(0) }, error(110, "expired")],
  ];
  for (const [what, claims, answer] of others) {
    it(`for ${what} is answered with ${answer}`, () => {
      const { peer, task } = verifying();
      assert.deepEqual(peer.subscriptionToken(task, claims), [answer]);
    });
  }

  it("is verified for channels that need none", () => {
    const peer = Peer.connected(ordinary);
    onlyTask(peer.send({ id: 2, subscribe: { channel: "a", token: "t" } }), "verify-subscription");
  });
});

describe("join and leave events", () => {
  const cases: [
    what: string,
    options: object,
    asked: boolean,
    joinLeave: boolean,
    announce: boolean,
  ][] = [
    [
      "are neither told nor got where there are none",
      { allow_presence_for_subscriber: true, allow_presence_for_anonymous: true },
      true,
      false,
      false,
    ],
    [
      "are told, and not got unless asked for",
      { join_leave: true, allow_presence_for_subscriber: true, allow_presence_for_anonymous: true },
      false,
      false,
      true,
    ],
    [
      "are got when asked for by whom presence is for",
      { join_leave: true, allow_presence_for_subscriber: true, allow_presence_for_anonymous: true },
      true,
      true,
      true,
    ],
    [
      "are not got by whom presence is not for",
      { join_leave: true, allow_presence_for_subscriber: true },
      true,
      false,
      true,
    ],
    [
      "are got by all where that is forced",
      { join_leave: true, force_push_join_leave: true },
      false,
      true,
      true,
    ],
  ];
  for (const [what, options, asked, joinLeave, announce] of cases) {
    it(what, () => {
      const answer = answerTo({ channel: "a", join_leave: asked }, withChannels(options));
      const effect = onlyTask(answer, "subscribe");
      assert.deepEqual([effect.joinLeave, effect.announce], [joinLeave, announce]);
    });
  }
});

describe("a position", () => {
  const readable = {
    ...history,
    allow_history_for_subscriber: true,
    allow_history_for_anonymous: true,
  };
  const both = { positioned: true, recoverable: true };
  const cases: [
    what: string,
    options: object,
    request: object,
    positioned: boolean,
    recoverable: boolean,
  ][] = [
    ["is not kept unless asked for", history, {}, false, false],
    ["is not kept for whom it is not allowed", history, both, false, false],
    ["is kept where that is forced", { ...history, force_positioning: true }, {}, true, false],
    [
      "is kept for who asks and is allowed",
      { ...history, allow_positioning: true },
      both,
      true,
      false,
    ],
    ["is recoverable where that is forced", { ...history, force_recovery: true }, {}, true, true],
    [
      "is recoverable for who asks and is allowed",
      { ...history, allow_recovery: true },
      { recoverable: true },
      true,
      true,
    ],
    ["is kept for who asks and may read the history", readable, { positioned: true }, true, false],
    [
      "is recoverable for who asks and may read the history",
      readable,
      { recoverable: true },
      true,
      true,
    ],
    [
      "needs a history",
      { allow_history_for_subscriber: true, allow_history_for_anonymous: true },
      both,
      false,
      false,
    ],
  ];
  for (const [what, options, request, positioned, recoverable] of cases) {
    it(what, () => {
      const peer = Peer.connected(withChannels(options));
      const answer = peer.send({ id: 2, subscribe: { channel: "a", ...request } });
      const effect = onlyTask(answer, "subscribe");
      assert.deepEqual([effect.positioned, effect.recoverable], [positioned, recoverable]);
      const position = { offset: 7, epoch: "e" };
      assert.deepEqual(
        peer.subscribed(effect.task, { ok: true, position }),
        positioned
          ? [
              `{"id":2,"subscribe":{${recoverable ? '"recoverable":true,' : ""}"positioned":true,"epoch":"e","offset":7}}`,
            ]
          : ['{"id":2,"subscribe":{}}'],
      );
    });
  }

  it("cannot be promised where the transport knows none", () => {
    const peer = Peer.connected(withChannels({ ...history, force_positioning: true }));
    peer.send({ id: 2, subscribe: { channel: "a" } });
    assert.deepEqual(peer.subscribed(1), [{ kind: "unsubscribe", channel: "a" }, internal]);
    assert.equal(peer.session.channels.size, 0);
  });
});

describe("recovery", () => {
  const config = withChannels({ ...history, force_recovery: true });
  const asked = { channel: "a", recover: true, offset: 3, epoch: "e" };
  const position = { offset: 5, epoch: "e" };
  const fields = '"recoverable":true,"positioned":true,"epoch":"e"';
  const publications = ['{"data":1,"offset":4}', '{"data":2,"offset":5}'];

  function recovering(request: object): Peer {
    const peer = Peer.connected(config);
    const answer = peer.send({ id: 2, subscribe: { ...asked, ...request } });
    const { offset, epoch } = { ...asked, ...request };
    assert.deepEqual(onlyTask(answer, "subscribe").recover, { offset, epoch });
    return peer;
  }

  it("that succeeds begins where the client is", () => {
    const recovery = { recovered: true, publications };
    assert.deepEqual(recovering({}).subscribed(1, { ok: true, position, recovery }), [
      `{"id":2,"subscribe":{${fields},"offset":3,"publications":[${publications.join(",")}],"recovered":true,"was_recovering":true}}`,
    ]);
  });

  it("that has nothing to bring says so", () => {
    const recovery = { recovered: true, publications: [] };
    const peer = recovering({ offset: 5 });
    assert.deepEqual(peer.subscribed(1, { ok: true, position, recovery }), [
      `{"id":2,"subscribe":{${fields},"offset":5,"recovered":true,"was_recovering":true}}`,
    ]);
  });

  it("that fails brings nothing and ends at the top", () => {
    const recovery = { recovered: false, publications };
    for (const flag of [0, 1]) {
      assert.deepEqual(recovering({ flag }).subscribed(1, { ok: true, position, recovery }), [
        `{"id":2,"subscribe":{${fields},"offset":5,"was_recovering":true}}`,
      ]);
    }
  });

  for (const flag of [2, 3]) {
    it(`that fails is an error with flag ${flag}, and leaves the channel free`, () => {
      const recovery = { recovered: false, publications: [] };
      const peer = recovering({ flag });
      assert.deepEqual(peer.subscribed(1, { ok: true, position, recovery }), [
        { kind: "unsubscribe", channel: "a" },
        error(112, "unrecoverable position"),
      ]);
      assert.equal(peer.session.channels.size, 0);
      peer.subscribe("a");
    });
  }

  it("that succeeds is none with flag 2", () => {
    const recovery = { recovered: true, publications: [] };
    const [answer] = recovering({ flag: 2 }).subscribed(1, { ok: true, position, recovery });
    assert.match(answer as string, /"recovered":true/);
  });

  it("is not there where it is not asked for", () => {
    const peer = Peer.connected(config);
    peer.send({ id: 2, subscribe: { ...asked, recover: false, flag: 2 } });
    assert.deepEqual(peer.subscribed(1, { ok: true, position }), [
      `{"id":2,"subscribe":{${fields},"offset":5}}`,
    ]);
  });

  it("is not there where it is not allowed, and the client is told", () => {
    for (const [flag, answer] of [
      [0, ['{"id":2,"subscribe":{"was_recovering":true}}']],
      [2, [{ kind: "unsubscribe", channel: "a" }, error(112, "unrecoverable position")]],
    ] as const) {
      const peer = Peer.connected(withChannels(history));
      const effect = onlyTask(peer.send({ id: 2, subscribe: { ...asked, flag } }), "subscribe");
      assert.equal(effect.recover, undefined);
      const recovery = { recovered: true, publications };
      assert.deepEqual(peer.subscribed(effect.task, { ok: true, recovery }), answer);
    }
  });

  it("may be asked for without an epoch and an offset", () => {
    const peer = Peer.connected(config);
    const answer = peer.send({ id: 2, subscribe: { channel: "a", recover: true } });
    assert.deepEqual(onlyTask(answer, "subscribe").recover, { offset: 0, epoch: "" });
    const recovery = { recovered: true, publications };
    const [reply] = peer.subscribed(1, { ok: true, position, recovery });
    assert.match(reply as string, /"epoch":"e","publications":/);
  });
});

describe("a lost position", () => {
  it("ends a subscription of the client, so that it subscribes again", () => {
    const peer = Peer.connected(withChannels({ ...history, force_positioning: true }));
    peer.subscribe("a");
    assert.deepEqual(peer.give({ kind: "insufficient", channel: "a" }), [
      { kind: "unsubscribe", channel: "a" },
      '{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
    ]);
    assert.deepEqual(peer.give({ kind: "insufficient", channel: "a" }), []);
    peer.subscribe("a");
  });

  it("does not matter to whom none was promised", () => {
    const peer = Peer.connected(withChannels(history));
    peer.subscribe("a");
    assert.deepEqual(peer.give({ kind: "insufficient", channel: "a" }), []);
    assert.deepEqual(peer.give({ kind: "insufficient", channel: "b" }), []);
    assert.equal(peer.session.channels.size, 1);
  });
});
