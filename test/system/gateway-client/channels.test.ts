import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair, token } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { Client } from "../../support/gateway.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { open } from "./config.ts";

/** What every kind of client sees alike is in the table; here is what is between them and NATS, word by word. */
describe("channels of two gateways, where everybody may do everything", () => {
  let pair: GatewayPair;
  let here: NpmClient;
  let there: NpmClient;

  before(async () => {
    pair = await GatewayPair.start(open);
    here = await NpmClient.connect(pair.port(0));
    there = await NpmClient.connect(pair.port(1));
  });
  after(async () => {
    here.close();
    there.close();
    await pair[Symbol.asyncDispose]();
  });

  it("keep the text of numbers that JavaScript cannot hold", async () => {
    const channel = pair.channel();
    const raw = await ProtocolClient.connect(pair.port(1));
    await raw.command({ subscribe: { channel } });
    const text = '{"big":12345678901234567890,"one":1.0,"tiny":1e-400}';
    pair.publisher.publish(subjectOf(channel), text);
    await eventually("it arrives", () => raw.pushes.some((push) => "pub" in push));
    assert.ok(raw.frames.join("\n").includes(text), raw.frames.join("\n"));
  });

  it("are the topics of the raw endpoint", async () => {
    const channel = pair.channel();
    const raw = await Client.open(`ws://127.0.0.1:${pair.port(1)}/ws/${channel}`);
    const subscription = await here.subscribe(channel);
    await there.client.publish(channel, { from: "protocol" });
    pair.publisher.publish(subjectOf(channel), "from NATS");
    await subscription.received(2);
    raw.websocket.send("from a raw client");
    const data = await subscription.received(3);
    assert.deepEqual(data, [{ from: "protocol" }, "from NATS", "from a raw client"]);
    assert.deepEqual(await raw.received(3), [
      ...['{"from":"protocol"}', "from NATS", "from a raw client"],
    ]);
    raw.websocket.terminate();
  });

  it("are those of the raw endpoint with a namespace, too", async () => {
    const channel = pair.channel("short");
    const path = encodeURIComponent(channel);
    const raw = await Client.open(`ws://127.0.0.1:${pair.port(0)}/ws/${path}`);
    await there.client.publish(channel, 1);
    assert.deepEqual(await raw.received(1), ["1"]);
    raw.websocket.terminate();
  });

  const answers: Record<string, [command: object, answer: object]> = {
    "an unsubscribe from what was never subscribed": [
      { unsubscribe: { channel: "never" } },
      { unsubscribe: {} },
    ],
    "an rpc": [{ rpc: { method: "m", data: 1 } }, { error: { code: 108 } }],
    "a subscription to a map": [{ subscribe: { channel: "a", type: 1 } }, { error: { code: 108 } }],
    "a subscription to a shared poll": [
      { subscribe: { channel: "a", type: 4 } },
      { error: { code: 108 } },
    ],
    "a publication to a map": [
      { publish: { channel: "a", data: 1, type: 1 } },
      { error: { code: 108 } },
    ],
    "a channel of no namespace": [
      { subscribe: { channel: "nowhere:a" } },
      { error: { code: 102 } },
    ],
    "a channel with a wildcard": [{ subscribe: { channel: "a.*" } }, { error: { code: 107 } }],
    "a channel with white space": [{ subscribe: { channel: "a b" } }, { error: { code: 107 } }],
    "a channel of 256 characters": [
      { subscribe: { channel: "c".repeat(256) } },
      { error: { code: 107 } },
    ],
    "presence where it is off": [{ presence: { channel: "plain:a" } }, { error: { code: 108 } }],
    "presence statistics where it is off": [
      { presence_stats: { channel: "plain:a" } },
      { error: { code: 108 } },
    ],
    "history where there is none": [
      { history: { channel: "plain:a", limit: 1 } },
      { error: { code: 108 } },
    ],
    "presence of nobody": [{ presence: { channel: "nobody" } }, { presence: { presence: {} } }],
    "presence statistics of nobody": [
      { presence_stats: { channel: "nobody" } },
      { presence_stats: { num_clients: 0, num_users: 0 } },
    ],
    "a publication to a wrong channel": [
      { publish: { channel: "a..b", data: 1 } },
      { error: { code: 107 } },
    ],
    "a filter, where it is not allowed": [
      { subscribe: { channel: "a", tf: { key: "k", cmp: "eq", val: "v" } } },
      { error: { code: 107 } },
    ],
  };
  for (const [name, [command, wanted]] of Object.entries(answers)) {
    it(`answer ${name} as the protocol says`, async () => {
      const raw = await ProtocolClient.connect(pair.port(0));
      const { id, ...answer } = await raw.command(command);
      assert.equal(id, 2);
      assert.partialDeepStrictEqual(answer, wanted);
      if ("error" in answer) {
        const { message } = answer["error"] as { message: string };
        assert.ok(message.length > 3, "an error has words");
      } else assert.deepEqual(answer, wanted);
      // And the connection goes on.
      assert.ok("subscribe" in (await raw.command({ subscribe: { channel: pair.channel() } })));
      raw.websocket.terminate();
    });
  }

  it("close with 3501 who refreshes a connection that it made without a token", async () => {
    const raw = await ProtocolClient.connect(pair.port(0));
    raw.send({ id: 9, refresh: { token: await token({ sub: "ann" }) } });
    assert.equal((await raw.closing()).code, 3501);
  });

  it("are subscribed to once by each client: 105 for the second time", async () => {
    const raw = await ProtocolClient.connect(pair.port(0));
    const subscribe = { channel: pair.channel() };
    raw.send({ id: 11, subscribe }, { id: 12, subscribe });
    assert.ok("subscribe" in (await raw.reply(11)));
    assert.partialDeepStrictEqual(await raw.reply(12), { error: { code: 105 } });
    raw.websocket.terminate();
  });

  it("are 128 for each client at most: 106 for one more, until another is left", async () => {
    const raw = await ProtocolClient.connect(pair.port(0));
    const name = pair.channel("plain");
    for (let index = 0; index < 128; index += 1) {
      const reply = await raw.command({ subscribe: { channel: `${name}.${index}` } });
      assert.ok("subscribe" in reply, JSON.stringify(reply));
    }
    const more = { subscribe: { channel: `${name}.128` } };
    assert.partialDeepStrictEqual(await raw.command(more), { error: { code: 106 } });
    await raw.command({ unsubscribe: { channel: `${name}.0` } });
    assert.ok("subscribe" in (await raw.command(more)));
    raw.websocket.terminate();
  });

  it("keep as many as they should, and no more", async () => {
    const channel = pair.channel("short");
    for (let n = 1; n <= 9; n += 1) await here.client.publish(channel, n);
    for (const reader of [here, there]) {
      const { publications, offset } = await reader.client.history(channel, { limit: -1 });
      assert.deepEqual(
        publications.map(({ data }): unknown => data),
        [5, 6, 7, 8, 9],
      );
      assert.deepEqual(
        publications.map((each) => each.offset),
        [5, 6, 7, 8, 9],
      );
      assert.equal(offset, 9);
    }
  });

  it("of different names never get each other's publications", async () => {
    const base = pair.channel();
    const names = [base, `${base}.a`, `${base}.a.b`, `${base}a`, `short:${base}`, `plain:${base}`];
    const subscriptions = await Promise.all(names.map((name) => here.subscribe(name)));
    for (const name of names) await there.client.publish(name, name);
    for (const [index, subscription] of subscriptions.entries()) {
      await subscription.received(1);
      await there.client.publish(subscription.channel, "end");
      assert.deepEqual(await subscription.received(2), [names[index], "end"]);
    }
  });
});
