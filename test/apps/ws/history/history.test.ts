import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect, headers, type JetStreamManager, type NatsConnection } from "nats";
import type { ChannelMessage } from "../../../../apps/ws/channel-message.ts";
import { anchorSlack } from "../../../../apps/ws/history/continuation.ts";
import type { HistoryNamespace } from "../../../../apps/ws/history/history.ts";
import { JetStream } from "../../../../apps/ws/history/jetstream.ts";
import { publicationHeaders } from "../../../../apps/ws/publication-headers.ts";
import { eventually } from "../../../support/eventually.ts";
import { Gate } from "../../../support/gate.ts";
import { JetStreamServer } from "../../../support/gateway-process.ts";
import { NatsServer } from "../../../support/nats.ts";
import { Random } from "../../../support/random.ts";
import { HistoryGateway, type Where } from "./gateway.ts";

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const texts = (from: number, to: number): string[] => range(from, to).map(String);

/** All that there is of a publication. */
const detailsOf = ({ data, offset, info, tags = {}, wantsDelta }: ChannelMessage): unknown[] => [
  ...[Buffer.from(data), offset, info],
  ...[Object.entries(tags), wantsDelta],
];

/** A client of NATS beside the gateways: a service, or an operator. */
class Outsider implements AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;

  private constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.connection = connection;
    this.manager = manager;
  }

  static async connect({ url }: { url: string }): Promise<Outsider> {
    const connection = await connect({ servers: url, reconnectTimeWait: 50, noAsyncTraces: true });
    return new Outsider(connection, await connection.jetstreamManager());
  }

  /** By core NATS, as services do that know of no history. */
  async publish(from: number, to: number, subject = "t.news"): Promise<void> {
    for (const text of texts(from, to)) this.connection.publish(subject, text);
    await this.connection.flush();
  }

  async lastAnchor(): Promise<number> {
    return (await this.manager.streams.info("anchors")).state.last_seq;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }
}

async function started(namespaces?: readonly HistoryNamespace[]) {
  const jetStream = await JetStreamServer.start();
  const { server } = jetStream;
  const gateways: HistoryGateway[] = [];
  const open = (
    options: ConstructorParameters<typeof HistoryGateway>[1] = {},
    at: Where = server,
  ) => {
    const gateway = new HistoryGateway(at, { ...(namespaces && { namespaces }), ...options });
    gateways.push(gateway);
    return gateway;
  };
  const outsider = await Outsider.connect(server);
  return {
    server,
    outsider,
    open,
    [Symbol.asyncDispose]: async () => {
      await outsider[Symbol.asyncDispose]();
      await Promise.all(gateways.map((gateway) => gateway.stop()));
      await jetStream[Symbol.asyncDispose]();
    },
  };
}

describe("the history of a channel in JetStream", () => {
  it("has the same offsets at all gateways, whoever publishes and whenever they come", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const [a, b] = [open(), open()];
    await eventually("the streams are there", () => a.history.obstacle === undefined);
    await outsider.publish(1, 3);
    const first = await a.follow("news");
    assert.equal(first.position.offset, 3);
    const second = await b.follow("news");
    await b.publish("news", "4");
    await outsider.publish(5, 6);
    await a.publish("news", "7");
    await Promise.all([first.received(4), second.received(4)]);
    const third = await open().follow("news");
    for (const { offsets, texts: received, losses } of [first, second]) {
      assert.deepEqual([offsets, received, losses], [range(4, 7), texts(4, 7), 0]);
    }
    for (const { position } of [first, second]) assert.deepEqual(position, third.position);
    const { epoch } = third.position;
    for (const each of [first, second, third]) {
      assert.deepEqual(await each.recover({ offset: 2, epoch }), texts(3, 7));
      assert.deepEqual(
        await each.shown(),
        range(1, 7).map((n) => [n, String(n)]),
      );
    }
  });

  it("keeps namespaces, payloads and who published apart", async () => {
    await using world = await started([
      { name: "", size: 10, ttlMs: 60_000 },
      { name: "chat", size: 10, ttlMs: 60_000 },
    ]);
    const gateway = world.open();
    const { history } = gateway;
    assert.equal(history.namespaceOf("chat:a")?.name, "chat");
    assert.equal(history.namespaceOf("$chat:a")?.name, "chat");
    assert.equal(history.namespaceOf("other:a"), undefined);
    const channels = ["a", "chat:a", "$chat:a", "$a"];
    const info = JSON.stringify({ user: "ann — ä" });
    const data = Buffer.from([0, 255, 10, 13]);
    const stored = [
      [data, 1, info, [["größe — ä", "1 €"]], true],
      [Buffer.of(), 2, undefined, [], false],
    ];
    const headers = publicationHeaders({ info, tags: { "größe — ä": "1 €" }, delta: true });
    for (const channel of channels) {
      const follower = await gateway.follow(channel);
      await history.publish(channel, data, { id: `${channel} 1`, headers, withinMs: 5_000 });
      await history.publish(channel, Buffer.of(), { id: `${channel} 2`, withinMs: 5_000 });
      await follower.received(2);
      const latest = follower.log.visible(Date.now()) ?? [];
      assert.deepEqual(latest.map(detailsOf), stored);
    }
    // The same again, as it is stored.
    await gateway.stop();
    const next = world.open();
    for (const channel of channels) {
      const follower = await next.follow(channel);
      await follower.log.load();
      const [first, second] = follower.log.visible(Date.now()) ?? [];
      assert.deepEqual(
        [first, second].map((each) => each && detailsOf(each)),
        stored,
      );
    }
  });

  it("is read whole, however many and large its messages are", async () => {
    await using world = await started([{ name: "", size: 2_500, ttlMs: 600_000 }]);
    const { outsider, open } = world;
    const first = await open().follow("news");
    const large = "x".repeat(3_000);
    for (const text of texts(1, 2_600)) outsider.connection.publish("t.news", text + large);
    await first.received(2_600);
    const { epoch } = first.position;
    const second = await open().follow("news");
    const shown = await second.shown();
    assert.deepEqual(
      shown.map(([offset, text]) => [offset, Number.parseInt(text)]),
      range(101, 2_600).map((n) => [n, n]),
    );
    assert.equal((await second.recover({ offset: 1_000, epoch }))?.length, 1_600);
  });

  it("goes on after nats-server was killed, without loss and without repetition", async () => {
    await using world = await started([{ name: "", size: 1_000, ttlMs: 600_000 }]);
    const { server, open } = world;
    const gateways = [open(), open(), open()];
    const followers = await Promise.all(gateways.map((gateway) => gateway.follow("news")));
    const { epoch } = followers[0]?.position ?? {};
    let over = false;
    const published: string[] = [];
    const publishing = gateways.map(async (gateway, which) => {
      for (let count = 1; !over; count += 1) {
        const text = `${which}-${count}`;
        await gateway.publish("news", text);
        published.push(text);
      }
    });
    for (let times = 0; times < 2; times += 1) {
      const before = published.length;
      await eventually("there are publications", () => published.length > before + 50);
      await server.signal("SIGKILL");
      await server.restart();
    }
    over = true;
    await Promise.all(publishing);
    const [first] = followers;
    for (const follower of followers) {
      await follower.log.fresh();
      assert.equal(follower.losses, 0);
      assert.deepEqual(follower.offsets, range(1, published.length));
      assert.deepEqual(follower.texts, first?.texts);
      assert.equal(follower.position.epoch, epoch);
    }
    assert.deepEqual(first?.texts.toSorted(), published.sort());
  });

  it("goes on after nats-server stood still, or a connection was cut, again and again", async () => {
    await using world = await started([{ name: "", size: 1_000, ttlMs: 600_000 }]);
    const { server, outsider, open } = world;
    await using gate = await Gate.to(`127.0.0.1:${server.port}`);
    const seed = Date.now() % 1_000_000;
    const random = new Random(seed);
    const away = open({}, gate);
    const here = open();
    const [cut, whole] = [await away.follow("news"), await here.follow("news")];
    let published = 0;
    for (let times = 0; times < 12; times += 1) {
      const count = 1 + random.below(30);
      await outsider.publish(published + 1, published + count);
      published += count;
      if (times === 6) {
        await server.signal("SIGSTOP");
        await eventually("it is noticed", () => !away.bus.connected && !here.bus.connected);
        await server.signal("SIGCONT");
      } else gate.cut();
      await wait(random.between(0, 60));
    }
    await outsider.publish(published + 1, published + 1);
    published += 1;
    for (const follower of [cut, whole]) {
      await eventually("it is here", async () => {
        await follower.log.fresh();
        return follower.position.offset === published;
      });
      assert.deepEqual(follower.texts, texts(1, published), `seed ${seed}`);
      assert.deepEqual([follower.offsets, follower.losses], [range(1, published), 0]);
    }
  });

  it("begins anew when the stream was purged or made anew, and tells who follows", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const { streams } = outsider.manager;
    const [a, b] = [open({ checkMs: 250 }), open({ checkMs: 250 })];
    const config = (await eventually("the stream is there", () => streams.info("history"))).config;
    const harms: Record<string, () => Promise<unknown>> = {
      "purge of all": () => streams.purge("history"),
      "purge of the channel": () => streams.purge("history", { filter: "t.news" }),
      "made anew by an operator": async () => {
        await streams.delete("history");
        await streams.add(config);
      },
      deleted: () => streams.delete("history"),
    };
    await outsider.publish(0, 0, "t.other");
    const followers = [await a.follow("news"), await b.follow("news")];
    for (const [harm, does] of Object.entries(harms)) {
      await a.publish("news", `before ${harm}`);
      const [first, second] = followers;
      assert.ok(first !== undefined && second !== undefined);
      for (const follower of followers) await follower.log.fresh();
      const before = first.position;
      const losses = followers.map((follower) => follower.losses);
      assert.deepEqual(before, second.position);
      await does();
      await eventually(`both know of: ${harm}`, () =>
        followers.every(({ position }) => position.epoch !== before.epoch),
      );
      await a.publish("news", `after ${harm}`);
      for (const follower of followers) await follower.log.fresh();
      assert.deepEqual(first.position, second.position, harm);
      assert.equal(await second.recover(before), undefined, harm);
      assert.equal(second.texts.at(-1), `after ${harm}`);
      for (const [index, follower] of followers.entries()) {
        assert.ok(follower.losses > (losses[index] ?? 0), harm);
      }
    }
    assert.equal(a.history.obstacle, undefined);
  });

  it("does not take a purged channel for a new one, even if nobody is left who knew it", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const a = open();
    const first = await a.follow("news");
    await outsider.publish(0, 0, "t.other");
    await outsider.publish(1, 5);
    await first.received(5);
    await eventually("the anchor names a publication", async () => {
      const { data } = await outsider.manager.streams.getMessage("anchors", {
        last_by_subj: "a.t.news",
      });
      return !Buffer.from(data).toString().includes('"seq":0');
    });
    await a.crash();
    await outsider.manager.streams.purge("history", { filter: "t.news" });
    await outsider.publish(6, 9);
    const next = await open().follow("news");
    assert.equal(await next.recover({ ...first.position, offset: 3 }), undefined);
    assert.equal(next.position.offset, 4);
  });

  it("refuses that single messages are deleted, since that would shift offsets", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const follower = await open().follow("news");
    await outsider.publish(1, 3);
    await follower.received(3);
    await assert.rejects(outsider.manager.streams.deleteMessage("history", 2), /delete/);
  });

  it("knows of tiny histories what it can know, however quickly they are filled", async () => {
    await using world = await started([{ name: "", size: 1, ttlMs: 600_000 }]);
    const { server, outsider, open } = world;
    await using gate = await Gate.to(`127.0.0.1:${server.port}`);
    const here = await open().follow("news");
    const away = await open({}, gate).follow("news");
    await outsider.publish(1, 3_000);
    await Promise.all([here.received(3_000), away.received(3_000)]);
    gate.close();
    for (let from = 3_001; from < 6_000; from += 100) {
      await outsider.publish(from, from + 99);
      await here.received(from + 99);
    }
    gate.open();
    await eventually("it is here again", async () => {
      await away.log.fresh();
      return away.position.offset === 6_000;
    });
    assert.deepEqual(here.offsets, range(1, 6_000));
    assert.deepEqual(away.position, here.position);
    assert.equal(away.losses, 1);
    assert.equal(here.losses, 0);
    const { epoch } = here.position;
    assert.deepEqual(await away.recover({ offset: 5_999, epoch }), ["6000"]);
    assert.equal(await away.recover({ offset: 5_998, epoch }), undefined);
    const { state } = await outsider.manager.streams.info("history");
    assert.equal(state.messages, 1 + anchorSlack);
  });

  it("keeps positions when all publications are too old", async () => {
    await using world = await started([{ name: "", size: 10, ttlMs: 1_000 }]);
    const { outsider, open } = world;
    const [a, b] = [open(), open()];
    const follower = await a.follow("news");
    await outsider.publish(1, 4);
    await follower.received(4);
    const { epoch } = follower.position;
    // Others go on, so that the stream as a whole is never at rest.
    let count = 0;
    const others = setInterval(() => {
      outsider.connection.publish("t.other", String((count += 1)));
    }, 50);
    try {
      await eventually("they are gone", async () => {
        await follower.log.fresh();
        return (await follower.shown()).length === 0 && count > 40;
      });
      assert.deepEqual(follower.position, { offset: 4, epoch });
      assert.deepEqual(await follower.recover({ offset: 4, epoch }), []);
      assert.equal(await follower.recover({ offset: 3, epoch }), undefined);
      const second = await b.follow("news");
      assert.deepEqual(second.position, { offset: 4, epoch });
      await outsider.publish(5, 5);
      await Promise.all([follower.received(5), second.received(1)]);
      assert.deepEqual(await second.recover({ offset: 4, epoch }), ["5"]);
      assert.equal(follower.losses + second.losses, 0);
      assert.deepEqual(follower.position, second.position);
    } finally {
      clearInterval(others);
    }
  });

  it("keeps its messages, offsets and epoch when its limits are changed", async () => {
    await using world = await started();
    const { outsider, open } = world;
    let position = { offset: 0, epoch: "" };
    let published = 0;
    const sizes: [number, number][] = [
      [100, 600_000],
      [10, 600_000],
      [500, 60_000],
      [50, 3_600_000],
    ];
    for (const [size, ttlMs] of sizes) {
      const gateway = open({ namespaces: [{ name: "", size, ttlMs }] });
      const follower = await gateway.follow("news");
      if (published > 0) assert.deepEqual(follower.position, position);
      await outsider.publish(published + 1, published + 150);
      published += 150;
      await follower.received(150);
      position = follower.position;
      assert.equal(position.offset, published);
      const { epoch } = position;
      const recovered = await follower.recover({ offset: published - 9, epoch });
      assert.deepEqual(recovered, texts(published - 8, published));
      const shown = await follower.shown();
      assert.ok(shown.length <= size && shown.length >= Math.min(size, 150));
      await gateway.stop();
      const { config } = await outsider.manager.streams.info("history");
      assert.equal(config.max_msgs_per_subject, size + anchorSlack);
      assert.equal(config.max_age, ttlMs * 1_000_000);
    }
  });

  it("takes no header for its own that a publisher has set", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const follower = await open().follow("news");
    const forged = headers();
    for (const name of ["Nats-Sequence", "Nats-Last-Sequence", "Nats-Num-Pending"]) {
      forged.set(name, "77");
    }
    forged.set("Nats-Time-Stamp", "2020-01-01T00:00:00Z");
    outsider.connection.publish("t.news", "1");
    outsider.connection.publish("t.news", "2", { headers: forged });
    outsider.connection.publish("t.news", "3");
    await follower.received(3);
    const second = await open().follow("news");
    for (const each of [follower, second]) {
      assert.deepEqual(
        await each.shown(),
        range(1, 3).map((n) => [n, String(n)]),
      );
    }
    assert.equal(follower.losses, 0);
  });

  it("writes few anchors", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const gateways = [open(), open(), open()];
    const followers = await Promise.all(gateways.map((gateway) => gateway.follow("news")));
    const before = await outsider.lastAnchor();
    for (let from = 1; from <= 2_000; from += 50) {
      await outsider.publish(from, from + 49);
      await Promise.all(followers.map((follower) => follower.received(from + 49)));
    }
    const writes = (await outsider.lastAnchor()) - before;
    // What comes while one is written, it is behind by: more where the machine is slow.
    assert.ok(writes >= 2_000 / anchorSlack && writes <= 2 + 2_000 / 64, `${writes}`);
    const { state } = await outsider.manager.streams.info("anchors");
    assert.equal(state.messages, 1);
  });
});

describe("a publication to a channel with history", () => {
  it("is stored once, although the answer to it was lost", async () => {
    await using world = await started();
    const { server, open } = world;
    await using gate = await Gate.to(`127.0.0.1:${server.port}`);
    const gateway = open({}, gate);
    const follower = await open().follow("news");
    await gateway.publish("news", "1");
    let lost = 0;
    gate.fate = (sent) => {
      if (lost > 0 || !sent.includes("the one")) return "arrives";
      lost += 1;
      return "its answer is lost";
    };
    const publishing = gateway.publish("news", "the one", "id");
    await follower.received(2);
    gate.cut();
    await publishing;
    await gateway.publish("news", "3");
    await follower.received(3);
    assert.equal(lost, 1);
    assert.deepEqual(follower.texts, ["1", "the one", "3"]);
  });

  it("fails when there is no connection for too long, or it is too large", async () => {
    await using world = await started();
    const { server, open } = world;
    const gateway = open();
    await gateway.publish("news", "1");
    const large = Buffer.alloc(2_000_000);
    const options = { id: "large", withinMs: 5_000 };
    await assert.rejects(gateway.history.publish("news", large, options), { code: "too_large" });
    await server.signal("SIGKILL");
    const publishing = gateway.history.publish("news", Buffer.from("2"), {
      id: "2",
      withinMs: 300,
    });
    await assert.rejects(publishing, { code: "unavailable" });
    await server.restart();
    await gateway.publish("news", "3");
  });
});

describe("histories", () => {
  it("share a channel's log, and end it when nobody has come back for a while", async () => {
    await using world = await started();
    const { server, open } = world;
    const gateway = open({ limits: { lingerMs: 200 } });
    const subscribed = async () => {
      const subjects = await server.subjects();
      return subjects.filter((subject) => subject === "r.t.news").length;
    };
    const first = await gateway.follow("news");
    const second = await gateway.follow("news");
    assert.equal(first.log, second.log);
    assert.equal(gateway.history.openCount, 1);
    await wait(250);
    first.end();
    first.end();
    second.end();
    const third = await gateway.follow("news");
    assert.equal(third.log, first.log);
    await wait(300);
    assert.equal(gateway.history.openCount, 1);
    third.end();
    assert.equal(await subscribed(), 1);
    await eventually("the log has ended", async () => (await subscribed()) === 0);
    assert.equal(gateway.history.openCount, 0);
    // What was of use for a moment only stays for a moment only.
    (await open({ limits: { lingerMs: 60_000 } }).follow("news")).end();
    await eventually("it has ended, too", async () => (await subscribed()) === 0);
  });

  it("hand a publication to all who follow then, even if one of them fails", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const gateway = open();
    const { history } = gateway;
    const namespace = history.namespaceOf("news");
    assert.ok(namespace !== undefined);
    const late: number[] = [];
    let losses = 0;
    history.subscribe("news", namespace, {
      onMessage: ({ offset = 0 }) => {
        const onMessage = (message: { offset: number | undefined }) =>
          late.push(message.offset ?? 0);
        if (offset === 1)
          history.subscribe("news", namespace, { onMessage, onLost: () => undefined });
        if (offset === 2) throw new Error("it cannot take this one");
      },
      onLost: () => {
        losses += 1;
      },
    });
    const follower = await gateway.follow("news");
    await outsider.publish(1, 3);
    await follower.received(3);
    assert.deepEqual([follower.offsets, late, losses], [[1, 2, 3], [2, 3], 1]);
    assert.equal(gateway.complaints.length, 1);
  });

  it("ask nothing while publications come one after the other", async () => {
    await using world = await started();
    const { server, outsider, open } = world;
    const gateway = open({ checkMs: 600_000 });
    const followers = [await gateway.follow("a"), await gateway.follow("b")];
    await outsider.publish(1, 1, "t.a");
    await outsider.publish(1, 1, "t.b");
    await Promise.all(followers.map((follower) => follower.received(1)));
    await wait(50);
    const { messagesIn } = await server.counts();
    for (const count of range(2, 41)) {
      await outsider.publish(count, count, "t.a");
      await outsider.publish(count, count, "t.b");
    }
    await Promise.all(followers.map((follower) => follower.received(41)));
    assert.equal((await server.counts()).messagesIn - messagesIn, 80);
  });

  it("leave no subscription and no timer behind", async () => {
    await using world = await started();
    const { server, outsider, open } = world;
    const timers = () =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const [timersBefore, { subscriptions }] = [timers(), await server.counts()];
    const gateway = open();
    const followers = await Promise.all(
      range(1, 50).map((channel) => gateway.follow(`channel-${channel}`)),
    );
    await outsider.publish(1, 3, "t.channel-1");
    for (const follower of followers.slice(10)) follower.end();
    // In the middle of a check, and of a question.
    followers[0]?.log.fresh().catch(() => undefined);
    await gateway.stop();
    await eventually("all subscriptions are gone", async () => {
      return (await server.counts()).subscriptions === subscriptions;
    });
    assert.ok(timers() <= timersBefore, `${timers()} timers, ${timersBefore} before`);
    for (const follower of followers) follower.end();
    assert.equal(gateway.history.openCount, 0);
  });

  it("find out after a reconnect what hundreds of channels have missed, without a flood", async () => {
    await using world = await started();
    const { server, outsider, open } = world;
    await using gate = await Gate.to(`127.0.0.1:${server.port}`);
    // Nobody else looks for what was missed.
    const gateway = open({ checkMs: 600_000 }, gate);
    const channels = range(1, 400).map((channel) => `channel-${channel}`);
    const followers = await Promise.all(channels.map((channel) => gateway.follow(channel)));
    for (const channel of channels) outsider.connection.publish(`t.${channel}`, "1");
    await Promise.all(followers.map((follower) => follower.received(1)));
    gate.close();
    await eventually("it is away", () => !gateway.bus.connected);
    for (const channel of channels.slice(0, 200)) outsider.connection.publish(`t.${channel}`, "2");
    await outsider.connection.flush();
    gate.open();
    await Promise.all(followers.slice(0, 200).map((follower) => follower.received(2)));
    assert.ok(followers.every(({ losses, messages }) => losses === 0 && messages.length > 0));
    assert.ok(gateway.complaints.length < 5);
  });

  it("bound how many channels are open, and what their tails take", async () => {
    await using world = await started();
    const { outsider, open } = world;
    const gateway = open({ limits: { maxLogs: 30, maxTailBytes: 1_000_000, lingerMs: 0 } });
    const channels = range(1, 30).map((channel) => `channel-${channel}`);
    const followers = await Promise.all(channels.map((channel) => gateway.follow(channel)));
    const unavailable = { code: "unavailable" };
    await assert.rejects(gateway.follow("one-too-many"), unavailable);
    const text = "x".repeat(10_000);
    for (const channel of channels) {
      for (const count of range(1, 10)) {
        outsider.connection.publish(`t.${channel}`, `${count} ${text}`);
      }
    }
    await Promise.all(followers.map((follower) => follower.received(10)));
    assert.ok(gateway.history.tailBytes <= 1_000_000);
    for (const follower of followers) {
      const { epoch } = follower.position;
      assert.equal((await follower.recover({ offset: 2, epoch }))?.length, 8);
    }
    assert.ok(gateway.history.tailBytes <= 1_000_000);
    for (const follower of followers) follower.end();
    await eventually("they have ended", () => gateway.history.openCount === 0);
    assert.equal(gateway.history.tailBytes, 0);
    await gateway.follow("one-more");
  });

  it("tell those who follow when a channel could not be verified for too long", async () => {
    class Failing extends JetStream {
      fails = false;
      override async state(...of: Parameters<JetStream["state"]>) {
        if (this.fails) throw new Error("the state cannot be told");
        return super.state(...of);
      }
    }
    await using world = await started();
    const { open, outsider } = world;
    const parts = open();
    const jetStream = new Failing(parts.bus, "_INBOX_ws");
    const gateway = open({ jetStream, checkMs: 1_000 });
    const follower = await gateway.follow("news");
    const other = await parts.follow("news");
    await wait(300);
    assert.equal(follower.losses, 0);
    jetStream.fails = true;
    await eventually("they are told", () => follower.losses > 0);
    // It goes on, nonetheless.
    await outsider.publish(1, 2);
    await Promise.all([follower.received(2), other.received(2)]);
    assert.equal(other.losses, 0);
    assert.ok(gateway.complaints.length >= 1 && gateway.complaints.length < 10);
    jetStream.close();
  });

  it("say why they cannot be served, and are as soon as they can", async () => {
    await using plain = await NatsServer.start();
    await using gateway = new HistoryGateway(plain);
    assert.match(gateway.history.obstacle ?? "", /not set up yet/);
    await eventually("it is known that there is no JetStream", () =>
      gateway.history.obstacle?.includes("JetStream cannot be used"),
    );
    await wait(500);
    assert.ok(gateway.complaints.length < 4, "one line per second");
    await using without = new HistoryGateway(plain, { namespaces: [] });
    assert.equal(without.history.obstacle, undefined);
    assert.equal(without.history.namespaceOf("news"), undefined);
  });

  it("wait for the first connection", async () => {
    await using jetStream = await JetStreamServer.start();
    const { server } = jetStream;
    await server.signal("SIGKILL");
    await using gateway = new HistoryGateway(server);
    const following = gateway.follow("news");
    const publishing = gateway.publish("news", "1");
    await server.restart();
    await publishing;
    assert.equal((await following).position.offset <= 1, true);
    assert.equal(gateway.history.obstacle, undefined);
  });
});
