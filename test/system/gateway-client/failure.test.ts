import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import { FrontDoor } from "../../support/front-door.ts";
import { GatewayPair, token } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { Random } from "../../support/random.ts";
import { open } from "./config.ts";

/** The client's own limit for a command; then it gives up the connection. */
const commandMs = 5_000;

describe("the protocol while parts of the system fail", { concurrency: 4 }, () => {
  /** Each test breaks its own. */
  async function start(config: object = open): Promise<GatewayPair> {
    return GatewayPair.start(config);
  }

  it("answers a subscribe with a temporary error within 5 s when NATS stalls", async () => {
    await using pair = await start();
    const known = pair.channel();
    using client = await NpmClient.connect(pair.port(0));
    await client.subscribe(known);
    const raw = await ProtocolClient.connect(pair.port(0));
    await pair.nats.signal("SIGSTOP");
    const began = performance.now();
    const channels = [pair.channel(), pair.channel("plain"), pair.channel("shy"), known];
    const [history, publish, ...replies] = await Promise.all([
      raw.command({ history: { channel: known, limit: 10 } }),
      raw.command({ publish: { channel: known, data: 1 } }),
      ...channels.map((channel) =>
        raw.command({ subscribe: { channel, recover: true, offset: 0 } }),
      ),
    ]);
    const tookMs = performance.now() - began;
    assert.ok(tookMs < commandMs, `answered after ${tookMs} ms`);
    for (const reply of [history, publish, ...replies.slice(0, 3)]) {
      assert.partialDeepStrictEqual(reply, { error: { code: 100, temporary: true } });
    }
    assert.equal(raw.closed, undefined);

    // The npm client tries again until NATS is back.
    const subscription = client.subscription(pair.channel());
    await subscription.happens("error subscribe 100");
    await pair.nats.signal("SIGCONT");
    await subscription.happens("subscribed");
    await client.client.publish(subscription.channel, 1);
    await subscription.received(1);
    assert.deepEqual(
      client.events.filter((event) => event.startsWith("disc")),
      [],
    );
    raw.websocket.terminate();
  });

  it("goes on when NATS was killed and came back, and nothing is lost", async () => {
    await using pair = await start();
    const channel = pair.channel();
    using client = await NpmClient.connect(pair.port(0));
    using publisher = await NpmClient.connect(pair.port(1));
    const subscription = await client.subscribe(channel);
    await publisher.client.publish(channel, 1);
    await pair.nats.signal("SIGKILL");
    const ready = (): Promise<Response> => fetch(`http://127.0.0.1:${pair.port(0)}/healthz/ready`);
    await eventually("the gateway says so", async () => (await ready()).status === 503);
    await pair.nats.restart();
    await eventually("it is published", async () => {
      await publisher.client.publish(channel, 2);
      return true;
    });
    await eventually("it arrives", () => subscription.publications.at(-1)?.data === 2);
    const offsets = subscription.publications.map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      offsets.map((_, index) => index + 1),
    );
    assert.ok(!subscription.events.some((event) => event.includes("not recovered")));
  });

  it("tells everybody of the loss when NATS comes back with nothing", async () => {
    await using pair = await start();
    const channel = pair.channel();
    using here = await NpmClient.connect(pair.port(0));
    using there = await NpmClient.connect(pair.port(1));
    using listed = await NpmClient.connect(pair.port(0), {
      token: await token({ sub: "ann", channels: [channel] }),
    });
    const subscriptions = await Promise.all([here.subscribe(channel), there.subscribe(channel)]);
    for (const data of [1, 2, 3]) await here.client.publish(channel, data);
    for (const subscription of subscriptions) await subscription.received(3);
    const { epoch } = subscriptions[0].position;
    await pair.wipe();
    for (const subscription of subscriptions) {
      await subscription.happens("subscribed, not recovered");
      assert.notEqual(subscription.position.epoch, epoch);
    }
    await listed.happens(`subscribed ${channel}, not recovered`);
    // As many as there were, so that sequences and offsets are the same again.
    for (const data of [4, 5, 6, 7]) {
      await eventually("it is published", async () => {
        await there.client.publish(channel, data);
        return true;
      });
    }
    for (const subscription of subscriptions) {
      await eventually("the last arrives", () => subscription.publications.at(-1)?.data === 7);
      const data = subscription.publications.map((publication): unknown => publication.data);
      assert.deepEqual(data.slice(0, 3), [1, 2, 3]);
      const { offset } = subscription.position;
      const after = subscription.publications.slice(3).map((publication) => publication.offset);
      assert.deepEqual(
        after,
        after.map((_, index) => offset + 1 + index),
      );
    }
    using late = await NpmClient.connect(pair.port(1));
    const lateSubscription = await late.subscribe(channel, { since: { offset: 3, epoch } });
    assert.equal(lateSubscription.contexts[0]?.recovered, false);
  });

  it("keeps publications that come while a gateway is cut off, for its own clients", async () => {
    await using pair = await start();
    const channel = pair.channel();
    using client = await NpmClient.connect(pair.port(0));
    const subscription = await client.subscribe(channel);
    pair.gateway(0).signal("SIGSTOP");
    for (let n = 1; n <= 100; n += 1) pair.publisher.publish(subjectOf(channel), String(n));
    await pair.publisher.flush();
    await wait(300);
    pair.gateway(0).signal("SIGCONT");
    const data = await subscription.received(100);
    assert.deepEqual(
      data,
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
  });

  it("forgets the clients of a gateway that was killed", async () => {
    await using pair = await start();
    const channel = pair.channel();
    using doomed = await NpmClient.connect(pair.port(0), { token: await token({ sub: "ann" }) });
    using survivor = await NpmClient.connect(pair.port(1));
    await doomed.subscribe(channel);
    await survivor.subscribe(channel);
    const { clients } = await survivor.client.presence(channel);
    assert.equal(Object.keys(clients).length, 2);
    await pair.gateway(0).end("SIGKILL");
    const began = performance.now();
    await eventually("only one is there", async () => {
      const present = Object.keys((await survivor.client.presence(channel)).clients);
      return present.join() === survivor.id;
    });
    const tookMs = performance.now() - began;
    assert.ok(tookMs < 2_000, `after ${tookMs} ms`);
  });

  it("drains on SIGTERM: 3001 in waves, and every client recovers elsewhere", async () => {
    await using pair = await start();
    await using door = await FrontDoor.open(new Random(1));
    door.add(0, pair.port(0));
    const channel = pair.channel();
    using publisher = await NpmClient.connect(pair.port(1));
    const clients = await Promise.all(
      Array.from({ length: 40 }, () => NpmClient.connect(door.port)),
    );
    const subscriptions = await Promise.all(clients.map((client) => client.subscribe(channel)));
    door.remove(0);
    door.add(1, pair.port(1));
    const gateway = pair.gateway(0);
    const closedAt: number[] = [];
    for (const { client } of clients) {
      client.once("connecting", () => closedAt.push(performance.now()));
    }
    gateway.signal("SIGTERM");
    const began = performance.now();
    let published = 0;
    while (!gateway.ended) await publisher.client.publish(channel, ++published);
    const tookMs = performance.now() - began;
    assert.equal(gateway.child.exitCode, 0);
    // `shutdown.timeout` is two seconds.
    assert.ok(tookMs < 4_500, `it took ${tookMs} ms`);
    await publisher.client.publish(channel, "end");
    for (const [index, subscription] of subscriptions.entries()) {
      await eventually("the end arrives", () => subscription.publications.at(-1)?.data === "end");
      const offsets = subscription.publications.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        offsets.map((_, at) => at + 1),
      );
      assert.equal(offsets.length, published + 1);
      const codes = clients[index]?.events.filter((event) => event.startsWith("connecting"));
      assert.deepEqual(codes, ["connecting 0", "connecting 3001"]);
    }
    const spreadMs = Math.max(...closedAt) - Math.min(...closedAt);
    assert.ok(spreadMs > 300, `all were closed within ${spreadMs} ms`);
    for (const client of clients) client.close();
  });

  it("is not ready and takes nobody while it drains", async () => {
    await using pair = await start();
    using client = await NpmClient.connect(pair.port(0));
    pair.gateway(0).signal("SIGTERM");
    await eventually("it is not ready", async () => {
      const url = `http://127.0.0.1:${pair.port(0)}/healthz/ready`;
      const answer = await fetch(url).catch(() => undefined);
      return answer === undefined || answer.status === 503;
    });
    await assert.rejects(ProtocolClient.open(pair.port(0)), /503|ECONNREFUSED/);
    await client.happens("connecting 3001");
  });

  it("asks clients to come anew at a certain age, with 3011", async () => {
    const config = { ...open, client: { ...open.client, max_connection_age: "2s" } };
    await using pair = await start(config);
    const channel = pair.channel();
    using client = await NpmClient.connect(pair.port(0));
    const subscription = await client.subscribe(channel);
    await client.happens("connecting 3011");
    await subscription.happens("subscribed, recovered");
  });

  it("tells subscribers with 2500 that their channel has lost its history", async () => {
    await using pair = await start();
    const channel = pair.channel();
    using client = await NpmClient.connect(pair.port(0));
    using other = await NpmClient.connect(pair.port(1));
    using listed = await NpmClient.connect(pair.port(0), {
      token: await token({ sub: "ann", channels: [channel] }),
    });
    const subscription = await client.subscribe(channel);
    await other.client.publish(channel, 1);
    await listed.happens(`publication ${channel} 1 1`);
    // Now, for afterwards it may be in the next one already.
    const { epoch } = subscription.position;
    const manager = await pair.publisher.jetstreamManager();
    const stream = await manager.streams.find(subjectOf(channel));
    await manager.streams.purge(stream, { filter: subjectOf(channel) });
    await other.client.publish(channel, 2);
    // Nobody subscribes, so nobody looks, until something is recovered from.
    using late = await NpmClient.connect(pair.port(1));
    const lateSubscription = await late.subscribe(channel, { since: { offset: 0, epoch } });
    assert.equal(lateSubscription.contexts[0]?.recovered, false);
    await eventually("the subscriber is told, or nothing was lost for it", () => {
      const offsets = subscription.publications.map(({ offset }) => offset);
      return subscription.events.includes("subscribing 2500") || offsets.join() === "1,2";
    });
    // Those that the server subscribed have to connect anew.
    if (subscription.events.includes("subscribing 2500")) await listed.happens("connecting 3010");
  });

  it("does not let a slow reader hold up others, and closes it with 3008", async () => {
    await using pair = await start();
    const channel = pair.channel("plain");
    const slow = await ProtocolClient.connect(pair.port(0));
    await slow.command({ subscribe: { channel } });
    slow.websocket.pause();
    using client = await NpmClient.connect(pair.port(0));
    const subscription = await client.subscribe(channel);
    const filler = "x".repeat(50_000);
    for (let n = 1; n <= 300; n += 1) {
      pair.publisher.publish(subjectOf(channel), JSON.stringify({ n, filler }));
      if (n % 20 === 0) await pair.publisher.flush();
      if (n % 20 === 0) await subscription.received(n);
    }
    await subscription.received(300);
    slow.websocket.resume();
    const { code } = await slow.closing();
    // Its close frame may have been stuck behind what it did not read.
    assert.ok(code === 3008 || code === 1006, `closed with ${code}`);
    assert.ok(slow.messages.length < 300);
    assert.equal(
      await pair.counter(0, 'gateway_slow_closes_total{transport="websocket",encoding="json"}'),
      1,
    );
    assert.deepEqual(client.events, ["connecting 0", "connected"]);
  });

  it("holds back who sends too many commands: 111, then 3013", async () => {
    const config = { ...open, client: { ...open.client, command_rate_limit: 20 } };
    await using pair = await start(config);
    const raw = await ProtocolClient.connect(pair.port(0));
    for (let id = 100; id < 2_000; id += 1) raw.send({ id, rpc: { method: "a" } });
    const { code } = await raw.closing();
    assert.equal(code, 3013);
    const codes = new Set(
      raw.messages.map(({ error }) => (error as { code?: number } | undefined)?.code),
    );
    assert.ok(codes.has(108) && codes.has(111), [...codes].join());
  });
});
