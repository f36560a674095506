import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "nats";
import { Members } from "../../../../apps/ws/presence/members.ts";
import { halted } from "../../../support/alive.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { MemoryBus } from "../../../support/memory-bus.ts";
import { NatsServer } from "../../../support/nats.ts";
import { type Limits, PresenceGateway, startPresenceProcess } from "../../../support/presence.ts";

/** Slower than anything that a test waits for. */
const quiet: Limits = { helloIntervalMs: 600_000, forgetMs: 2 ** 31 };
const quick: Limits = { helloIntervalMs: 50, forgetMs: 2 ** 31 };

/** A client that speaks for gateways that do not exist. */
async function pretend(server: NatsServer) {
  const client = await connect({ servers: server.url });
  return {
    client,
    say: async (subject: string, message: unknown): Promise<void> => {
      const text = typeof message === "string" ? message : JSON.stringify(message);
      client.publish(subject, text);
      await client.flush();
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

const fake = (index: number): string => `fake-gateway-${index}`;

describe("gateways", () => {
  it("know each other once they have settled, and not any more after a goodbye", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, quiet);
    await using b = await PresenceGateway.start(server, quiet);
    const c = await PresenceGateway.start(server, quiet);
    assert.deepEqual(new Set(c.service.members.others), new Set([a.id, b.id]));
    assert.deepEqual(new Set(a.service.members.others), new Set([b.id, c.id]));
    assert.deepEqual(new Set(b.service.members.others), new Set([a.id, c.id]));
    await c[Symbol.asyncDispose]();
    await a.knows(1);
    await b.knows(1);
    assert.deepEqual(a.service.members.others, [b.id]);
  });

  it("that start together know each other", async () => {
    await using server = await NatsServer.start();
    const gateways = Array.from({ length: 8 }, () => new PresenceGateway(server, quiet));
    await Promise.all(gateways.map(({ service }) => service.members.whenSettled()));
    for (const { service } of gateways) assert.equal(service.members.others.length, 7);
    await Promise.all(gateways.map((gateway) => gateway[Symbol.asyncDispose]()));
  });

  it("forget one that died, without asking it for clients", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, quick);
    await using dying = await startPresenceProcess(server, "a", ["1"], quick);
    await a.knows(1);
    await dying.end("SIGKILL");
    await a.knows(0);
  });

  it("keep one that is paused, and tell new ones of it, until its clients must be elsewhere", async () => {
    await using server = await NatsServer.start();
    const limits = { helloIntervalMs: 100, forgetMs: 3_000 };
    await using a = await PresenceGateway.start(server, limits);
    await using paused = await startPresenceProcess(server, "a", ["1"], limits);
    paused.signal("SIGSTOP");
    await halted(paused.pid);
    await wait(1_000);
    await a.knows(1);
    await using b = await PresenceGateway.start(server, limits);
    assert.equal(b.service.members.others.length, 2);
    await b.knows(1);
    await a.knows(1);
    assert.deepEqual([a.service.members.others, b.service.members.others], [[b.id], [a.id]]);
    paused.signal("SIGCONT");
    await a.knows(2);
    await b.knows(2);
  });

  it("find each other again after NATS was restarted, and do not take that for a death", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, quiet);
    await using b = await PresenceGateway.start(server, quiet);
    await using d = await PresenceGateway.start(server, quiet);
    await server.signal("SIGKILL");
    await eventually("both see it", () => !a.service.members.settled && !b.service.members.settled);
    assert.equal(a.service.members.absent(b.id), "perhaps returning");
    // Others come and go while nobody hears it.
    await b[Symbol.asyncDispose]();
    await server.restart();
    await using c = new PresenceGateway(server, quiet);
    await a.service.members.whenSettled();
    await c.service.members.whenSettled();
    await eventually("a knows c", () => a.service.members.others.includes(c.id));
    assert.equal(a.service.members.absent(c.id), "gone", "it was heard on this connection");
    await d.service.members.whenSettled();
    await a.bus.flush();
    assert.equal(a.service.members.absent(b.id), "perhaps returning");
    assert.equal(a.service.members.absent(d.id), "gone", "it was heard again");
  });

  it("forget who did not come back some time after NATS did", async () => {
    await using server = await NatsServer.start();
    const limits = { helloIntervalMs: 100, forgetMs: 2 ** 31 };
    await using a = await PresenceGateway.start(server, limits);
    await using dying = await startPresenceProcess(server, "a", ["1"], limits);
    await a.knows(1);
    await server.signal("SIGKILL");
    await dying.end("SIGKILL");
    await server.restart();
    await a.knows(1);
    await a.knows(0);
  });

  it("take hearsay for what it is", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...quiet, settleMs: 1 });
    await using other = await pretend(server);
    await other.say(`g.${a.id}`, {
      type: "here",
      gateway: fake(0),
      others: [
        { gateway: fake(1), misses: 0, current: true },
        { gateway: fake(2), misses: 0, current: false },
        { gateway: a.id, misses: 0, current: true },
        { gateway: "short", misses: 0, current: true },
        { gateway: "with.dot.in.it", misses: 0, current: true },
        { gateway: fake(3), misses: -1, current: true },
        { gateway: fake(3), misses: 0 },
        null,
      ],
    });
    await a.knows(3);
    const { members } = a.service;
    assert.deepEqual(members.others, [fake(0), fake(1), fake(2)]);
    assert.equal(members.absent(fake(2)), "perhaps returning");
    assert.equal(members.absent(fake(1)), "gone");
    assert.equal(members.absent(fake(0)), "gone");
    assert.equal(members.absent("never heard of"), "gone");
    assert.deepEqual(members.others, [fake(2)]);
  });

  it("count the silence of which they were told", async () => {
    await using server = await NatsServer.start();
    const limits = { helloIntervalMs: 50, forgetMs: 60_000 };
    await using a = await PresenceGateway.start(server, limits);
    await using other = await pretend(server);
    // NATS knows a subscriber for them, so that only time can tell.
    for (const index of [1, 2]) other.client.subscribe(`g.${fake(index)}`);
    const others = [1_195, 0].map((misses, index) => {
      return { gateway: fake(index + 1), misses, current: true };
    });
    await other.say(`g.${a.id}`, { type: "here", gateway: fake(0), others });
    await eventually("the longer silence is over the limit", () => {
      const known = a.service.members.others;
      return known.includes(fake(2)) && !known.includes(fake(1));
    });
  });

  it("leave out what is no message", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, quiet);
    await using other = await pretend(server);
    const wrong: unknown[] = [
      "",
      "{",
      "null",
      "[]",
      "{}",
      { type: "beat" },
      { type: "beat", gateway: 1 },
      { type: "beat", gateway: "" },
      { type: "beat", gateway: "a.b.c.d.e.f" },
      { type: "beat", gateway: "> or worse" },
      { type: "beat", gateway: "x".repeat(65) },
      { type: "beat", gateway: a.id },
      { type: "other", gateway: fake(1) },
      { type: "probe", gateway: fake(1) },
      { type: "bye", gateway: fake(1) },
      { type: "here", gateway: fake(4), others: "x".repeat(300_000) },
      Buffer.from([0xff, 0x00, 0x7b]).toString("latin1"),
    ];
    for (const each of wrong) {
      await other.say("g.hello", each);
      await other.say(`g.${a.id}`, each);
    }
    await other.say("g.hello", { type: "beat", gateway: fake(0), more: "of a later version" });
    await a.knows(1);
    assert.deepEqual(a.service.members.others, [fake(0)]);
  });

  it("answer who asks whether they are there, at their own subject only", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, quiet);
    await using other = await pretend(server);
    const probe = JSON.stringify({ type: "probe", gateway: fake(0) });
    const answer = await other.client.request(`g.${a.id}`, probe);
    assert.deepEqual(answer.json(), { type: "here", gateway: a.id, others: [] });
    await assert.rejects(other.client.request("g.hello", probe, { timeout: 100 }));
  });

  it("say that they do not know all when there are too many", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...quiet, maxMembers: 2 });
    await using other = await pretend(server);
    const { members } = a.service;
    await other.say("g.hello", { type: "beat", gateway: fake(0) });
    await other.say("g.hello", { type: "beat", gateway: fake(1) });
    await a.knows(2);
    await other.say("g.hello", { type: "beat", gateway: fake(1) });
    await a.bus.flush();
    assert.equal(members.complete, true);
    await other.say("g.hello", { type: "beat", gateway: fake(2) });
    await a.bus.flush();
    assert.deepEqual([members.others.length, members.complete], [2, false]);
    assert.equal(a.lines.filter((line) => line.includes("more gateways than allowed")).length, 1);
  });

  it("know all again when those above the limit are silent for long enough", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...quick, maxMembers: 0 });
    await using other = await pretend(server);
    await other.say("g.hello", { type: "beat", gateway: fake(0) });
    await a.bus.flush();
    assert.equal(a.service.members.complete, false);
    await eventually("it knows all", () => a.service.members.complete);
  });

  it("do not take their own pause for the silence of the others", async () => {
    const bus = new MemoryBus();
    const { log } = collectingLog();
    const limits = { helloIntervalMs: 20, forgetMs: 400 };
    const members = new Members({ bus, gatewayId: "paused-gateway", log, limits });
    bus.deliver("g.hello", JSON.stringify({ type: "beat", gateway: fake(0) }));
    const end = performance.now() + 1_000;
    while (performance.now() < end);
    await wait(40);
    assert.deepEqual(members.others, [fake(0)]);
    await eventually("its silence goes on", () => members.others.length === 0);
    members.stop();
  });

  it("settle when NATS has said what it had to say, and not on a connection that is gone", async () => {
    const bus = new MemoryBus();
    const { log } = collectingLog();
    let settled = 0;
    const members = new Members({
      bus,
      gatewayId: "slow-gateway",
      log,
      limits: { ...quiet, settleMs: 1 },
      onSettled: () => (settled += 1),
    });
    await eventually("it asks NATS", () => bus.flushes.length === 1);
    assert.equal(members.settled, false);
    bus.change(false);
    bus.flushes[0]?.resolve(undefined);
    await wait(10);
    assert.deepEqual([members.settled, settled], [false, 0]);
    bus.change(true);
    await eventually("it asks NATS again", () => bus.flushes.length === 2);
    bus.flushes[1]?.resolve(undefined);
    await members.whenSettled();
    assert.deepEqual([members.settled, settled], [true, 1]);
    bus.change(false);
    assert.equal(members.settled, false);
    const waiting = members.whenSettled();
    members.stop();
    await waiting;
    assert.equal(members.settled, false);
  });

  it("leave nothing behind when they stop", async () => {
    await using server = await NatsServer.start();
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
    const a = await PresenceGateway.start(server, quick);
    await a.bus.flush();
    assert.notDeepEqual(await server.subjects(), []);
    const before = timers();
    a.service.stop();
    a.service.stop();
    assert.equal(timers(), before - 1);
    await a.bus.flush();
    assert.deepEqual(await server.subjects(), []);
    await a.bus.close();
    const [bus, { log }] = [new MemoryBus(), collectingLog()];
    const idle = timers();
    const settling = new Members({
      bus,
      gatewayId: "settling-gateway",
      log,
      limits: { settleMs: 600_000 },
    });
    assert.equal(timers(), idle + 2);
    settling.stop();
    assert.equal(timers(), idle);
    const never = new PresenceGateway(server, quick);
    never.service.stop();
    await never.service.members.whenSettled();
    await never.bus.close();
  });
});
