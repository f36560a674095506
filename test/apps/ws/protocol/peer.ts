import assert from "node:assert/strict";
import type { ConnectionClaims, SubscriptionClaims } from "../../../../apps/ws/auth/tokens.ts";
import { ChannelRules } from "../../../../apps/ws/channel/rules.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { decodeFrame } from "../../../../apps/ws/protocol/json/decode.ts";
import { encodePush, encodeReply } from "../../../../apps/ws/protocol/json/encode.ts";
import { Session } from "../../../../apps/ws/protocol/session.ts";
import type {
  Effect,
  Input,
  SessionOptions,
  SubscribeOutcome,
} from "../../../../apps/ws/protocol/session.ts";

/** What is to be done that the client does not see. */
export type Task = Exclude<Effect, { kind: "reply" | "push" | "ping" | "close" }>;
/** What the client sees, as text; a close is `close <code> <reason>`. */
export type Seen = string | Task;

/** Milliseconds since 1970 at which the clock of these tests stands at 0. */
export const timeOrigin = 1_700_000_000_000;

/** Seconds since 1970, of a time of these tests. */
export function seconds(now: number): number {
  return (timeOrigin + now) / 1_000;
}

const open = { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true };

/** Options of a gateway that anybody may connect and subscribe to, but nothing more. */
export const ordinary = {
  client: { allow_anonymous_connect_without_token: true },
  channel: { without_namespace: open },
};

/** Without a namespace as `options` say, and anybody may connect. */
export function withChannels(options: object, client: object = {}): object {
  return {
    client: { ...ordinary.client, ...client },
    channel: { without_namespace: { ...open, ...options } },
  };
}

export const history = { history_size: 10, history_ttl: "60s" };

/** A session, its client and its transport. */
export class Peer {
  readonly session: Session;
  now = 0;

  constructor(config: unknown = ordinary, options: Partial<SessionOptions> = {}) {
    const decoded = decodeConfig(config);
    this.session = new Session({
      config: decoded,
      rules: new ChannelRules(decoded),
      client: "c1",
      version: "v1",
      now: this.now,
      timeOrigin,
      random: 0.5,
      ...options,
    });
  }

  /** One that has connected already. */
  static connected(config?: unknown, options?: Partial<SessionOptions>): Peer {
    const peer = new Peer(config, options);
    peer.send({ id: 1, connect: {} });
    assert.equal(peer.session.connected, true);
    return peer;
  }

  /** The client sends a frame: text, or messages. */
  send(...messages: readonly (string | object)[]): Seen[] {
    const text = messages
      .map((message) => (typeof message === "string" ? message : JSON.stringify(message)))
      .join("\n");
    return decodeFrame(text).flatMap((input) => this.give(input));
  }

  /** The transport says something. */
  give(input: Input): Seen[] {
    return this.session.receive(input, this.now).map(seen);
  }

  /** Time goes on, and the transport says so. */
  tickAt(now: number): Seen[] {
    this.now = now;
    return this.give({ kind: "tick" });
  }

  subscribed(
    task: number,
    outcome: Extract<SubscribeOutcome, { ok: true }> | undefined = { ok: true },
  ): Seen[] {
    return this.give({ kind: "subscribed", task, outcome });
  }

  connectionToken(task: number, claims: Partial<ConnectionClaims> = {}): Seen[] {
    return this.give({
      kind: "connection-token",
      task,
      outcome: { ok: true, claims: { ...connectionClaims, ...claims } },
    });
  }

  subscriptionToken(task: number, claims: Partial<SubscriptionClaims> = {}): Seen[] {
    return this.give({
      kind: "subscription-token",
      task,
      outcome: { ok: true, claims: { ...subscriptionClaims, ...claims } },
    });
  }

  /** Subscribes; the channel needs neither token nor history. */
  subscribe(channel: string, id = 90): void {
    const task = onlyTask(this.send({ id, subscribe: { channel } }), "subscribe");
    this.subscribed(task.task, { ok: true, position: { offset: 0, epoch: "e" } });
    assert.equal(this.session.channels.has(channel), true);
  }
}

const connectionClaims: ConnectionClaims = {
  user: "42",
  expireAt: undefined,
  info: undefined,
  channels: [],
  subs: {},
  meta: undefined,
};

const subscriptionClaims: SubscriptionClaims = {
  channel: "a",
  user: "",
  client: undefined,
  expireAt: undefined,
  override: {},
};

/** The one thing that is to be done, of that kind. */
export function onlyTask<K extends Task["kind"]>(
  list: readonly Seen[],
  kind: K,
): Extract<Task, { kind: K }> {
  const [first, ...more] = list.filter((one) => typeof one !== "string");
  assert.deepEqual(more, []);
  assert.equal(first?.kind, kind);
  return first as Extract<Task, { kind: K }>;
}

function seen(effect: Effect): Seen {
  switch (effect.kind) {
    case "reply":
      return encodeReply(effect.reply);
    case "push":
      return encodePush(effect.push);
    case "ping":
      return "{}";
    case "close":
      return `close ${effect.code} ${effect.reason}`;
    default:
      return effect;
  }
}
