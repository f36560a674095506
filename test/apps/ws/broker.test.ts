import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BusError } from "../../../apps/lib/bus.ts";
import { Broker } from "../../../apps/ws/broker.ts";
import { MemoryBus } from "../../support/memory-bus.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function start(maxUnconfirmedBytes = 1_000) {
  const bus = new MemoryBus();
  const broker = new Broker(bus, { maxUnconfirmedBytes });
  const events: string[] = [];
  broker.onLost = (confirmed) => events.push(`lost above ${confirmed}`);
  broker.onRoom = () => events.push("room");
  /** NATS's answer to the question with this number, from 0. */
  const answer = async (index: number, error?: BusError): Promise<void> => {
    if (error === undefined) bus.flushes[index]?.resolve(undefined);
    else bus.flushes[index]?.reject(error);
    await turn();
  };
  return { bus, broker, events, answer };
}

const broken = new BusError("unavailable", "the connection broke");

describe("the broker", () => {
  it("hands every message to NATS at once, below the prefix, with increasing tickets", () => {
    const { bus, broker } = start();
    assert.deepEqual(
      ["1", "2", "3"].map((text) => broker.publish("a", Buffer.from(text))),
      [1, 2, 3],
    );
    assert.deepEqual(
      bus.sent,
      ["1", "2", "3"].map((text) => ({ subject: "t.a", text })),
    );
  });

  it("asks NATS one question at a time, and one for all that was sent meanwhile", async () => {
    const { bus, broker, answer } = start();
    broker.publish("a", Buffer.from("1"));
    broker.publish("a", Buffer.from("2"));
    broker.publish("a", Buffer.from("3"));
    await turn();
    assert.equal(bus.flushes.length, 1);
    await answer(0);
    assert.equal(bus.flushes.length, 2, "2 and 3 were sent after the first question");
    await answer(1);
    assert.equal(bus.flushes.length, 2, "nothing is left to ask for");
    broker.publish("a", Buffer.from("4"));
    assert.equal(bus.flushes.length, 3);
  });

  it("counts as lost what was sent after the last confirmation, and nothing of before", async () => {
    const { bus, broker, events, answer } = start();
    broker.publish("a", Buffer.from("1"));
    await answer(0);
    broker.publish("a", Buffer.from("2"));
    broker.publish("a", Buffer.from("3"));
    await answer(1, broken);
    assert.deepEqual(events, ["room", "lost above 1", "room"]);
    assert.equal(bus.flushes.length, 2, "what was lost is not asked for again");
    broker.publish("a", Buffer.from("4"));
    await answer(2);
    assert.deepEqual(events.slice(3), ["room"]);
  });

  it("is full above the limit, not at it, until NATS has confirmed enough", async () => {
    const { broker, events, answer } = start(10);
    broker.publish("a", Buffer.alloc(4));
    broker.publish("a", Buffer.alloc(6));
    assert.equal(broker.full, false);
    broker.publish("a", Buffer.alloc(5));
    assert.equal(broker.full, true);
    await answer(0);
    // 11 of the 15 bytes are still not confirmed.
    assert.deepEqual([broker.full, events], [true, []]);
    await answer(1);
    assert.deepEqual([broker.full, events], [false, ["room"]]);
  });

  it("gives no ticket for what it could not hand over", async () => {
    const { bus, broker, events, answer } = start();
    bus.connected = false;
    assert.throws(() => broker.publish("a", Buffer.from("1")), { code: "unavailable" });
    assert.equal(bus.flushes.length, 0);
    bus.connected = true;
    assert.equal(broker.publish("a", Buffer.from("2")), 1);
    await answer(0, broken);
    assert.deepEqual(events, ["lost above 0", "room"]);
  });
});
