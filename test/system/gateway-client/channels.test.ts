import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair, inSeconds, token } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { Client } from "../../support/gateway.ts";
import { NpmClient } from "../../support/npm-client.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { guarded, open, personal } from "./config.ts";

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

  it("carry what a client publishes to the subscribers of both, with offsets from 1", async () => {
    const channel = pair.channel();
    const subscriptions = await Promise.all([here.subscribe(channel), there.subscribe(channel)]);
    const data = [{ n: 1 }, [2], "three", 4, null, true, "schön \u{1f600}\nline"];
    for (const each of data) await here.client.publish(channel, each);
    for (const subscription of subscriptions) {
      assert.deepEqual(await subscription.received(data.length), data);
      const offsets = subscription.publications.map(({ offset }) => offset);
      assert.deepEqual(offsets, [1, 2, 3, 4, 5, 6, 7]);
      const infos = subscription.publications.map(({ info }) => info);
      assert.deepEqual(new Set(infos.map((info) => info?.client)), new Set([here.id]));
      assert.deepEqual(new Set(infos.map((info) => info?.user)), new Set([""]));
    }
  });

  it("carry it without offsets where there is no history", async () => {
    const channel = pair.channel("plain");
    const subscription = await there.subscribe(channel);
    await here.client.publish(channel, { a: 1 });
    await subscription.received(1);
    assert.equal(subscription.publications[0]?.offset, undefined);
    assert.deepEqual(subscription.contexts[0]?.streamPosition, undefined);
  });

  for (const namespace of ["", "plain"]) {
    const kind = namespace === "" ? "with history" : "without history";
    it(`carry what plain NATS clients publish, ${kind}, and say of no client that it did`, async () => {
      const channel = pair.channel(namespace);
      const subscription = await here.subscribe(channel);
      const bodies = ['{"a": 1}', "plain text", "12.50", '"quoted"', "", "{broken", "line\nline"];
      for (const body of bodies) pair.publisher.publish(subjectOf(channel), body);
      pair.publisher.publish(subjectOf(channel), Buffer.from([0x61, 0xff, 0x62]));
      const data = await subscription.received(bodies.length + 1);
      assert.deepEqual(data, [
        ...[{ a: 1 }, "plain text", 12.5, "quoted", "", "{broken", "line\nline", "a\ufffdb"],
      ]);
      for (const { info } of subscription.publications) assert.equal(info, undefined);
    });
  }

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

  it("give nothing more to who has unsubscribed, and everything again to who comes back", async () => {
    const channel = pair.channel();
    const subscription = await here.subscribe(channel);
    await there.client.publish(channel, 1);
    await subscription.received(1);
    subscription.subscription.unsubscribe();
    await subscription.happens("unsubscribed 0");
    await there.client.publish(channel, 2);
    subscription.subscription.subscribe();
    await eventually("it is subscribed again", () => subscription.contexts.length === 2);
    await there.client.publish(channel, 3);
    // The npm client keeps its position when it unsubscribes, and is brought up to date.
    assert.deepEqual(await subscription.received(3), [1, 2, 3]);
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

  it("are read back as the protocol says: limit, since, reverse, position", async () => {
    const channel = pair.channel();
    for (let n = 1; n <= 5; n += 1) await here.client.publish(channel, n);
    const read = async (
      options: Parameters<typeof here.client.history>[1],
      reader = there,
    ): Promise<unknown[]> => {
      const history = await reader.client.history(channel, options);
      assert.equal(history.offset, 5);
      return history.publications.map(({ data }): unknown => data);
    };
    const { epoch } = await here.client.history(channel);
    assert.ok(epoch.length > 0);
    assert.equal((await there.client.history(channel)).epoch, epoch);
    for (const reader of [here, there]) {
      assert.deepEqual(await read({}, reader), []);
      assert.deepEqual(await read({ limit: 0 }, reader), []);
      assert.deepEqual(await read({ limit: -1 }, reader), [1, 2, 3, 4, 5]);
      assert.deepEqual(await read({ limit: 2 }, reader), [1, 2]);
      assert.deepEqual(await read({ limit: 2, reverse: true }, reader), [5, 4]);
      assert.deepEqual(await read({ limit: 2, since: { offset: 2, epoch } }, reader), [3, 4]);
      assert.deepEqual(await read({ limit: -1, since: { offset: 3, epoch } }, reader), [4, 5]);
      assert.deepEqual(await read({ limit: -1, since: { offset: 5, epoch } }, reader), []);
      assert.deepEqual(
        await read({ limit: -1, since: { offset: 3, epoch }, reverse: true }, reader),
        [...[2, 1]],
      );
      await assert.rejects(read({ limit: -1, since: { offset: 3, epoch: "other" } }, reader), {
        code: 112,
      });
    }
    const full = await there.client.history(channel, { limit: -1 });
    assert.deepEqual(
      full.publications.map(({ offset }) => offset),
      [1, 2, 3, 4, 5],
    );
    assert.equal(full.publications[0]?.info?.client, here.id);
  });

  it("hold a publication by the time that it is acknowledged, everywhere", async () => {
    const channel = pair.channel();
    for (let n = 1; n <= 50; n += 1) {
      await (n % 2 === 0 ? here : there).client.publish(channel, n);
      const reader = n % 3 === 0 ? here : there;
      const { offset, publications } = await reader.client.history(channel, {
        limit: 1,
        reverse: true,
      });
      assert.deepEqual([offset, publications[0]?.data], [n, n]);
    }
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

  it("of a name without a namespace have a history whatever their punctuation", async () => {
    for (const suffix of [".p.q", "-r", "_s", "ü", "$", "#t", "=,;?&%"]) {
      const channel = `${pair.channel()}${suffix}`.replace(/^channel/, "q.");
      const subscription = await here.subscribe(channel);
      await there.client.publish(channel, suffix);
      assert.deepEqual(await subscription.received(1), [suffix], channel);
      assert.equal(subscription.publications[0]?.offset, 1, channel);
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

  it("have presence of both gateways' clients, as long as these are subscribed", async () => {
    const channel = pair.channel();
    using stack = new DisposableStack();
    const named = await Promise.all(
      ["ann", "ann", "bob"].map(async (sub, index) =>
        stack.use(
          await NpmClient.connect(pair.port(index === 0 ? 0 : 1), {
            token: await token({ sub, info: { name: sub } }),
          }),
        ),
      ),
    );
    const subscriptions = await Promise.all(named.map((client) => client.subscribe(channel)));
    for (const reader of [here, there]) {
      const { clients } = await reader.client.presence(channel);
      assert.equal(Object.keys(clients).length, 3);
      for (const [index, { id }] of named.entries()) {
        const user = index === 2 ? "bob" : "ann";
        assert.partialDeepStrictEqual(clients[id], { client: id, user, connInfo: { name: user } });
      }
      const stats = await reader.client.presenceStats(channel);
      assert.deepEqual(stats, { numClients: 3, numUsers: 2 });
    }
    subscriptions[0]?.subscription.unsubscribe();
    named[2]?.close();
    await eventually("they are gone", async () => {
      const { clients } = await here.client.presence(channel);
      return Object.keys(clients).join() === named[1]?.id;
    });
  });

  it("have a client in their presence by the time that it is subscribed", async () => {
    for (let round = 0; round < 10; round += 1) {
      const channel = pair.channel();
      await here.subscribe(channel);
      const { clients } = await there.client.presence(channel);
      assert.ok(here.id in clients);
    }
  });

  it("tell of joins and leaves in order, across gateways", async () => {
    const channel = pair.channel();
    const watchers = await Promise.all([here.subscribe(channel), there.subscribe(channel)]);
    const names = Array.from({ length: 10 }, (_, index) => `user-${index}`);
    for (const [index, sub] of names.entries()) {
      using visitor = await NpmClient.connect(pair.port(index % 2 === 0 ? 0 : 1), {
        token: await token({ sub }),
      });
      const visit = await visitor.subscribe(channel);
      await eventually("the join is seen", () => watchers[0].events.includes(`join ${sub}`));
      if (index % 3 === 0) visit.subscription.unsubscribe();
      else visitor.close();
      await eventually("the leave is seen", () => watchers[0].events.includes(`leave ${sub}`));
    }
    const wanted = names.flatMap((name) => [`join ${name}`, `leave ${name}`]);
    for (const watcher of watchers) {
      await watcher.happens(wanted.at(-1) ?? "");
      assert.deepEqual(
        watcher.events.filter((event) => / user-\d/.test(event)),
        wanted,
      );
    }
  });

  it("tell of joins only those who asked, where they are not pushed to all", async () => {
    const channel = pair.channel("shy");
    const deaf = await here.subscribe(channel);
    const curious = await there.subscribe(channel, { joinLeave: true });
    using visitor = await NpmClient.connect(pair.port(0), { token: await token({ sub: "ann" }) });
    await visitor.subscribe(channel);
    await curious.happens("join ann");
    visitor.close();
    await curious.happens("leave ann");
    assert.deepEqual(deaf.events, ["subscribing 0", "subscribed"]);
  });

  it("are subscribed to by the server, as a token says", async () => {
    const [one, two] = [pair.channel(), pair.channel("plain")];
    using client = await NpmClient.connect(pair.port(0), {
      token: await token({ sub: "ann", channels: [one] }),
    });
    using other = await NpmClient.connect(pair.port(0), {
      token: await token({ sub: "ann", subs: { [two]: { data: { x: 1 } } } }),
    });
    await client.happens(`subscribed ${one}`);
    await other.happens(`subscribed ${two}`);
    await there.client.publish(one, "first");
    await there.client.publish(two, "second");
    await client.happens(`publication ${one} 1 "first"`);
    await other.happens(`publication ${two} "second"`);
    const { clients } = await there.client.presence(one);
    assert.deepEqual(Object.keys(clients), [client.id]);
  });
});

describe("channels that are guarded", { concurrency: 4 }, () => {
  let pair: GatewayPair;
  let ann: NpmClient;

  before(async () => {
    pair = await GatewayPair.start(guarded);
    ann = await NpmClient.connect(pair.port(0), { token: await token({ sub: "ann" }) });
  });
  after(async () => {
    ann.close();
    await pair[Symbol.asyncDispose]();
  });

  it("refuse who may not subscribe with 103, for good", async () => {
    for (const channel of [pair.channel("closed"), `$${pair.channel()}`, "users:a#bob"]) {
      const subscription = ann.subscription(channel);
      await subscription.happens("unsubscribed 103");
      assert.deepEqual(subscription.events, ["subscribing 0", "unsubscribed 103"]);
    }
  });

  it("refuse a name that does not match with 107", async () => {
    await ann.subscription("odd:A1").happens("unsubscribed 107");
    await ann.subscribe("odd:ok");
  });

  it("let in those users whom a channel's name names", async () => {
    await ann.subscribe("users:room#ann,bob");
    await ann.subscription("users:room#bob,carl").happens("unsubscribed 103");
  });

  it("let subscribers do more than others", async () => {
    const channel = pair.channel("members");
    const attempts = (): Promise<unknown>[] => [
      ann.client.publish(channel, 1),
      ann.client.history(channel, { limit: 1 }),
      ann.client.presence(channel),
      ann.client.presenceStats(channel),
    ];
    for (const attempt of attempts()) await assert.rejects(attempt, { code: 103 });
    await ann.subscribe(channel);
    await Promise.all(attempts());
  });

  it("let nobody publish or read where that is not allowed", async () => {
    const channel = pair.channel("bare");
    await ann.subscribe(channel);
    await assert.rejects(ann.client.publish(channel, 1), { code: 103 });
    await assert.rejects(ann.client.history(channel, { limit: 1 }), { code: 108 });
    await assert.rejects(ann.client.presence(channel), { code: 108 });
  });

  it("let in with a subscription token, and have its info", async () => {
    const channel = `$${pair.channel()}`;
    const text = await token({ sub: "ann", channel, info: { role: "guest" } });
    await ann.subscribe(channel, { token: text });
    const { clients } = await ann.client.presence(channel);
    const mine = { client: ann.id, user: "ann", chanInfo: { role: "guest" } };
    assert.partialDeepStrictEqual(clients, { [ann.id]: mine });
  });

  it("refuse a subscription token that somebody else signed with 103", async () => {
    const channel = `$${pair.channel()}`;
    const text = await token({ sub: "ann", channel }, "another key that nobody knows here");
    await ann.subscription(channel, { token: text }).happens("unsubscribed 103");
    assert.deepEqual(ann.events, ["connecting 0", "connected"]);
  });

  it("close with 3500 who comes with the token of another channel or user", async () => {
    const channel = `$${pair.channel()}`;
    for (const claims of [
      { sub: "ann", channel: "$another" },
      { sub: "bob", channel },
      { sub: "ann", channel, client: "another" },
    ]) {
      using client = await NpmClient.connect(pair.port(1), { token: await token({ sub: "ann" }) });
      client.subscription(channel, { token: await token(claims) });
      await client.happens("disconnected 3500");
    }
  });

  it("ask for another subscription token when it has expired", async () => {
    const channel = `$${pair.channel()}`;
    let asked = 0;
    const subscription = await ann.subscribe(channel, {
      token: await token({ sub: "ann", channel, exp: inSeconds(-5) }),
      getToken: async () => {
        asked += 1;
        return token({ sub: "ann", channel });
      },
    });
    assert.equal(asked, 1);
    assert.ok(subscription.events.includes("error subscribe 109"), subscription.events.join());
  });

  it("stay subscribed while the subscription token is refreshed", async () => {
    const channel = `$${pair.channel()}`;
    let asked = 0;
    const subscription = await ann.subscribe(channel, {
      token: await token({ sub: "ann", channel, exp: inSeconds(1) }),
      getToken: async () => {
        asked += 1;
        return token({ sub: "ann", channel, exp: inSeconds(asked < 2 ? 1 : 600) });
      },
    });
    await eventually("it was refreshed again and again", () => asked >= 2);
    await ann.client.publish(channel, 1);
    await subscription.received(1);
    assert.deepEqual(subscription.events.slice(0, 2), ["subscribing 0", "subscribed"]);
    assert.ok(!subscription.events.slice(2).some((event) => event.startsWith("subscrib")));
  });

  it("end with 2501 when it is not, and the client subscribes again", async () => {
    const channel = `$${pair.channel()}`;
    const raw = await ProtocolClient.connect(pair.port(0), { token: await token({ sub: "ann" }) });
    const text = await token({ sub: "ann", channel, exp: inSeconds(1) });
    const reply = await raw.command({ subscribe: { channel, token: text } });
    assert.partialDeepStrictEqual(reply, { subscribe: { expires: true } });
    await eventually("it is unsubscribed", () => raw.pushes.some((push) => "unsubscribe" in push));
    assert.partialDeepStrictEqual(
      raw.pushes.find((push) => "unsubscribe" in push),
      { channel, unsubscribe: { code: 2501 } },
    );
    assert.equal(raw.closed, undefined);
    raw.websocket.terminate();
  });

  it("are each user's own, by configuration", async () => {
    await using personalPair = await GatewayPair.start(personal);
    const [port, otherPort] = [personalPair.port(0), personalPair.port(1)];
    using client = await NpmClient.connect(port, { token: await token({ sub: "ann" }) });
    using other = await NpmClient.connect(otherPort, { token: await token({ sub: "bob" }) });
    await client.happens("subscribed own:#ann");
    await other.happens("subscribed own:#bob");
    await client.client.publish("own:#ann", "to myself");
    await client.happens('publication own:#ann 1 "to myself"');
    await assert.rejects(other.client.publish("own:#ann", "to ann"), { code: 103 });
    await other.subscription("own:#ann").happens("unsubscribed 103");
  });

  it("answer the rpc that is configured, and 104 to others", async () => {
    assert.deepEqual((await ann.client.rpc("ping", {})).data ?? {}, {});
    await assert.rejects(ann.client.rpc("dance", {}), { code: 104 });
  });
});
