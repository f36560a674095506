import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { Hub, type Seat, type Source } from "../../../apps/ws/hub.ts";

/** A source that remembers who is subscribed. */
class Memory implements Source {
  readonly subscriptions: { topic: string; callback: (message: Uint8Array) => void }[] = [];
  subscribed = 0;

  subscribe(topic: string, callback: (message: Uint8Array) => void) {
    const subscription = { topic, callback };
    this.subscriptions.push(subscription);
    this.subscribed += 1;
    return {
      confirmed: Promise.resolve(),
      unsubscribe: () => {
        this.subscriptions.splice(this.subscriptions.indexOf(subscription), 1);
      },
    };
  }

  publish(topic: string, text: string): void {
    for (const subscription of this.subscriptions) {
      if (subscription.topic === topic) subscription.callback(Buffer.from(text));
    }
  }

  topics(): string[] {
    return this.subscriptions.map(({ topic }) => topic).sort();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function member() {
  const writes: string[] = [];
  return { writes, write: (bytes: Uint8Array) => writes.push(Buffer.from(bytes).toString()) };
}

describe("the hub", () => {
  it("has one subscription per topic and encodes a message once, however many members", async () => {
    const source = new Memory();
    let encoded = 0;
    const hub = new Hub(source, (message) => {
      encoded += 1;
      return Buffer.from(message);
    });
    const members = Array.from({ length: 100 }, () => {
      const each = member();
      hub.join("a").sit(each);
      return each;
    });
    source.publish("a", "x");
    await turn();
    assert.deepEqual([source.subscribed, encoded], [1, 1]);
    assert.ok(members.every(({ writes }) => writes.join() === "x"));
  });

  it("joins what arrives together, hands a lone message out in the same turn, and keeps order", async () => {
    const source = new Memory();
    const hub = new Hub(source, (message) => Buffer.from(message));
    const [a, b] = [member(), member()];
    hub.join("a").sit(a);
    hub.join("b").sit(b);
    source.publish("a", "1");
    source.publish("b", "2");
    source.publish("a", "3");
    await Promise.resolve();
    assert.deepEqual([a.writes, b.writes], [["13"], ["2"]]);
    source.publish("a", "4");
    await Promise.resolve();
    assert.deepEqual(a.writes, ["13", "4"]);
  });

  it("keeps the subscription when the last member leaves while another is about to sit down", async () => {
    const source = new Memory();
    const hub = new Hub(source, (message) => Buffer.from(message));
    const first = hub.join("a");
    first.sit(member());
    const second = hub.join("a");
    first.leave();
    await second.ready;
    const late = member();
    second.sit(late);
    source.publish("a", "x");
    await turn();
    assert.deepEqual([late.writes, source.subscribed], [["x"], 1]);
    second.leave();
    assert.deepEqual(source.topics(), []);
  });

  it("is subscribed to exactly the topics that have a seat, after any joins and leaves", () => {
    const step = fc.record({
      topic: fc.constantFrom("a", "b", "c"),
      leave: fc.nat(),
      join: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const source = new Memory();
        const hub = new Hub(source, (message) => Buffer.from(message));
        const seats: { topic: string; seat: Seat }[] = [];
        for (const { topic, leave, join } of steps) {
          if (join) {
            const seat = hub.join(topic);
            if (leave % 2 === 0) seat.sit(member());
            seats.push({ topic, seat });
          } else if (seats.length > 0) {
            const [gone] = seats.splice(leave % seats.length, 1);
            gone?.seat.leave();
            gone?.seat.leave();
          }
          assert.deepEqual(source.topics(), [...new Set(seats.map((each) => each.topic))].sort());
          assert.equal(hub.topicCount, source.topics().length);
        }
      }),
    );
  });
});
