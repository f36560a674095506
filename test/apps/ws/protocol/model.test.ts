import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ChannelRules } from "../../../../apps/ws/channel/rules.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { errors } from "../../../../apps/ws/protocol/codes.ts";
import { decodeFrame } from "../../../../apps/ws/protocol/json/decode.ts";
import { encodeReply } from "../../../../apps/ws/protocol/json/encode.ts";
import type { Command, Push, Reply } from "../../../../apps/ws/protocol/messages.ts";
import { type Effect, type Input, Session } from "../../../../apps/ws/protocol/session.ts";
import { history, seconds, timeOrigin } from "./peer.ts";

const runs = 3_000;
const maxSteps = 100;

const config = decodeConfig({
  client: { allow_anonymous_connect_without_token: true, channel_limit: 3 },
  rpc: {
    without_namespace: { enabled: true, allow_for_anonymous: true },
    connection_call_limit: 2,
  },
  channel: {
    without_namespace: {
      ...history,
      presence: true,
      allow_subscribe_for_client: true,
      allow_subscribe_for_anonymous: true,
      allow_publish_for_subscriber: true,
      allow_publish_for_anonymous: true,
      allow_presence_for_subscriber: true,
      allow_presence_for_anonymous: true,
      allow_history_for_subscriber: true,
      allow_history_for_anonymous: true,
    },
    namespaces: [
      {
        name: "rec",
        ...history,
        force_recovery: true,
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
      },
    ],
  },
});
const rules = new ChannelRules(config);

const channels = ["a", "a", "b", "rec:c", "rec:e", "$d", "none:f", "*"];

/** One step of a test: which one, and two numbers that say how. */
type Step = readonly [kind: number, how: number, more: number];

type TaskEffect = Extract<Effect, { task: number }>;

/** A client and a transport that do what they may, and see to it that the session does. */
class World {
  readonly session: Session;
  now = 0;
  isClosed = false;
  #lastId = 0;
  /** Commands without an answer. */
  readonly #unanswered = new Map<number, Command>();
  /** What the transport has to do, and has done. */
  readonly #tasks: TaskEffect[] = [];
  readonly #done: TaskEffect[] = [];
  /** The channels that the transport is subscribed to, or on the way to be. */
  readonly #attached = new Set<string>();
  readonly #attaching = new Set<string>();
  /** What the client believes. */
  readonly #subscribed = new Set<string>();
  #awaitsPong = false;
  #hasToken = false;

  /** How often each thing has happened, in all worlds together. */
  readonly #seen: Map<string, number>;

  constructor(seen: Map<string, number>) {
    this.#seen = seen;
    this.session = new Session({
      ...{ config, rules, client: "c1", version: "v1", now: 0, timeOrigin, random: 0.5 },
    });
  }

  step([kind, how, more]: Step): void {
    switch (kind % 12) {
      case 0:
      case 1:
      case 2:
      case 3:
        this.#command(how, more);
        return;
      case 4:
      case 5:
      case 6:
      case 7:
        this.#finish(this.#tasks.splice(how % Math.max(1, this.#tasks.length), 1)[0], more);
        return;
      case 8:
        // Late, twice, never asked for, or of another kind.
        this.#repeat(how, more);
        return;
      case 9:
        this.#pass(how);
        return;
      case 10:
        this.#lose(how, more);
        return;
      default:
        if (this.#awaitsPong) this.#pong();
    }
  }

  /** Everything comes to its end. */
  end(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      this.#finish(task, 0);
    }
    if (!this.isClosed) this.#compare();
    // Nobody is forgotten: the last that happens is that time ends it.
    for (let count = 0; !this.isClosed; count += 1) {
      assert.ok(count < 100);
      const { deadline } = this.session;
      assert.ok(deadline !== undefined);
      this.now = Math.max(this.now, deadline);
      this.#give({ kind: "tick" });
    }
  }

  /** The session, its client and its transport agree. */
  #compare(): void {
    assert.deepEqual([...this.#unanswered], [], "all is answered");
    const channels = [...this.session.channels.keys()].sort();
    assert.deepEqual([...this.#attached].sort(), channels);
    assert.deepEqual([...this.#subscribed].sort(), channels);
  }

  #command(how: number, more: number): void {
    this.#lastId += 1;
    const id = this.#lastId;
    const channel = channels[more % channels.length];
    const token = more % 3 === 0 ? { token: `for ${channel ?? ""}` } : {};
    const subs = more % 2 === 0 ? { subs: { a: {}, "rec:c": { recover: true, offset: 1 } } } : {};
    const commands: object[] = [
      { subscribe: { channel, ...token, recover: more % 2 === 0, flag: more % 4 } },
      { subscribe: { channel, ...token } },
      { unsubscribe: { channel } },
      { publish: { channel, data: how } },
      { presence: { channel } },
      { presence_stats: { channel } },
      { history: { channel, limit: more - 5 } },
      // Without a token of its own, a client is closed for it.
      how % 100 === 7 || this.#hasToken ? { refresh: { token: "t" } } : { rpc: {} },
      { sub_refresh: { channel, token: `for ${channel ?? ""}` } },
      { rpc: { method: more % 2 === 0 ? "sum" : "" } },
    ];
    // Seldom, one that ends it all.
    const isFatal = how % 97 === 96;
    const fatal = [{ connect: {} }, { send: {} }, { ping: {} }, { nonsense: {} }];
    const [input] = decodeFrame(
      JSON.stringify({
        id,
        ...(id === 1 && how % 20 > 0
          ? { connect: { ...token, ...subs } }
          : isFatal
            ? fatal[more % 4]
            : commands[how % commands.length]),
      }),
    );
    assert.ok(input !== undefined);
    if (input.kind === "command") {
      const { command } = input;
      this.#unanswered.set(id, command);
      if (command.method === "connect" && id === 1) this.#hasToken = command.token !== "";
    }
    this.#give(input);
  }

  #finish(task: TaskEffect | undefined, how: number): void {
    if (task === undefined) return;
    this.#done.push(task);
    const outcome = this.#outcome(task, how);
    if (task.kind === "subscribe") {
      this.#attaching.delete(task.channel);
      if (outcome.kind === "subscribed" && outcome.outcome.ok) this.#attached.add(task.channel);
    }
    this.#give(outcome);
  }

  #outcome(task: TaskEffect, how: number): Input {
    const { task: number } = task;
    const position = { offset: 5, epoch: how % 7 === 6 ? "other" : "" };
    const failed = { ok: false, error: errors.internal } as const;
    const reasons = ["expired", "invalid", "unavailable"] as const;
    const reason = reasons[how % 3] ?? "expired";
    const refused = { ok: false, reason, message: "" } as const;
    const expireAt = how % 4 === 0 ? undefined : Math.floor(seconds(this.now)) + (how % 100) - 2;
    // A connection that has failed is not worth much.
    const fails = this.session.connected ? how % 5 === 4 : how % 50 === 49;
    switch (task.kind) {
      case "subscribe":
        return {
          ...{ kind: "subscribed", task: number },
          outcome: fails
            ? failed
            : {
                ok: true,
                ...(task.positioned ? { position } : {}),
                ...(task.recover === undefined
                  ? {}
                  : { recovery: { recovered: how % 2 === 0, publications: [] } }),
              },
        };
      case "rpc":
        return {
          kind: "rpc",
          task: number,
          outcome: fails ? failed : { ok: true, data: Buffer.from("{}") },
        };
      case "publish":
        return { kind: "published", task: number, ...(fails ? { error: errors.internal } : {}) };
      case "presence":
        return {
          kind: "presence",
          task: number,
          outcome: { clients: new Map(), complete: !fails },
        };
      case "presence-stats":
        return {
          ...{ kind: "presence-stats", task: number },
          outcome: { numClients: 0, numUsers: 0, complete: !fails },
        };
      case "history":
        return {
          ...{ kind: "history", task: number },
          outcome: fails ? failed : { ok: true, position, publications: [] },
        };
      case "verify-connection": {
        const named = how % 2 === 0 ? ["b"] : [];
        const claims = {
          user: "",
          expireAt,
          info: undefined,
          channels: named,
          subs: {},
          meta: undefined,
        };
        return {
          kind: "connection-token",
          task: number,
          outcome: fails ? refused : { ok: true, claims },
        };
      }
      case "verify-subscription": {
        // Seldom, the token is for another channel.
        const channel = how % 16 === 15 ? "other" : task.token.replace("for ", "");
        const claims = { channel, user: "", client: undefined, expireAt, override: {} };
        return {
          kind: "subscription-token",
          task: number,
          outcome: fails ? refused : { ok: true, claims },
        };
      }
    }
  }

  #repeat(how: number, more: number): void {
    const task = this.#done[how % Math.max(1, this.#done.length)];
    const before = this.#unanswered.size;
    if (task !== undefined) this.#give(this.#outcome(task, more), true);
    this.#give({ kind: "published", task: 1_000_000 + how }, true);
    // A task that is under way is not ended by the outcome of another kind.
    const open = this.#tasks[how % Math.max(1, this.#tasks.length)];
    if (open !== undefined && open.kind !== "publish") {
      this.#give({ kind: "published", task: open.task }, true);
    }
    assert.equal(this.#unanswered.size, before);
  }

  #pass(how: number): void {
    this.now += how * 20;
    const { deadline } = this.session;
    if (deadline === undefined || this.now < deadline) return;
    this.#give({ kind: "tick" });
    if (this.#awaitsPong && how % 20 > 0) this.#pong();
    if (this.isClosed) return;
    const next = this.session.deadline;
    assert.ok(next === undefined || next > this.now, "a tick is not for nothing");
  }

  #pong(): void {
    this.#awaitsPong = false;
    this.#give({ kind: "pong" });
  }

  #lose(how: number, more: number): void {
    const channel = channels[how % channels.length] ?? "";
    const what = { order: "unsubscribe", channel } as const;
    if (more % 2 === 0) this.#give({ kind: "order", what, ticket: undefined });
    else this.#give({ kind: "insufficient", channel });
  }

  #give(input: Input, isVoid = false): void {
    const wasConnected = this.session.connected;
    const effects = this.session.receive(input, this.now);
    if (this.isClosed || isVoid) assert.deepEqual(effects, []);
    for (const effect of effects) {
      assert.equal(this.isClosed, false, "nothing comes after the close");
      this.#take(effect);
    }
    assert.equal(
      this.session.connected && !wasConnected,
      effects.some(({ kind }) => kind === "connected") && !this.isClosed,
    );
    assert.ok(this.session.channels.size <= 3);
    assert.ok(this.#attaching.size + this.#attached.size <= 3);
  }

  #note(what: string): void {
    this.#seen.set(what, (this.#seen.get(what) ?? 0) + 1);
  }

  #take(effect: Effect): void {
    switch (effect.kind) {
      case "reply":
        this.#answered(effect.reply);
        return;
      case "push":
        this.#pushed(effect.push);
        return;
      case "ping":
        this.#note("ping");
        assert.equal(this.#awaitsPong, false);
        this.#awaitsPong = true;
        return;
      case "close":
        this.#note(`close ${effect.code}`);
        this.isClosed = true;
        this.#tasks.length = 0;
        return;
      case "connected":
        return;
      case "unsubscribe":
        assert.equal(this.#attaching.has(effect.channel), false);
        assert.ok(this.#attached.delete(effect.channel), "only what is can end");
        return;
      case "subscribe":
        assert.equal(this.#attached.has(effect.channel), false, "once is enough");
        assert.equal(this.#attaching.has(effect.channel), false, "once is enough");
        this.#attaching.add(effect.channel);
        break;
      case "publish":
      case "presence":
      case "presence-stats":
      case "history":
        // In this test all is for subscribers only.
        assert.ok(this.#subscribed.has(effect.channel));
        break;
      case "publications":
      case "obeyed":
        assert.fail("nobody orders anything");
        break;
      case "rpc":
        assert.equal(effect.method, "sum");
        break;
      case "verify-connection":
      case "verify-subscription":
    }
    assert.equal(
      [...this.#tasks, ...this.#done].some(({ task }) => task === effect.task),
      false,
    );
    this.#note(`task ${effect.kind}`);
    this.#tasks.push(effect);
  }

  /** The server has ended a subscription. */
  #pushed({ channel, ...push }: Push): void {
    assert.ok("unsubscribe" in push && channel !== undefined);
    this.#note(`push ${push.unsubscribe.code}`);
    assert.ok(this.#subscribed.delete(channel), "only what is can end");
    assert.equal(this.#attached.has(channel), false);
  }

  #answered(reply: Reply): void {
    const { id, ...rest } = JSON.parse(encodeReply(reply)) as { id: number };
    const command = this.#unanswered.get(id);
    assert.ok(command !== undefined, "an answer is one, to a command");
    this.#unanswered.delete(id);
    this.#note("error" in reply ? `error ${reply.error.code}` : command.method);
    const [name, ...more] = Object.keys(rest);
    assert.deepEqual(more, []);
    assert.ok(name === command.method || name === "error");
    if ("connect" in reply) {
      for (const channel of reply.connect.subs?.keys() ?? []) this.#subscribed.add(channel);
    }
    if (name === "error" || !("channel" in command)) return;
    if (command.method === "subscribe") this.#subscribed.add(command.channel);
    if (command.method === "unsubscribe") this.#subscribed.delete(command.channel);
  }
}

describe("a session", () => {
  it(`answers each command once and keeps what it says, in ${runs} lives of up to ${maxSteps} steps`, () => {
    const seen = new Map<string, number>();
    const step = fc.tuple(fc.nat(11), fc.nat(999), fc.nat(999));
    fc.assert(
      fc.property(fc.array(step, { maxLength: maxSteps, size: "max" }), (steps) => {
        const world = new World(seen);
        world.step([0, steps.length + 1, steps.length]);
        for (const one of steps) {
          if (world.isClosed) break;
          world.step(one);
        }
        world.end();
      }),
      { numRuns: runs },
    );
    // What never happened was not tested.
    for (const what of [
      ...[
        "error 100",
        "error 102",
        "error 103",
        "error 105",
        "error 106",
        "error 107",
        "error 108",
      ],
      ...["error 109", "error 110", "error 112"],
      ...["close 3005", "close 3010", "close 3012", "close 3500", "close 3501", "close 3508"],
      ...["push 2000", "push 2500", "push 2501", "ping"],
      ...[
        "connect",
        "subscribe",
        "unsubscribe",
        "publish",
        "presence",
        "presence_stats",
        "history",
      ],
      ...["refresh", "sub_refresh", "task subscribe", "task rpc", "task verify-subscription"],
    ]) {
      assert.ok((seen.get(what) ?? 0) >= 5, `${what}: ${seen.get(what) ?? 0}`);
    }
  });
});
