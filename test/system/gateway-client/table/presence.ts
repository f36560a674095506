import assert from "node:assert/strict";
import { eventually } from "../../../support/eventually.ts";
import { token } from "../../../support/gateway-pair.ts";
import { indexes, type Rows } from "./stage.ts";

export const presenceRows: Rows = {
  async "sees who is subscribed on both gateways, for as long as they are"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel();
    const named = await Promise.all(
      ["ann", "ann", "bob"].map(async (sub, index) =>
        stage.connect(index === 0 ? 0 : 1, { token: await token({ sub, info: { name: sub } }) }),
      ),
    );
    const subscriptions = await Promise.all(named.map((client) => client.subscribe(channel)));
    for (const reader of [here, there]) {
      const { clients } = await reader.presence(channel);
      assert.equal(Object.keys(clients).length, 3);
      for (const [index, { id }] of named.entries()) {
        const user = index === 2 ? "bob" : "ann";
        assert.deepEqual(clients[id], { client: id, user, connInfo: { name: user } });
      }
      const { numClients, numUsers } = await reader.presenceStats(channel);
      assert.deepEqual([numClients, numUsers], [3, 2]);
    }
    subscriptions[0]?.subscription.unsubscribe();
    named[2]?.close();
    await eventually("they are gone", async () => {
      const { clients } = await here.presence(channel);
      return Object.keys(clients).join() === named[1]?.id;
    });
  },

  async "finds nobody where nobody is"(stage) {
    const [client] = await stage.both();
    const channel = stage.channel();
    assert.deepEqual(await client.presence(channel), { clients: {} });
    const { numClients, numUsers } = await client.presenceStats(channel);
    assert.deepEqual([numClients, numUsers], [0, 0]);
  },

  async "is in the presence by the time that it is subscribed"(stage) {
    const [here, there] = await stage.both();
    for (let round = 0; round < 3; round += 1) {
      const channel = stage.channel();
      await here.subscribe(channel);
      const { clients } = await there.presence(channel);
      assert.ok(here.id in clients);
    }
  },

  async "sees others come and go in order, across gateways"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel();
    const watchers = await Promise.all([here.subscribe(channel), there.subscribe(channel)]);
    const names = Array.from({ length: 6 }, (_, index) => `user-${index}`);
    for (const [index, sub] of names.entries()) {
      const visitor = await stage.connect(index % 2 === 0 ? 0 : 1, { token: await token({ sub }) });
      const visit = await visitor.subscribe(channel);
      await watchers[0].happens(`join ${sub}`);
      if (index % 3 === 0) visit.subscription.unsubscribe();
      else visitor.close();
      await watchers[0].happens(`leave ${sub}`);
    }
    const wanted = names.flatMap((name) => [`join ${name}`, `leave ${name}`]);
    for (const watcher of watchers) {
      await watcher.happens(wanted.at(-1) ?? "");
      assert.deepEqual(
        watcher.events.filter((event) => / user-\d/.test(event)),
        wanted,
      );
    }
  },

  async "sees them only if it asks, where they are not pushed to all"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel("shy");
    const deaf = await here.subscribe(channel);
    const curious = await there.subscribe(channel, { joinLeave: true });
    const visitor = await stage.connect(0, { token: await token({ sub: "bob" }) });
    await visitor.subscribe(channel);
    await curious.happens("join bob");
    visitor.close();
    await curious.happens("leave bob");
    assert.deepEqual(deaf.events, ["subscribing 0", "subscribed"]);
  },

  async "is subscribed by the server, as its token says"(stage) {
    const [, there] = await stage.both();
    const [one, two] = [stage.channel(), stage.channel("plain")];
    const client = await stage.connect(0, {
      token: await token({ sub: "ann", channels: [one] }),
    });
    const other = await stage.connect(0, {
      token: await token({ sub: "ann", subs: { [two]: { data: { x: 1 } } } }),
    });
    await client.happens(`subscribed ${one}`);
    await other.happens(`subscribed ${two}`);
    await there.publish(one, "first");
    await there.publish(two, "second");
    await client.happens(`publication ${one} 1 "first"`);
    await other.happens(`publication ${two} "second"`);
    const { clients } = await there.presence(one);
    assert.deepEqual(Object.keys(clients), [client.id]);
  },

  async "has a channel of its own, by configuration"(stage) {
    // Other rows do not have these users.
    const users = indexes.map((index) => `${stage.channel()}-${index}`);
    const [client, other] = await Promise.all(
      indexes.map(async (index) =>
        stage.connect(index, { token: await token({ sub: users[index] }) }),
      ),
    );
    assert.ok(client !== undefined && other !== undefined);
    const own = `own:#${users[0]}`;
    await client.happens(`subscribed ${own}`);
    await other.happens(`subscribed own:#${users[1]}`);
    await client.publish(own, "to myself");
    await client.happens(`publication ${own} 1 "to myself"`);
    await assert.rejects(other.publish(own, "to another"), { code: 103 });
    await other.subscription(own).happens("unsubscribed 103");
  },
};
