import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { GatewayClient } from "../../../apps/lib/gateway-client.ts";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { StreamClient } from "../../support/stream-client.ts";

const config = {
  client: { insecure: true },
  channel: {
    without_namespace: { history_size: 10, history_ttl: "300s", presence: true },
    namespaces: [{ name: "plain" }],
  },
  http_stream: { enabled: true },
  // Nobody needs a key, so that these tests are about nothing else.
  http_api: { insecure: true },
};

describe("the server API, when not all is well", () => {
  let pair: GatewayPair;

  before(async () => {
    pair = await GatewayPair.start(config);
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
  });

  function client(index: 0 | 1, attempts = 1): GatewayClient {
    const url = `http://127.0.0.1:${pair.port(index)}/api`;
    return new GatewayClient({ url, key: () => "", timeoutMs: 30_000, attempts });
  }

  it("reaches a client without a websocket by its session, and says goodbye to it", async () => {
    using stream = await StreamClient.connect(pair.port(1));
    const session = stream.session;
    assert.notEqual(session, "");
    const channel = pair.channel("plain");
    await client(0).subscribe({ session }, channel);
    await client(0).publish(channel, "news");
    await eventually("both have come", () => stream.pushes.length >= 2);
    assert.deepEqual(stream.pushes, [
      { channel, subscribe: {} },
      { channel, pub: { data: "news" } },
    ]);
    // Of another user, it is not the one that is meant.
    await client(0).disconnect({ session, user: "somebody" });
    await client(0).disconnect({ session }, { code: 4_000, reason: "go" });
    assert.equal(await stream.closing(), 4_000);
  });

  it("has no success while a gateway hangs, and has one as soon as it is killed", async () => {
    using stays = await NpmClient.connect(pair.port(0));
    const channel = pair.channel("plain");
    pair.gateway(1).signal("SIGSTOP");
    const refused = { code: 100, message: /some gateway did not answer in time/ };
    await Promise.all([
      assert.rejects(client(0).subscribe({ client: stays.id }, channel), refused),
      assert.rejects(client(0).channels("plain:*"), refused),
    ]);
    // Where it could be done it was.
    await stays.happens(`subscribed ${channel}`);
    assert.equal((await client(0).presenceStats(pair.channel())).num_clients, 0);
    pair.gateway(1).signal("SIGKILL");
    await eventually("the other one is known to be gone", async () => {
      await client(0).unsubscribe({ client: stays.id }, channel);
      return true;
    });
    await stays.happens(`unsubscribed ${channel}`);
    assert.equal((await client(0).nodes()).length, 1);
    await pair.restart(1);
    await eventually("the new one is known", async () => (await client(0).nodes()).length === 2);
  });

  it("publishes once although NATS was away between two attempts", async () => {
    const [kept, passing] = [pair.channel(), pair.channel("plain")];
    using listener = await NpmClient.connect(pair.port(1));
    const subscription = await listener.subscribe(passing);
    const options = { idempotencyKey: "key" };
    await client(0).publish(kept, 1, options);
    await client(0).publish(passing, 1, options);
    await subscription.received(1);
    await pair.nats.signal("SIGKILL");
    await assert.rejects(client(0).publish(kept, 2, options), { code: 100 });
    await pair.nats.restart();
    await eventually("both gateways are back", async () => {
      await Promise.all([client(0).history(kept), client(1).history(kept)]);
      return true;
    });
    for (const index of [1, 0] as const) {
      assert.partialDeepStrictEqual(await client(index, 20).publish(kept, 2, options), {
        offset: 1,
      });
      assert.deepEqual(await client(index, 20).publish(passing, 2, options), {});
    }
    assert.equal((await client(1).history(kept)).offset, 1);
    await client(1).publish(passing, "end");
    assert.deepEqual(await subscription.received(2), [1, "end"]);
  });

  it("tries again by itself where it is told to, and publishes once all the same", async () => {
    const channel = pair.channel();
    await client(0).publish(channel, 0);
    await pair.nats.signal("SIGKILL");
    const published = client(0, 30).publish(channel, 1);
    await pair.nats.restart();
    assert.partialDeepStrictEqual(await published, { offset: 2 });
    assert.equal((await client(1, 30).history(channel)).offset, 2);
  });
});
