import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Client, startGateway } from "../../../support/gateway.ts";

describe("large answers", () => {
  it("are made one after the other, as the peer reads, however many are asked for at once", async () => {
    const history = { history_size: 100, history_ttl: "10m", force_recovery: true };
    await using running = await startGateway({
      jetStream: true,
      gateway: { client: { insecure: true }, channel: { without_namespace: history } },
    });
    const client = await Client.open(`ws://127.0.0.1:${running.port}/connection/websocket`);
    let id = 0;
    const ask = (commands: object[]): void => {
      const lines = commands.map((command) => JSON.stringify({ id: (id += 1), ...command }));
      client.websocket.send(lines.join("\n"));
    };
    ask([{ connect: {} }]);
    const publications = 50;
    const data = "x".repeat(20_000);
    for (let sent = 0; sent < publications; sent += 1) ask([{ publish: { channel: "a", data } }]);
    await client.received(publications + 1);
    client.messages.length = 0;

    const asked = 60;
    let most = 0;
    const watching = new AbortController();
    const watched = (async () => {
      while (!watching.signal.aborted) {
        most = Math.max(most, running.gateway.backlogBytes);
        await setImmediate();
      }
    })();
    try {
      ask(Array.from({ length: asked }, () => ({ history: { channel: "a", limit: -1 } })));
      await client.received(asked);
    } finally {
      watching.abort();
      await watched;
    }
    const answerBytes = publications * data.length;
    for (const text of client.messages) {
      const { history: answer } = JSON.parse(text) as { history: { publications: unknown[] } };
      assert.equal(answer.publications.length, publications);
    }
    assert.ok(most <= answerBytes * 1.5, `${most} bytes waited, an answer has ${answerBytes}`);
  });
});
