import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConnectionClaims } from "../../../../apps/ws/auth/tokens.ts";
import { onlyTask, ordinary, Peer, type Seen } from "./peer.ts";

const error = (code: number, message: string, more: object = {}): string =>
  JSON.stringify({ id: 2, error: { code, message, ...more } });
const tooMany = error(111, "too many requests", { temporary: true });

const enabled = { enabled: true, allow_for_anonymous: true };
const withRpc = (rpc: object, client: object = {}): object => ({
  client: { ...ordinary.client, ...client },
  rpc,
});
const config = withRpc({
  without_namespace: { ...enabled, timeout: "250ms" },
  namespaces: [{ name: "shop", ...enabled }, { name: "members", enabled: true }, { name: "shut" }],
  connection_call_limit: 2,
});

const calling = (method: string, peer = Peer.connected(config)): Seen[] =>
  peer.send({ id: 2, rpc: { method, data: { n: 1 } } });

/** One that has connected with a token. */
function withToken(claims: Partial<ConnectionClaims> = {}): Peer {
  const peer = new Peer(config);
  const { task } = onlyTask(peer.send({ id: 1, connect: { token: "t" } }), "verify-connection");
  peer.connectionToken(task, claims);
  return peer;
}

function callerOf(peer: Peer): unknown {
  const effect = onlyTask(calling("sum", peer), "rpc");
  peer.give({ kind: "rpc", task: effect.task, outcome: { ok: true, data: Buffer.from("1") } });
  return JSON.parse(effect.caller);
}

describe("a call", () => {
  it("goes to its method, with its bytes and its time", () => {
    const effect = onlyTask(calling("sum"), "rpc");
    assert.deepEqual(
      [effect.method, Buffer.from(effect.data).toString(), effect.withinMs, effect.caller],
      ["sum", '{"n":1}', 250, '{"user":"","client":"c1"}'],
    );
    const named = onlyTask(calling("shop:order/new"), "rpc");
    assert.deepEqual([named.method, named.withinMs], ["shop:order/new", 4_000]);
    const empty = onlyTask(Peer.connected(config).send({ id: 2, rpc: { method: "sum" } }), "rpc");
    assert.equal(empty.data.length, 0);
  });

  it("is answered with what the service says", () => {
    const peer = Peer.connected(config);
    const answers: [answer: string, text: string][] = [
      ['{"res":3}', '{"id":2,"rpc":{"data":{"res":3}}}'],
      ["plain", '{"id":2,"rpc":{"data":"plain"}}'],
      ["", '{"id":2,"rpc":{}}'],
    ];
    for (const [answer, text] of answers) {
      const { task } = onlyTask(calling("sum", peer), "rpc");
      const outcome = { ok: true, data: Buffer.from(answer) } as const;
      assert.deepEqual(peer.give({ kind: "rpc", task, outcome }), [text]);
      assert.deepEqual(peer.give({ kind: "rpc", task, outcome }), [], "once");
    }
    const { task } = onlyTask(calling("sum", peer), "rpc");
    const refused = { code: 404, message: "there is no such thing" };
    assert.deepEqual(peer.give({ kind: "rpc", task, outcome: { ok: false, error: refused } }), [
      error(404, "there is no such thing"),
    ]);
  });

  it("says who calls by what the newest token says, whatever characters that has", () => {
    assert.deepEqual(callerOf(Peer.connected(config)), { user: "", client: "c1" });
    const user = 'a\r\nNats-Service-Error-Code: 1\u2028"\ud800';
    const claims = { user, info: '{"name":"A"}', meta: '{"big":12345678901234567890}' };
    const peer = withToken(claims);
    const { caller } = onlyTask(calling("sum", peer), "rpc");
    assert.ok(caller.includes("12345678901234567890"));
    assert.doesNotMatch(caller, /[\r\n]/);
    const { user: said, ...rest } = JSON.parse(caller) as Record<string, unknown>;
    assert.equal(said, user);
    assert.deepEqual(rest, {
      client: "c1",
      info: { name: "A" },
      meta: { big: Number("12345678901234567890") },
    });
    const fresh = { ...claims, info: undefined, meta: undefined };
    const refreshing = peer.send({ id: 3, refresh: { token: "r" } });
    peer.connectionToken(onlyTask(refreshing, "verify-connection").task, fresh);
    assert.deepEqual(callerOf(peer), { user, client: "c1", info: { name: "A" } });
  });

  const nothing = withRpc({ ping: { enabled: false } });
  const unnamed = withRpc({ namespaces: [{ name: "shop", ...enabled }] });
  const pinging = withRpc({ ping: { enabled: true }, without_namespace: enabled });
  const refusals: [what: string, method: string, config: object, answer: string][] = [
    ["of any method where none is enabled", "sum", nothing, error(108, "not available")],
    ["of none where none is enabled", "", nothing, error(108, "not available")],
    ["without a namespace that is enabled", "sum", unnamed, error(108, "not available")],
    ["in a namespace that is not enabled", "shut:sum", config, error(108, "not available")],
    ["in an unknown namespace", "none:sum", config, error(104, "method not found")],
    ["in the namespace of nothing", ":sum", config, error(104, "method not found")],
    ["by an anonymous client", "members:sum", config, error(103, "permission denied")],
    ["of the gateway's own method", "ping", pinging, '{"id":2,"rpc":{"data":{}}}'],
    ...["", "shop:", "a.b", "a*", "a>", ">", "a b", "é", "shop:a:b", "a\n", "x".repeat(129)].map(
      (name): [string, string, object, string] => [
        `of ${JSON.stringify(name.slice(0, 20))}`,
        name,
        config,
        error(104, "method not found"),
      ],
    ),
  ];
  for (const [what, method, given, answer] of refusals) {
    it(`${what} is answered with ${answer}`, () => {
      assert.deepEqual(calling(method, Peer.connected(given)), [answer]);
    });
  }

  it("is for anonymous clients where everything is, and for users in any case", () => {
    const members = { namespaces: [{ name: "members", enabled: true }] };
    onlyTask(calling("members:sum", Peer.connected(withRpc(members, { insecure: true }))), "rpc");
    onlyTask(calling("members:sum", withToken()), "rpc");
  });

  it("waits for no other, and is refused while too many are under way", () => {
    const peer = Peer.connected(config);
    const tasks = [calling("sum", peer), calling("sum", peer)].map((list) => onlyTask(list, "rpc"));
    assert.deepEqual(calling("sum", peer), [tooMany]);
    const outcome = { ok: true, data: Buffer.from("1") } as const;
    for (const { task } of tasks.reverse()) peer.give({ kind: "rpc", task, outcome });
    for (let n = 0; n < 5; n += 1) {
      const { task } = onlyTask(calling("sum", peer), "rpc");
      peer.give({ kind: "rpc", task, outcome: { ok: false, error: { code: 400, message: "no" } } });
    }
  });

  it("whose answer comes after the end is answered with nothing", () => {
    const peer = Peer.connected(config);
    const { task } = onlyTask(calling("sum", peer), "rpc");
    assert.deepEqual(peer.send({ id: 3, connect: {} }), ["close 3501 bad request"]);
    const outcome = { ok: true, data: Buffer.from("1") } as const;
    assert.deepEqual(peer.give({ kind: "rpc", task, outcome }), []);
  });
});
