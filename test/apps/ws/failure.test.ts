import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { connect } from "nats";
import { eventually } from "../../support/eventually.ts";
import { Client, openGateway, startGateway } from "../../support/gateway.ts";
import { NatsServer } from "../../support/nats.ts";
import { ServiceProcess } from "../../support/process.ts";
import { handshake, RawSocket } from "../../support/raw-socket.ts";

async function upgradeStatus(port: number): Promise<number> {
  await using raw = await RawSocket.connect(port);
  raw.socket.write(handshake("/ws/a"));
  return Number((await raw.head()).slice(9, 12));
}

/** Long enough that no machine is so slow. */
const patient = { brokerGraceMs: 600_000 };

/** When it was closed, by the clock of `performance`. */
async function closingTime(client: Client): Promise<number> {
  await once(client.websocket, "close");
  return performance.now();
}

/** Resolves when the gateway has read everything that this client sent before. */
async function answered(client: Client): Promise<void> {
  const pong = once(client.websocket, "pong");
  client.websocket.ping();
  await pong;
}

describe("the gateway without NATS", () => {
  it("refuses upgrades with 503 at once and closes sockets with 1013 after the grace", async () => {
    const brokerGraceMs = 600;
    await using running = await startGateway({ limits: { brokerGraceMs } });
    const client = await Client.open(running.url("a"));
    const closedAt = closingTime(client);
    // Before the cause, so that a slow machine cannot make the grace look shorter than it was.
    const begin = performance.now();
    await running.nats.signal("SIGKILL");
    await eventually(
      "upgrades are refused",
      async () => (await upgradeStatus(running.port)) === 503,
    );
    assert.deepEqual(await client.closing(), {
      code: 1013,
      reason: "no connection to NATS, reconnect later",
    });
    const tookMs = (await closedAt) - begin;
    assert.ok(tookMs >= brokerGraceMs - 1, `the socket was kept for ${tookMs} ms only`);
    assert.deepEqual(running.gateway.counts, { connections: 0, topics: 0 });
    assert.equal(await upgradeStatus(running.port), 503);
  });

  it("keeps sockets when NATS is back within the grace, and they receive again", async () => {
    await using running = await startGateway({ limits: patient });
    const client = await Client.open(running.url("a"));
    await running.nats.signal("SIGKILL");
    await eventually("the gateway sees it", () => !running.bus.connected);
    await running.nats.restart();
    await eventually("it is back", () => running.bus.connected);
    client.websocket.send("hello");
    assert.deepEqual(await client.received(1), ["hello"]);
    assert.deepEqual(await running.nats.channelSubjects(), ["t.a"]);
  });

  it("closes a publisher with 1013 rather than lose its message in silence", async () => {
    await using running = await startGateway({ limits: patient });
    const publisher = await Client.open(running.url("a"));
    const listener = await Client.open(running.url("a"));
    await running.nats.signal("SIGKILL");
    await eventually("the gateway sees it", () => !running.bus.connected);
    publisher.websocket.send("into the void");
    assert.equal((await publisher.closing()).code, 1013);
    assert.equal(listener.closed, undefined);
  });

  it("closes a publisher whose message NATS had not confirmed when the connection broke", async () => {
    await using running = await startGateway({ limits: patient });
    const publisher = await Client.open(running.url("a"));
    const listener = await Client.open(running.url("a"));
    publisher.websocket.send("heard");
    await listener.received(1);
    await running.bus.flush();
    await running.nats.signal("SIGSTOP");
    publisher.websocket.send("taken by a frozen server");
    await answered(publisher);
    await running.nats.signal("SIGKILL");
    assert.deepEqual(await publisher.closing(), {
      code: 1013,
      reason: "a message may not have been published, reconnect",
    });
    assert.equal(listener.closed, undefined, "who published nothing stays");
  });

  it("refuses an upgrade whose subscription NATS does not confirm in time", async () => {
    await using running = await startGateway({ limits: { subscribeMs: 200 } });
    await running.nats.signal("SIGSTOP");
    assert.equal(await upgradeStatus(running.port), 503);
    assert.equal(running.gateway.counts.topics, 0);
    await running.nats.signal("SIGCONT");
  });

  it("does the same 10 s after nats-server was killed, as a process with its own settings", async () => {
    await using nats = await NatsServer.start();
    await using service = new ServiceProcess("apps/ws/main.ts", {
      NATS_URL: nats.url,
      ...openGateway,
    });
    const url = await service.ready();
    const client = await Client.open(`${url.replace("http", "ws")}/ws/a`);
    const closedAt = closingTime(client);
    const begin = performance.now();
    await nats.signal("SIGKILL");
    assert.equal((await client.closing()).code, 1013);
    const tookMs = (await closedAt) - begin;
    assert.ok(tookMs >= 9_990, `it was kept for ${tookMs} ms only`);
    assert.equal((await fetch(`${url}/healthz/ready`)).status, 503);
    await nats.restart();
    await service.ready();
    const again = await Client.open(`${url.replace("http", "ws")}/ws/a`);
    again.websocket.send("x");
    assert.deepEqual(await again.received(1), ["x"]);
  });
});

describe("the gateway's end", () => {
  it("closes every socket with 1001 and exits with 0, deaf peers or not", async () => {
    await using nats = await NatsServer.start();
    await using service = new ServiceProcess("apps/ws/main.ts", {
      NATS_URL: nats.url,
      ...openGateway,
    });
    const url = await service.ready();
    const port = await service.port();
    const clients = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        Client.open(`${url.replace("http", "ws")}/ws/t${index % 7}`),
      ),
    );
    await using deaf = await RawSocket.upgrade(port, "/ws/a");
    deaf.socket.pause();
    assert.equal((await service.end("SIGTERM")).code, 0);
    for (const client of clients) {
      assert.deepEqual(await client.closing(), {
        code: 1001,
        reason: "the server is stopping, reconnect",
      });
    }
    const figures = await service.logged("gateway figures");
    assert.equal(figures["opened"], 101);
    await eventually("NATS has seen it leave", async () => (await nats.counts()).connections === 0);
  });

  it("cuts a deaf peer after the grace", async () => {
    await using running = await startGateway();
    await using deaf = await RawSocket.upgrade(running.port, "/ws/a");
    deaf.socket.pause();
    await running.gateway.stop(50);
    assert.deepEqual(running.gateway.counts, { connections: 0, topics: 0 });
  });

  it("publishes what a client sent just before the signal", async () => {
    await using nats = await NatsServer.start();
    await using service = new ServiceProcess("apps/ws/main.ts", {
      NATS_URL: nats.url,
      ...openGateway,
    });
    const client = await Client.open(`${(await service.ready()).replace("http", "ws")}/ws/a`);
    const listener = await connect({ servers: nats.url });
    const received: string[] = [];
    listener.subscribe("t.a", {
      callback: (_error, message) => {
        received.push(message.string());
      },
    });
    await listener.flush();
    const sent = Array.from({ length: 1_000 }, (_, index) => String(index));
    for (const text of sent) client.websocket.send(text);
    await answered(client);
    assert.equal((await service.end("SIGTERM")).code, 0);
    await listener.flush();
    assert.deepEqual(received, sent);
    await listener.close();
  });

  it("comes by itself when it has nobody to serve", async () => {
    await using nats = await NatsServer.start();
    await using service = new ServiceProcess("apps/ws/main.ts", {
      NATS_URL: nats.url,
      ...openGateway,
    });
    await service.ready();
    assert.equal((await service.end("SIGINT")).code, 0);
    await service.logged("stopped");
    assert.ok(!service.describe().includes("stopped before everything had ended"));
  });
});
