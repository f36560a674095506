import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { Client, startGateway } from "../../support/gateway.ts";

describe("messages of the raw endpoint", () => {
  it("go to every socket of the topic, the sender's too, as one text frame each, in order", async () => {
    await using running = await startGateway();
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => Client.open(running.url("a"))),
    );
    const stranger = await Client.open(running.url("b"));
    const texts = Array.from({ length: 500 }, (_, index) => `message ${index}`);
    for (const text of texts) clients[0]?.websocket.send(text);
    for (const client of clients) assert.deepEqual(await client.received(500), texts);
    assert.deepEqual(stranger.messages, []);
  });

  it("published by a service and by clients arrive at all in one and the same order", async () => {
    await using running = await startGateway();
    const clients = await Promise.all(
      Array.from({ length: 5 }, () => Client.open(running.url("a"))),
    );
    for (let index = 0; index < 100; index += 1) {
      running.publisher.publish("t.a", `service ${index}`);
      clients[index % 5]?.websocket.send(`client ${index}`);
      if (index % 10 === 0) await running.publisher.flush();
    }
    const [first, ...others] = await Promise.all(clients.map((client) => client.received(200)));
    for (const other of others) assert.deepEqual(other, first);
    const own = first?.filter((text) => text.startsWith("service"));
    assert.deepEqual(
      own,
      Array.from({ length: 100 }, (_, index) => `service ${index}`),
    );
  });

  it("of every length up to the limit arrive unchanged, empty ones too", async () => {
    await using running = await startGateway();
    const client = await Client.open(running.url("a"));
    const texts = [
      "",
      "x",
      ..."125 126 127 65535 65536".split(" ").map((n) => "y".repeat(Number(n))),
    ];
    for (const text of texts) client.websocket.send(text);
    assert.deepEqual(await client.received(texts.length), texts);
    assert.equal(client.closed, undefined);
  });

  it("from a service may be longer than a client's, and no UTF-8", async () => {
    await using running = await startGateway();
    const client = await Client.open(running.url("a"));
    running.publisher.publish("t.a", Buffer.from([0x61, 0xff, 0x62]));
    running.publisher.publish("t.a", "z".repeat(1_000_000));
    const [first, second] = await client.received(2);
    assert.equal(first, "a\ufffdb");
    assert.equal(second?.length, 1_000_000);
  });

  it("published after the 101 are never missed, by the first socket of a topic either", async () => {
    await using running = await startGateway();
    for (let round = 0; round < 300; round += 1) {
      const client = await Client.open(running.url(`race.${round}`));
      running.publisher.publish(`t.race.${round}`, "first");
      await running.publisher.flush();
      assert.deepEqual(await client.received(1), ["first"]);
      client.websocket.terminate();
    }
  });

  it("are not missed by a socket that joins just as the last one leaves", async () => {
    await using running = await startGateway();
    let before = await Client.open(running.url("a"));
    for (let round = 0; round < 300; round += 1) {
      // Both at once: the upgrade and the end of the only other socket on the topic.
      const opening = Client.open(running.url("a"));
      before.websocket.terminate();
      const next = await opening;
      running.publisher.publish("t.a", String(round));
      await running.publisher.flush();
      await eventually("the message arrives", () => next.messages.includes(String(round)));
      before = next;
    }
    assert.ok((await running.nats.channelSubjects()).length <= 1);
    before.websocket.terminate();
    await eventually(
      "no subscription is left",
      async () => (await running.nats.channelSubjects()).length === 0,
    );
  });

  it("do not keep a client that says goodbye among them from seeing its own code", async () => {
    await using running = await startGateway();
    const ends: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      const clients = await Promise.all([1, 2, 3, 4].map(() => Client.open(running.url("a"))));
      const publish = setInterval(() => {
        for (let index = 0; index < 20; index += 1)
          running.publisher.publish("t.a", "x".repeat(99));
      }, 0);
      await Promise.all(clients.map((client) => client.received(1)));
      for (const client of clients) client.websocket.close(1000);
      for (const client of clients) ends.push((await client.closing()).code);
      clearInterval(publish);
    }
    assert.deepEqual(new Set(ends), new Set([1000]));
  });

  it("are framed once, whatever topic names they are sent to", async () => {
    await using running = await startGateway();
    const topics = ["a.b.c", "Ünïcødé", "a/b", "%", "x".repeat(255)];
    for (const topic of topics) {
      const client = await Client.open(running.url(encodeURIComponent(topic)));
      running.publisher.publish(`t.${topic}`, topic);
      assert.deepEqual(await client.received(1), [topic]);
    }
    assert.deepEqual(running.gateway.counts, { connections: topics.length, topics: topics.length });
  });
});
