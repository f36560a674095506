import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { signal } from "@preact/signals";
import { Connection } from "../../../../apps/web/page/live/connection.ts";
import type { History, Publishing, Topic } from "../../../../apps/web/page/topics/topic.ts";
import { maxTopics, Topics } from "../../../../apps/web/page/topics/topics.ts";
import { eventually } from "../../../support/eventually.ts";
import { token, hmacKey } from "../../../support/gateway-pair.ts";
import { subjectOf } from "../../../support/gateway-process.ts";
import { type RunningGateway, startGateway } from "../../../support/gateway.ts";

const keeping = { presence: true, history_size: 100, history_ttl: "1h", force_recovery: true };
const everybody = {
  ...{ allow_subscribe_for_client: true, allow_publish_for_subscriber: true },
  ...{ allow_presence_for_subscriber: true, allow_history_for_subscriber: true },
};
const options = {
  client: { token: { hmac_secret_key: hmacKey } },
  channel: {
    without_namespace: { ...keeping, ...everybody },
    namespaces: [
      { name: "chat", ...keeping, ...everybody, join_leave: true },
      { name: "short", ...keeping, ...everybody, history_size: 3 },
      { name: "plain", allow_subscribe_for_client: true },
      { name: "closed" },
    ],
  },
};

/** A page with its topics, drawn at once, ended by `using`. */
class Page implements Disposable {
  readonly connection: Connection;
  readonly topics: Topics;
  frames = 0;

  private constructor(port: number, user: string) {
    this.connection = new Connection({
      origin: `http://127.0.0.1:${port}`,
      transports: ["websocket"],
      identity: undefined,
      pingMethod: null,
      visible: signal(true),
      wires: { fetch, WebSocket },
      reconnectMs: [50, 500],
    });
    this.topics = new Topics({
      connection: this.connection,
      suggestions: [],
      frame: (draw) => {
        this.frames += 1;
        setTimeout(draw, 1);
      },
      tickMs: 10,
    });
    void token({ sub: user }).then((text) => {
      this.connection.useIdentity({ kind: "pasted", token: text });
      this.connection.connect();
    });
  }

  static async connected({ port }: RunningGateway, user: string): Promise<Page> {
    const page = new Page(port, user);
    await eventually(`${user} is connected`, () => {
      if (page.connection.state.value === "connected") return true;
      throw new Error(page.connection.problem.value);
    });
    return page;
  }

  /** Subscribes, and waits until the gateway has answered. */
  async topic(name: string): Promise<Topic> {
    assert.equal(this.topics.subscribe(name), undefined);
    const [topic] = this.topics.list.value;
    assert.ok(topic !== undefined);
    await eventually(`${name} is subscribed to`, () => topic.state.value === "subscribed");
    await eventually("the presence is known", () => {
      return ["known", "refused"].includes(topic.presence.state.value);
    });
    return topic;
  }

  [Symbol.dispose](): void {
    this.topics.end();
    this.connection.end();
  }
}

/** Newest first: data, and marks by their kind and count. */
async function shows(topic: Topic, expected: readonly unknown[]): Promise<void> {
  await eventually(`the feed shows ${JSON.stringify(expected)}`, () => {
    const rows = topic.feed.view.value.rows.map((row) => {
      return row.kind === "mark" ? `${row.mark} ${row.count ?? "?"}` : row.publication.data;
    });
    assert.deepEqual(rows, expected);
    return true;
  });
}

async function users(topic: Topic, expected: readonly string[]): Promise<void> {
  await eventually(`there are ${expected.join()}`, () => {
    assert.deepEqual(
      topic.presence.view.value.clients.map(({ user }) => user),
      expected,
    );
    return true;
  });
}

// By functions, since what they are changes.
function outcome({ publishing }: Topic): Publishing {
  return publishing.value;
}

function answer({ history }: Topic): History {
  return history.value;
}

describe("the page's topics", { concurrency: 4 }, () => {
  let gateway: RunningGateway;
  const publish = (channel: string, ...data: unknown[]): void => {
    for (const each of data) {
      gateway.publisher.publish(subjectOf(channel), JSON.stringify(each));
    }
  };

  before(async () => {
    gateway = await startGateway({ jetStream: true, gateway: options });
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
  });

  it("have a feed each, which goes on whoever looks", async () => {
    using page = await Page.connected(gateway, "ada");
    const [one, two] = [await page.topic("one"), await page.topic("two")];
    publish("one", { a: 1 }, "text");
    publish("two", 3);
    await shows(one, ["text", { a: 1 }]);
    await shows(two, [3]);
    assert.deepEqual(
      page.topics.list.value.map(({ name }) => name),
      ["two", "one"],
    );
    assert.equal(one.feed.position?.offset, 2);
    await eventually("the rate is known", () => one.rate.view.value.peak > 0);
    await eventually("the news are told", () => /new on one/.test(page.topics.summary.value));
  });

  it("publish text and JSON once it is right, and say what the gateway says", async () => {
    using page = await Page.connected(gateway, "ada");
    const topic = await page.topic("written");
    topic.write("Hello, <b>you</b>");
    await topic.publish();
    assert.equal(outcome(topic).kind, "done");
    assert.equal(topic.draft.value, "");
    topic.format.value = "json";
    topic.write("{no");
    await topic.publish();
    const unfit = outcome(topic);
    assert.ok(unfit.kind === "unfit");
    assert.match(unfit.problem, /not JSON/);
    assert.equal(topic.draft.value, "{no");
    topic.write('{"yes": true}');
    assert.equal(outcome(topic).kind, "none");
    // Pressed twice it is sent once.
    await Promise.all([topic.publish(), topic.publish()]);
    await shows(topic, [{ yes: true }, "Hello, <b>you</b>"]);
    const [row] = topic.feed.view.value.rows;
    assert.ok(row?.kind === "message");
    assert.equal(row.publication.info?.user, "ada");

    const readOnly = await page.topic("plain:read");
    readOnly.write("x");
    await readOnly.publish();
    const refused = outcome(readOnly);
    assert.ok(refused.kind === "failed");
    assert.match(refused.problem, /does not allow it.*\(103\)$/);
    assert.equal(readOnly.draft.value, "x");
    page.connection.disconnect();
    topic.write("2");
    await topic.publish();
    assert.deepEqual(outcome(topic), {
      ...{ kind: "failed", problem: "the page is not connected", uncertain: false },
    });
  });

  it("show who is there, and who joins and leaves", async () => {
    using page = await Page.connected(gateway, "ada");
    const topic = await page.topic("chat:people");
    await users(topic, ["ada"]);
    {
      using other = await Page.connected(gateway, "bob");
      await other.topic("chat:people");
      await users(topic, ["ada", "bob"]);
    }
    await users(topic, ["ada"]);
    const { movements, announced } = topic.presence.view.value;
    assert.equal(announced, true);
    assert.deepEqual(
      movements.filter(({ who }) => who.user === "bob").map(({ kind }) => kind),
      ["leave", "join"],
    );
  });

  it("ask who is there where nobody announces it, and say where nobody may know", async () => {
    using page = await Page.connected(gateway, "ada");
    const topic = await page.topic("quiet");
    await users(topic, ["ada"]);
    using other = await Page.connected(gateway, "bob");
    await other.topic("quiet");
    await topic.askPresence();
    await users(topic, ["ada", "bob"]);
    assert.equal(topic.presence.view.value.announced, false);
    const hidden = await page.topic("plain:hidden");
    assert.equal(hidden.presence.state.value, "refused");
    assert.match(hidden.presence.problem.value ?? "", /\(10[38]\)$/);
  });

  it("load the history when asked, newest first, with its position", async () => {
    using page = await Page.connected(gateway, "ada");
    const topic = await page.topic("kept");
    publish("kept", ...Array.from({ length: 25 }, (_, n) => n + 1));
    await eventually("all have come", () => topic.feed.received === 25);
    assert.equal(answer(topic).kind, "none");
    await topic.loadHistory();
    const loaded = answer(topic);
    assert.ok(loaded.kind === "loaded");
    assert.deepEqual(
      loaded.publications.map(({ data }) => data),
      [25, 24, 23, 22, 21, 20, 19, 18, 17, 16],
    );
    assert.deepEqual([loaded.offset, loaded.epoch], [25, topic.feed.position?.epoch]);
    topic.historyLimit.value = 50;
    await topic.loadHistory();
    const more = answer(topic);
    assert.equal(more.kind === "loaded" && more.publications.length, 25);
    const none = await page.topic("plain:none");
    await none.loadHistory();
    assert.equal(none.history.value.kind, "failed");
  });

  it("mark what a recovery brought, in its place, and what is gone for good", async () => {
    using page = await Page.connected(gateway, "ada");
    const [kept, short] = [await page.topic("away"), await page.topic("short:away")];
    publish("away", 1);
    publish("short:away", 1);
    await shows(kept, [1]);
    await shows(short, [1]);
    const back = Promise.withResolvers<undefined>();
    page.connection.interrupt(back.promise);
    await eventually("the page is away", () => page.connection.state.value === "connecting");
    const missed = Array.from({ length: 9 }, (_, n) => n + 2);
    publish("away", ...missed.slice(0, 3));
    publish("short:away", ...missed);
    using other = await Page.connected(gateway, "bob");
    for (const [name, count] of [
      ["away", 4],
      ["short:away", 10],
    ] as const) {
      const seen = await other.topic(name);
      await eventually("all are stored", async () => {
        await seen.loadHistory();
        const stored = answer(seen);
        return stored.kind === "loaded" && stored.offset === count;
      });
    }
    back.resolve(undefined);
    await shows(kept, [4, 3, 2, "recovered 3", 1]);
    await shows(short, ["gap 9", 1]);
    publish("away", 5);
    await shows(kept, [5, 4, 3, 2, "recovered 3", 1]);
    const late = kept.feed.view.value.rows.map((row) => row.kind === "message" && row.late);
    assert.deepEqual(late, [false, true, true, true, false, false]);
  });

  it("say why there is no subscription, and try it again", async () => {
    using page = await Page.connected(gateway, "ada");
    for (const [name, reason] of [
      ["unknown:x", /no such namespace \(102\)/],
      ["closed:x", /does not allow it.*\(103\)/],
    ] as const) {
      assert.equal(page.topics.subscribe(name), undefined);
      const [topic] = page.topics.list.value;
      assert.ok(topic !== undefined);
      const refused = (): boolean => reason.test(topic.problem.value ?? "");
      await eventually("it is refused", refused);
      assert.equal(topic.state.value, "unsubscribed");
      topic.retry();
      assert.equal(topic.problem.value, undefined);
      await eventually("it is refused again", refused);
    }
  });

  it("are refused by the page itself where there can be none, and there are so many at most", async () => {
    using page = await Page.connected(gateway, "ada");
    const { topics } = page;
    assert.match(topics.subscribe("") ?? "", /has a name/);
    assert.match(topics.subscribe("a b") ?? "", /no spaces/);
    assert.match(topics.subscribe("a".repeat(256)) ?? "", /at most 255 characters/);
    for (let n = 0; n < maxTopics; n += 1) assert.equal(topics.subscribe(`many-${n}`), undefined);
    assert.match(topics.subscribe("many-3") ?? "", /already/);
    assert.match(topics.subscribe("more") ?? "", /12 topics at most/);
    const [newest] = topics.list.value;
    assert.ok(newest !== undefined);
    topics.unsubscribe(newest);
    assert.equal(topics.subscribe("more"), undefined);
  });

  it("leave nothing behind when they end: no subscription, no timer, no drawing", async () => {
    using page = await Page.connected(gateway, "ada");
    const topic = await page.topic("ended");
    publish("ended", 1);
    await shows(topic, [1]);
    const other = page.connection.listen("witness", {});
    await eventually("the witness is subscribed", () => other.state.value === "subscribed");
    page.topics.unsubscribe(topic);
    assert.deepEqual(page.topics.list.value, []);
    assert.deepEqual(page.connection.channels.value, ["witness"]);
    const { frames } = page;
    using second = await Page.connected(gateway, "bob");
    const seen = await second.topic("ended");
    publish("ended", 2);
    await shows(seen, [2]);
    assert.equal(topic.feed.received, 1);
    assert.equal(page.frames, frames);
    const view = topic.rate.view.value;
    await eventually("the other one's rate goes on", () => seen.rate.view.value.last === 1);
    assert.equal(topic.rate.view.value, view);
  });

  it("draw ten times a second at most, however much comes", async () => {
    using page = await Page.connected(gateway, "ada");
    const topic = await page.topic("fast");
    let drawings = 0;
    const stop = topic.feed.view.subscribe(() => (drawings += 1));
    const begin = Date.now();
    for (let n = 0; n < 20; n += 1) {
      publish("fast", ...Array.from({ length: 250 }, (_, m) => n * 250 + m));
      await gateway.publisher.flush();
    }
    await eventually("all have come and are drawn", () => {
      return topic.feed.view.value.received === 5_000;
    });
    stop();
    const most = (Date.now() - begin) / 100 + 2;
    assert.ok(drawings <= most, `${drawings} drawings, at most ${most}`);
    assert.equal(topic.feed.view.value.rows[0]?.kind, "message");
  });
});
