import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { setImmediate, setTimeout } from "node:timers/promises";
import { connect } from "nats";
import type { ClientInfo } from "../../../../apps/ws/presence/client-info.ts";
import type { Question } from "../../../../apps/ws/presence/pages.ts";
import type { Presence } from "../../../../apps/ws/presence/presence.ts";
import { halted } from "../../../support/alive.ts";
import { eventually } from "../../../support/eventually.ts";
import { Gate } from "../../../support/gate.ts";
import { NatsServer } from "../../../support/nats.ts";
import { type Limits, PresenceGateway, startPresenceProcess } from "../../../support/presence.ts";
import { Random } from "../../../support/random.ts";

/** Nobody is late by accident, and hellos come only when somebody comes. */
const patient: Limits = { askMs: 20_000, helloIntervalMs: 600_000, forgetMs: 2 ** 31 };

/** The default limits, but hellos come only when somebody comes. */
const usual: Limits = { helloIntervalMs: 600_000, forgetMs: 2 ** 31 };

const ids = ({ clients }: Presence): Set<string> => new Set(clients.keys());

const timers = (): number =>
  process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;

async function timed(promise: Promise<Presence>): Promise<Presence & { readonly ms: number }> {
  const begin = performance.now();
  const presence = await promise;
  return { ...presence, ms: performance.now() - begin };
}

/** How many messages are sent on the subjects, and how large the largest is. */
async function watch(server: NatsServer, subject: string) {
  const client = await connect({ servers: server.url });
  const seen = { count: 0, largest: 0 };
  client.subscribe(subject, {
    callback: (_error, { data }) => {
      seen.count += 1;
      seen.largest = Math.max(seen.largest, data.length);
    },
  });
  await client.flush();
  return {
    seen,
    flush: () => client.flush(),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** A gateway that says hello as it should and answers questions as the test wants. */
async function impostor(server: NatsServer, answer: (question: Question) => unknown) {
  const client = await connect({ servers: server.url });
  const id = randomUUID();
  client.subscribe(`g.${id}.presence`, {
    callback: (_error, message) => {
      void Promise.resolve(answer(message.json())).then((answered) => {
        if (answered === undefined) return;
        message.respond(typeof answered === "string" ? answered : JSON.stringify(answered));
      });
    },
  });
  return {
    id,
    hello: async (): Promise<void> => {
      client.publish("g.hello", JSON.stringify({ type: "hello", gateway: id }));
      await client.flush();
    },
    flush: () => client.flush(),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

describe("presence", () => {
  it("holds the clients of all gateways with their infos, and no others", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    await using b = await PresenceGateway.start(server, patient);
    await using c = await PresenceGateway.start(server, patient);
    const infos: Partial<ClientInfo>[] = [
      { user: "ann", conn_info: '{"n":1.0,"big":9007199254740993}', chan_info: "null" },
      { user: "bob \n\u2028 \ud83d\ude00", chan_info: '"\\u0000"' },
      {},
    ];
    for (const [index, gateway] of [a, b, c].entries()) gateway.add("a", infos[index]);
    b.add("another");
    const expected = new Map([...a.clients("a"), ...b.clients("a"), ...c.clients("a")]);
    for (const { service } of [a, b, c]) {
      const { clients, complete } = await service.ask("a");
      assert.deepEqual(new Map([...clients].sort()), new Map([...expected].sort()));
      assert.equal(complete, true);
    }
    b.clients("a").clear();
    assert.equal((await a.service.ask("a")).clients.size, 2);
    assert.deepEqual(await a.service.ask("nobody"), { clients: new Map(), complete: true });
  });

  it("counts clients and users", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    await using b = await PresenceGateway.start(server, patient);
    for (const user of ["ann", "bob", ""]) a.add("a", { user });
    for (const user of ["ann", "eve", ""]) b.add("a", { user });
    assert.deepEqual(await a.service.stats("a"), { numClients: 6, numUsers: 4, complete: true });
    const none = { numClients: 0, numUsers: 0, complete: true };
    assert.deepEqual(await b.service.stats("nobody"), none);
  });

  it("is known to a new gateway from its first answer on", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    a.add("a");
    await using b = new PresenceGateway(server, patient);
    assert.deepEqual(await b.service.ask("a"), { clients: a.clients("a"), complete: true });
  });

  it("holds the clients of a gateway whose hello is still on its way to who asks", async () => {
    await using server = await NatsServer.start();
    await using gate = await Gate.to(`127.0.0.1:${server.port}`);
    await using a = await PresenceGateway.start({ url: `nats://${gate.host}` }, patient);
    gate.delayMs = 100;
    const client = randomUUID();
    await using b = await impostor(server, () => ({
      clients: [{ user: "", client }],
      complete: true,
    }));
    await b.hello();
    assert.deepEqual(a.service.members.others, []);
    assert.deepEqual(ids(await a.service.ask("a")), new Set([client]));
  });

  it("does not hold the clients of a gateway that was killed, and does not wait for it", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    const own = a.add("a");
    await using dying = await startPresenceProcess(server, "a", ["x", "y"], patient);
    assert.deepEqual(ids(await a.service.ask("a")), new Set([own, "x", "y"]));
    await dying.end("SIGKILL");
    // As soon as NATS has seen the end of its connection; the limit of 20 s is not waited for.
    const { complete, clients, ms } = await eventually("it is gone", async () => {
      const presence = await timed(a.service.ask("a"));
      return presence.clients.size === 1 && presence;
    });
    assert.deepEqual([[...clients.keys()], complete], [[own], true]);
    assert.ok(ms < 5_000, `it took ${ms} ms`);
    assert.deepEqual(a.service.members.others, []);
  });

  it("comes in time and says that it is not complete while a gateway is paused", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, usual);
    await using b = await PresenceGateway.start(server, usual);
    const [own, other] = [a.add("a"), b.add("a")];
    await using paused = await startPresenceProcess(server, "a", ["x"], usual);
    paused.signal("SIGSTOP");
    await halted(paused.pid);
    const { clients, complete, ms } = await timed(a.service.ask("a"));
    assert.deepEqual([new Set(clients.keys()), complete], [new Set([own, other]), false]);
    assert.ok(ms > 300 && ms < 2_500, `it took ${ms} ms`);
    // Who asks meanwhile does not wait for the end of that: there would be no time left for the others.
    const first = a.service.ask("a");
    const second = await timed(a.service.ask("a"));
    assert.equal(second.complete, false);
    assert.deepEqual(new Set(second.clients.keys()), new Set([own, other]));
    assert.ok(second.ms < 2_500, `it took ${second.ms} ms`);
    await first;
    paused.signal("SIGCONT");
    const again = await eventually("it answers again", async () => {
      const presence = await a.service.ask("a");
      return presence.complete && presence;
    });
    assert.deepEqual(ids(again), new Set([own, other, "x"]));
  });

  it("holds who asks own clients only, and says so, while NATS is frozen or away", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, usual);
    await using b = await PresenceGateway.start(server, usual);
    const [own, other] = [a.add("a"), b.add("a")];
    await server.signal("SIGSTOP");
    const frozen = await timed(a.service.ask("a"));
    assert.deepEqual([ids(frozen), frozen.complete], [new Set([own]), false]);
    assert.ok(frozen.ms > 300 && frozen.ms < 2_500, `it took ${frozen.ms} ms`);
    const waiting = a.service.ask("a");
    await server.signal("SIGKILL");
    assert.equal((await waiting).complete, false);
    await eventually("the bus sees it", () => !a.bus.connected);
    const away = await timed(a.service.ask("a"));
    assert.deepEqual([ids(away), away.complete], [new Set([own]), false]);
    assert.ok(away.ms < 2_500, `it took ${away.ms} ms`);
    await server.restart();
    const back = await eventually("it is complete again", async () => {
      const presence = await a.service.ask("a");
      return presence.complete && presence;
    });
    assert.deepEqual(ids(back), new Set([own, other]));
  });

  it("of a lone gateway is not complete while NATS is frozen: another may have come", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, usual);
    const own = a.add("a");
    await server.signal("SIGSTOP");
    const frozen = await a.service.ask("a");
    assert.deepEqual([ids(frozen), frozen.complete], [new Set([own]), false]);
  });

  it("of a lone gateway is not complete when the connection breaks before NATS has answered", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    await server.signal("SIGSTOP");
    const asked = a.service.ask("a");
    await server.signal("SIGKILL");
    assert.deepEqual(await asked, { clients: new Map(), complete: false });
  });

  it("forgets no gateway because the own connection breaks", async () => {
    await using server = await NatsServer.start();
    const limits = { ...patient, helloIntervalMs: 20 };
    await using a = await PresenceGateway.start(server, limits);
    await using b = await PresenceGateway.start(server, limits);
    await server.signal("SIGSTOP");
    const asked = a.service.ask("a");
    await server.signal("SIGKILL");
    assert.equal((await asked).complete, false);
    assert.deepEqual(a.service.members.others, [b.id]);
  });

  it("holds the own clients as they are when it is answered", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    const leaves = a.add("a");
    let comes: string | undefined;
    await using other = await impostor(server, () => {
      a.clients("a").delete(leaves);
      comes = a.add("a");
      return { clients: [], complete: true };
    });
    await other.hello();
    await a.knows(1);
    assert.deepEqual([...ids(await a.service.ask("a"))], [comes]);
  });

  it("is never complete without a gateway that lives, while NATS restarts", async () => {
    await using server = await NatsServer.start();
    await using gate = await Gate.to(`127.0.0.1:${server.port}`);
    await using a = await PresenceGateway.start(server, usual);
    await using b = await PresenceGateway.start({ url: `nats://${gate.host}` }, usual);
    const expected = new Set([a.add("a"), b.add("a")]);
    // b comes back later than a.
    gate.close();
    await server.signal("SIGKILL");
    await eventually("a sees it", () => !a.service.members.settled);
    await server.restart();
    await a.service.members.whenSettled();
    const without = await a.service.ask("a");
    assert.deepEqual([without.clients.size, without.complete], [1, false]);
    gate.open();
    const again = await eventually("b is back", async () => {
      const presence = await a.service.ask("a");
      if (presence.complete) assert.deepEqual(ids(presence), expected);
      return presence.complete;
    });
    assert.equal(again, true);
  });

  it("holds 5,000 clients with infos, in messages of a bounded size", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    await using b = await PresenceGateway.start(server, patient);
    await using inboxes = await watch(server, "_INBOX.>");
    const expected = new Set<string>();
    const conn_info = JSON.stringify({ name: "somebody", picture: "x".repeat(100) });
    for (let client = 0; client < 5_000; client += 1) {
      const gateway = client < 4_900 ? b : a;
      expected.add(gateway.add("a", { user: `user ${client % 100}`, conn_info }));
    }
    const { clients, complete } = await a.service.ask("a");
    assert.equal(complete, true);
    assert.deepEqual(new Set(clients.keys()), expected);
    for (const [id, info] of clients)
      assert.deepEqual([info.client, info.conn_info], [id, conn_info]);
    await inboxes.flush();
    const { largest, count } = inboxes.seen;
    assert.ok(largest > 200_000 && largest <= 262_144, `the largest message has ${largest} bytes`);
    assert.ok(count >= 4, `${count} messages`);
    const stats = { numClients: 5_000, numUsers: 100, complete: true };
    assert.deepEqual(await a.service.stats("a"), stats);
  });

  it("holds as many clients as allowed, and says when there are more", async () => {
    await using server = await NatsServer.start();
    const limits = { ...patient, maxClients: 10 };
    await using a = await PresenceGateway.start(server, limits);
    await using b = await PresenceGateway.start(server, limits);
    await using c = await PresenceGateway.start(server, limits);
    const ask = async (): Promise<[number, boolean]> => {
      const { clients, complete } = await a.service.ask("a");
      return [clients.size, complete];
    };
    for (let client = 0; client < 10; client += 1) b.add("a");
    assert.deepEqual(await ask(), [10, true]);
    const extra = c.add("a");
    assert.deepEqual(await ask(), [10, false]);
    c.clients("a").delete(extra);
    const own = a.add("a");
    assert.deepEqual(await ask(), [10, false]);
    a.clients("a").delete(own);
    b.add("a");
    assert.deepEqual(await ask(), [10, false]);
  });

  it("takes no more bytes than allowed, to within a page of each gateway", async () => {
    await using server = await NatsServer.start();
    const limits = { ...patient, maxPageBytes: 4_096, maxBytes: 10_000 };
    await using a = await PresenceGateway.start(server, limits);
    await using b = await PresenceGateway.start(server, limits);
    for (let client = 0; client < 20; client += 1) b.add("a", { user: "x".repeat(400) });
    assert.deepEqual(await a.service.ask("a"), { clients: sorted(b.clients("a")), complete: true });
    for (let client = 0; client < 80; client += 1) b.add("a", { user: "x".repeat(400) });
    const { clients, complete } = await a.service.ask("a");
    assert.equal(complete, false);
    assert.ok(clients.size > 16 && clients.size < 30, `${clients.size} clients`);
  });

  it("says that it is not complete when there are more gateways than can be asked", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...patient, maxMembers: 1 });
    await using b = await PresenceGateway.start(server, patient);
    const client = b.add("a");
    const all = await a.service.ask("a");
    assert.deepEqual([ids(all), all.complete], [new Set([client]), true]);
    await using c = await PresenceGateway.start(server, patient);
    c.add("a");
    const some = await a.service.ask("a");
    assert.deepEqual([ids(some), some.complete], [new Set([client]), false]);
  });

  it("says that it is not complete when a client does not fit into a message", async () => {
    await using server = await NatsServer.start();
    const limits = { ...patient, maxPageBytes: 4_096 };
    await using a = await PresenceGateway.start(server, limits);
    await using b = await PresenceGateway.start(server, limits);
    const small = b.add("a");
    b.add("a", { user: "x".repeat(5_000) });
    const presence = await a.service.ask("a");
    assert.deepEqual([ids(presence), presence.complete], [new Set([small]), false]);
  });

  it("costs few questions, however many ask at once", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    await using b = await PresenceGateway.start(server, patient);
    await using questions = await watch(server, `g.${b.id}.presence`);
    b.add("a");
    const storm = await Promise.all(Array.from({ length: 1_000 }, () => a.service.stats("a")));
    for (const stats of storm)
      assert.deepEqual(stats, { numClients: 1, numUsers: 1, complete: true });
    await questions.flush();
    assert.equal(questions.seen.count, 2);
  });

  it("is asked for few channels at a time, and for all in the end", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...patient, maxRounds: 3 });
    let [asked, most] = [0, 0];
    await using other = await impostor(server, async ({ channel }) => {
      asked += 1;
      most = Math.max(most, asked);
      await setTimeout(2);
      asked -= 1;
      return { clients: [{ user: "", client: channel }], complete: true };
    });
    await other.hello();
    await a.knows(1);
    const channels = Array.from({ length: 200 }, (_, channel) => `c${channel}`);
    const all = await Promise.all(channels.map((channel) => a.service.ask(channel)));
    for (const [index, presence] of all.entries()) {
      assert.equal(presence.complete, true);
      assert.deepEqual([...presence.clients.keys()], [channels[index]]);
    }
    assert.equal(most, 3);
  });

  it("comes in time for who has to wait for others' questions", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...usual, maxRounds: 1, askMs: 300 });
    await using silent = await impostor(server, () => undefined);
    await silent.hello();
    await a.knows(1);
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, channel) => timed(a.service.ask(`c${channel}`))),
    );
    for (const { ms, complete } of all) {
      assert.equal(complete, false);
      assert.ok(ms < 1_500, `it took ${ms} ms`);
    }
  });

  it("is never older than the question, and holds nobody who was not there", async () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    await using server = await NatsServer.start();
    const limits = { ...patient, maxPageBytes: 1_024 };
    const gateways: PresenceGateway[] = [];
    for (let index = 0; index < 3; index += 1) {
      gateways.push(await PresenceGateway.start(server, limits));
    }
    // All are in this process, so one counter orders what happens on all of them.
    let now = 0;
    const came = new Map<string, number>();
    const left = new Map<string, number>();
    const present: { gateway: PresenceGateway; client: string }[] = [];
    const change = (): void => {
      const gateway = random.one(gateways);
      if (present.length > 20 || (present.length > 0 && random.chance(0.45))) {
        const [gone] = present.splice(random.below(present.length), 1);
        if (gone === undefined) return;
        gone.gateway.clients("a").delete(gone.client);
        left.set(gone.client, ++now);
      } else {
        const client = gateway.add("a");
        present.push({ gateway, client });
        came.set(client, ++now);
      }
    };
    let checked = 0;
    const check = async (gateway: PresenceGateway): Promise<void> => {
      const asked = ++now;
      const presence = await gateway.service.ask("a");
      const answered = ++now;
      assert.equal(presence.complete, true);
      for (const [client, since] of came) {
        const until = left.get(client) ?? Infinity;
        const has = presence.clients.has(client);
        if (since < asked && until > answered) assert.ok(has, "somebody is missing");
        if (until < asked) assert.ok(!has, "somebody is still there");
      }
      checked += 1;
    };
    const checks: Promise<void>[] = [];
    for (let turn = 0; turn < 3_000; turn += 1) {
      if (random.chance(0.5)) change();
      if (random.chance(0.3)) checks.push(check(random.one(gateways)));
      if (random.chance(0.3)) await setImmediate();
    }
    await Promise.all(checks);
    assert.ok(checked > 500);
    for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
  });

  it("asks again for what is not sent yet only: not for what is under way", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...patient, gatherMs: 600_000 });
    let release: () => void = () => undefined;
    let questions = 0;
    const client = randomUUID();
    const present: ClientInfo[] = [];
    const connection = await connect({ servers: server.url });
    const id = randomUUID();
    connection.subscribe(`g.${id}.presence`, {
      callback: (_error, message) => {
        questions += 1;
        const answer = JSON.stringify({ clients: present, complete: true });
        const send = (): void => void message.respond(answer);
        if (questions === 1) release = send;
        else send();
      },
    });
    connection.publish("g.hello", JSON.stringify({ type: "hello", gateway: id }));
    await a.knows(1);
    const first = a.service.ask("a");
    await eventually("it is asked", () => questions === 1);
    present.push({ user: "", client });
    const [second, third] = [a.service.ask("a"), a.service.ask("a")];
    assert.equal(second, third);
    assert.notEqual(first, second);
    release();
    assert.deepEqual(ids(await first), new Set());
    assert.deepEqual(ids(await second), new Set([client]));
    assert.equal(questions, 2);
    await connection.close();
  });

  it("is not complete, and comes in time, when a gateway answers something else", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...usual, askMs: 1_000 });
    const own = a.add("a");
    const clients = [{ user: "", client: "x" }];
    let endless = 0;
    const answers: ((question: Question) => unknown)[] = [
      () => "",
      () => "garbage {",
      () => ({}),
      () => ({ clients: [...clients, ...clients], complete: true }),
      () => ({ clients, complete: false }),
      ({ after }) => ({ clients: after === "" ? clients : [], more: "x", complete: true }),
      () => ({
        clients: [],
        more: `${"z".repeat(10)}${(endless += 1)}`.padStart(20),
        complete: true,
      }),
    ];
    for (const answer of answers) {
      await using other = await impostor(server, answer);
      await other.hello();
      await a.knows(1);
      const { complete, clients: found, ms } = await timed(a.service.ask("a"));
      assert.equal(complete, false);
      assert.ok(found.has(own) && found.size <= 2);
      assert.ok(ms < 3_000, `it took ${ms} ms`);
      await other[Symbol.asyncDispose]();
      await eventually("it is gone", async () => (await a.service.ask("a")).complete);
    }
    assert.ok(endless >= 1);
  });

  it("holds none of the clients of a gateway that dies between two pages", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    const connection = await connect({ servers: server.url });
    const id = randomUUID();
    const subscription = connection.subscribe(`g.${id}.presence`, {
      callback: (_error, message) => {
        subscription.unsubscribe();
        const clients = [{ user: "", client: "x" }];
        message.respond(JSON.stringify({ clients, more: "x", complete: true }));
      },
    });
    connection.publish("g.hello", JSON.stringify({ type: "hello", gateway: id }));
    await a.knows(1);
    assert.deepEqual(await a.service.ask("a"), { clients: new Map(), complete: true });
    await connection.close();
  });

  it("is not told to who asks no question", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, patient);
    a.add("a");
    const client = await connect({ servers: server.url });
    for (const question of ["", "{", "null", "{}", '{"channel":1,"after":"","maxClients":1}']) {
      client.publish(`g.${a.id}.presence`, question);
      const answer = await client.request(`g.${a.id}.presence`, question);
      assert.deepEqual(answer.json(), { error: "bad question" });
    }
    await client.close();
    assert.equal((await a.service.ask("a")).complete, true);
  });

  it("is answered from what there is when the service stops", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...patient, maxRounds: 1 });
    await using silent = await impostor(server, () => undefined);
    await silent.hello();
    await a.knows(1);
    const own = a.add("a");
    const asked = ["a", "b", "a", "a"].map((channel) => a.service.ask(channel));
    a.service.stop();
    a.service.stop();
    for (const presence of await Promise.all(asked)) assert.equal(presence.complete, false);
    const late = await a.service.ask("a");
    assert.deepEqual([ids(late), late.complete], [new Set([own]), false]);
    await a.bus.flush();
    // Where answers to requests arrive belongs to the bus.
    const subjects = (await server.subjects()).filter((each) => !each.startsWith("_INBOX"));
    assert.deepEqual(subjects, [`g.${silent.id}.presence`]);
  });

  it("does not change any more once it was answered", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...patient, gatherMs: 600_000 });
    const answer = Promise.withResolvers<unknown>();
    let questions = 0;
    await using other = await impostor(server, () => {
      questions += 1;
      return answer.promise;
    });
    await other.hello();
    await a.knows(1);
    const before = timers();
    const [asked, waiting] = [a.service.ask("a"), a.service.ask("a")];
    await eventually("it is asked", () => questions === 1);
    a.service.stop();
    const presence = await asked;
    assert.equal((await waiting).complete, false);
    // That of the heartbeat is gone, that of the request belongs to the bus.
    assert.ok(timers() <= before, `${timers()} timers, before ${before}`);
    answer.resolve({ clients: [{ user: "", client: "x" }], complete: true });
    await other.flush();
    await a.bus.flush();
    assert.deepEqual(presence, { clients: new Map(), complete: false });
  });

  it("leaves no timers behind when it was answered", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...patient, gatherMs: 600_000 });
    await using b = await PresenceGateway.start(server, patient);
    b.add("a");
    const before = timers();
    const asked = ["a", "a", "b", "a"].map((channel) => a.service.ask(channel));
    assert.ok(timers() > before + 2);
    for (const { complete } of await Promise.all(asked)) assert.ok(complete);
    assert.ok(timers() <= before, `${timers()} timers, before ${before}`);
  });

  it("leaves no timers behind, however often it is asked for while NATS is away", async () => {
    await using server = await NatsServer.start();
    await using a = await PresenceGateway.start(server, { ...usual, askMs: 200 });
    const own = a.add("c7");
    await server.signal("SIGKILL");
    await eventually("the bus sees it", () => !a.bus.connected);
    const before = timers();
    const asked = Array.from({ length: 2_000 }, (_, index) => a.service.ask(`c${index % 500}`));
    assert.ok(timers() > before);
    const answers = await Promise.all(asked);
    assert.ok(answers.every(({ complete }) => !complete));
    assert.ok(answers[7]?.clients.has(own));
    await eventually("no timers are left", () => timers() <= before + 2);
  });
});

/** Pages come in the order of ids. */
function sorted(clients: ReadonlyMap<string, ClientInfo>): Map<string, ClientInfo> {
  return new Map([...clients].sort(([left], [right]) => (left < right ? -1 : 1)));
}
