import { deepEqual, equal, ok } from "node:assert/strict";
import type { Stage, Steps } from "./stage.ts";
import { until } from "./until.ts";

/** What clients do with a channel, and how they come back to it. */
export const channelSteps = (stage: Stage): Steps => ({
  connect: async () => {
    const peer = await stage.connected();
    const { id } = peer;
    peer.client.disconnect();
    return `client ${id}`;
  },
  subscribe: async () => {
    const { listener } = await stage.enter("ada", { joinLeave: true });
    const { recoverable, positioned, streamPosition } = listener.subscribed[0] ?? {};
    deepEqual([recoverable, positioned], [true, true]);
    const { offset, epoch } = streamPosition ?? {};
    return `${stage.channel} at offset ${String(offset)} in epoch ${String(epoch)}`;
  },
  join: async () => {
    const { peer } = await stage.enter("bob");
    const { joins } = stage.ada.listener;
    await until("join event", () => joins.some(({ info }) => info.client === peer.id));
    return `client ${peer.id} has joined`;
  },
  publish: async () => {
    const { publications, subscribed } = stage.ada.listener;
    const first = (subscribed[0]?.streamPosition?.offset ?? 0) + 1;
    await stage.publishThree();
    await until("publications", () => publications.length >= 3);
    const offsets = publications.map(({ offset }) => offset);
    deepEqual(offsets, [first, first + 1, first + 2]);
    const { id } = stage.bob.peer;
    ok(publications.every(({ info }) => info?.client === id));
    return `offsets ${first} to ${first + 2}, each with the id of who published`;
  },
  history: async () => {
    const { subscription, publications } = stage.ada.listener;
    const { offset, publications: newest } = await subscription.history({
      limit: 2,
      reverse: true,
    });
    equal(offset, publications.at(-1)?.offset);
    const offsets = newest.map((publication) => publication.offset);
    deepEqual(offsets, [offset, offset - 1]);
    return `the newest offset is ${offset}`;
  },
  presence: async () => {
    const { clients } = await stage.ada.listener.subscription.presence();
    for (const { peer } of [stage.ada, stage.bob]) ok(Object.hasOwn(clients, peer.id));
    return `${Object.keys(clients).length} clients, both of us among them`;
  },
  "presence stats": async () => {
    const { numClients, numUsers } = await stage.ada.listener.subscription.presenceStats();
    ok(numClients >= 2 && numUsers >= 1);
    return `${numClients} clients, ${numUsers} users`;
  },
  "disconnect and connect again": () => {
    const { client } = stage.ada.peer;
    return stage.recovers(
      () => {
        client.disconnect();
      },
      () => {
        client.connect();
      },
    );
  },
  // Nobody brings it back: the client does that by itself.
  "connection cut": () =>
    stage.recovers(
      () => {
        stage.ada.peer.cut();
      },
      () => undefined,
    ),
  "position of another epoch": async () => {
    const peer = await stage.connected();
    const since = { offset: 1, epoch: "none" };
    const { subscribed, publications } = await peer.subscribe(stage.channel, { since });
    deepEqual([subscribed[0]?.wasRecovering, subscribed[0]?.recovered], [true, false]);
    equal(publications.length, 0);
    peer.client.disconnect();
    return "recovered: false, and nothing is delivered";
  },
});
