import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { history, onlyTask, ordinary, Peer, type Seen, withChannels } from "./peer.ts";

const error = (code: number, message: string, id = 2): string =>
  JSON.stringify({ id, error: { code, message } });
const badRequest = "close 3501 bad request";
const temporary = { code: 100, message: "internal server error", temporary: true } as const;
const internal = JSON.stringify({ id: 2, error: temporary });

/** A namespace for each thing that may be allowed, to anonymous clients too. */
const config = {
  client: { ...ordinary.client, history_max_publication_limit: 5 },
  channel: {
    without_namespace: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true },
    namespaces: [
      ...["publish", "presence", "history"].flatMap((what) =>
        ["client", "subscriber"].map((whom) => ({
          name: `${what}-${whom}`,
          presence: true,
          ...history,
          allow_subscribe_for_client: true,
          allow_subscribe_for_anonymous: true,
          [`allow_${what}_for_${whom}`]: true,
          [`allow_${what}_for_anonymous`]: true,
        })),
      ),
      { name: "shut", presence: true, ...history },
    ],
  },
};

function answerTo(command: object, peer = Peer.connected(config)): Seen[] {
  return peer.send({ id: 2, ...command });
}

describe("unsubscribe", () => {
  it("ends a subscription, then says so, as often as it is asked to", () => {
    const peer = Peer.connected(config);
    peer.subscribe("a");
    const command = { unsubscribe: { channel: "a" } };
    const reply = '{"id":2,"unsubscribe":{}}';
    assert.deepEqual(answerTo(command, peer), [{ kind: "unsubscribe", channel: "a" }, reply]);
    assert.deepEqual(answerTo(command, peer), [reply]);
    peer.subscribe("a");
  });

  it("takes channels that there cannot be, but not none at all", () => {
    assert.deepEqual(answerTo({ unsubscribe: { channel: "no:such *" } }), [
      '{"id":2,"unsubscribe":{}}',
    ]);
    assert.deepEqual(answerTo({ unsubscribe: {} }), [badRequest]);
  });
});

describe("publish", () => {
  it("is answered when the publication is taken", () => {
    const peer = Peer.connected(config);
    const publish = { channel: "publish-client:a", data: { n: 1 } };
    assert.deepEqual(answerTo({ publish }, peer), [
      {
        kind: "publish",
        task: 1,
        channel: "publish-client:a",
        data: Buffer.from('{"n":1}'),
        info: { user: "", client: "c1" },
      },
    ]);
    assert.deepEqual(peer.give({ kind: "published", task: 1 }), ['{"id":2,"publish":{}}']);
    assert.deepEqual(peer.give({ kind: "published", task: 1 }), []);
  });

  it("is answered with what went wrong", () => {
    const peer = Peer.connected(config);
    answerTo({ publish: { channel: "publish-client:a", data: 1 } }, peer);
    assert.deepEqual(peer.give({ kind: "published", task: 1, error: temporary }), [internal]);
  });

  const refusals: [request: object, answer: string][] = [
    [{ data: 1 }, badRequest],
    [{ channel: "publish-client:a" }, error(107, "bad request")],
    [{ channel: "publish-client:a", data: 1, type: 1 }, error(108, "not available")],
    [{ channel: "publish-client:*", data: 1 }, error(107, "bad request")],
    [{ channel: `publish-client:${"a".repeat(250)}`, data: 1 }, error(107, "bad request")],
    [{ channel: "unknown:a", data: 1 }, error(102, "unknown channel")],
    [{ channel: "shut:a", data: 1 }, error(103, "permission denied")],
    [{ channel: "publish-subscriber:a", data: 1 }, error(103, "permission denied")],
  ];
  for (const [request, answer] of refusals) {
    it(`${JSON.stringify(request).slice(0, 80)} is answered with ${answer}`, () => {
      assert.deepEqual(answerTo({ publish: request }), [answer]);
    });
  }

  it("is for subscribers where that is configured, with what a token says of them", () => {
    const peer = Peer.connected(config);
    const channel = "publish-subscriber:a";
    const { task } = onlyTask(
      peer.send({ id: 3, subscribe: { channel, token: "t" } }),
      "verify-subscription",
    );
    onlyTask(peer.subscriptionToken(task, { channel, info: '"i"' }), "subscribe");
    peer.subscribed(task + 1);
    const effect = onlyTask(answerTo({ publish: { channel, data: 1 } }, peer), "publish");
    assert.deepEqual(effect.info, { user: "", client: "c1", chan_info: '"i"' });
    peer.send({ id: 4, unsubscribe: { channel } });
    assert.deepEqual(answerTo({ publish: { channel, data: 1 } }, peer), [
      error(103, "permission denied"),
    ]);
  });
});

describe("presence", () => {
  const ann = { user: "1", client: "x", conn_info: '{"n":1}' };
  const kinds = [
    [
      "presence",
      "presence",
      (task: number, complete: boolean) => ({
        kind: "presence" as const,
        task,
        outcome: { clients: new Map([["x", ann]]), complete },
      }),
      '"presence":{"x":{"user":"1","client":"x","conn_info":{"n":1}}}',
    ],
    [
      "presence_stats",
      "presence-stats",
      (task: number, complete: boolean) => ({
        kind: "presence-stats" as const,
        task,
        outcome: { numClients: 2, numUsers: 0, complete },
      }),
      '"num_clients":2,"num_users":0',
    ],
  ] as const;
  for (const [method, kind, outcome, result] of kinds) {
    it(`is told (${method}), and whether somebody may be missing`, () => {
      const peer = Peer.connected(config);
      const channel = "presence-client:a";
      for (const [task, complete] of [
        [1, true],
        [2, false],
      ] as const) {
        assert.deepEqual(answerTo({ [method]: { channel } }, peer), [{ kind, task, channel }]);
        const more = complete ? "" : ',"incomplete":true';
        assert.deepEqual(peer.give(outcome(task, complete)), [
          `{"id":2,"${method}":{${result}${more}}}`,
        ]);
        assert.deepEqual(peer.give(outcome(task, complete)), []);
      }
    });

    const refusals: [channel: string, answer: string][] = [
      ["", badRequest],
      ["a", error(108, "not available")],
      ["unknown:a", error(102, "unknown channel")],
      ["presence-client:>", error(107, "bad request")],
      ["shut:a", error(103, "permission denied")],
      ["presence-subscriber:a", error(103, "permission denied")],
    ];
    for (const [channel, answer] of refusals) {
      it(`(${method}) of ${JSON.stringify(channel)} is answered with ${answer}`, () => {
        assert.deepEqual(answerTo({ [method]: { channel } }), [answer]);
      });
    }

    it(`(${method}) is for subscribers where that is configured`, () => {
      const peer = Peer.connected(config);
      peer.subscribe("presence-subscriber:a");
      onlyTask(answerTo({ [method]: { channel: "presence-subscriber:a" } }, peer), kind);
    });
  }
});

describe("history", () => {
  const channel = "history-client:a";
  const position = { offset: 9, epoch: "e" };

  const requests: [request: object, effect: object][] = [
    [{}, { limit: 0, reverse: false }],
    [{ limit: 0 }, { limit: 0, reverse: false }],
    [{ limit: 4 }, { limit: 4, reverse: false }],
    [
      { limit: 6, reverse: true },
      { limit: 5, reverse: true },
    ],
    [{ limit: -1 }, { limit: 5, reverse: false }],
    [{ limit: -2_147_483_648 }, { limit: 5, reverse: false }],
    [
      { limit: 1, since: { offset: 3, epoch: "e" } },
      { limit: 1, since: { offset: 3, epoch: "e" }, reverse: false },
    ],
    [
      { limit: 1, since: {} },
      { limit: 1, since: { offset: 0, epoch: "" }, reverse: false },
    ],
  ];
  for (const [request, effect] of requests) {
    it(`${JSON.stringify(request)} is bounded and read`, () => {
      const peer = Peer.connected(config);
      assert.deepEqual(answerTo({ history: { channel, ...request } }, peer), [
        { kind: "history", task: 1, channel, ...effect },
      ]);
      const outcome = { ok: true, position, publications: ['{"data":1.0,"offset":4}'] } as const;
      assert.deepEqual(peer.give({ kind: "history", task: 1, outcome }), [
        '{"id":2,"history":{"publications":[{"data":1.0,"offset":4}],"epoch":"e","offset":9}}',
      ]);
      assert.deepEqual(peer.give({ kind: "history", task: 1, outcome }), []);
    });
  }

  it("since a position of another epoch is an error, whoever finds out", () => {
    const peer = Peer.connected(config);
    const request = { history: { channel, since: { offset: 3, epoch: "other" } } };
    const wrong = error(112, "unrecoverable position");
    answerTo(request, peer);
    const outcome = { ok: true, position, publications: [] } as const;
    assert.deepEqual(peer.give({ kind: "history", task: 1, outcome }), [wrong]);
    answerTo(request, peer);
    const found = { code: 112, message: "unrecoverable position" };
    assert.deepEqual(
      peer.give({ kind: "history", task: 2, outcome: { ok: false, error: found } }),
      [wrong],
    );
  });

  const refusals: [channel: string, answer: string][] = [
    ["", badRequest],
    ["a", error(108, "not available")],
    ["unknown:a", error(102, "unknown channel")],
    ["history-client:.", error(107, "bad request")],
    ["shut:a", error(103, "permission denied")],
    ["history-subscriber:a", error(103, "permission denied")],
  ];
  for (const [of, answer] of refusals) {
    it(`of ${JSON.stringify(of)} is answered with ${answer}`, () => {
      assert.deepEqual(answerTo({ history: { channel: of } }), [answer]);
    });
  }

  it("is for subscribers where that is configured", () => {
    const peer = Peer.connected(config);
    peer.subscribe("history-subscriber:a");
    onlyTask(answerTo({ history: { channel: "history-subscriber:a" } }, peer), "history");
  });
});

describe("what nobody handles", () => {
  const pinging = { ...config, rpc: { ping: { enabled: true, method: "echo" } } };
  const cases: [what: string, command: object, config: unknown, answer: string][] = [
    ["a call", { rpc: { method: "echo", data: 1 } }, config, error(108, "not available")],
    ["a call of nothing", { rpc: {} }, config, error(108, "not available")],
    ["the configured call", { rpc: { method: "echo" } }, pinging, '{"id":2,"rpc":{"data":{}}}'],
    ["a call of another method", { rpc: { method: "x" } }, pinging, error(104, "method not found")],
    ["a message", { send: { data: 1 } }, config, "close 3508 not available"],
    ["a ping", { ping: {} }, config, badRequest],
  ];
  for (const [what, command, given, answer] of cases) {
    it(`${what} is answered with ${answer}`, () => {
      assert.deepEqual(answerTo(command, Peer.connected(given)), [answer]);
    });
  }

  it("a message needs no id to be refused", () => {
    assert.deepEqual(Peer.connected(config).send({ send: {} }), ["close 3508 not available"]);
  });
});

describe("where all is allowed", () => {
  it("everything is", () => {
    const peer = Peer.connected({
      ...withChannels({ presence: true, ...history }),
      client: { insecure: true },
    });
    onlyTask(answerTo({ publish: { channel: "a", data: 1 } }, peer), "publish");
    onlyTask(answerTo({ presence: { channel: "a" } }, peer), "presence");
    onlyTask(answerTo({ history: { channel: "a" } }, peer), "history");
  });
});
