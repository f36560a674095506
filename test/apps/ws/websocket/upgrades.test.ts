import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { createHttpServer } from "../../../../apps/lib/server.ts";
import { Gateway } from "../../../../apps/ws/gateway.ts";
import { eventually } from "../../../support/eventually.ts";
import { Client, collectingLog, gatewayParts, startGateway } from "../../../support/gateway.ts";
import { MemoryBus } from "../../../support/memory-bus.ts";
import { handshake, RawSocket } from "../../../support/raw-socket.ts";

async function answer(port: number, request: string): Promise<{ status: number; head: string }> {
  await using raw = await RawSocket.connect(port);
  raw.socket.write(request);
  const head = await raw.head();
  return { status: Number(head.slice(9, 12)), head };
}

describe("an upgrade", () => {
  it("with a bad topic is answered with 400 and never reaches NATS", async () => {
    await using running = await startGateway();
    const bad = [
      "*",
      ">",
      "a.*",
      "a.>",
      "%2A",
      "%3E",
      "%20",
      "a%20b",
      "a%09b",
      "a%0D%0Ab",
      "%00",
      "chat:",
      "$chat:.a",
    ];
    bad.push("a%E2%80%AEb", "a..b", ".a", "a.", "x".repeat(256), "%", "%ff", "%E0%80", "a%7Fb", "");
    for (const topic of bad) {
      const { status, head } = await answer(running.port, handshake(`/ws/${topic}`));
      assert.equal(status, 400, topic);
      assert.match(head, /content-type: application\/json/);
    }
    await running.bus.flush();
    assert.deepEqual(await running.nats.channelSubjects(), []);
    assert.equal(running.gateway.counts.topics, 0);
  });

  it("of another path is 404, by another method 405", async () => {
    await using running = await startGateway();
    for (const path of ["/", "/ws", "/ws/a/b", "/connection/other", "/healthz/live", "/WS/a"]) {
      assert.equal((await answer(running.port, handshake(path))).status, 404, path);
    }
    const post = await answer(running.port, handshake("/ws/a", { method: "POST" }));
    assert.equal(post.status, 405);
    assert.match(post.head, /\r\nallow: GET\r\n/);
  });

  it("with a wrong handshake is refused before anything is subscribed", async () => {
    await using running = await startGateway();
    const wrong = async (headers: Record<string, string | undefined>) =>
      answer(running.port, handshake("/ws/a", { headers }));
    assert.equal((await wrong({ "Sec-WebSocket-Key": undefined })).status, 400);
    assert.equal((await wrong({ "Sec-WebSocket-Key": "short" })).status, 400);
    for (const unknown of ["12", "8", "013", undefined]) {
      const version = await wrong({ "Sec-WebSocket-Version": unknown });
      assert.equal(version.status, 426, unknown);
      assert.match(version.head, /\r\nsec-websocket-version: 13\r\n/);
    }
    assert.equal((await wrong({ "Sec-WebSocket-Protocol": "a,,b" })).status, 400);
    await running.bus.flush();
    assert.deepEqual(await running.nats.channelSubjects(), []);
    assert.deepEqual(running.gateway.counts, { connections: 0, topics: 0 });
  });

  it("to anything else than websocket is an ordinary request", async () => {
    await using running = await startGateway();
    const h2c = handshake("/healthz/live", {
      headers: { Upgrade: "h2c", "HTTP2-Settings": "AAMAAABk" },
    });
    assert.equal((await answer(running.port, h2c)).status, 200);
    const response = await fetch(`http://127.0.0.1:${running.port}/ws/a`);
    assert.deepEqual([response.status, response.headers.get("upgrade")], [426, "websocket"]);
    const post = await fetch(`http://127.0.0.1:${running.port}/ws/a`, { method: "POST" });
    assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET"]);
  });

  it("ignores the query, takes a subprotocol, and compresses nothing", async () => {
    await using running = await startGateway();
    const { status, head } = await answer(
      running.port,
      handshake("/ws/a?other=x", {
        headers: {
          "Sec-WebSocket-Protocol": "json",
          "Sec-WebSocket-Extensions": "permessage-deflate",
        },
      }),
    );
    assert.equal(status, 101);
    assert.match(head, /Sec-WebSocket-Protocol: json\r\n/);
    assert.doesNotMatch(head, /deflate/);
  });

  it("takes a client that sends its first message before it has the answer", async () => {
    await using running = await startGateway();
    const client = await Client.open(running.url("a"));
    await using raw = await RawSocket.connect(running.port);
    raw.socket.write(
      Buffer.concat([Buffer.from(handshake("/ws/a")), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61])]),
    );
    assert.deepEqual(await client.received(1), ["a"]);
  });

  it("is refused with 503 when the bus takes no subscription any more", async () => {
    const bus = new MemoryBus();
    const { log } = collectingLog();
    const { signal } = new AbortController();
    const gateway = new Gateway({ ...gatewayParts(), bus, log, signal });
    bus.closed = true;
    const server = createHttpServer(gateway.handler);
    gateway.attach(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { status } = await answer(port, handshake("/ws/a"));
    await gateway.stop(0);
    server.close();
    assert.equal(status, 503);
    assert.deepEqual(gateway.counts, { connections: 0, topics: 0 });
  });

  it("that the client gives up while it waits leaves nothing behind", async () => {
    await using running = await startGateway();
    // NATS does not answer for now, so the subscription stays unconfirmed.
    await running.nats.signal("SIGSTOP");
    const raws = await Promise.all(
      Array.from({ length: 20 }, () => RawSocket.connect(running.port)),
    );
    for (const [index, raw] of raws.entries()) raw.socket.write(handshake(`/ws/t${index}`));
    await eventually("all wait", () => running.gateway.counts.topics === 20);
    for (const raw of raws) raw.socket.resetAndDestroy();
    await running.nats.signal("SIGCONT");
    await eventually("all are gone", () => running.gateway.counts.topics === 0);
    await running.bus.flush();
    assert.deepEqual(await running.nats.channelSubjects(), []);
    assert.equal(running.gateway.counts.connections, 0);
  });
});
