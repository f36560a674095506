import assert from "node:assert/strict";
import { eventually } from "../../../support/eventually.ts";
import { inSeconds, token } from "../../../support/gateway-pair.ts";
import type { Rows } from "./stage.ts";

/** Seconds after which tokens expire, enough to subscribe with them before. */
const soon = 3;

export const permissionRows: Rows = {
  async "may not subscribe where that is not allowed: 103, for good"(stage) {
    const ann = await stage.connect(0);
    for (const channel of [stage.channel("closed"), `$${stage.channel()}`, "users:a#bob"]) {
      const subscription = ann.subscription(channel);
      await subscription.happens("unsubscribed 103");
      assert.deepEqual(subscription.events, ["subscribing 0", "unsubscribed 103"]);
    }
    await ann.subscribe("odd:ok");
  },

  async "is let into a channel whose name names its user"(stage) {
    const ann = await stage.connect(0);
    await ann.subscribe("users:room#ann,bob");
    await ann.subscription("users:room#bob,carl").happens("unsubscribed 103");
  },

  async "may do more as a subscriber"(stage) {
    const ann = await stage.connect(0);
    const channel = stage.channel("members");
    const attempts = [
      () => ann.publish(channel, 1),
      () => ann.history(channel, { limit: 1 }),
      () => ann.presence(channel),
      () => ann.presenceStats(channel),
    ];
    for (const attempt of attempts) await assert.rejects(attempt, { code: 103 });
    await ann.subscribe(channel);
    for (const attempt of attempts) await attempt();
  },

  async "may not publish or read where that is not allowed"(stage) {
    const ann = await stage.connect(0);
    const channel = stage.channel("bare");
    await ann.subscribe(channel);
    await assert.rejects(ann.publish(channel, 1), { code: 103 });
    await assert.rejects(ann.history(channel, { limit: 1 }), { code: 108 });
    await assert.rejects(ann.presence(channel), { code: 108 });
  },

  async "is let in with a subscription token, and others see its info"(stage) {
    const ann = await stage.connect(0);
    const channel = `$${stage.channel()}`;
    const text = await token({ sub: "ann", channel, info: { role: "guest" } });
    await ann.subscribe(channel, { token: text });
    const { clients } = await ann.presence(channel);
    const mine = { client: ann.id, user: "ann", chanInfo: { role: "guest" } };
    assert.deepEqual(clients, { [ann.id]: mine });
  },

  async "is kept out with one that somebody else signed: 103"(stage) {
    const ann = await stage.connect(0);
    const channel = `$${stage.channel()}`;
    const text = await token({ sub: "ann", channel }, "another key that nobody knows here");
    await ann.subscription(channel, { token: text }).happens("unsubscribed 103");
    assert.deepEqual(ann.connection, ["connecting 0", "connected"]);
  },

  async "is ended with 3500 when it comes with the token of another channel or user"(stage) {
    const channel = `$${stage.channel()}`;
    for (const claims of [
      { sub: "ann", channel: "$another" },
      { sub: "bob", channel },
      { sub: "ann", channel, client: "another" },
    ]) {
      const client = await stage.connect(1);
      client.subscription(channel, { token: await token(claims) });
      await client.happens("disconnected 3500");
    }
  },

  async "gets itself another subscription token when its own has expired"(stage) {
    const ann = await stage.connect(0);
    const channel = `$${stage.channel()}`;
    let asked = 0;
    const subscription = await ann.subscribe(channel, {
      token: await token({ sub: "ann", channel, exp: inSeconds(-5) }),
      getToken: async () => {
        asked += 1;
        return token({ sub: "ann", channel });
      },
    });
    assert.equal(asked, 1);
    assert.ok(subscription.events.includes("error subscribe 109"), subscription.events.join());
  },

  async "stays subscribed while its subscription token is refreshed"(stage) {
    const ann = await stage.connect(0);
    const channel = `$${stage.channel()}`;
    let asked = 0;
    const subscription = await ann.subscribe(channel, {
      token: await token({ sub: "ann", channel, exp: inSeconds(soon) }),
      getToken: async () => {
        asked += 1;
        return token({ sub: "ann", channel, ...(asked < 2 ? { exp: inSeconds(soon) } : {}) });
      },
    });
    await eventually("it was refreshed again and again", () => asked >= 2);
    await ann.publish(channel, 1);
    await subscription.received(1);
    assert.deepEqual(subscription.events.slice(0, 2), ["subscribing 0", "subscribed"]);
    assert.ok(!subscription.events.slice(2).some((event) => event.startsWith("subscrib")));
  },

  async "is unsubscribed with 2501 when it is not, and subscribes again with a new one"(stage) {
    const ann = await stage.connect(0);
    const channel = `$${stage.channel()}`;
    let lost = false;
    const subscription = await ann.subscribe(channel, {
      token: await token({ sub: "ann", channel, exp: inSeconds(soon) }),
      getToken: () =>
        lost ? token({ sub: "ann", channel }) : Promise.reject(new Error("not now")),
    });
    subscription.subscription.on("subscribing", () => (lost = true));
    await subscription.happens("subscribing 2501");
    await eventually("it is subscribed again", () => subscription.contexts.length === 2);
    assert.deepEqual(ann.connection, ["connecting 0", "connected"]);
  },
};
