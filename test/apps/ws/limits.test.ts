import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eventually } from "../../support/eventually.ts";
import { Client, startGateway } from "../../support/gateway.ts";
import { RawSocket } from "../../support/raw-socket.ts";

const kilobyte = "k".repeat(1_024);

/** Bytes of buffers that are in use, without garbage. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}

describe("limits of the raw endpoint", () => {
  it("has one NATS subscription per topic however many sockets, and none when they are gone", async () => {
    await using running = await startGateway();
    const clients = await Promise.all(
      Array.from({ length: 100 }, (_, index) => Client.open(running.url(`topic${index % 2}`))),
    );
    assert.deepEqual(await running.nats.channelSubjects(), ["t.topic0", "t.topic1"]);
    for (const client of clients) client.websocket.close();
    await eventually("no subscription is left", async () => {
      const subjects = await running.nats.channelSubjects();
      return subjects.length === 0;
    });
    assert.deepEqual(running.gateway.counts, { connections: 0, topics: 0 });
  });

  it("leaves no NATS subscription after 10,000 connects and disconnects", async () => {
    await using running = await startGateway();
    let done = 0;
    const worker = async (name: number): Promise<void> => {
      while (done < 10_000) {
        done += 1;
        // Topics that several share and topics of one, ended politely and not.
        const client = await Client.open(
          running.url(done % 3 === 0 ? "shared" : `own.${name}.${done}`),
        );
        if (done % 2 === 0) client.websocket.close();
        else client.websocket.terminate();
      }
    };
    await Promise.all(Array.from({ length: 50 }, (_, name) => worker(name)));
    await eventually("the gateway has let all go", () => running.gateway.counts.connections === 0);
    assert.equal(running.gateway.counts.topics, 0);
    await running.bus.flush();
    assert.deepEqual(await running.nats.channelSubjects(), []);
  });

  it("closes a socket that does not read with 1008, frees it, and delays nobody else", async () => {
    await using running = await startGateway();
    const slow = await Client.open(running.url("a"));
    const quick = await Client.open(running.url("a"));
    running.gateway.reportFigures(20);
    slow.websocket.pause();
    let sent = 0;
    // A stopped reader also fills two kernel buffers before anything waits in the gateway.
    await eventually("the gateway has had enough", async () => {
      for (let index = 0; index < 256; index += 1) {
        running.publisher.publish("t.a", `${sent} ${kilobyte}`);
        sent += 1;
      }
      await running.publisher.flush();
      // The others are served while one does not read: each round arrives before the next is sent.
      await quick.received(sent);
      return running.lines.some((line) => line.includes("slow websocket closed"));
    });
    await eventually("it is counted", () =>
      running.lines.some((line) => line.includes('"slowCloses":1,')),
    );
    await eventually(
      "it is cut although its close frame cannot pass",
      () => running.gateway.counts.connections === 1,
    );
    assert.deepEqual(
      quick.messages.map((text) => Number.parseInt(text, 10)),
      Array.from({ length: sent }, (_, index) => index),
    );
    assert.equal(quick.closed, undefined);
    slow.websocket.resume();
    await slow.closing();
    // What it did receive has no gap.
    assert.ok(slow.messages.length < sent);
    slow.messages.forEach((text, index) => {
      assert.equal(Number.parseInt(text, 10), index);
    });
  });

  it("tells a slow reader the code and the reason when it reads again in time", async () => {
    await using running = await startGateway({ limits: { slowGraceMs: 20_000 } });
    const slow = await Client.open(running.url("a"));
    const quick = await Client.open(running.url("a"));
    slow.websocket.pause();
    // More than kernel buffers on both sides and the backlog can hold.
    const text = "k".repeat(32_768);
    for (let index = 1; index <= 1_024; index += 1) {
      running.publisher.publish("t.a", text);
      // Half of a backlog at a time, so that the quick one never counts as slow.
      if (index % 16 === 0) await quick.received(index);
    }
    slow.websocket.resume();
    assert.deepEqual(await slow.closing(), {
      code: 1008,
      reason: "too slow: more than 1 MiB was waiting",
    });
  });

  it("keeps at most 1 MiB for each of many sockets that do not read", async () => {
    await using running = await startGateway({ limits: { slowGraceMs: 50 } });
    const readers = await Promise.all(
      Array.from({ length: 20 }, () => RawSocket.upgrade(running.port, "/ws/a")),
    );
    for (const reader of readers) reader.socket.pause();
    const text = "k".repeat(32_768);
    const before = heldBytes();
    let most = 0;
    await eventually("all are gone", async () => {
      for (let index = 0; index < 16; index += 1) running.publisher.publish("t.a", text);
      await running.publisher.flush();
      await running.bus.flush();
      most = Math.max(most, heldBytes() - before);
      return running.gateway.counts.connections === 0;
    });
    // The backlogs are references to the same bytes: about 1 MiB for all of them together.
    assert.ok(most < 10 * 1_048_576, `${most} bytes`);
    for (const reader of readers) reader.socket.destroy();
  });

  it("keeps a bound over all sockets together, and a reader misses nothing meanwhile", async () => {
    const maxTotalBacklogBytes = 4 * 1_048_576;
    await using running = await startGateway({
      limits: { maxTotalBacklogBytes, slowGraceMs: 20_000 },
    });
    const reader = await Client.open(running.url("a"));
    const slow = await Promise.all(Array.from({ length: 20 }, () => Client.open(running.url("a"))));
    for (const { websocket } of slow) websocket.pause();
    // More than kernel buffers and the bound can hold, less than each socket's own limit beyond them.
    const text = "k".repeat(32_768);
    let sent = 0;
    await eventually("somebody has to go", async () => {
      for (let index = 0; index < 4; index += 1)
        running.publisher.publish("t.a", `${sent++} ${text}`);
      await running.publisher.flush();
      await reader.received(sent);
      return running.gateway.backlogBytes > (maxTotalBacklogBytes * 3) / 4;
    });
    for (let index = 0; index < 8; index += 1)
      running.publisher.publish("t.a", `${sent++} ${text}`);
    await running.publisher.flush();
    await reader.received(sent);
    assert.ok(running.gateway.backlogBytes <= maxTotalBacklogBytes);
    for (const { websocket } of slow) websocket.resume();
    const crowded = {
      code: 1008,
      reason: "too slow: too much was waiting for all websockets together",
    };
    await eventually("each has all messages or was told", () =>
      slow.every(({ closed, messages }) => closed !== undefined || messages.length === sent),
    );
    const closed = slow.flatMap((each) => each.closed ?? []);
    assert.ok(closed.length > 0);
    assert.deepEqual(
      closed,
      closed.map(() => crowded),
    );
    assert.deepEqual(
      reader.messages.map((message) => Number.parseInt(message, 10)),
      Array.from({ length: sent }, (_, index) => index),
    );
    assert.equal(reader.closed, undefined);
    await eventually("nothing waits", () => running.gateway.backlogBytes === 0);
  });

  it("closes with 1009 after a frame over 64 KiB, and publishes none of it", async () => {
    await using running = await startGateway();
    const client = await Client.open(running.url("a"));
    client.websocket.send("x".repeat(65_537));
    assert.equal((await client.closing()).code, 1009);
    const fragments = await Client.open(running.url("a"));
    fragments.websocket.send("x".repeat(60_000), { fin: false });
    fragments.websocket.send("x".repeat(60_000), { fin: true });
    assert.equal((await fragments.closing()).code, 1009);
    await running.bus.flush();
    await running.publisher.flush();
    assert.deepEqual(running.published, []);
  });

  it("takes a message of 64 fragments, and closes with 1008 at one that does not end", async () => {
    await using running = await startGateway();
    await using whole = await RawSocket.upgrade(running.port, "/ws/a");
    const listener = await Client.open(running.url("a"));
    const [begin, one, empty, last] = [0x01, 0x00, 0x00, 0x80].map((head, index) =>
      index === 2
        ? Buffer.from([head, 0x80, 0, 0, 0, 0])
        : Buffer.from([head, 0x81, 0, 0, 0, 0, 0x61]),
    ) as [Buffer, Buffer, Buffer, Buffer];
    const more = (frame: Buffer, count: number): Buffer[] => Array<Buffer>(count).fill(frame);
    for (const middle of [one, empty]) {
      whole.socket.write(Buffer.concat([begin, ...more(middle, 62), last]));
    }
    assert.deepEqual(await listener.received(2), ["a".repeat(64), "aa"]);
    for (const middle of [one, empty]) {
      await using endless = await RawSocket.upgrade(running.port, "/ws/a");
      endless.socket.write(Buffer.concat([begin, ...more(middle, 64)]));
      await eventually("1008", () =>
        endless.received.includes(Buffer.from([0x88, 0x02, 0x03, 0xf0])),
      );
      await eventually("it is gone", () => running.gateway.counts.connections === 2);
    }
    assert.equal(listener.messages.length, 2);
  });

  it("closes with 1008 when a message comes in more than 1,024 pieces", async () => {
    await using running = await startGateway();
    await using raw = await RawSocket.upgrade(running.port, "/ws/a");
    raw.socket.setNoDelay(true);
    // A frame of 65,535 bytes; that some of them arrive together does not matter.
    raw.socket.write(Buffer.from([0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0]));
    const closed = (): boolean => raw.received.includes(Buffer.from([0x88, 0x02, 0x03, 0xf0]));
    for (let sent = 0; sent < 65_000 && !closed(); sent += 1) {
      raw.socket.write("a");
      await setImmediate();
    }
    await eventually("1008", closed);
  });

  it("closes with 1003 after a binary frame, and publishes neither it nor what follows", async () => {
    await using running = await startGateway();
    const client = await Client.open(running.url("a"));
    client.websocket.send(Buffer.from("x"));
    client.websocket.send("y");
    assert.deepEqual(await client.closing(), { code: 1003, reason: "only text frames are taken" });
    await running.bus.flush();
    await running.publisher.flush();
    assert.deepEqual(running.published, []);
  });

  it("closes with 1007 after text that is no UTF-8 and with 1002 after a broken frame", async () => {
    await using running = await startGateway();
    await using text = await RawSocket.upgrade(running.port, "/ws/a");
    // FIN, text, masked with zeros, one byte that is no UTF-8.
    text.socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]));
    await eventually("1007", () => text.received.includes(Buffer.from([0x88, 0x02, 0x03, 0xef])));
    await using unmasked = await RawSocket.upgrade(running.port, "/ws/a");
    unmasked.socket.write(Buffer.from([0x81, 0x01, 0x61]));
    await eventually("1002", () =>
      unmasked.received.includes(Buffer.from([0x88, 0x02, 0x03, 0xea])),
    );
  });

  // That the second ping comes within two intervals is proven with the heartbeat's own clock.
  it("cuts a peer that ignores pings when the second is due, and keeps one that answers", async () => {
    await using running = await startGateway({ limits: { pingIntervalMs: 400 } });
    const alive = await Client.open(running.url("a"));
    await using dead = await RawSocket.upgrade(running.port, "/ws/a");
    await eventually("the dead peer is cut", () => dead.ended);
    const { length } = Buffer.from(await dead.head());
    assert.deepEqual([...dead.received.subarray(length)], [0x89, 0x00], "it was asked once");
    assert.equal(running.gateway.counts.connections, 1);
    let pings = 0;
    alive.websocket.on("ping", () => (pings += 1));
    await eventually("the other has been asked five times", () => pings >= 5);
    assert.equal(alive.closed, undefined);
  });

  it("closes a websocket with 1001 when it has reached its greatest age", async () => {
    const maxAgeMs = 550;
    await using running = await startGateway({ limits: { maxAgeMs, pingIntervalMs: 100 } });
    const begin = performance.now();
    const clients = await Promise.all([1, 2, 3].map(() => Client.open(running.url("a"))));
    for (const client of clients) {
      assert.deepEqual(await client.closing(), {
        code: 1001,
        reason: "the connection has lasted long enough, reconnect",
      });
    }
    assert.ok(performance.now() - begin >= (maxAgeMs * 10) / 11);
  });

  it("refuses more websockets than the limit with 503, and takes others when some have left", async () => {
    await using running = await startGateway({ limits: { maxConnections: 3 } });
    const attempts = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => Client.open(running.url(`t${index}`))),
    );
    const open = attempts.filter((attempt) => attempt.status === "fulfilled");
    assert.equal(open.length, 3);
    assert.equal(running.gateway.counts.topics, 3);
    open[0]?.value.websocket.close();
    await eventually("one place is free", () => running.gateway.counts.connections === 2);
    await Client.open(running.url("again"));
  });

  it("holds up publishers while NATS owes confirmations, and loses none of their messages", async () => {
    await using running = await startGateway({ limits: { maxUnconfirmedBytes: 200_000 } });
    const clients = await Promise.all(
      Array.from({ length: 4 }, () => Client.open(running.url("a"))),
    );
    const text = "x".repeat(10_000);
    for (let index = 0; index < 100; index += 1) {
      for (const [name, client] of clients.entries())
        client.websocket.send(`${name} ${index} ${text}`);
    }
    for (const client of clients) {
      const messages = await client.received(400);
      for (const name of clients.keys()) {
        const own = messages.filter((message) => message.startsWith(`${name} `));
        assert.deepEqual(
          own.map((message) => Number(message.split(" ")[1])),
          Array.from({ length: 100 }, (_, index) => index),
        );
      }
    }
  });
});
