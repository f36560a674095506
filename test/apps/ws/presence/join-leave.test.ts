import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "nats";
import { topicSubject } from "../../../../apps/lib/topic-subject.ts";
import {
  JoinLeave,
  type JoinLeaveEvent,
  type JoinLeaveType,
} from "../../../../apps/ws/presence/join-leave.ts";
import { eventually } from "../../../support/eventually.ts";
import { MemoryBus } from "../../../support/memory-bus.ts";
import { NatsServer } from "../../../support/nats.ts";
import { PresenceGateway } from "../../../support/presence.ts";

const subject = `j.${topicSubject("a")}`;

describe("joins and leaves", () => {
  it("arrive on all gateways in the order of their sender, each once and unchanged", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server);
    await using b = await PresenceGateway.start(server);
    const [sender, receiver] = [new JoinLeave({ bus: a.bus }), new JoinLeave({ bus: b.bus })];
    const seen: { own: JoinLeaveEvent[]; other: JoinLeaveEvent[] } = { own: [], other: [] };
    const own = sender.subscribe("a", (event) => seen.own.push(event));
    const other = receiver.subscribe("a", (event) => seen.other.push(event));
    await Promise.all([own.confirmed, other.confirmed]);
    const sent: JoinLeaveEvent[] = [];
    for (let index = 0; index < 500; index += 1) {
      const type: JoinLeaveType = index % 2 === 0 ? "join" : "leave";
      const info = { user: "\u2028\n", client: `${index >> 1}`, conn_info: "1.0", chan_info: "[]" };
      const { conn_info, chan_info, ...bare } = info;
      const event = { type, info: index % 3 === 0 ? bare : { ...bare, conn_info, chan_info } };
      sent.push(event);
      assert.equal(sender.publish("a", event.type, event.info), true);
      sender.publish("another", event.type, event.info);
    }
    await a.bus.flush();
    await b.bus.flush();
    assert.deepEqual(seen.own, sent);
    assert.deepEqual(seen.other, sent);
    other.unsubscribe();
    sender.publish("a", "join", { user: "", client: "1" });
    await a.bus.flush();
    await b.bus.flush();
    assert.deepEqual([seen.own.length, seen.other.length], [501, 500]);
  });

  it("are left out when they are something else", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server);
    const seen: JoinLeaveEvent[] = [];
    const joinLeave = new JoinLeave({ bus: a.bus, limits: { maxBytes: 1_000 } });
    await joinLeave.subscribe("a", (event) => seen.push(event)).confirmed;
    const client = await connect({ servers: server.url });
    const info = { user: "", client: "1" };
    const wrong: unknown[] = [
      null,
      [],
      {},
      { type: "join" },
      { type: "join", info: null },
      { type: "join", info: { client: "1" } },
      { type: "join", info: { user: "" } },
      { type: "join", info: { user: "", client: "" } },
      { type: "join", info: { ...info, conn_info: {} } },
      { type: "join", info: { ...info, chan_info: "}" } },
      { type: "stay", info },
      { type: ["join"], info },
      { type: "join", info, padding: "x".repeat(1_000) },
    ];
    client.publish(subject, Buffer.from([0xff, 0xfe]));
    client.publish(subject, "");
    for (const each of wrong) client.publish(subject, JSON.stringify(each));
    client.publish(subject, JSON.stringify({ type: "leave", info, of: "a later version" }));
    await client.flush();
    await eventually("the event arrives", () => seen.length > 0);
    assert.deepEqual(seen, [{ type: "leave", info }]);
    await client.close();
  });

  it("are not sent above the limit, and not without a connection; who sends is told", () => {
    const bus = new MemoryBus();
    const info = { user: "", client: "1" };
    const { length } = JSON.stringify({ type: "join", info });
    const joinLeave = new JoinLeave({ bus, limits: { maxBytes: length } });
    assert.equal(joinLeave.publish("a", "join", info), true);
    assert.equal(joinLeave.publish("a", "leave", info), false);
    bus.change(false);
    assert.equal(joinLeave.publish("a", "join", info), false);
    assert.deepEqual(bus.sent, [{ subject, text: JSON.stringify({ type: "join", info }) }]);
  });
});
