import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { signal } from "@preact/signals";
import type { PublicationContext, SubscribedContext } from "centrifuge";
import { EventSource } from "eventsource";
import { createWebApp } from "../../../../apps/web/app.ts";
import { DemoTokens } from "../../../../apps/web/demo-tokens.ts";
import type { Transport } from "../../../../apps/web/page/live/client.ts";
import { CallError } from "../../../../apps/web/page/live/codes.ts";
import { Connection, type ConnectionOptions } from "../../../../apps/web/page/live/connection.ts";
import type { LiveEvent } from "../../../../apps/web/page/live/events.ts";
import { interruptAndPublish } from "../../../../apps/web/page/live/interruption.ts";
import { eventually } from "../../../support/eventually.ts";
import { hmacKey, inSeconds, token } from "../../../support/gateway-pair.ts";
import { subjectOf } from "../../../support/gateway-process.ts";
import { collectingLog, type RunningGateway, startGateway } from "../../../support/gateway.ts";
import { freePort } from "../../../support/ports.ts";

const everyTransport = ["websocket", "http_stream", "sse"] as const satisfies readonly Transport[];
const history = { presence: true, history_size: 100, history_ttl: "1h", force_recovery: true };
const open = {
  ...{ http_stream: { enabled: true }, sse: { enabled: true } },
  rpc: { ping: { enabled: true }, without_namespace: { enabled: true } },
  channel: {
    without_namespace: history,
    namespaces: [
      { name: "chat", ...history, join_leave: true },
      { name: "short", ...history, history_size: 3 },
    ],
  },
};

/** A page's connection to a gateway, ended by `using`. */
class Page implements Disposable {
  readonly connection: Connection;
  readonly visible = signal(true);
  readonly bugs: unknown[] = [];

  constructor(port: number, options: Partial<ConnectionOptions> = {}) {
    this.connection = new Connection({
      origin: `http://127.0.0.1:${port}`,
      transports: everyTransport,
      identity: { kind: "anonymous" },
      pingMethod: "ping",
      visible: this.visible,
      wires: { fetch, WebSocket, EventSource },
      reconnectMs: [50, 500],
      roundTripEveryMs: 10,
      report: (error) => this.bugs.push(error),
      ...options,
    });
  }

  static async connected(port: number, options: Partial<ConnectionOptions> = {}): Promise<Page> {
    const page = new Page(port, options);
    page.connection.connect();
    await page.is("connected");
    return page;
  }

  async is(state: string): Promise<void> {
    await eventually(`the page is ${state}`, () => {
      if (this.connection.state.value === state) return true;
      throw new Error(`${this.connection.state.value}: ${this.connection.problem.value ?? ""}`);
    });
  }

  /** Waits for an event of this kind, the first one or the one after so many. */
  async happens<K extends LiveEvent["kind"]>(
    kind: K,
    skipped = 0,
  ): Promise<Extract<LiveEvent, { kind: K }>> {
    return eventually(`${kind} happens`, () => {
      const found = this.connection.events.value.filter(
        (event): event is Extract<LiveEvent, { kind: K }> => event.kind === kind,
      )[skipped];
      if (found !== undefined) return found;
      throw new Error(`so far: ${JSON.stringify(this.connection.events.value)}`);
    });
  }

  async problem(pattern: RegExp): Promise<void> {
    await eventually(`the problem is ${String(pattern)}`, () => {
      const said = this.connection.problem.value;
      if (said !== undefined && pattern.test(said)) return true;
      throw new Error(`it is: ${said ?? "none"}`);
    });
  }

  [Symbol.dispose](): void {
    this.connection.end();
  }
}

/** What one listener was told of a channel. */
class Heard {
  readonly publications: PublicationContext[] = [];
  readonly late: unknown[] = [];
  readonly contexts: SubscribedContext[] = [];
  readonly presence: string[] = [];
  readonly channel: ReturnType<Connection["listen"]>;

  constructor({ connection }: Page, name: string) {
    this.channel = connection.listen(name, {
      publication: (publication, recovered) => {
        this.publications.push(publication);
        if (recovered) this.late.push(publication.data);
      },
      subscribed: (context) => this.contexts.push(context),
      join: ({ user }) => this.presence.push(`join ${user}`),
      leave: ({ user }) => this.presence.push(`leave ${user}`),
    });
  }

  get data(): unknown[] {
    return this.publications.map(({ data }): unknown => data);
  }

  async subscribed(times = 1): Promise<void> {
    await eventually(`subscribed ${times} times`, () => this.contexts.length >= times);
  }

  async hears(count: number): Promise<void> {
    await eventually(`${count} publications`, () => this.publications.length >= count);
  }
}

async function rejection(promise: Promise<unknown>): Promise<CallError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof CallError, String(error));
    return error;
  }
  throw new Error("it was not rejected");
}

describe("the page's connection", { concurrency: 4 }, () => {
  let gateway: RunningGateway;
  let channels = 0;
  const channelOf = (namespace = ""): string =>
    `${namespace === "" ? "" : `${namespace}:`}page-${++channels}`;
  const publish = (channel: string, ...texts: string[]): void => {
    for (const text of texts) gateway.publisher.publish(subjectOf(channel), text);
  };
  /** Waits until the gateway has so many in the channel's history. */
  const stored = async ({ connection }: Page, channel: string, count: number): Promise<void> => {
    const other = connection.companion();
    assert.ok(other !== undefined);
    other.connect();
    try {
      await eventually(`${count} are stored`, async () => {
        return (await other.history(channel)).offset >= count;
      });
    } finally {
      other.disconnect();
    }
  };

  before(async () => {
    gateway = await startGateway({
      jetStream: true,
      gateway: { client: { insecure: true }, ...open },
    });
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
    assert.ok(!gateway.lines.some((line) => line.includes("bug")), gateway.lines.join(""));
  });

  it("says how it is connected, as whom, and how long the gateway takes to answer", async () => {
    using page = await Page.connected(gateway.port);
    const { transport, clientId, user, problem, roundTripMs } = page.connection;
    assert.equal(transport.value, "websocket");
    assert.match(clientId.value ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(user.value, "");
    assert.equal(problem.value, undefined);
    await eventually("the round trip is known", () => (roundTripMs.value ?? 0) > 0);
    page.connection.disconnect();
    assert.deepEqual(
      [page.connection.state.value, transport.value, clientId.value, user.value, roundTripMs.value],
      ["disconnected", ...Array<undefined>(4).fill(undefined)],
    );
    assert.deepEqual(
      page.connection.events.value.map(({ kind }) => kind),
      ["connecting", "connected", "disconnected"],
    );
  });

  it("measures no round trip for nobody", async () => {
    using page = await Page.connected(gateway.port);
    await eventually("it is known", () => page.connection.roundTripMs.value !== undefined);
    page.visible.value = false;
    assert.equal(page.connection.roundTripMs.value, undefined);
    page.visible.value = true;
    await eventually("it is known again", () => page.connection.roundTripMs.value !== undefined);
  });

  for (const transport of everyTransport) {
    it(`gets by ${transport} what it missed while the network was away, and counts it`, async () => {
      using page = await Page.connected(gateway.port, {
        transports: [transport],
        // It would be back long before all is published.
        reconnectMs: [1, 2],
      });
      const channel = channelOf();
      const heard = new Heard(page, channel);
      await heard.subscribed();
      publish(channel, "1");
      await heard.hears(1);
      const back = Promise.withResolvers<undefined>();
      page.connection.interrupt(back.promise);
      await page.is("connecting");
      assert.equal(heard.channel.state.value, "subscribing");
      publish(channel, "2", "3", "4");
      await stored(page, channel, 4);
      back.resolve(undefined);
      const { messages } = await page.happens("recovered");
      assert.equal(messages, 3);
      assert.equal(page.connection.transport.value, transport);
      publish(channel, "5");
      await heard.hears(5);
      assert.deepEqual(heard.data, [1, 2, 3, 4, 5]);
      assert.deepEqual(heard.late, [2, 3, 4]);
      const { code, reason } = await page.happens("lost");
      assert.deepEqual([code, reason], [1, "transport closed"]);
      const expected = { lost: 1, recoveries: 1, messages: 3, gaps: 0 };
      assert.deepEqual(page.connection.totals.value, expected);
    });
  }

  it("names the channel of which something is lost for good", async () => {
    using page = await Page.connected(gateway.port);
    const channel = channelOf("short");
    const heard = new Heard(page, channel);
    await heard.subscribed();
    const back = Promise.withResolvers<undefined>();
    page.connection.interrupt(back.promise);
    await page.is("connecting");
    publish(channel, ...Array.from({ length: 10 }, (_, n) => String(n)));
    await stored(page, channel, 10);
    back.resolve(undefined);
    assert.equal((await page.happens("gap")).channel, channel);
    assert.equal(heard.contexts.at(-1)?.recovered, false);
    assert.deepEqual(heard.late, []);
    assert.equal(page.connection.totals.value.gaps, 1);
  });

  it("goes on from where it was by another transport, with a new client", async () => {
    using page = await Page.connected(gateway.port);
    const channel = channelOf();
    const heard = new Heard(page, channel);
    await heard.subscribed();
    publish(channel, "1", "2");
    await heard.hears(2);
    const first = page.connection.clientId.value;
    page.connection.disconnect();
    publish(channel, "3", "4");
    await stored(page, channel, 4);
    page.connection.useTransport("http_stream");
    assert.equal(page.connection.state.value, "disconnected");
    page.connection.connect();
    await heard.hears(4);
    assert.equal(page.connection.transport.value, "http_stream");
    assert.notEqual(page.connection.clientId.value, first);
    page.connection.useTransport("sse");
    await heard.subscribed(3);
    publish(channel, "5");
    await heard.hears(5);
    assert.equal(page.connection.transport.value, "sse");
    assert.deepEqual(heard.data, [1, 2, 3, 4, 5]);
    assert.deepEqual(heard.late, [3, 4]);
    assert.equal(heard.channel.state.value, "subscribed");
  });

  it("takes another transport by itself where one does not get through", async () => {
    class Blocked extends WebSocket {
      constructor(url: string) {
        super(url.replace("/connection/", "/nothing/"));
      }
    }
    const wires = { fetch, WebSocket: Blocked, EventSource };
    using page = await Page.connected(gateway.port, { wires });
    assert.equal(page.connection.transport.value, "http_stream");
    assert.match((await page.happens("error")).text, /^No connection by Websocket: /);
    assert.equal(page.connection.problem.value, undefined);
  });

  it("shares one subscription among all who listen to a channel", async () => {
    using page = await Page.connected(gateway.port);
    const channel = channelOf("chat");
    const first = new Heard(page, channel);
    await first.subscribed();
    const second = new Heard(page, channel);
    await second.subscribed();
    assert.equal(second.contexts[0]?.wasRecovering, false);
    await first.channel.publish({ text: "hello" });
    await Promise.all([first.hears(1), second.hears(1)]);
    assert.equal(Object.keys((await first.channel.presence()).clients).length, 1);
    first.channel.end();
    assert.equal(second.channel.state.value, "subscribed");
    await second.channel.publish("again");
    await second.hears(2);
    assert.deepEqual(first.data, [{ text: "hello" }]);
    assert.deepEqual(second.data, [{ text: "hello" }, "again"]);
    assert.deepEqual(page.connection.channels.value, [channel]);
    second.channel.end();
    second.channel.end();
    assert.deepEqual(page.connection.channels.value, []);
    const other = page.connection.companion();
    other?.connect();
    await eventually("nobody is there", async () => {
      return Object.keys((await other?.presence(channel))?.clients ?? { 1: 1 }).length === 0;
    });
    other?.disconnect();
  });

  it("begins anew with a channel that nobody listened to for a while", async () => {
    using page = await Page.connected(gateway.port);
    const channel = channelOf();
    const before = new Heard(page, channel);
    await before.subscribed();
    before.channel.end();
    publish(channel, "1");
    await stored(page, channel, 1);
    const again = new Heard(page, channel);
    await again.subscribed();
    assert.equal(again.contexts[0]?.wasRecovering, false);
    publish(channel, "2");
    await again.hears(1);
    assert.deepEqual(again.data, [2]);
    const { publications } = await again.channel.history(10);
    assert.deepEqual(
      publications.map(({ data }): unknown => data),
      [2, 1],
    );
  });

  it("hears who comes and goes", async () => {
    using page = await Page.connected(gateway.port);
    const channel = channelOf("chat");
    const heard = new Heard(page, channel);
    await heard.subscribed();
    const other = page.connection.companion();
    const its = other?.newSubscription(channel);
    its?.subscribe();
    other?.connect();
    await its?.ready(30_000);
    await eventually("two have joined", () => heard.presence.length >= 1);
    other?.disconnect();
    await eventually("one has left", () => heard.presence.includes("leave "));
  });

  it("does not lose the connection, nor another listener, to a listener that fails", async () => {
    using page = await Page.connected(gateway.port);
    const channel = channelOf();
    const fail = (): void => {
      throw new Error("a bug");
    };
    page.connection.listen(channel, { subscribed: fail, publication: fail });
    const heard = new Heard(page, channel);
    await heard.subscribed();
    publish(channel, "1", "2");
    await heard.hears(2);
    assert.equal(page.connection.state.value, "connected");
    assert.equal(page.bugs.length, 3);
  });

  it("says why a channel cannot be had, and tries again when it is told to", async () => {
    using page = await Page.connected(gateway.port);
    const { channel } = new Heard(page, "unknown:channel");
    const { code } = await page.happens("unsubscribed");
    assert.equal(code, 102);
    assert.equal(channel.state.value, "unsubscribed");
    assert.match(channel.problem.value ?? "", /no such namespace \(102\)/);
    assert.equal((await rejection(channel.publish("x"))).code, 7);
    channel.retry();
    await page.happens("unsubscribed", 1);
  });

  it("rejects what cannot be asked with a code and a sentence", async () => {
    using page = new Page(gateway.port);
    const channel = page.connection.listen(channelOf(), {});
    for (const asked of [
      page.connection.call("ping", {}),
      channel.publish("x"),
      channel.history(1),
      channel.presence(),
    ]) {
      const { code, message } = await rejection(asked);
      assert.deepEqual([code, message], [3, "the page is not connected"]);
    }
    page.connection.connect();
    await page.is("connected");
    const unknown = await rejection(page.connection.call("nobody-has-this", {}));
    assert.deepEqual([unknown.code, unknown.message], [104, "no service answers to this method"]);
    page.connection.disconnect();
    assert.equal((await rejection(page.connection.call("ping", {}))).code, 3);
  });

  it("has another client publish while it is away", async () => {
    using page = await Page.connected(gateway.port);
    const channel = channelOf();
    const heard = new Heard(page, channel);
    await heard.subscribed();
    await interruptAndPublish(page.connection, channel, ["a", "b", "c"]);
    await heard.hears(3);
    assert.deepEqual(heard.late, ["a", "b", "c"]);
    assert.equal((await page.happens("recovered")).messages, 3);
    page.connection.disconnect();
    const { code } = await rejection(interruptAndPublish(page.connection, channel, ["d"]));
    assert.equal(code, 3);
  });

  it("says that there is nobody, and goes on trying until it is told to stop", async () => {
    using page = new Page(await freePort(), { transports: ["websocket"] });
    page.connection.connect();
    await page.problem(/^No connection by Websocket: .* Trying again\.$/);
    await page.happens("error", 2);
    assert.equal(page.connection.state.value, "connecting");
    page.connection.disconnect();
    assert.equal(page.connection.problem.value, undefined);
    assert.equal(page.connection.state.value, "disconnected");
  });

  it("tries at once when somebody does not want to wait", async () => {
    // By itself it would try again after ten minutes.
    const patient = { transports: ["websocket"], reconnectMs: [600_000, 600_000] } as const;
    using page = new Page(await freePort(), patient);
    page.connection.retryNow();
    assert.equal(page.connection.state.value, "disconnected");
    page.connection.connect();
    await page.happens("error");
    page.connection.retryNow();
    await page.happens("error", 1);
  });

  it("leaves nothing behind when it ends", async () => {
    const page = await Page.connected(gateway.port);
    const heard = new Heard(page, channelOf());
    await heard.subscribed();
    page.connection.end();
    assert.equal(page.connection.state.value, "disconnected");
    assert.equal(heard.channel.state.value, "unsubscribed");
    assert.equal((await rejection(heard.channel.publish("x"))).code, 3);
  });
});

/** The issuer of an environment, as the default service has one. */
class Issuer {
  /** The tokens that were shown to it. */
  readonly shown: (string | undefined)[] = [];
  /** Answers instead of a token, first one first. */
  readonly failures: (number | undefined)[] = [];
  lastsSeconds = 600;
  #visitors = 0;

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    if (!url.endsWith("/console/token")) return fetch(url, init);
    const { token: former } = JSON.parse(init.body as string) as { token?: string };
    this.shown.push(former);
    const failure = this.failures.shift();
    if (failure !== undefined) return Response.json({}, { status: failure });
    const user = former === undefined ? `visitor-${++this.#visitors}` : userOf(former);
    const exp = inSeconds(this.lastsSeconds);
    const expiresAt = new Date(exp * 1_000).toISOString();
    return Response.json({ token: await token({ sub: user, exp }), user, expiresAt });
  };
}

function userOf(given: string): string {
  const claims = Buffer.from(given.split(".")[1] ?? "", "base64url").toString();
  return (JSON.parse(claims) as { sub: string }).sub;
}

describe("the page's identity", { concurrency: 4 }, () => {
  let gateway: RunningGateway;
  before(async () => {
    const client = { token: { hmac_secret_key: hmacKey } };
    gateway = await startGateway({ jetStream: true, gateway: { client, ...open } });
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
  });

  it("is asked for where there is none", async () => {
    using page = new Page(gateway.port, { identity: undefined });
    page.connection.connect();
    assert.equal(page.connection.state.value, "disconnected");
    await page.problem(/wants a token/);
    page.connection.useIdentity({ kind: "pasted", token: await token({ sub: "ada" }) });
    await page.is("connected");
    assert.equal(page.connection.user.value, "ada");
    assert.equal(page.connection.problem.value, undefined);
  });

  it("is that of the visitor whom the default service names, also with the tokens after the first", async () => {
    // Its tokens last for ten minutes; these have two seconds left.
    const demoTokens = new DemoTokens({
      readKey: () => Promise.resolve(Buffer.from(hmacKey)),
      now: () => Date.now() - 598_000,
    });
    const { signal, log } = { signal: new AbortController().signal, log: collectingLog().log };
    const web = createServer(createWebApp({ site: [], demoTokens, log, signal }));
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    const { port } = web.address() as AddressInfo;
    let asked = 0;
    const wires = {
      ...{ WebSocket, EventSource },
      fetch: (url: string, init: RequestInit) => {
        asked += 1;
        return fetch(url.replace(/:\d+\/console\//, `:${port}/console/`), init);
      },
    };
    try {
      using page = await Page.connected(gateway.port, { identity: { kind: "demo" }, wires });
      const { user, state, totals } = page.connection;
      const name = user.value;
      assert.match(name ?? "", /^visitor-[0-9a-f]{8}$/);
      await eventually("the token is renewed twice", () => asked >= 3);
      assert.deepEqual([user.value, state.value, totals.value.lost], [name, "connected", 0]);
    } finally {
      web.close();
      web.closeAllConnections();
    }
  });

  it("is that of another visitor where the issuer takes the former token no more", async () => {
    const issuer = new Issuer();
    issuer.lastsSeconds = 2;
    issuer.failures.push(undefined, 401);
    const wires = { fetch: issuer.fetch, WebSocket, EventSource };
    using page = await Page.connected(gateway.port, { identity: { kind: "demo" }, wires });
    const { user } = page.connection;
    await eventually("the page is another visitor", () => user.value === "visitor-2");
    assert.equal(userOf(issuer.shown[1] ?? ""), "visitor-1");
    assert.equal(issuer.shown[2], undefined);
    assert.equal(page.connection.state.value, "connected");
  });

  it("is asked for again while the issuer is away", async () => {
    const issuer = new Issuer();
    issuer.failures.push(503);
    const wires = { fetch: issuer.fetch, WebSocket, EventSource };
    using page = await Page.connected(gateway.port, { identity: { kind: "demo" }, wires });
    const { text } = await page.happens("error");
    assert.equal(text, "The issuer of tokens answered with 503.");
    assert.equal(page.connection.problem.value, undefined);
  });

  it("goes into no URL by itself: with a token, server-sent events are only for who chooses them", async () => {
    const urls: string[] = [];
    class Blocked extends WebSocket {
      constructor(url: string) {
        super(url.replace("/connection/", "/nothing/"));
      }
    }
    class Noted extends EventSource {
      constructor(url: string) {
        super(url);
        urls.push(url);
      }
    }
    const wires = {
      ...{ WebSocket: Blocked, EventSource: Noted },
      fetch: (url: string, init: RequestInit) =>
        url.endsWith("/http_stream") ? Promise.reject(new Error("blocked")) : fetch(url, init),
    };
    const identity = { kind: "pasted", token: await token({ sub: "ada" }) } as const;
    using page = new Page(gateway.port, { identity, wires });
    page.connection.connect();
    await page.happens("error", 4);
    assert.deepEqual(urls, []);
    page.connection.useTransport("sse");
    await page.is("connected");
    assert.equal(page.connection.transport.value, "sse");
    assert.equal(urls.length, 1);
  });

  it("is none where the environment has no issuer, and the page says so", async () => {
    const issuer = new Issuer();
    issuer.failures.push(404);
    const wires = { fetch: issuer.fetch, WebSocket, EventSource };
    using page = new Page(gateway.port, { identity: { kind: "demo" }, wires });
    page.connection.connect();
    await page.problem(/^This environment gives no tokens to visitors\.$/);
    assert.equal(page.connection.state.value, "disconnected");
  });

  it("says what is wrong with a token that the gateway does not take", async () => {
    using page = new Page(gateway.port, { identity: { kind: "anonymous" } });
    page.connection.connect();
    await page.problem(/^The gateway wants a token\. \(3501: /);
    const use = async (claims: object, key?: string): Promise<void> => {
      const pasted = await token({ sub: "ada", ...claims }, key);
      page.connection.useIdentity({ kind: "pasted", token: pasted });
    };
    await use({}, "another key");
    await page.problem(/does not accept the token: its signature.*\(3500: /);
    await use({ exp: inSeconds(-60) });
    await page.problem(/^This token ended at 20\d\d-/);
    await use({ channel: "news" });
    await page.problem(/for one subscription/);
    // It is good when it is given, and ends while the page is connected.
    await use({ exp: inSeconds(2) });
    await page.problem(/^This token ended at /);
    assert.equal(page.connection.state.value, "disconnected");
  });
});
