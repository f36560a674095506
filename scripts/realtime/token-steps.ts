import { deepEqual, equal } from "node:assert/strict";
import type { Stage, Steps } from "./stage.ts";
import { until } from "./until.ts";

/** What tokens do; each is made here, as a service of one's own would. */
export const tokenSteps = (stage: Stage): Steps => ({
  "expired token": async () => {
    let asked = 0;
    const { client } = stage.peer({
      token: await stage.sign({}, -60),
      getToken: () => {
        asked += 1;
        return stage.sign({});
      },
    });
    client.connect();
    await client.ready(10_000);
    equal(asked, 1);
    client.disconnect();
    return "109, and the client has asked for a new one";
  },
  "token that expires": async () => {
    if (stage.insecure) return "left out: an insecure gateway wants no token renewed";
    let asked = 0;
    const peer = stage.peer({
      getToken: () => {
        asked += 1;
        return stage.sign({}, asked === 1 ? 2 : 600);
      },
    });
    await peer.connect();
    const { id, client } = peer;
    await until("renewal", () => asked === 2);
    // Its answer comes behind that of the renewal.
    await client.presenceStats(stage.channel).catch(() => undefined);
    deepEqual([peer.id, peer.disconnects], [id, []]);
    client.disconnect();
    return "renewed, on the same connection";
  },
  "subscription token that expires": async () => {
    const peer = await stage.connected();
    const asked: string[] = [];
    const channel = `$${stage.namespace}demo`;
    const { subscription, unsubscribes } = await peer.subscribe(channel, {
      getToken: (context) => {
        asked.push(context.channel);
        return stage.sign({ channel: context.channel }, asked.length === 1 ? 2 : 600);
      },
    });
    await until("renewal", () => asked.length === 2);
    await subscription.presenceStats().catch(() => undefined);
    deepEqual([asked, unsubscribes], [[channel, channel], []]);
    peer.client.disconnect();
    return `renewed, on the private channel ${channel}`;
  },
  "server-side subscription": async () => {
    const peer = stage.peer({ token: await stage.sign({ subs: { [stage.channel]: {} } }) });
    const numbers: unknown[] = [];
    const recovered: boolean[] = [];
    peer.client.on("subscribed", (context) => recovered.push(context.recovered));
    peer.client.on("publication", ({ data }) => numbers.push(data));
    await peer.connect();
    await until("subscription", () => recovered.length === 1);
    peer.cut();
    await stage.publishThree();
    await until("recovery", () => recovered.length === 2 && numbers.length >= 3);
    deepEqual([recovered[1], numbers], [true, [{ n: 1 }, { n: 2 }, { n: 3 }]]);
    peer.client.disconnect();
    return `${stage.channel} by the token's claims, and recovered`;
  },
});
