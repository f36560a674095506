import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Predecessors } from "../../../apps/ws/delta/predecessors.ts";
import {
  type Encoding,
  Hub,
  type HubSubscription,
  type Source,
  type SourceListener,
  type Subscriber,
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

  it("joins as the encoding says, and leaves a message alone that is alone", async () => {
    const source = new Memory();
    const hub = new Hub(source);
    const [a, b] = [subscriber(), subscriber()];
    const lines: Encoding<string> = {
      ...named,
      key: "lines",
      join: (pieces) => Buffer.from(pieces.map(String).join("\n")),
    };
    hub.subscribe("t").attach(a, lines);
    hub.subscribe("t").attach(b, named);
    source.publish("t", "1");
    source.publish("t", "2");
    await turn();
    source.publish("t", "3");
    await turn();
    assert.deepEqual(
      [a.writes, b.writes],
      [
        ["t:1\nt:2", "t:3"],
        ["t:1t:2", "t:3"],
      ],
    );
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

  it("filters for those who want it, encodes once for all of them, and has no lane for who has gone", async () => {
    const source = new Memory();
    const hub = new Hub(source);
    let encoded = 0;
    const counting: Encoding<string> = {
      key: "counting",
      encoderFor: () => (message) => {
        encoded += 1;
        return Buffer.from(message);
      },
    };
    let asked = 0;
    const accepting = (letter: string) => ({
      key: letter,
      accepts: (message: string) => {
        asked += 1;
        return message.includes(letter);
      },
    });
    const [all, a1, a2, b] = [subscriber(), subscriber(), subscriber(), subscriber()];
    const attach = (to: Subscriber, filter?: ReturnType<typeof accepting>) => {
      const subscription = hub.subscribe("t");
      subscription.attach(to, counting, { filter });
      return subscription;
    };
    const subscriptions = [
      attach(all),
      attach(a1, accepting("a")),
      attach(a2, accepting("a")),
      attach(b, accepting("b")),
    ];
    for (const message of ["a", "b", "ab", "c"]) source.publish("t", message);
    await turn();
    assert.deepEqual(
      [all, a1, a2, b].map(({ writes }) => writes),
      [["ababc"], ["aab"], ["aab"], ["bab"]],
    );
    assert.deepEqual({ encoded, asked }, { encoded: 4, asked: 8 });
    subscriptions.splice(0, 1)[0]?.unsubscribe();
    source.publish("t", "c");
    await turn();
    // Nobody wants it.
    assert.deepEqual({ encoded, asked }, { encoded: 4, asked: 10 });
    for (const subscription of subscriptions.slice(0, 2)) subscription.unsubscribe();
    source.publish("t", "a");
    await turn();
    assert.deepEqual({ encoded, asked }, { encoded: 4, asked: 11 });
    assert.deepEqual(b.writes, ["bab"]);
    // Who wants the same again later is not put where nothing comes any more.
    attach(a1, accepting("a"));
    source.publish("t", "a");
    await turn();
    assert.deepEqual(a1.writes, ["aab", "a"]);
  });

  it("tells an encoder the message before, of those who have it alone", async () => {
    const { hub, source, join, predecessors } = chains();
    const first = join({});
    source.publish("t", "1");
    source.publish("t", "2");
    await turn();
    const second = join({});
    // By another way it has the message that the others had last.
    const third = join({ has: "2" });
    const behind = join({ has: "1" });
    source.publish("t", "3");
    source.publish("t", "4");
    await turn();
    assert.deepEqual(first.writes, ["=1;1>2;", "2>3;3>4;"]);
    assert.deepEqual(second.writes, ["=3;3>4;"]);
    assert.deepEqual(third.writes, ["2>3;3>4;"]);
    assert.deepEqual(behind.writes, ["=3;3>4;"]);
    for (const each of [first, second, third, behind]) each.leave();
    assert.equal(hub.topicCount, 0);
    assert.equal(predecessors.bytes, 0);
    // Who is alone says what it has.
    const alone = join({ has: "7" });
    source.publish("t", "8");
    await turn();
    assert.deepEqual(alone.writes, ["7>8;"]);
  });

  it("makes and keeps nothing for those who have gone, though others stay", async () => {
    const { hub, source, join, encoded, predecessors } = chains();
    hub.subscribe("t").attach(subscriber(), plain);
    const [one, other] = [join({}), join({})];
    source.publish("t", "1");
    await turn();
    const late = join({});
    assert.deepEqual([encoded(), predecessors.bytes], [1, 1]);
    for (const each of [one, other, late]) each.leave();
    assert.equal(predecessors.bytes, 0);
    source.publish("t", "2");
    await turn();
    assert.equal(encoded(), 1);
  });

  it("does not write to one who leaves while another one is written to", async () => {
    const { source, join } = chains();
    const settled = join({});
    source.publish("t", "1");
    await turn();
    const leaving = join({});
    settled.onWrite = () => {
      leaving.leave();
    };
    const other = join({});
    other.onWrite = () => {
      late.leave();
    };
    const late = join({});
    source.publish("t", "2");
    await turn();
    source.publish("t", "3");
    await turn();
    assert.deepEqual([leaving.writes, late.writes], [[], []]);
    assert.deepEqual(other.writes, ["=2;", "2>3;"]);
  });

  it("never tells an encoder of a message that some have not, whoever comes and goes", () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ kind: "publish" as const }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("turn" as const) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("join" as const),
          lane: fc.constantFrom("x", "y"),
          topic: fc.constantFrom("t", "u"),
          has: fc.constantFrom(undefined, 0, 1),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("leave" as const), choice: fc.nat() }),
      },
    );
    let chained = 0;
    return fc
      .assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 20, maxLength: 60 }),
          fc.constantFrom(6, 1_000),
          async (steps, maxBytes) => {
            const { hub, source, join, predecessors } = chains(maxBytes);
            const published = new Map<string, string[]>([
              ["t", []],
              ["u", []],
            ]);
            const open: {
              client: ReturnType<typeof join>;
              from: number;
              topic: string;
              has: string | undefined;
            }[] = [];
            const check = ({ client, from, topic, has }: (typeof open)[number], to?: number) => {
              let last = has;
              const received: string[] = [];
              for (const item of client.writes
                .join("")
                .split(";")
                .filter((part) => part !== "")) {
                const [before = "", message = ""] = item.split(/[>=]/);
                if (item.includes(">")) {
                  chained += 1;
                  assert.equal(before, last);
                }
                last = message;
                received.push(message);
              }
              assert.deepEqual(received, published.get(topic)?.slice(from, to));
            };
            let number = 0;
            for (const each of steps) {
              if (each.kind === "publish") {
                for (const [topic, messages] of published) {
                  const message = String((number += 1));
                  source.publish(topic, message);
                  // Without a subscriber, nobody is told.
                  messages.push(message);
                }
              } else if (each.kind === "turn") await turn();
              else if (each.kind === "join") {
                const messages = published.get(each.topic) ?? [];
                const has = each.has === undefined ? undefined : messages.at(-1 - each.has);
                const client = join({ has, lane: each.lane, topic: each.topic });
                open.push({ client, from: messages.length, topic: each.topic, has });
              } else if (open.length > 0) {
                await turn();
                const [gone] = open.splice(each.choice % open.length, 1);
                if (gone === undefined) continue;
                gone.client.leave();
                check(gone);
              }
            }
            await turn();
            for (const each of open) {
              check(each);
              each.client.leave();
            }
            assert.deepEqual([hub.topicCount, predecessors.bytes], [0, 0]);
          },
        ),
      )
      .then(() => {
        assert.ok(chained > 50, `only ${chained}`);
      });
  });
});

/** A hub whose encoder says of each message whether it was told the one before: `1>2;`, or `=2;`. */
function chains(maxBytes = 1_000) {
  const source = new Memory();
  const predecessors = new Predecessors<string>(maxBytes, (message) => message.length);
  const hub = new Hub(source, predecessors);
  let encoded = 0;
  const encoding = (key: string): Encoding<string> => ({
    key,
    chained: true,
    encoderFor: () => (message, before) => {
      encoded += 1;
      return Buffer.from(before === undefined ? `=${message};` : `${before}>${message};`);
    },
  });
  const join = ({
    has,
    lane = "x",
    topic = "t",
  }: {
    has?: string | undefined;
    lane?: string;
    topic?: string;
  }) => {
    const writes: string[] = [];
    const subscription = hub.subscribe(topic);
    const client = {
      writes,
      onWrite: (): void => undefined,
      write: (bytes: Uint8Array) => {
        writes.push(Buffer.from(bytes).toString());
        client.onWrite();
      },
      leave: () => {
        subscription.unsubscribe();
      },
    };
    subscription.attach(client, encoding(lane), { has });
    return client;
  };
  return { source, hub, join, predecessors, encoded: () => encoded };
}
