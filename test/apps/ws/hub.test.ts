import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Encoding,
  Hub,
  type HubSubscription,
  type Source,
  type SourceListener,
} from "../../../apps/ws/hub.ts";

/** A source that remembers who is subscribed. */
class Memory implements Source<string> {
  readonly subscriptions: { topic: string; listener: SourceListener<string> }[] = [];
  subscribed = 0;

  subscribe(topic: string, listener: SourceListener<string>) {
    const subscription = { topic, listener };
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
      if (subscription.topic === topic) subscription.listener.onMessage(text);
    }
  }

  lose(topic: string): void {
    for (const subscription of this.subscriptions) {
      if (subscription.topic === topic) subscription.listener.onLost();
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

const plain: Encoding<string> = {
  key: "plain",
  encoderFor: () => (message) => Buffer.from(message),
};
const named: Encoding<string> = {
  key: "named",
  encoderFor: (topic) => (message) => Buffer.from(`${topic}:${message}`),
};

describe("the hub", () => {
  it("has one subscription per topic and encodes a message once, however many subscribers", async () => {
    const source = new Memory();
    let encoded = 0;
    const hub = new Hub(source);
    const counting: Encoding<string> = {
      key: "counting",
      encoderFor: () => (message) => {
        encoded += 1;
        return Buffer.from(message);
      },
    };
    const subscribers = Array.from({ length: 100 }, () => {
      const each = subscriber();
      hub.subscribe("a").attach(each, counting);
      return each;
    });
    source.publish("a", "x");
    await turn();
    assert.deepEqual([source.subscribed, encoded], [1, 1]);
    assert.ok(subscribers.every(({ writes }) => writes.join() === "x"));
  });

  it("joins what arrives together, hands a lone message out in the same turn, and keeps order", async () => {
    const source = new Memory();
    const hub = new Hub(source);
    const [a, b] = [subscriber(), subscriber()];
    hub.subscribe("a").attach(a, plain);
    hub.subscribe("b").attach(b, plain);
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
    const hub = new Hub(source);
    const first = hub.subscribe("a");
    first.attach(subscriber(), plain);
    const second = hub.subscribe("a");
    first.unsubscribe();
    await second.confirmed;
    const late = subscriber();
    second.attach(late, plain);
    source.publish("a", "x");
    await turn();
    assert.deepEqual([late.writes, source.subscribed], [["x"], 1]);
    second.unsubscribe();
    assert.deepEqual(source.topics(), []);
  });

  it("encodes a message once for each kind of subscriber, and for none that has gone", async () => {
    const source = new Memory();
    const hub = new Hub(source);
    const [a, b, c] = [subscriber(), subscriber(), subscriber()];
    hub.subscribe("t").attach(a, plain);
    const leaving = hub.subscribe("t");
    leaving.attach(b, named);
    hub.subscribe("t").attach(c, named);
    source.publish("t", "1");
    await turn();
    leaving.unsubscribe();
    source.publish("t", "2");
    await turn();
    assert.deepEqual([a.writes, b.writes, c.writes], [["1", "2"], ["t:1"], ["t:1", "t:2"]]);
  });

  it("hands nothing to a subscriber that arrived before it was attached", async () => {
    const source = new Memory();
    const hub = new Hub(source);
    const [early, late] = [subscriber(), subscriber()];
    hub.subscribe("a").attach(early, plain);
    const subscription = hub.subscribe("a");
    source.publish("a", "before");
    subscription.attach(late, plain);
    source.publish("a", "after");
    await turn();
    assert.deepEqual(early.writes, ["before", "after"]);
    assert.deepEqual(late.writes, ["after"]);
  });

  it("tells all subscribers of a topic when its source has lost messages, after what came before", () => {
    const source = new Memory();
    const hub = new Hub(source);
    const told: string[] = [];
    const each = {
      write: (bytes: Uint8Array) => told.push(Buffer.from(bytes).toString()),
      lost: (topic: string) => told.push(`lost ${topic}`),
    };
    hub.subscribe("a").attach(each, plain);
    hub.subscribe("b").attach(subscriber(), plain);
    source.publish("a", "1");
    source.lose("a");
    source.lose("b");
    assert.deepEqual(told, ["1", "lost a"]);
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
        const hub = new Hub(source);
        const open: { topic: string; subscription: HubSubscription<string> }[] = [];
        for (const { topic, choice, come } of steps) {
          if (come) {
            const subscription = hub.subscribe(topic);
            if (choice % 2 === 0) subscription.attach(subscriber(), plain);
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
