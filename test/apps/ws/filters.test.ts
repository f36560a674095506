import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { headers } from "nats";
import { FilterBudget } from "../../../apps/ws/client/filter-budget.ts";
import { eventually } from "../../support/eventually.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { startGateway } from "../../support/gateway.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";

describe("what filters may take", () => {
  it("is bounded for one client, and for all", () => {
    const all = new FilterBudget(10);
    const [one, other] = [new FilterBudget(6, all), new FilterBudget(6, all)];
    assert.deepEqual(
      [one.take(6), one.take(1), other.take(5), other.take(4)],
      [true, false, false, true],
    );
    assert.deepEqual([one.taken, other.taken, all.taken], [6, 4, 10]);
    one.give(6);
    assert.deepEqual([other.take(2), other.take(1), all.taken], [true, false, 6]);
  });

  it("is given back by who leaves, in whatever way; who asks for more is refused: 106", async () => {
    await using running = await startGateway({
      limits: { maxFilterCost: 10, maxTotalFilterCost: 16 },
      gateway: {
        client: { insecure: true },
        channel: { without_namespace: { allow_tags_filter: true } },
      },
    });
    const connect = () => ProtocolClient.connect(running.port);
    /** A filter costs its nodes, and 1 for its characters. */
    const tf = (nodes: number) => ({
      op: "or",
      nodes: Array.from({ length: nodes - 1 }, (_, n) => ({ key: "n", cmp: "eq", val: String(n) })),
    });
    const subscribe = async (client: ProtocolClient, channel: string, nodes: number) => {
      const reply = await client.command({ subscribe: { channel, tf: tf(nodes) } });
      return "subscribe" in reply ? "yes" : (reply["error"] as { code: number }).code;
    };
    const [one, other] = [await connect(), await connect()];
    assert.equal(await subscribe(one, "a", 9), "yes");
    assert.equal(await subscribe(one, "b", 3), 106);
    assert.equal(await subscribe(other, "a", 6), 106);
    assert.equal(await subscribe(other, "a", 5), "yes");
    await one.command({ unsubscribe: { channel: "a" } });
    assert.equal(await subscribe(one, "a", 9), "yes");
    one.websocket.close();
    other.websocket.close();
    const third = await connect();
    await eventually("filters are forgotten", async () => {
      return (await subscribe(third, "a", 9)) === "yes";
    });
    // One that goes while its subscription is under way.
    await running.nats.signal("SIGSTOP");
    const gone = await connect();
    gone.send({ id: 90, subscribe: { channel: "b", tf: tf(5) } });
    assert.equal(await subscribe(gone, "c", 5), 106);
    gone.websocket.terminate();
    await eventually("it has gone", () => running.gateway.counts.connections === 1);
    await running.nats.signal("SIGCONT");
    const last = await connect();
    await eventually("its filter is forgotten", async () => {
      return (await subscribe(last, "b", 5)) === "yes";
    });
    const labels = headers();
    labels.set("Centrifuge-Tags", '{"n":"7"}');
    for (const n of [1, 7]) {
      running.publisher.publish(subjectOf("a"), String(n), n === 7 ? { headers: labels } : {});
    }
    const pushes = () => third.pushes;
    await eventually("what it wants arrives", () => pushes().length > 0);
    assert.deepEqual(pushes(), [{ channel: "a", pub: { data: 7, tags: { n: "7" } } }]);
    for (const each of [third, last]) each.websocket.close();
  });
});
