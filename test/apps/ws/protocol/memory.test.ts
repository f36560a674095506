import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ChannelRules } from "../../../../apps/ws/channel/rules.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { decodeFrame } from "../../../../apps/ws/protocol/json/decode.ts";
import { type Effect, Session } from "../../../../apps/ws/protocol/session.ts";
import { history, timeOrigin, withChannels } from "./peer.ts";

const config = decodeConfig(
  withChannels(
    {
      ...history,
      force_recovery: true,
      presence: true,
      join_leave: true,
      allow_publish_for_client: true,
      allow_publish_for_anonymous: true,
    },
    { command_rate_limit: 0 },
  ),
);
const rules = new ChannelRules(config);

/** Bytes that are in use, without garbage. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

function take(session: Session, command: object, now = 0): Effect[] {
  return decodeFrame(JSON.stringify(command)).flatMap((input) => session.receive(input, now));
}

function opened(index: number): Session {
  const session = new Session({
    config,
    rules,
    client: `client-${index}`,
    version: "v1",
    now: index / 7,
    timeOrigin,
    random: 0.5,
  });
  take(session, { id: 1, connect: { name: "js" } }, index / 7);
  return session;
}

/** Ends what is under way, as the transport does. */
function finish(session: Session, effects: readonly Effect[]): number {
  let replies = 0;
  for (const effect of effects) {
    if (effect.kind === "reply") replies += 1;
    if (effect.kind === "subscribe") {
      const outcome = { ok: true, position: { offset: 0, epoch: "e" } } as const;
      const { task } = effect;
      replies += finish(session, session.receive({ kind: "subscribed", task, outcome }, 0));
    }
    if (effect.kind === "publish") {
      replies += finish(session, session.receive({ kind: "published", task: effect.task }, 0));
    }
  }
  return replies;
}

describe("the memory of sessions", () => {
  it("is below 1.5 KB for one that is idle on a channel", () => {
    const count = 10_000;
    const sessions: Session[] = [];
    const before = heldBytes();
    for (let index = 0; index < count; index += 1) {
      const session = opened(index);
      finish(session, take(session, { id: 2, subscribe: { channel: `channel-${index % 100}` } }));
      sessions.push(session);
    }
    const each = (heldBytes() - before) / count;
    assert.ok(sessions.every(({ channels }) => channels.size === 1));
    assert.ok(each < 1_500, `${each} bytes`);
    // Pings change nothing of that.
    for (const session of sessions) {
      for (let ping = 0; ping < 3; ping += 1) {
        const now = session.deadline ?? 0;
        assert.equal(session.receive({ kind: "tick" }, now).length, 1);
        session.receive({ kind: "pong" }, now);
      }
    }
    const later = (heldBytes() - before) / count;
    assert.ok(sessions.every(({ connected }) => connected));
    assert.ok(later < 1_600, `${later} bytes`);
  });

  it("does not grow with what a client does", () => {
    const session = opened(0);
    const lives = (count: number): void => {
      for (let index = 0; index < count; index += 1) {
        const channel = `channel-${index}`;
        let replies = 0;
        for (const command of [
          { id: 2, subscribe: { channel, token: "" } },
          { id: 3, publish: { channel, data: { text: "x".repeat(1_000) } } },
          { id: 4, unsubscribe: { channel } },
          { id: 5, publish: { channel: "*", data: 1 } },
        ]) {
          replies += finish(session, take(session, command));
        }
        assert.equal(replies, 4);
      }
    };
    lives(1_000);
    const before = heldBytes();
    lives(20_000);
    const grown = heldBytes() - before;
    assert.ok(grown < 500_000, `${grown} bytes`);
    assert.equal(session.channels.size, 0);
  });

  it("is not that of the token and the frame that it came in", () => {
    const before = heldBytes();
    const padding = "x".repeat(30_000);
    const sessions = Array.from({ length: 1_000 }, (_, index) => {
      const session = opened(index);
      const token = `${index}${padding}`;
      const [verify] = take(session, { id: 2, subscribe: { channel: "a", token } });
      assert.equal(verify?.kind, "verify-subscription");
      const claims = {
        channel: "a",
        user: "",
        client: undefined,
        expireAt: undefined,
        override: {},
      };
      const outcome = { ok: true, claims } as const;
      const { task } = verify as Extract<Effect, { task: number }>;
      finish(session, session.receive({ kind: "subscription-token", task, outcome }, 0));
      return session;
    });
    const each = (heldBytes() - before) / sessions.length;
    assert.ok(sessions.every(({ channels }) => channels.size === 1));
    assert.ok(each < 3_000, `${each} bytes`);
  });
});
