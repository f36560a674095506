import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import { Cluster, type ClusterLimits, type LocalGateway } from "../../../../apps/ws/api/cluster.ts";
import { gatewaySubject, Members } from "../../../../apps/ws/presence/members.ts";
import { isNobody } from "../../../../apps/ws/presence/others.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { NatsServer } from "../../../support/nats.ts";

/** A gateway that has these channels, each with so many subscribers, and no clients. */
async function gateway(
  nats: NatsServer,
  channels: ReadonlyMap<string, number>,
  limits: Partial<ClusterLimits> = {},
): Promise<
  AsyncDisposable & {
    readonly gatewayId: string;
    readonly cluster: Cluster;
    readonly members: Members;
    readonly bus: NatsBus;
  }
> {
  const { log } = collectingLog();
  const bus = new NatsBus({ name: "gateway", servers: [nats.url], log });
  await eventually("there is a connection", () => bus.connected);
  const gatewayId = randomUUID();
  const local = (): LocalGateway => ({
    clients: { find: () => [] },
    members,
    channels: () => channels,
    info: () => assert.fail("it is not asked"),
  });
  const cluster = new Cluster({ bus, gatewayId, log, local, limits });
  const members = new Members({ bus, gatewayId, log });
  return {
    ...{ gatewayId, cluster, members, bus },
    [Symbol.asyncDispose]: async () => {
      members.stop();
      cluster.stop();
      await bus.close();
    },
  };
}

function named(count: number): Map<string, number> {
  return new Map(Array.from({ length: count }, (_, index) => [`channel-${index}`, 1]));
}

describe("all gateways together", () => {
  it("tell of all channels, in as many messages as it takes", async () => {
    await using nats = await NatsServer.start();
    const pages = { maxPageBytes: 1_000 };
    await using here = await gateway(nats, new Map([...named(3), ["mine", 2]]), pages);
    await using there = await gateway(nats, named(200), pages);
    for (const { cluster } of [here, there]) {
      const channels = await cluster.channels("");
      assert.ok(channels instanceof Map);
      assert.equal(channels.size, 201);
      assert.equal(channels.get("channel-1"), 2);
      assert.equal(channels.get("channel-150"), 1);
      assert.equal(channels.get("mine"), 2);
    }
    assert.deepEqual(
      await here.cluster.channels("channel-19?"),
      new Map(Array.from({ length: 10 }, (_, index) => [`channel-19${index}`, 1])),
    );
  });

  it("tell of so many channels, and of none where there are more", async () => {
    await using nats = await NatsServer.start();
    const limits = { maxChannels: 200 };
    await using here = await gateway(nats, new Map(), limits);
    await using there = await gateway(nats, named(200), limits);
    assert.ok((await here.cluster.channels("")) instanceof Map);
    await using more = await gateway(nats, new Map([["one more", 1]]), limits);
    for (const { cluster } of [here, there, more]) {
      assert.partialDeepStrictEqual(await cluster.channels(""), { code: 106 });
    }
  });

  it("are asked for nothing that one message cannot hold", async () => {
    await using nats = await NatsServer.start();
    await using here = await gateway(nats, new Map(), { maxOrderBytes: 1_000 });
    const order = (data: string) =>
      here.cluster.order({ user: "u" }, { order: "subscribe", channel: "a", override: {}, data });
    assert.equal(await order('"x"'), undefined);
    assert.partialDeepStrictEqual(await order(`"${"x".repeat(1_000)}"`), { code: 107 });
  });

  it("do not wait for one that is gone, and have no success for one that cannot be asked", async () => {
    await using nats = await NatsServer.start();
    await using here = await gateway(nats, new Map());
    await using there = await gateway(nats, new Map());
    await using old = await gateway(nats, new Map());
    const order = () => here.cluster.order({ user: "u" }, { order: "unsubscribe", channel: "a" });
    assert.equal(await order(), undefined);
    // It goes without a word, as one that is killed. What NATS still hands to it gets no answer.
    await there.bus.close();
    await eventually("NATS knows that it has gone", async () => {
      const ask = here.bus.request(gatewaySubject(there.gatewayId), Buffer.of(), { withinMs: 100 });
      return ask.then(() => false, isNobody);
    });
    assert.equal(await order(), undefined);
    // One of another version is there, and knows nothing of orders.
    old.cluster.stop();
    await old.bus.flush();
    assert.partialDeepStrictEqual(await order(), { code: 100 });
    assert.equal(here.members.others.length, 1);
  });
});
