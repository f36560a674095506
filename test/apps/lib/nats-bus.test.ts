import assert from "node:assert/strict";
import { connect as connectSocket } from "node:net";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { connect } from "nats";
import { createUser } from "nkeys.js";
import { BusError } from "../../../apps/lib/bus.ts";
import { NatsBus, type NatsBusLimits } from "../../../apps/lib/nats-bus.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { NatsServer } from "../../support/nats.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** A bus with a log that tests can read; disposing closes it. */
function open(
  server: { url: string },
  options: { limits?: Partial<NatsBusLimits>; seed?: () => Promise<Uint8Array> } = {},
) {
  const { log, lines } = collectingLog();
  const bus = new NatsBus({ name: "test", servers: [server.url], log, ...options });
  return { bus, lines, [Symbol.asyncDispose]: () => bus.close() };
}

async function connected(bus: NatsBus): Promise<void> {
  await eventually("the bus is connected", () => bus.connected);
}

/** What a separate client receives on all topics. */
async function listen(server: NatsServer) {
  const client = await connect({
    servers: server.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  const received: string[] = [];
  client.subscribe("t.>", { callback: (_error, message) => received.push(message.string()) });
  await client.flush();
  return { client, received, [Symbol.asyncDispose]: () => client.close() };
}

describe("the NATS bus", () => {
  it("resolves a publication only when the server has taken it", async () => {
    await using server = await NatsServer.start();
    await using listener = await listen(server);
    await using opened = open(server);
    await opened.bus.publish("t.a", bytes("one"), { withinMs: 5_000 });
    // The server had it when publish resolved, so what it delivers first after that is this message.
    await listener.client.flush();
    assert.deepEqual(listener.received, ["one"]);
  });

  it("gives up a publication at its deadline while the server is frozen", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    await server.signal("SIGSTOP");
    const begin = performance.now();
    await assert.rejects(opened.bus.publish("t.a", bytes("x"), { withinMs: 300 }), {
      code: "unavailable",
      message: "NATS did not take the message within 300 ms",
    });
    assert.ok(performance.now() - begin >= 299);
    await server.signal("SIGCONT");
  });

  it("publishes nothing later that was refused while there was no connection", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    await server.signal("SIGKILL");
    await eventually("the bus sees it", () => !opened.bus.connected);
    await assert.rejects(opened.bus.publish("t.a", bytes("refused"), { withinMs: 50 }), BusError);
    assert.throws(() => {
      opened.bus.send("t.a", bytes("refused"));
    }, BusError);
    await server.restart();
    await using listener = await listen(server);
    await opened.bus.publish("t.a", bytes("later"), { withinMs: 10_000 });
    await listener.client.flush();
    assert.deepEqual(listener.received, ["later"]);
  });

  it("keeps a publication for its deadline while the server restarts", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    await server.signal("SIGKILL");
    const published = opened.bus.publish("t.a", bytes("x"), { withinMs: 20_000 });
    await server.restart();
    await published;
    assert.ok((await server.counts()).messagesIn >= 1);
  });

  it("fails a publication that the server does not permit", async () => {
    const user = createUser();
    await using server = await NatsServer.start({
      config: `authorization { users = [ { nkey: ${user.getPublicKey()}, permissions: { publish: { allow: ["t.add"] }, subscribe: { deny: [">"] } } } ] }`,
    });
    await using opened = open(server, { seed: () => Promise.resolve(user.getSeed()) });
    const { bus } = opened;
    await bus.publish("t.add", bytes("3"), { withinMs: 5_000 });
    const refused = [1, 2].map(() => bus.publish("t.other", bytes("x"), { withinMs: 5_000 }));
    for (const result of await Promise.allSettled(refused)) {
      assert.equal(result.status, "rejected");
      assert.equal((result.reason as BusError).code, "denied");
    }
    const subscription = bus.subscribe("t.add", () => undefined);
    await assert.rejects(subscription.confirmed, { code: "denied" });
    subscription.unsubscribe();
  });

  it("receives again after the server came back, with one subscription", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    const { bus } = opened;
    await connected(bus);
    const received: string[] = [];
    const subscription = bus.subscribe("t.a", (data) =>
      received.push(Buffer.from(data).toString()),
    );
    await subscription.confirmed;
    await server.signal("SIGKILL");
    await eventually("the bus sees it", () => !bus.connected);
    await server.restart();
    await connected(bus);
    // Connected means that the server knows the subscription: nothing is missed from here.
    assert.deepEqual(await server.subjects(), ["t.a"]);
    await bus.publish("t.a", bytes("again"), { withinMs: 5_000 });
    await eventually("the message arrives", () => received.length > 0);
    assert.deepEqual(received, ["again"]);
    subscription.unsubscribe();
    await bus.flush();
    assert.deepEqual(await server.subjects(), []);
  });

  it("delivers what is published after a subscription was confirmed", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    const other = await connect({ servers: server.url });
    for (let round = 0; round < 200; round += 1) {
      let got = false;
      const subscription = opened.bus.subscribe(`t.${round}`, () => (got = true));
      await subscription.confirmed;
      other.publish(`t.${round}`, bytes("x"));
      await other.flush();
      await opened.bus.flush();
      assert.ok(got, `round ${round} lost its message`);
      subscription.unsubscribe();
    }
    await other.close();
  });

  it("notices a server that does not answer any more", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server, { limits: { pingIntervalMs: 100, pongTimeoutMs: 100 } });
    await connected(opened.bus);
    await server.signal("SIGSTOP");
    await eventually("the bus sees it", () => !opened.bus.connected);
    await server.signal("SIGCONT");
    await connected(opened.bus);
  });

  it("rejects a flush that the broken connection will never answer", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    await server.signal("SIGSTOP");
    const flushed = opened.bus.flush();
    await Promise.all([assert.rejects(flushed, { code: "unavailable" }), server.signal("SIGKILL")]);
  });

  it("reads its key again when the server refuses the one that it has", async () => {
    const [first, second] = [createUser(), createUser()];
    await using server = await NatsServer.start({
      config: `authorization { users = [ { nkey: ${second.getPublicKey()} } ] }`,
    });
    const seeds = [first.getSeed(), second.getSeed()];
    let reads = 0;
    await using opened = open(server, {
      seed: () => Promise.resolve(seeds[Math.min(reads++, 1)] ?? new Uint8Array()),
    });
    await connected(opened.bus);
    assert.equal(reads, 2);
  });

  it("tries for ever while nobody listens, and says so now and then", async () => {
    const server = await NatsServer.start();
    await server.signal("SIGKILL");
    await using opened = open(server, { limits: { retryMinMs: 1, retryMaxMs: 2 } });
    await eventually("it has failed 16 times", () =>
      opened.lines.some((line) => line.includes('"failures":16')),
    );
    const failures = opened.lines.map(
      (line) => (JSON.parse(line) as { failures: number }).failures,
    );
    assert.deepEqual(
      failures,
      failures.map((_, index) => 2 ** index),
      "one line per doubling",
    );
    await server.restart();
    await connected(opened.bus);
    await server[Symbol.asyncDispose]();
  });

  it("does not wait longer than it may when it closes while the server is frozen", async () => {
    await using server = await NatsServer.start();
    const { bus, lines } = open(server, { limits: { pingIntervalMs: 600_000 } });
    await connected(bus);
    await server.signal("SIGSTOP");
    await bus.close({ withinMs: 50 });
    assert.ok(lines.some((line) => line.includes("not everything reached NATS before the end")));
    await server.signal("SIGCONT");
  });

  it("ends while it tries to connect to a server that does not answer", async () => {
    await using server = await NatsServer.start();
    await server.signal("SIGSTOP");
    const { bus } = open(server, { limits: { connectTimeoutMs: 2 ** 31 - 1 } });
    await bus.close();
    await assert.rejects(bus.flush(), { code: "unavailable" });
    assert.throws(() => bus.subscribe("t.a", () => undefined), { code: "closed" });
    await server.signal("SIGCONT");
  });

  it("carries headers and asks for answers, which come with theirs", async () => {
    await using server = await NatsServer.start();
    await using asking = open(server);
    await using answering = open(server);
    await Promise.all([connected(asking.bus), connected(answering.bus)]);
    const { bus } = answering;
    const subscription = bus.subscribe("question", (data, message) => {
      assert.equal(message.subject, "question");
      const text = `${Buffer.from(data).toString()} ${message.header("Who") ?? "?"}`;
      const headers = { None: message.header("Absent") ?? "no" };
      bus.send(message.reply ?? "?", bytes(text), { headers });
    });
    await subscription.confirmed;
    const answer = await asking.bus.request("question", bytes("hello"), {
      withinMs: 5_000,
      headers: { Who: '{"user":"ü"}' },
    });
    assert.equal(Buffer.from(answer.data).toString(), 'hello {"user":"ü"}');
    assert.deepEqual(
      [answer.header("None"), answer.reply, answer.status],
      ["no", undefined, undefined],
    );
  });

  it("gives each message to one of a group, and answers all that came before one of them drained", async () => {
    await using server = await NatsServer.start();
    await using asking = open(server);
    await using first = open(server);
    await using second = open(server);
    const all = [asking, first, second];
    await Promise.all(all.map(({ bus }) => connected(bus)));
    const seen = new Map<string, string[]>();
    const subscriptions = [first, second].map(({ bus }, index) => {
      return bus.subscribe(
        "question",
        (data, message) => {
          const text = Buffer.from(data).toString();
          seen.set(text, [...(seen.get(text) ?? []), String(index)]);
          bus.send(message.reply ?? "?", bytes(String(index)));
        },
        { group: "answerers" },
      );
    });
    await Promise.all(subscriptions.map(({ confirmed }) => confirmed));
    const ask = (name: string) =>
      Array.from({ length: 200 }, (_, n) =>
        asking.bus.request("question", bytes(`${name} ${n}`), { withinMs: 20_000 }),
      );
    const during = ask("before");
    await setTimeout(1);
    // The server has them, and has sent each to one of the two, which had no turn to read it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    await subscriptions[0]?.drain();
    await Promise.all(during);
    const after = await Promise.all(ask("after"));
    assert.deepEqual(new Set(after.map(({ data }) => Buffer.from(data).toString())), new Set("1"));
    assert.equal(seen.size, 400);
    for (const [text, by] of seen) assert.equal(by.length, 1, text);
    assert.ok([...seen.values()].flat().includes("0"));
    // Again, and when there is no connection any more.
    await subscriptions[0]?.drain();
    await server.signal("SIGKILL");
    await subscriptions[1]?.drain();
  });

  it("reads headers that its client does not, and of several with one name the last", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    const taken: (string | undefined)[][] = [];
    await opened.bus.subscribe("h", (data, message) => {
      const text = Buffer.from(data).toString();
      taken.push([text, message.header("Good"), message.header("Bad Key"), message.header("No")]);
    }).confirmed;
    const socket = connectSocket(server.port, "127.0.0.1");
    const headers = "NATS/1.0\r\nBad Key: x\r\nGood: first\r\nGood:  last \r\nÜ: y\r\n\r\n";
    const length = Buffer.byteLength(headers);
    socket.write('CONNECT {"headers":true,"verbose":false}\r\n');
    socket.write(`HPUB h ${length} ${length + 2}\r\n${headers}hi\r\nPUB h 5\r\nplain\r\n`);
    await eventually("both arrive", () => taken.length === 2);
    assert.deepEqual(taken, [
      ["hi", "last", "x", undefined],
      ["plain", undefined, undefined, undefined],
    ]);
    socket.destroy();
  });

  it("goes on after a callback that throws, and says so", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    const taken: string[] = [];
    await opened.bus.subscribe("t.a", (data) => {
      const text = Buffer.from(data).toString();
      if (text === "bad") throw new Error("on purpose");
      taken.push(text);
    }).confirmed;
    for (const text of ["one", "bad", "two"]) {
      await opened.bus.publish("t.a", bytes(text), { withinMs: 5_000 });
    }
    await opened.bus.flush();
    assert.deepEqual(taken, ["one", "two"]);
    assert.ok(opened.lines.some((line) => line.includes("bug: a message from NATS was not taken")));
  });

  it("says at once that nobody answers, and gives up at the deadline when somebody does not", async () => {
    await using server = await NatsServer.start();
    await using opened = open(server);
    await connected(opened.bus);
    const ask = (withinMs: number) => opened.bus.request("question", bytes("x"), { withinMs });
    await assert.rejects(ask(60_000), { code: "no_responders" });
    await opened.bus.subscribe("question", () => undefined).confirmed;
    await assert.rejects(ask(50), { code: "unavailable", message: /within 50 ms/ });
    const broken = assert.rejects(ask(60_000), { code: "unavailable" });
    await server.signal("SIGKILL");
    await broken;
    await eventually("the bus has noticed", () => !opened.bus.connected);
    await assert.rejects(ask(60_000), { code: "unavailable" });
  });

  it("refuses a message that is larger than the server takes", async () => {
    await using server = await NatsServer.start({ config: "max_payload: 1024" });
    await using opened = open(server);
    await connected(opened.bus);
    const large = new Uint8Array(1_025);
    await assert.rejects(opened.bus.publish("t.a", large, { withinMs: 5_000 }), {
      code: "too_large",
    });
    assert.ok(opened.bus.connected, "the server was not bothered with it");
  });
});
