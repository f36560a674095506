import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "nats";
import { WebSocket } from "ws";
import { eventually } from "../../support/eventually.ts";
import { openGateway } from "../../support/gateway.ts";
import { NatsServer } from "../../support/nats.ts";
import { ServiceProcess } from "../../support/process.ts";

const clientCount = 1_000;
const messageCount = 1_000;

describe("the gateway as a process", () => {
  it("delivers 1,000 messages to each of 1,000 clients in order, with none lost", async () => {
    await using nats = await NatsServer.start();
    await using service = new ServiceProcess("apps/ws/main.ts", {
      NATS_URL: nats.url,
      ...openGateway,
    });
    const url = `${(await service.ready()).replace("http", "ws")}/ws/everyone`;
    const publisher = await connect({ servers: nats.url });

    let problem: string | undefined;
    let delivered = 0;
    const websockets = await Promise.all(
      Array.from({ length: clientCount }, async (_, name) => {
        const websocket = new WebSocket(url, { perMessageDeflate: false });
        let next = 0;
        websocket.on("message", (data) => {
          const number = Number((data as Buffer).toString("latin1"));
          if (number !== next) problem ??= `client ${name} got ${number} and not ${next}`;
          next = number + 1;
          delivered += 1;
        });
        websocket.on("close", (code) => (problem ??= `client ${name} was closed with ${code}`));
        await new Promise((resolve, reject) => {
          websocket.once("open", resolve);
          websocket.once("error", reject);
        });
        return websocket;
      }),
    );
    assert.deepEqual(await nats.channelSubjects(), ["t.everyone"]);

    const total = clientCount * messageCount;
    for (let index = 0; index < messageCount; index += 1) {
      // Some in bursts, some alone.
      publisher.publish("t.everyone", String(index));
      if (index % 10 === 0) await publisher.flush();
      // A client that cannot follow is closed, so the test goes on only when they have followed.
      if (index % 250 === 249) {
        await eventually(
          `${index + 1} messages reach everyone`,
          () => {
            assert.equal(problem, undefined);
            return delivered === clientCount * (index + 1);
          },
          { withinMs: 120_000 },
        );
      }
    }
    assert.deepEqual([problem, delivered], [undefined, total]);
    for (const websocket of websockets) {
      websocket.removeAllListeners("close");
      websocket.terminate();
    }
    await publisher.close();
    await eventually(
      "no subscription is left",
      async () => (await nats.channelSubjects()).length === 0,
    );
  });
});
