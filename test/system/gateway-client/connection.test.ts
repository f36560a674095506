import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { clientKinds } from "../../support/client-kind.ts";
import { GatewayPair, inSeconds, token } from "../../support/gateway-pair.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { guarded } from "./config.ts";

describe("a connection of the npm client", { concurrency: 4 }, () => {
  let pair: GatewayPair;

  before(async () => {
    pair = await GatewayPair.start(guarded);
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
  });

  it("is made with Node's own websocket, too", async () => {
    const options = { token: await token({ sub: "ann" }), websocket: globalThis.WebSocket };
    using ann = await NpmClient.connect(pair.port(0), options);
    await ann.subscribe(pair.channel());
  });

  it("is closed with 3005 some time after its token has expired", async () => {
    const began = Date.now();
    const expiry = inSeconds(2);
    const raw = await ProtocolClient.open(pair.port(0));
    const text = await token({ sub: "ann", exp: expiry });
    const { connect } = (await raw.command({ connect: { token: text } })) as {
      connect: { expires: boolean; ttl: number };
    };
    assert.equal(connect.expires, true);
    assert.ok(connect.ttl >= 1 && connect.ttl <= 2, `ttl ${connect.ttl}`);
    assert.equal((await raw.closing()).code, 3005);
    const tookMs = Date.now() - began;
    // `expired_close_delay` is a second.
    assert.ok(tookMs >= expiry * 1_000 - began + 900, `after ${tookMs} ms`);
  });

  it("is closed with 3500 when somebody else's token comes with the refresh", async () => {
    const text = await token({ sub: "ann", exp: inSeconds(60) });
    const raw = await ProtocolClient.connect(pair.port(0), { token: text });
    raw.send({ id: 9, refresh: { token: await token({ sub: "bob", exp: inSeconds(60) }) } });
    assert.equal((await raw.closing()).code, 3500);
  });

  it("is closed with 3005 when an expired token comes with the refresh", async () => {
    const text = await token({ sub: "ann", exp: inSeconds(60) });
    const raw = await ProtocolClient.connect(pair.port(0), { token: text });
    raw.send({ id: 9, refresh: { token: await token({ sub: "ann", exp: inSeconds(-60) }) } });
    assert.equal((await raw.closing()).code, 3005);
  });

  it("stays while it answers pings, however it speaks, and is closed with 3012 when it does not", async () => {
    using stack = new DisposableStack();
    const own = { token: await token({ sub: "ann" }), emulationPort: pair.port(1) };
    const clients = await Promise.all(
      Object.values(clientKinds).map((kind) => NpmClient.connect(pair.port(0), { ...own, kind })),
    );
    for (const client of clients) stack.use(client);
    const raw = await ProtocolClient.open(pair.port(0));
    raw.pongs = false;
    const text = await token({ sub: "ann" });
    const { connect } = (await raw.command({ connect: { token: text } })) as {
      connect: { ping: number; pong: boolean };
    };
    assert.deepEqual([connect.ping, connect.pong], [2, true]);
    assert.equal((await raw.closing()).code, 3012);
    assert.ok(
      raw.messages.some((message) => Object.keys(message).length === 0),
      "a ping came",
    );
    // By now the others have had pings, too, and the time to answer them has passed.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    for (const { kind, events } of clients) {
      assert.deepEqual(events, ["connecting 0", "connected"], kind.name);
    }
  });

  it("is closed with 3502 when it never connects", async () => {
    const raw = await ProtocolClient.open(pair.port(0));
    assert.equal((await raw.closing()).code, 3502);
  });

  it("answers all commands of one frame", async () => {
    const raw = await ProtocolClient.open(pair.port(0));
    const channel = pair.channel();
    raw.send(
      { id: 1, connect: { token: await token({ sub: "ann" }) } },
      { id: 2, subscribe: { channel } },
      { id: 3, publish: { channel, data: { a: 1 } } },
      { id: 4, unsubscribe: { channel } },
      { id: 5, presence_stats: { channel } },
    );
    const replies = await Promise.all([1, 2, 3, 4, 5].map((id) => raw.reply(id)));
    const names = replies.map((reply) => Object.keys(reply).filter((name) => name !== "id"));
    assert.deepEqual(names, [
      ...[["connect"], ["subscribe"], ["publish"], ["unsubscribe"], ["presence_stats"]],
    ]);
    assert.deepEqual(replies[2], { id: 3, publish: {} });
    assert.deepEqual(replies[3], { id: 4, unsubscribe: {} });
    assert.deepEqual(replies[4], { id: 5, presence_stats: { num_clients: 0, num_users: 0 } });
    for (const frame of raw.frames) assert.ok(!frame.trim().includes("\n\n"), "no blank line");
  });

  const closings: Record<string, [number, ...unknown[]]> = {
    "a frame without a command": [3501, ""],
    "a frame that is no JSON": [3501, "{"],
    "a command without an id": [3501, { subscribe: { channel: "a" } }],
    "a command with a wrong id": [3501, { id: -1, subscribe: { channel: "a" } }],
    "a command that there is not": [3501, { id: 7, dance: {} }],
    "a ping, which is reserved": [3501, { id: 7, ping: {} }],
    "a second connect": [3501, { id: 7, connect: {} }],
    "a subscription to nothing": [3501, { id: 7, subscribe: { channel: "" } }],
    "an unknown delta": [3501, { id: 7, subscribe: { channel: "a", delta: "xor" } }],
    "a message that nobody waits for": [3508, { send: { data: 1 } }],
  };
  for (const [name, [code, frame]] of Object.entries(closings)) {
    it(`is closed with ${code} after ${name}`, async () => {
      const raw = await ProtocolClient.connect(pair.port(0), { token: await token({ sub: "a" }) });
      raw.send(frame as string | object);
      const closed = await raw.closing();
      assert.equal(closed.code, code);
      assert.ok(closed.reason !== "" && Buffer.byteLength(closed.reason) <= 123);
      // The npm client would take JSON for its older protocol.
      assert.throws(() => JSON.parse(closed.reason));
    });
  }

  it("is closed with 3501 after any command before connect", async () => {
    const raw = await ProtocolClient.open(pair.port(0));
    raw.send({ id: 1, subscribe: { channel: "a" } });
    assert.equal((await raw.closing()).code, 3501);
  });

  it("is refused by the kind of page that no origin is allowed for", async () => {
    const opened = ProtocolClient.open(pair.port(0), { origin: "https://elsewhere.example" });
    await assert.rejects(opened, /403/);
    const own = await ProtocolClient.open(pair.port(0), {
      origin: `http://127.0.0.1:${pair.port(0)}`,
    });
    own.websocket.terminate();
  });
});
