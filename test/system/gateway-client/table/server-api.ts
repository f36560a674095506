import assert from "node:assert/strict";
import { inSeconds, token } from "../../../support/gateway-pair.ts";
import type { NpmClient } from "../../../support/npm-client.ts";
import type { Rows, Stage } from "./stage.ts";

/** Somebody whom no other row means. */
async function somebody(stage: Stage): Promise<[user: string, client: NpmClient]> {
  const user = stage.channel();
  const client = await stage.connect(0, {
    token: await token({ sub: user, exp: inSeconds(600) }),
    getToken: () => token({ sub: user }),
  });
  return [user, client];
}

/** What the server API does on one gateway to clients of the other. */
export const serverApiRows: Rows = {
  async "gets what is published over the server API: JSON, bytes, tags"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel();
    const subscriptions = await Promise.all([here.subscribe(channel), there.subscribe(channel)]);
    const data = { ü: ["ß", 1.5] };
    const tags = { colour: "grün" };
    const { offset } = await stage.api.publish(channel, data, { tags });
    assert.equal(offset, 1);
    await stage.api.broadcast([channel, stage.channel()], Uint8Array.of(0x61, 0xff, 0x62));
    for (const subscription of subscriptions) {
      assert.deepEqual(await subscription.received(2), [data, "a\ufffdb"]);
      const [first, second] = subscription.publications;
      assert.deepEqual([first?.info, { ...first?.tags }], [undefined, tags]);
      assert.deepEqual([first?.offset, second?.offset], [1, 2]);
      if (stage.kind.encoding === "protobuf") {
        const bytes = Buffer.from(subscription.payloads[1] as Uint8Array);
        assert.deepEqual(bytes, Buffer.of(0x61, 0xff, 0x62));
      }
    }
  },

  async "is subscribed and unsubscribed by the server API"(stage) {
    const [user, client] = await somebody(stage);
    // It could not subscribe to it itself.
    const channel = stage.channel("own");
    await stage.api.subscribe({ user }, channel);
    await client.happens(`subscribed ${channel}`);
    await stage.api.publish(channel, "hello");
    await client.happens(`publication ${channel} 1 "hello"`);
    await stage.api.unsubscribe({ user }, channel);
    await client.happens(`unsubscribed ${channel}`);
    const own = await client.subscribe(stage.channel());
    await stage.api.unsubscribe({ user }, own.channel);
    await own.happens("unsubscribed 2000");
    await stage.api.publish(channel, "not for it");
    assert.equal(client.publications.length, 1);
    assert.deepEqual(client.connection, ["connecting 0", "connected"]);
  },

  async "is disconnected by the server API, for good or to come back"(stage) {
    const [user, client] = await somebody(stage);
    await stage.api.disconnect({ user }, { code: 3005, reason: "come back" });
    await client.happens("connecting 3005");
    await client.happens("connected", 2);
    await stage.api.disconnect({ user }, { code: 4_500, reason: "enough" });
    await client.happens("disconnected 4500");
    const [another, other] = await somebody(stage);
    await stage.api.disconnect({ user: another });
    await other.happens("disconnected 3503");
  },

  async "is told by the server API how long it may stay"(stage) {
    const [user, client] = await somebody(stage);
    const [another, other] = await somebody(stage);
    await stage.api.refresh({ user: another }, { expireAt: inSeconds(1) });
    await stage.api.refresh({ user, client: client.id }, { expired: true });
    await client.happens("connecting 3005");
    // The npm client learns nothing of it, and so asks for no token.
    await other.happens("connecting 3005");
    await other.happens("connected", 2);
  },
};
