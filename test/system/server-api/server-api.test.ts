import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { GatewayClient, GatewayError } from "../../../apps/lib/gateway-client.ts";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair, hmacKey, inSeconds, token } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";

const apiKey = "a-key-of-the-API-that-only-tests-know";
const history = { history_size: 100, history_ttl: "300s" };
const everything = {
  ...history,
  force_recovery: true,
  presence: true,
  join_leave: true,
  allow_subscribe_for_client: true,
  allow_history_for_client: true,
  allow_publish_for_client: true,
};
const config = {
  client: { token: { hmac_secret_key: hmacKey }, history_max_publication_limit: 300 },
  channel: {
    without_namespace: everything,
    namespaces: [
      { name: "plain", allow_subscribe_for_client: true },
      { name: "short", history_size: 5, history_ttl: "300s", allow_subscribe_for_client: true },
      { name: "private" },
    ],
  },
  http_api: { key: apiKey },
  rpc: { without_namespace: { enabled: true } },
  prometheus: { enabled: true },
};

const text = new TextDecoder();

describe("the server API", { concurrency: 4 }, () => {
  let pair: GatewayPair;
  let here: GatewayClient;
  let there: GatewayClient;

  before(async () => {
    pair = await GatewayPair.start(config);
    [here, there] = [client(0), client(1)];
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
  });

  function client(index: 0 | 1): GatewayClient {
    const url = `http://127.0.0.1:${pair.port(index)}/api/`;
    return new GatewayClient({ url, key: () => apiKey, timeoutMs: 30_000 });
  }

  /** A call as it is, without the client. */
  async function post(
    method: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = { "x-api-key": apiKey },
    index: 0 | 1 = 0,
  ): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`http://127.0.0.1:${pair.port(index)}/api/${method}`, {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, body: JSON.parse(await response.text()) };
  }

  async function user(index: 0 | 1, sub: string, claims: object = {}): Promise<NpmClient> {
    return NpmClient.connect(pair.port(index), { token: await token({ sub, ...claims }) });
  }

  /** What a service without the protocol gets of a channel. */
  async function rawMessages(channel: string): Promise<{ texts: string[] }> {
    const texts: string[] = [];
    pair.publisher.subscribe(subjectOf(channel), {
      callback: (_error, message) => {
        texts.push(text.decode(message.data));
      },
    });
    await pair.publisher.flush();
    return { texts };
  }

  describe("lets in", () => {
    it("who has the key, wherever it is", async () => {
      for (const headers of [
        { "x-api-key": apiKey },
        { authorization: `apikey ${apiKey}` },
      ] as Record<string, string>[]) {
        assert.equal((await post("info", {}, headers)).status, 200);
      }
      const query = await fetch(
        `http://127.0.0.1:${pair.port(0)}/api/info?api_key=${encodeURIComponent(apiKey)}`,
        { method: "POST" },
      );
      assert.equal(query.status, 200);
    });

    it("nobody with another key or without one, and reads nothing of what they send", async () => {
      const channel = pair.channel();
      const body = { channel, data: 1 };
      for (const headers of [
        {},
        { "x-api-key": "" },
        { "x-api-key": `${apiKey} ` + "x" },
        { "x-api-key": apiKey.toUpperCase() },
        { authorization: "apikey " },
        { authorization: `Bearer ${apiKey}` },
      ]) {
        const { status, body: answer } = await post("publish", body, headers);
        assert.equal(status, 401, JSON.stringify(headers));
        assert.partialDeepStrictEqual(answer, { error: { code: "unauthorized" } });
      }
      assert.equal((await here.history(channel)).offset, 0);
    });

    it("no page, whatever it has", async () => {
      for (const extra of [
        { origin: "https://example.com" },
        { origin: `http://127.0.0.1:${pair.port(0)}` },
        { "sec-fetch-site": "same-origin" },
      ]) {
        const { status } = await post("info", {}, { "x-api-key": apiKey, ...extra });
        assert.equal(status, 403, JSON.stringify(extra));
      }
      const preflight = await fetch(`http://127.0.0.1:${pair.port(0)}/api/publish`, {
        method: "OPTIONS",
      });
      assert.equal(preflight.status, 405);
      assert.equal(preflight.headers.get("access-control-allow-origin"), null);
    });
  });

  describe("refuses as a whole what is not right", () => {
    it("with the name of what is wrong in it", async () => {
      const channel = pair.channel();
      const wrong: [string, object, RegExp][] = [
        ["publish", { channel, data: 1, dta: 1 }, /dta: is not known; allowed: channel/],
        ["publish", { channel }, /data: is missing/],
        ["publish", { channel, data: 1, b64data: "AA==" }, /b64data: cannot be given together/],
        ["publish", { channel, b64data: "?" }, /b64data: is wrong; allowed: base64/],
        ["publish", { channel: 1, data: 1 }, /channel: is wrong; allowed: a text/],
        ["publish", { data: 1 }, /the topic is empty/],
        [
          "publish",
          { channel, data: 1, tags: { a: 1 } },
          /tags: is wrong; allowed: an object of texts/,
        ],
        ["publish", { channel, data: 1, version: -1 }, /version: is wrong/],
        ["publish", { channel, data: 1, version: 1.5 }, /version: is wrong/],
        ["broadcast", { channels: [], data: 1 }, /channels: is wrong/],
        ["disconnect", {}, /user: is missing/],
        ["disconnect", { user: "u", disconnect: { code: 1000 } }, /disconnect.code: is wrong/],
        ["disconnect", { user: "u", disconnect: { code: 4000, reason: "{}" } }, /reason: is wrong/],
        ["unsubscribe", { channel }, /user: is missing/],
        ["history", { channel, limit: "1" }, /limit: is wrong/],
        ["batch", { commands: [{ publish: {}, history: {} }] }, /commands\[0\]: has 2 fields/],
        [
          "batch",
          {
            commands: [{ publish: { channel, data: 1 } }, { publish: { channel, data: 1, x: 1 } }],
          },
          /commands\[1\].publish.x: is not known/,
        ],
      ];
      for (const [method, request, message] of wrong) {
        const { status, body } = await post(method, request);
        assert.equal(status, 200);
        const { error } = body as { error: { code: number; message: string } };
        assert.equal(error.code, 107, JSON.stringify(body));
        assert.match(error.message, message);
      }
      // Not even what was right in a batch is done.
      assert.equal((await here.history(channel)).offset, 0);
    });

    it("with a status of its own where it is no JSON, too deep or too large", async () => {
      const deep = `{"channel":"a","data":${"[".repeat(600)}${"]".repeat(600)}}`;
      for (const body of ["{", "[]", "1", '"x"', deep, "\ufeff{}"]) {
        const { status, body: answer } = await post("publish", body);
        assert.equal(status, 400, body.slice(0, 20));
        assert.partialDeepStrictEqual(answer, { error: { code: 107 } });
      }
      const large = await post("publish", { channel: "a", data: "x".repeat(4_194_304) });
      assert.equal(large.status, 413);
      const bomb = `{"channel":"a","data":${"[".repeat(2_000_000)}`;
      assert.equal((await post("publish", bomb)).status, 400);
      assert.equal(
        (await post("info", {}, { "x-api-key": apiKey, "content-encoding": "gzip" })).status,
        415,
      );
    });

    it("with 404 for a method that there is not, and 405 for another kind of request", async () => {
      const { status, body } = await post("publsh", {});
      assert.equal(status, 404);
      assert.deepEqual(body, { error: { code: 104, message: "method not found" } });
      assert.equal((await post("toString", {})).status, 404);
      assert.equal((await fetch(`http://127.0.0.1:${pair.port(0)}/api/info`)).status, 405);
      assert.deepEqual((await post("batch", { commands: [{ dance: {} }] })).body, {
        result: { replies: [{ error: { code: 104, message: "method not found" } }] },
      });
    });

    it("with errors as statuses where that is asked for", async () => {
      const headers = { "x-api-key": apiKey, "x-centrifugo-error-mode": "transport" };
      const statuses = await Promise.all(
        [
          ["publish", { channel: "unknown:a", data: 1 }] as const,
          ["publish", { channel: "a" }] as const,
          ["presence", { channel: "plain:a" }] as const,
          ["history", { channel: "a", since: { offset: 1, epoch: "other" }, limit: 1 }] as const,
        ].map(async ([method, body]) => (await post(method, body, headers)).status),
      );
      assert.deepEqual(statuses, [404, 400, 400, 416]);
    });

    it("when more is asked for than one call may", async () => {
      const channels = Array.from({ length: 200 }, (_, index) => `plain:many-${index}`);
      const data = "x".repeat(400_000);
      await assert.rejects(here.broadcast(channels, data), { code: 107 });
      const many = Array.from({ length: 1_001 }, () => ({ info: {} }));
      assert.partialDeepStrictEqual((await post("batch", { commands: many })).body, {
        error: { code: 107 },
      });
    });
  });

  describe("publishes", () => {
    it("to subscribers on every gateway, byte for byte, and says where", async () => {
      const channel = pair.channel();
      using ann = await user(0, "ann");
      using bob = await user(1, "bob");
      const subscriptions = [await ann.subscribe(channel), await bob.subscribe(channel)];
      const { texts } = await rawMessages(channel);
      const body = `{ "data" : {"big": 12345678901234567890, "b":1,"a":1.0,  "b":2 } ,"channel":${JSON.stringify(channel)}}`;
      const { body: answer } = await post("publish", body);
      const { epoch } = await here.history(channel);
      assert.deepEqual(answer, { result: { offset: 1, epoch } });
      assert.deepEqual(await there.publish(channel, "second"), { offset: 2, epoch });
      for (const subscription of subscriptions) {
        await subscription.received(2);
        const [first] = subscription.publications;
        // Nobody is said to have published it.
        assert.deepEqual([first?.offset, first?.info], [1, undefined]);
      }
      await eventually("the service has both", () => texts.length === 2);
      assert.deepEqual(texts, [
        '{"big": 12345678901234567890, "b":1,"a":1.0,  "b":2 }',
        '"second"',
      ]);
    });

    it("bytes, and tags, that are in the history", async () => {
      const channel = pair.channel();
      const { texts } = await rawMessages(channel);
      await here.publish(channel, Buffer.from("no JSON"), { tags: { a: "1", __proto__x: "y" } });
      const { publications } = await there.history(channel, { limit: 10 });
      assert.deepEqual(publications, [
        { data: "no JSON", offset: 1, tags: { a: "1", __proto__x: "y" } },
      ]);
      assert.deepEqual(texts, ["no JSON"]);
    });

    it("in a channel without history to who is there, without a position", async () => {
      const channel = pair.channel("plain");
      using ann = await user(1, "ann");
      const subscription = await ann.subscribe(channel);
      assert.deepEqual(await here.publish(channel, { n: 1 }), {});
      assert.deepEqual(await subscription.received(1), [{ n: 1 }]);
    });

    it("past the history where that is asked for", async () => {
      const channel = pair.channel();
      using ann = await user(1, "ann");
      const subscription = await ann.subscribe(channel);
      assert.deepEqual(await here.publish(channel, "passing", { skipHistory: true }), {});
      await here.publish(channel, "kept");
      assert.deepEqual(await subscription.received(2), ["passing", "kept"]);
      assert.deepEqual(
        subscription.publications.map(({ offset }) => offset),
        [undefined, 1],
      );
      assert.deepEqual(
        (await there.history(channel, { limit: 9 })).publications.map(({ data }) => data),
        ["kept"],
      );
      assert.deepEqual(subscription.events.slice(0, 2), ["subscribing 0", "subscribed"]);
    });

    it("on many channels at a time, and tells of each what became of it", async () => {
      const channels = Array.from({ length: 1_000 }, () => pair.channel("plain"));
      using ann = await user(1, "ann");
      const [first] = channels;
      const subscription = await ann.subscribe(first ?? "");
      const kept = pair.channel();
      const responses = await here.broadcast(
        [...channels, kept, "unknown:a", "bad channel"],
        "all",
      );
      assert.equal(responses.length, 1_003);
      for (const response of responses.slice(0, 1_000)) assert.deepEqual(response, { result: {} });
      assert.partialDeepStrictEqual(responses.slice(1_000), [
        { result: { offset: 1 } },
        { error: { code: 102 } },
        { error: { code: 107 } },
      ]);
      assert.deepEqual(await subscription.received(1), ["all"]);
    });

    it("on many channels with history, each with a position", async () => {
      // More than are counted at a time.
      const channels = Array.from({ length: 300 }, () => pair.channel("short"));
      for (const from of [here, there]) {
        const responses = await from.broadcast(channels, "all");
        const offset = from === here ? 1 : 2;
        for (const response of responses)
          assert.partialDeepStrictEqual(response, { result: { offset } });
      }
    });

    it("says what cannot be published: on no channel, or larger than NATS takes", async () => {
      await assert.rejects(here.publish("unknown:a", 1), { code: 102 });
      const data = "x".repeat(1_100_000);
      for (const channel of [pair.channel(), pair.channel("plain")]) {
        await assert.rejects(here.publish(channel, data), { code: 107 });
        await assert.rejects(here.publish(channel, data, { idempotencyKey: "k" }), { code: 107 });
      }
    });
  });

  describe("publishes once what has one key", () => {
    it("in a channel with history, on whichever gateways and however often at a time", async () => {
      const channel = pair.channel();
      const idempotencyKey = "key";
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 === 0 ? here : there).publish(channel, index, { idempotencyKey }),
        ),
      );
      const { epoch, offset } = await here.history(channel);
      assert.equal(offset, 1);
      for (const result of results) assert.deepEqual(result, { offset: 1, epoch });
      await there.publish(channel, "other", { idempotencyKey: "other key" });
      assert.deepEqual(await there.publish(channel, "again", { idempotencyKey }), {
        offset: 1,
        epoch,
      });
      // A key is of one channel.
      const another = pair.channel();
      assert.partialDeepStrictEqual(await here.publish(another, 1, { idempotencyKey }), {
        offset: 1,
      });
    });

    it("also when the publication has left the history", async () => {
      const channel = pair.channel("short");
      const idempotencyKey = "key";
      const first = await here.publish(channel, "once", { idempotencyKey });
      for (let n = 0; n < 300; n += 1) pair.publisher.publish(subjectOf(channel), "1");
      await pair.publisher.flush();
      await eventually(
        "they are counted",
        async () => (await here.history(channel)).offset === 301,
      );
      assert.deepEqual(await there.publish(channel, "once", { idempotencyKey }), first);
      assert.equal((await here.history(channel)).offset, 301);
    });

    it("also when the gateway died that began, before it could say what came of it", async () => {
      const channel = pair.channel();
      const { keyId } = await import("../../../apps/ws/api/once.ts");
      const id = keyId(channel, "key");
      await here.publish(channel, "wakes the streams", { idempotencyKey: "first" });
      const jetStream = pair.publisher.jetstream();
      // It has begun, and not published.
      await jetStream.publish(`g.key.${id}`, JSON.stringify({ done: false }));
      assert.partialDeepStrictEqual(
        await there.publish(channel, "new", { idempotencyKey: "key" }),
        {
          offset: 2,
        },
      );
      // It has published, and not said so.
      const other = keyId(channel, "other");
      await jetStream.publish(`g.key.${other}`, JSON.stringify({ done: false }));
      await jetStream.publish(subjectOf(channel), "1", { msgID: other });
      assert.partialDeepStrictEqual(await here.publish(channel, 1, { idempotencyKey: "other" }), {
        offset: 3,
      });
      assert.equal((await here.history(channel)).offset, 3);
    });

    it("in a channel without history, and past a history", async () => {
      using ann = await user(1, "ann");
      for (const [channel, options] of [
        [pair.channel("plain"), {}],
        [pair.channel(), { skipHistory: true }],
      ] as const) {
        const subscription = await ann.subscribe(channel);
        const publish = (from: GatewayClient, key: string) =>
          from.publish(channel, key, { ...options, idempotencyKey: key });
        await Promise.all([publish(here, "a"), publish(there, "a"), publish(here, "a")]);
        assert.deepEqual(await publish(there, "a"), {});
        await publish(there, "b");
        assert.deepEqual(await subscription.received(2), ["a", "b"]);
      }
    });

    it("on each channel of a broadcast", async () => {
      const channels = [pair.channel(), pair.channel("plain"), pair.channel()];
      using ann = await user(0, "ann");
      const subscriptions = await Promise.all(channels.map((channel) => ann.subscribe(channel)));
      const [first] = channels;
      const options = { idempotencyKey: "key" };
      await there.publish(first ?? "", "single", options);
      const answers = await Promise.all([
        here.broadcast(channels, "all", options),
        there.broadcast(channels, "all", options),
      ]);
      assert.deepEqual(answers[0], answers[1]);
      await here.broadcast(channels, "end");
      const got = await Promise.all(subscriptions.map((each) => each.received(2)));
      assert.deepEqual(got, [
        ["single", "end"],
        ["all", "end"],
        ["all", "end"],
      ]);
    });
  });

  describe("puts no older version behind a newer one", () => {
    it("whoever publishes them", async () => {
      const channel = pair.channel();
      const publish = (from: GatewayClient, version: bigint, versionEpoch = "") =>
        from.publish(channel, String(version), { version, versionEpoch });
      const top = 2n ** 64n - 1n;
      assert.partialDeepStrictEqual(await publish(here, 2n), { offset: 1 });
      assert.partialDeepStrictEqual(await publish(there, 1n), { offset: 1 });
      assert.partialDeepStrictEqual(await publish(there, 2n), { offset: 1 });
      assert.partialDeepStrictEqual(await publish(there, top - 1n), { offset: 2 });
      assert.partialDeepStrictEqual(await publish(here, top - 2n), { offset: 2 });
      assert.partialDeepStrictEqual(await publish(here, top), { offset: 3 });
      // In another epoch versions begin anew.
      assert.partialDeepStrictEqual(await publish(there, 1n, "b"), { offset: 4 });
      assert.partialDeepStrictEqual(await publish(here, 1n, "b"), { offset: 4 });
      assert.partialDeepStrictEqual(await publish(here, 2n, "b"), { offset: 5 });
      await assert.rejects(here.publish(pair.channel("plain"), 1, { version: 1 }), { code: 108 });
    });

    it("when many are published at a time, with others between them", async () => {
      const channel = pair.channel();
      const versions = Array.from({ length: 12 }, (_, index) => index + 1);
      const order = versions.toSorted(() => Math.random() - 0.5);
      await Promise.all([
        ...order.map((version, index) =>
          (index % 2 === 0 ? here : there)
            .publish(channel, version, { version })
            .catch((error: unknown) => {
              assert.ok(error instanceof GatewayError && error.code === 100, String(error));
            }),
        ),
        ...versions.map(() => there.publish(channel, "other")),
      ]);
      const { publications } = await here.history(channel, { limit: -1 });
      const seen = publications.map(({ data }) => data).filter((data) => data !== "other");
      assert.deepEqual(
        seen,
        [...new Set(seen)].toSorted((a, b) => Number(a) - Number(b)),
      );
      assert.equal(publications.length - seen.length, 12);
    });
  });

  describe("tells", () => {
    it("the history from either gateway", async () => {
      const channel = pair.channel();
      for (let n = 1; n <= 5; n += 1) await (n % 2 === 0 ? here : there).publish(channel, n);
      const { epoch } = await here.history(channel);
      const read = async (from: GatewayClient, options: object): Promise<unknown[]> =>
        (await from.history(channel, options)).publications.map(({ data }) => data);
      for (const from of [here, there]) {
        assert.deepEqual(await read(from, {}), []);
        assert.deepEqual(await read(from, { limit: -1 }), [1, 2, 3, 4, 5]);
        assert.deepEqual(await read(from, { limit: 2, reverse: true }), [5, 4]);
        assert.deepEqual(await read(from, { limit: 2, since: { offset: 2, epoch } }), [3, 4]);
        await assert.rejects(read(from, { limit: 1, since: { offset: 2, epoch: "x" } }), {
          code: 112,
        });
      }
      await assert.rejects(here.history("plain:a"), { code: 108 });
      await assert.rejects(here.history("unknown:a"), { code: 102 });
    });

    it("who is in a channel, on all gateways", async () => {
      const channel = pair.channel();
      using ann = await user(0, "ann", { info: { name: "Ann" } });
      using bob = await user(1, "bob");
      await Promise.all([ann.subscribe(channel), bob.subscribe(channel)]);
      for (const from of [here, there]) {
        assert.deepEqual(await from.presence(channel), {
          [ann.id]: { user: "ann", client: ann.id, conn_info: { name: "Ann" } },
          [bob.id]: { user: "bob", client: bob.id },
        });
        assert.deepEqual(await from.presenceStats(channel), { num_clients: 2, num_users: 2 });
      }
      await assert.rejects(here.presence("plain:a"), { code: 108 });
    });

    it("which channels have subscribers, and of all gateways what they hold", async () => {
      const [one, two] = [`survey.${pair.channel()}`, `survey.${pair.channel()}`];
      using ann = await user(0, "ann");
      using bob = await user(1, "bob");
      await Promise.all([ann.subscribe(one), bob.subscribe(one), bob.subscribe(two)]);
      for (const from of [here, there]) {
        assert.deepEqual(
          [...(await from.channels("survey.*"))].sort(),
          [
            ...new Map([
              [one, 2],
              [two, 1],
            ]),
          ].sort(),
        );
        assert.deepEqual([...(await from.channels(one))], [[one, 2]]);
        const nodes = await from.nodes();
        assert.equal(new Set(nodes.map(({ uid }) => uid)).size, 2);
        for (const node of nodes) assert.ok(node.num_clients >= 1 && node.num_subs >= 1);
      }
    });

    it("what a service answers to a call", async () => {
      const { data } = (await post("rpc", { method: "absent", params: {} })).body as never;
      assert.equal(data, undefined);
      const subscription = pair.publisher.subscribe("rpc.double", {
        callback: (_error, message) => {
          message.respond(Buffer.from(JSON.stringify(2 * Number(text.decode(message.data)))));
        },
      });
      await pair.publisher.flush();
      assert.equal(await there.rpc("double", 21), 42);
      subscription.unsubscribe();
      await assert.rejects(here.rpc("absent"), { code: 104 });
    });
  });

  describe("removes a history", () => {
    it("for all gateways, and tells who follows it", async () => {
      const channel = pair.channel();
      for (let n = 1; n <= 3; n += 1) await here.publish(channel, n);
      const before = await there.history(channel, { limit: -1 });
      assert.equal(before.publications.length, 3);
      using ann = await user(1, "ann");
      const subscription = await ann.subscribe(channel);
      await here.removeHistory(channel);
      // Before anybody has asked.
      await subscription.happens("subscribing 2500");
      for (const from of [here, there]) {
        const { publications, epoch } = await from.history(channel, { limit: -1 });
        assert.deepEqual(publications, []);
        assert.notEqual(epoch, before.epoch);
      }
      await eventually("it is subscribed again", () => subscription.contexts.length === 2);
      assert.equal(subscription.contexts[1]?.recovered, false);
      await there.publish(channel, "after");
      await subscription.received(1);
      assert.partialDeepStrictEqual(await here.history(channel, { limit: -1 }), {
        offset: 1,
        publications: [{ data: "after" }],
      });
      await assert.rejects(here.removeHistory("plain:a"), { code: 108 });
    });
  });

  describe("acts on connections, on whichever gateway they are", () => {
    it("subscribes those of a user, who are subscribed when it is answered", async () => {
      const channel = `private:${pair.channel()}`;
      using ann = await user(0, "subscribed-1");
      using again = await user(1, "subscribed-1");
      using bob = await user(1, "subscribed-2");
      await here.subscribe({ user: "subscribed-1" }, channel, { data: { hello: 1 } });
      await there.publish(channel, "news");
      for (const each of [ann, again]) {
        await each.happens(`subscribed ${channel}`);
        await each.happens(`publication ${channel} "news"`);
      }
      await bob.client.ready();
      assert.ok(!bob.events.some((event) => event.includes(channel)), bob.events.join());
      // It is as it should be already.
      await there.subscribe({ user: "subscribed-1" }, channel);
      await there.unsubscribe({ client: again.id }, channel);
      await again.happens(`unsubscribed ${channel}`);
      await here.publish(channel, "end");
      await ann.happens(`publication ${channel} "end"`);
      assert.ok(!again.events.includes(`publication ${channel} "end"`));
      await assert.rejects(here.subscribe({ user: "subscribed-1" }, "unknown:a"), { code: 102 });
    });

    it("subscribes with a position, and hands out what came since", async () => {
      const channel = pair.channel();
      for (let n = 1; n <= 3; n += 1) await here.publish(channel, n);
      const { epoch } = await here.history(channel);
      const raw = await ProtocolClient.connect(pair.port(1), {
        token: await token({ sub: "recovering" }),
      });
      await here.subscribe({ user: "recovering" }, channel, {
        recoverSince: { offset: 1, epoch },
        override: { presence: false },
        info: { role: "guest" },
      });
      await here.publish(channel, 4);
      await eventually("all have come", () => raw.pushes.length >= 4);
      assert.deepEqual(raw.pushes, [
        { channel, subscribe: { recoverable: true, positioned: true, epoch, offset: 1 } },
        { channel, pub: { data: 2, offset: 2 } },
        { channel, pub: { data: 3, offset: 3 } },
        { channel, pub: { data: 4, offset: 4 } },
      ]);
      assert.deepEqual(await there.presence(channel), {});
      raw.websocket.terminate();
    });

    it("recovers such a subscription when the client comes back", async () => {
      const channel = pair.channel();
      const name = "recovers-again";
      using ann = await user(0, name);
      await there.subscribe({ user: name }, channel);
      await here.publish(channel, "one");
      await ann.happens(`publication ${channel} 1 "one"`);
      await there.disconnect({ user: name }, { code: 4000, reason: "come back" });
      await ann.happens("connecting 4000");
      await ann.happens("connected", 2);
      // It is the server's, which has not said so again: the client is told that it has ended.
      await there.subscribe({ user: name }, channel);
      await there.publish(channel, "two");
      await ann.happens(`publication ${channel} 2 "two"`);
    });

    it("ends subscriptions of the client's own, for good", async () => {
      const [one, two] = [pair.channel(), pair.channel()];
      using ann = await user(0, "unsubscribed");
      const [first, second] = [await ann.subscribe(one), await ann.subscribe(two)];
      await there.unsubscribe({ user: "unsubscribed" }, one);
      await first.happens("unsubscribed 2000");
      await there.publish(two, 1);
      await second.received(1);
      await there.unsubscribe({ user: "unsubscribed" });
      await second.happens("unsubscribed 2000");
    });

    it("disconnects those of a user but for some, with a code that says whether to come back", async () => {
      const name = "disconnected";
      using ann = await user(0, name);
      using stays = await user(1, name);
      using other = await user(1, "not-disconnected");
      await here.disconnect({ user: name }, { keep: [stays.id] });
      await ann.happens("disconnected 3503");
      await here.disconnect({ client: stays.id, user: "somebody else" });
      assert.ok(!stays.events.some((event) => event.startsWith("disconnected")));
      await here.disconnect({ client: stays.id }, { code: 4_500, reason: "enough" });
      await stays.happens("disconnected 4500");
      assert.deepEqual(other.events, ["connecting 0", "connected"]);
    });

    it("changes until when a connection lasts, and what others see of it", async () => {
      const name = "refreshed";
      const channel = pair.channel();
      using ann = await user(1, name, { exp: inSeconds(600) });
      await here.refresh({ user: name }, { expireAt: inSeconds(1_000), info: { new: true } });
      await ann.subscribe(channel);
      assert.partialDeepStrictEqual(await here.presence(channel), {
        [ann.id]: { conn_info: { new: true } },
      });
      await here.refresh({ client: ann.id }, { expired: true });
      await ann.happens("connecting 3005");
    });

    it("on none at all when other gateways cannot be asked for as much", async () => {
      const channel = `private:${pair.channel()}`;
      using ann = await user(0, "too-much");
      const data = "x".repeat(600_000);
      await assert.rejects(here.subscribe({ user: "too-much" }, channel, { data }), { code: 107 });
      await here.subscribe({ user: "too-much" }, `${channel}.next`);
      await ann.happens(`subscribed ${channel}.next`);
      assert.ok(!ann.events.includes(`subscribed ${channel}`));
    });

    it("ends the connection with a subscription that has expired", async () => {
      const channel = `private:${pair.channel()}`;
      await assert.rejects(
        (async () => {
          using ann = await user(1, "expired");
          await here.subscribe({ client: ann.id }, channel, { expireAt: inSeconds(-10) });
        })(),
        { code: 110 },
      );
    });
  });

  describe("does several things in one call", () => {
    it("in order, each with its answer", async () => {
      const channel = pair.channel();
      const { body } = await post("batch", {
        commands: [
          { publish: { channel, data: 1 } },
          { publish: { channel: "unknown:a", data: 1 } },
          { history: { channel, limit: 1 } },
          { publish: { channel, data: { b: 1.0 } } },
          { presence_stats: { channel } },
          { history: { channel, limit: 2, reverse: true } },
        ],
      });
      const { epoch } = await here.history(channel);
      assert.deepEqual(body, {
        result: {
          replies: [
            { publish: { offset: 1, epoch } },
            { error: { code: 102, message: "unknown channel" } },
            { history: { publications: [{ data: 1, offset: 1 }], epoch, offset: 1 } },
            { publish: { offset: 2, epoch } },
            { presence_stats: { num_clients: 0, num_users: 0 } },
            {
              history: {
                publications: [
                  { data: { b: 1 }, offset: 2 },
                  { data: 1, offset: 1 },
                ],
                epoch,
                offset: 2,
              },
            },
          ],
        },
      });
    });

    it("or all at a time", async () => {
      const channel = pair.channel();
      const commands = Array.from({ length: 200 }, (_, data) => ({ publish: { channel, data } }));
      const { body } = await post("batch", { commands, parallel: true });
      const { replies } = (body as { result: { replies: { publish: { offset: number } }[] } })
        .result;
      const offsets = replies.map(({ publish }) => publish.offset).toSorted((a, b) => a - b);
      assert.deepEqual(
        offsets,
        commands.map((_, index) => index + 1),
      );
    });
  });
});
