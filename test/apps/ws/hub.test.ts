import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Hub, type HubSubscription, type Source } from "../../../apps/ws/hub.ts";

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

function subscriber() {
  const writes: string[] = [];
  return { writes, write: (bytes: Uint8Array) => writes.push(Buffer.from(bytes).toString()) };
}

describe("the hub", () => {
  it("has one subscription per topic and encodes a message once, however many subscribers", async () => {
    const source = new Memory();
    let encoded = 0;
    const hub = new Hub(source, (message) => {
      encoded += 1;
      return Buffer.from(message);
    });
    const subscribers = Array.from({ length: 100 }, () => {
      const each = subscriber();
      hub.subscribe("a").attach(each);
      return each;
    });
    source.publish("a", "x");
    await turn();
    assert.deepEqual([source.subscribed, encoded], [1, 1]);
    assert.ok(subscribers.every(({ writes }) => writes.join() === "x"));
  });

  it("joins what arrives together, hands a lone message out in the same turn, and keeps order", async () => {
    const source = new Memory();
    const hub = new Hub(source, (message) => Buffer.from(message));
    const [a, b] = [subscriber(), subscriber()];
    hub.subscribe("a").attach(a);
    hub.subscribe("b").attach(b);
    source.publish("a", "1");
    source.publish("b", "2");
    source.publish("a", "3");
    await Promise.resolve();
    assert.deepEqual([a.writes, b.writes], [["13"], ["2"]]);
    source.publish("a", "4");
    await Promise.resolve();
    assert.deepEqual(a.writes, ["13", "4"]);
  });

  it("keeps the subscription when the last subscriber leaves while another is about to be attached", async () => {
    const source = new Memory();
    const hub = new Hub(source, (message) => Buffer.from(message));
    const first = hub.subscribe("a");
    first.attach(subscriber());
    const second = hub.subscribe("a");
    first.unsubscribe();
    await second.confirmed;
    const late = subscriber();
    second.attach(late);
    source.publish("a", "x");
    await turn();
    assert.deepEqual([late.writes, source.subscribed], [["x"], 1]);
    second.unsubscribe();
    assert.deepEqual(source.topics(), []);
  });

  it("is subscribed to exactly the topics that have a subscription, after any coming and going", () => {
    const step = fc.record({
      topic: fc.constantFrom("a", "b", "c"),
      choice: fc.nat(),
      come: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const source = new Memory();
        const hub = new Hub(source, (message) => Buffer.from(message));
        const open: { topic: string; subscription: HubSubscription }[] = [];
        for (const { topic, choice, come } of steps) {
          if (come) {
            const subscription = hub.subscribe(topic);
            if (choice % 2 === 0) subscription.attach(subscriber());
            open.push({ topic, subscription });
          } else if (open.length > 0) {
            const [gone] = open.splice(choice % open.length, 1);
            gone?.subscription.unsubscribe();
            gone?.subscription.unsubscribe();
          }
          assert.deepEqual(source.topics(), [...new Set(open.map((each) => each.topic))].sort());
          assert.equal(hub.topicCount, source.topics().length);
        }
      }),
    );
  });
});
