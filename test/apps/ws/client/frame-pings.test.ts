import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventually } from "../../../support/eventually.ts";
import { Client, startGateway } from "../../../support/gateway.ts";

describe("a client that asks for pings of the websocket", () => {
  const gateway = { client: { insecure: true, ping_interval: "1s", pong_timeout: "500ms" } };
  const path = "connection/websocket?cf_ws_frame_ping_pong=true";

  it("gets them, is not promised others, and stays while it answers", async () => {
    await using running = await startGateway({ gateway });
    const client = await Client.open(`ws://127.0.0.1:${running.port}/${path}`);
    let pings = 0;
    client.websocket.on("ping", () => (pings += 1));
    client.websocket.send('{"id":1,"connect":{}}');
    await client.received(1);
    const { connect } = JSON.parse(client.messages[0] ?? "") as { connect: object };
    assert.ok(!("ping" in connect) && !("pong" in connect));
    await eventually("three pings arrive", () => pings === 3);
    assert.deepEqual([client.messages.length, client.closed], [1, undefined]);
    client.websocket.close();
  });

  it("is closed with 3012 when it does not answer", async () => {
    await using running = await startGateway({ gateway });
    const url = `ws://127.0.0.1:${running.port}/${path}`;
    const client = await Client.open(url, { autoPong: false });
    client.websocket.send('{"id":1,"connect":{}}');
    assert.equal((await client.closing()).code, 3012);
  });
});
