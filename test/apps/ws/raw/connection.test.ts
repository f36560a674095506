import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";
import { BacklogBudget } from "../../../../apps/ws/backlog-budget.ts";
import { Broker } from "../../../../apps/ws/broker.ts";
import { defaultGatewayLimits } from "../../../../apps/ws/gateway-limits.ts";
import { lifetimeMs } from "../../../../apps/ws/lifetime.ts";
import { RawConnection } from "../../../../apps/ws/raw/connection.ts";
import { textFrame } from "../../../../apps/ws/transport/frame.ts";
import { eventually } from "../../../support/eventually.ts";
import { Client } from "../../../support/gateway.ts";
import { MemoryBus } from "../../../support/memory-bus.ts";

/** A connection over a real socket, without heartbeat and gateway: the test plays them. */
async function open() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  await once(server, "listening");
  const connected = once(server, "connection") as Promise<[WebSocket, IncomingMessage]>;
  const client = await Client.open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  let pings = 0;
  client.websocket.on("ping", () => (pings += 1));
  const [websocket, { socket }] = await connected;
  const connection = new RawConnection({
    websocket,
    socket,
    topic: "a",
    mayPublish: true,
    expiresAtMs: undefined,
    broker: new Broker(new MemoryBus(), { maxUnconfirmedBytes: 1_000 }),
    budget: new BacklogBudget(1_000_000),
    limits: defaultGatewayLimits,
    onClose: () => undefined,
    onPause: () => undefined,
  });
  return {
    connection,
    websocket,
    socket,
    client,
    asked: (count: number) => eventually(`${count} pings arrive`, () => pings === count),
    async [Symbol.asyncDispose]() {
      client.websocket.terminate();
      websocket.terminate();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

describe("a raw connection", () => {
  it("is given up at the second ping when the first was not answered", async () => {
    await using peer = await open();
    const closed = once(peer.websocket, "close");
    // In one turn, so that no answer can come between.
    peer.connection.ping();
    assert.equal(peer.websocket.readyState, peer.websocket.OPEN);
    peer.connection.ping();
    await closed;
  });

  it("is not given up for an answer that waited while the peer was not read", async () => {
    await using peer = await open();
    peer.connection.ping();
    peer.websocket.pause();
    await peer.asked(1);
    peer.connection.ping();
    peer.connection.resume();
    peer.connection.ping();
    await peer.asked(2);
    assert.equal(peer.websocket.readyState, peer.websocket.OPEN);
  });

  it("writes nothing more once the peer has said goodbye", async () => {
    await using peer = await open();
    const errors: Error[] = [];
    peer.socket.on("error", (error) => errors.push(error));
    peer.client.websocket.close(1000);
    // So it does not see the answer, and the gateway not its end.
    peer.client.websocket.pause();
    await eventually(
      "the goodbye has arrived",
      () => peer.websocket.readyState === peer.websocket.CLOSING,
    );
    peer.connection.write(textFrame(Buffer.from("late")));
    peer.client.websocket.resume();
    assert.equal((await peer.client.closing()).code, 1000);
    await eventually("it is closed", () => peer.websocket.readyState === peer.websocket.CLOSED);
    assert.deepEqual([errors, peer.client.messages], [[], []]);
  });

  it("lasts 50 to 55 minutes, each another time: less than App Engine's hour", () => {
    const minutes = [0, 0.25, 0.5, 0.75, 1 - Number.EPSILON].map(
      (random) => lifetimeMs(defaultGatewayLimits.maxAgeMs, random) / 60_000,
    );
    assert.deepEqual(
      minutes.map((each) => Math.round(each * 100) / 100),
      [55, 53.75, 52.5, 51.25, 50],
    );
  });
});
