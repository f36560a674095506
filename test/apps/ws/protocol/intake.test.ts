import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Peer, type Seen, withChannels } from "./peer.ts";

const publishing = (client: object): object =>
  withChannels({ allow_publish_for_client: true, allow_publish_for_anonymous: true }, client);
const publish = { id: 2, publish: { channel: "a", data: 1 } };
const unsubscribe = { id: 2, unsubscribe: { channel: "a" } };
const tooMany = '{"id":2,"error":{"code":111,"message":"too many requests","temporary":true}}';
const closed = "close 3013 too many requests";

/** What becomes of so many commands at once, by kinds. */
function pipeline(peer: Peer, command: object, count: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let index = 0; index < count; index += 1) {
    for (const one of peer.send(command)) {
      const kind = typeof one === "string" ? one : one.kind;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
  }
  return counts;
}

describe("the rate of commands", () => {
  it("lets a second's worth come at once, answers as many with an error, then closes", () => {
    const peer = Peer.connected(publishing({ command_rate_limit: 100 }));
    // The connect command is the first.
    assert.deepEqual(pipeline(peer, unsubscribe, 1_000), {
      '{"id":2,"unsubscribe":{}}': 99,
      [tooMany]: 100,
      [closed]: 1,
    });
  });

  it("recovers with time, and forgives who waits", () => {
    const peer = Peer.connected(publishing({ command_rate_limit: 10 }));
    assert.deepEqual(pipeline(peer, unsubscribe, 19), {
      '{"id":2,"unsubscribe":{}}': 9,
      [tooMany]: 10,
    });
    peer.now = 1_000;
    assert.deepEqual(peer.send(unsubscribe), [tooMany]);
    peer.now = 1_200;
    assert.deepEqual(peer.send(unsubscribe), ['{"id":2,"unsubscribe":{}}']);
    peer.now = 1e6;
    assert.equal(pipeline(peer, unsubscribe, 10)[tooMany], undefined);
    assert.deepEqual(peer.send(unsubscribe), [tooMany]);
  });

  it("lets who keeps to it go on for ever", () => {
    const peer = Peer.connected(publishing({ command_rate_limit: 10 }));
    for (let index = 0; index < 1_000; index += 1) {
      peer.now += 100;
      assert.deepEqual(peer.send(unsubscribe), ['{"id":2,"unsubscribe":{}}']);
    }
  });

  it("ends the default client that pipelines 100,000 publications", () => {
    const peer = Peer.connected(publishing({}));
    const counts = pipeline(peer, publish, 100_000);
    assert.deepEqual(counts, { publish: 1_999, [tooMany]: 2_000, [closed]: 1 });
  });

  it("is none where that is configured", () => {
    const peer = Peer.connected(publishing({ command_rate_limit: 0 }));
    assert.deepEqual(pipeline(peer, unsubscribe, 10_000), { '{"id":2,"unsubscribe":{}}': 10_000 });
  });

  it("counts also what waits for the connect command", () => {
    const peer = new Peer(publishing({ command_rate_limit: 10 }));
    peer.send({ id: 1, connect: { token: "t" } });
    assert.deepEqual(pipeline(peer, publish, 100), { [tooMany]: 10, [closed]: 1 });
  });

  it("closes for a message, which cannot be answered", () => {
    const peer = new Peer(publishing({ command_rate_limit: 1 }));
    peer.send({ id: 1, connect: { token: "t" } });
    assert.deepEqual(peer.send({ send: {} }), [closed]);
  });
});

describe("what is under way", () => {
  const unlimited = { command_rate_limit: 0 };

  it("is bounded in number", () => {
    const peer = Peer.connected(publishing(unlimited));
    assert.deepEqual(pipeline(peer, publish, 2_050), { publish: 2_048, [tooMany]: 2 });
    assert.deepEqual(peer.send(unsubscribe), [tooMany]);
    assert.deepEqual(peer.give({ kind: "published", task: 5 }), ['{"id":2,"publish":{}}']);
    assert.equal(pipeline(peer, publish, 1)["publish"], 1);
    assert.deepEqual(pipeline(peer, publish, 100_000), { [tooMany]: 2_048, [closed]: 1 });
  });

  it("is bounded in size, however large one may be", () => {
    const peer = Peer.connected({
      ...publishing({ ...unlimited, queue_max_size: 10_000 }),
      websocket: { message_size_limit: 1_024 },
    });
    const large = { id: 2, publish: { channel: "a", data: "x".repeat(20_000) } };
    assert.deepEqual(pipeline(peer, large, 2), { publish: 1, [tooMany]: 1 });
    assert.deepEqual(peer.send(publish), [tooMany]);
    peer.give({ kind: "published", task: 1 });
    const medium = { id: 2, publish: { channel: "a", data: "x".repeat(3_000) } };
    assert.deepEqual(pipeline(peer, medium, 5), { publish: 3, [tooMany]: 2 });
  });

  it("is bounded also while it waits for the connect command", () => {
    const peer = new Peer({ client: unlimited });
    peer.send({ id: 1, connect: { token: "t" } });
    assert.deepEqual(pipeline(peer, publish, 100_000), { [tooMany]: 2_048, [closed]: 1 });
  });

  it("is not even looked at behind what ends the connection", () => {
    const peer = new Peer(publishing({ command_rate_limit: 10 }));
    peer.send({ id: 1, connect: { token: "t" } }, "{}");
    assert.deepEqual(pipeline(peer, {}, 5_000), {});
    assert.deepEqual(pipeline(peer, publish, 5_000), {});
    assert.equal(peer.connectionToken(1).at(-1), "close 3501 bad request");
  });

  it("is bounded also while it waits for a channel", () => {
    const peer = Peer.connected(withChannels({}, unlimited));
    peer.send({ id: 2, subscribe: { channel: "a" } });
    assert.deepEqual(pipeline(peer, unsubscribe, 2_050), { [tooMany]: 3 });
    assert.equal(peer.subscribed(1).length, 1 + 1 + 2_047);
    assert.deepEqual(peer.send(unsubscribe), ['{"id":2,"unsubscribe":{}}']);
  });

  it("is nothing again when what waited is done, in number and in size", () => {
    const peer = Peer.connected({
      ...withChannels({}, { ...unlimited, queue_max_size: 100_000 }),
      websocket: { message_size_limit: 1_024 },
    });
    const padded = JSON.stringify(unsubscribe).padEnd(200, " ");
    for (let task = 1; task <= 20; task += 1) {
      peer.send({ id: 2, subscribe: { channel: "a" } });
      for (let index = 0; index < 400; index += 1) assert.deepEqual(peer.send(padded), []);
      assert.equal(peer.subscribed(task).length, 1 + 1 + 400);
    }
  });

  it("is nothing again when all is answered, whatever came", () => {
    const peer = Peer.connected({
      ...withChannels({}, { ...unlimited, queue_max_size: 1_024 }),
      websocket: { message_size_limit: 1_024 },
    });
    const subscribe = { id: 2, subscribe: { channel: "a", token: "t".repeat(900) } };
    for (let index = 0; index < 100; index += 1) {
      const first = 2 * index + 1;
      const answers: Seen[] = peer.send(subscribe);
      answers.push(...peer.subscriptionToken(first), ...peer.subscribed(first + 1));
      answers.push(...peer.send(unsubscribe));
      assert.deepEqual(
        answers.map((one) => (typeof one === "string" ? one : one.kind)),
        [
          "verify-subscription",
          "subscribe",
          '{"id":2,"subscribe":{}}',
          "unsubscribe",
          '{"id":2,"unsubscribe":{}}',
        ],
      );
    }
  });
});
