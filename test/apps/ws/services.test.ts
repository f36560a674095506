import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect, type NatsConnection } from "nats";
import { createUser, type KeyPair } from "nkeys.js";
import { answerDiscovery } from "../../../apps/lib/discovery.ts";
import { NatsBus } from "../../../apps/lib/nats-bus.ts";
import { RpcError } from "../../../apps/lib/rpc.ts";
import { decodeConfig } from "../../../apps/ws/config/options.ts";
import { inboxPrefix } from "../../../apps/ws/gateway.ts";
import {
  serveServices,
  Services,
  type ServicesLimits,
  servicesMethod,
} from "../../../apps/ws/services.ts";
import {
  calculatorSubjects,
  discoverySubjects,
  gatewaySubjects,
  natsConfig,
  replicationSubjects,
} from "../../../components/lib/nats-config.ts";
import { collectingLog } from "../../support/collecting-log.ts";
import { eventually } from "../../support/eventually.ts";
import { NatsServer } from "../../support/nats.ts";

/** So that nothing depends on how fast this machine is, a silence is as long as the whole. */
const patient = { silenceMs: 20_000, totalMs: 20_000 };

describe("who is there, asked of all services at once", () => {
  let server: NatsServer;
  let client: NatsConnection;
  let bus: NatsBus;
  const { log } = collectingLog();
  const open: NatsBus[] = [];
  const connected = async (servers = server.url): Promise<NatsBus> => {
    const made = new NatsBus({ name: "test", servers: [servers], log });
    open.push(made);
    await eventually("it is connected", () => made.connected);
    return made;
  };
  before(async () => {
    server = await NatsServer.start();
    client = await connect({ servers: server.url });
    bus = await connected();
  });
  after(async () => {
    await client.close();
    await Promise.all(open.map((each) => each.close()));
    await server[Symbol.asyncDispose]();
  });

  /** Answers like a process of a service, or like none, until it is disposed of. */
  async function answering(...answers: readonly (string | object)[]): Promise<Disposable> {
    const subscription = client.subscribe("$SRV.INFO", {
      callback: (_, message) => {
        for (const answer of answers) {
          message.respond(typeof answer === "string" ? answer : JSON.stringify(answer));
        }
      },
    });
    await client.flush();
    return {
      [Symbol.dispose]: () => {
        subscription.unsubscribe();
      },
    };
  }
  const answer = (name: string, metadata: object = {}, more: object = {}): object => ({
    ...{ type: "io.nats.micro.v1.info_response", name, id: `${name}-1`, version: "1.0.0" },
    metadata: { started_at: "2026-11-27T01:02:03.004Z", serving: "true", ...metadata },
    ...more,
  });
  const services = (limits: Partial<ServicesLimits>): Services =>
    new Services({ bus, inboxPrefix, limits });

  it("lists them in order, with what they say of themselves", async () => {
    const there = await answering(
      answer("ws", { version: "v2", instance: "w" }),
      answer("m", { version: "v1", instance: "a", index: "10" }),
      answer("m", { version: "v1", instance: "b", index: "9", serving: "false" }),
      answer("add"),
    );
    const found = await services({ ...patient, maxAnswers: 4 }).list();
    there[Symbol.dispose]();
    const startedAt = "2026-11-27T01:02:03.004Z";
    assert.deepEqual(JSON.parse(JSON.stringify(found)), [
      { service: "add", instance: "add-1", startedAt, serving: true },
      { service: "m", version: "v1", instance: "b", index: 9, startedAt, serving: false },
      { service: "m", version: "v1", instance: "a", index: 10, startedAt, serving: true },
      { service: "ws", version: "v2", instance: "w", startedAt, serving: true },
    ]);
  });

  it("hears nothing that is no such answer", async () => {
    const there = await answering(
      ...["", "no JSON", "null", "[]"],
      answer("pinged", {}, { type: "io.nats.micro.v1.ping_response" }),
      answer("timeless", { started_at: "yesterday" }),
      answer("wrong", { index: "-1" }),
      answer("x".repeat(300)),
      answer("large", {}, { description: "x".repeat(20_000) }),
      answer("right"),
    );
    const found = await services({ ...patient, maxAnswers: 10 }).list();
    there[Symbol.dispose]();
    assert.deepEqual(
      found.map(({ service }) => service),
      ["right"],
    );
  });

  it("waits for nobody after a silence", async () => {
    const there = await answering(answer("one"));
    // The whole would be over long after this test.
    const found = await services({ silenceMs: 50, totalMs: 600_000 }).list();
    there[Symbol.dispose]();
    assert.deepEqual(
      found.map(({ service }) => service),
      ["one"],
    );
  });

  it("ends in time, though somebody never stops to answer", async () => {
    let stopped = false;
    const subscription = client.subscribe("$SRV.INFO", {
      callback: (_, message) => {
        const again = (): void => {
          if (stopped) return;
          message.respond(JSON.stringify(answer("endless")));
          setImmediate(again);
        };
        again();
      },
    });
    await client.flush();
    const found = await services({ silenceMs: 600_000, totalMs: 100, maxAnswers: 1e9 }).list();
    stopped = true;
    subscription.unsubscribe();
    assert.deepEqual(
      found.map(({ service }) => service),
      ["endless"],
    );
  });

  it("asks once for all who ask at the same time, and anew for who asks later", async () => {
    let questions = 0;
    const subscription = client.subscribe("$SRV.INFO", {
      callback: (_, message) => {
        questions += 1;
        message.respond(JSON.stringify(answer(`number-${questions}`)));
      },
    });
    await client.flush();
    const asked = services({ ...patient, maxAnswers: 1 });
    const lists = await Promise.all([asked.list(), asked.list(), asked.list()]);
    assert.deepEqual(
      lists.map(([first]) => first?.service),
      Array(3).fill("number-1"),
    );
    assert.equal((await asked.list())[0]?.service, "number-2");
    subscription.unsubscribe();
    assert.equal(questions, 2);
  });

  it("tells who calls when NATS does not answer", async () => {
    const away = new NatsBus({ name: "away", servers: ["nats://127.0.0.1:9"], log });
    open.push(away);
    const { method } = new Services({ bus: away, inboxPrefix });
    const caller = { user: "", client: "", info: undefined, meta: undefined };
    await assert.rejects(method(new Uint8Array(), caller), (error: unknown) => {
      assert(error instanceof RpcError);
      return error.code === 503;
    });
  });

  it("is answered to clients only where the configuration has the namespace", () => {
    const signal = AbortSignal.abort();
    const serve = (rpc: object) =>
      serveServices({ bus, log, inboxPrefix, signal, rpc: decodeConfig({ rpc }).rpc });
    assert.equal(serve({}), undefined);
    assert.equal(serve({ without_namespace: { enabled: true } }), undefined);
    assert.equal(serve({ namespaces: [{ name: "console" }] }), undefined);
    assert.notEqual(serve({ namespaces: [{ name: "console", enabled: true }] }), undefined);
  });
});

describe("the permissions of a stack's NATS", () => {
  let folder: string;
  let server: NatsServer;
  const { log, lines } = collectingLog();
  const keys = { add: createUser(), m: createUser(), ws: createUser() };
  const buses: NatsBus[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nats-data-"));
    const publicKey = (pair: KeyPair): string => pair.getPublicKey();
    const config = natsConfig({
      ...{ serverName: "nats-0", zone: "us-central1-a", storageMb: 64, memoryMb: 16 },
      clients: {
        add: {
          ...{ publicKey: publicKey(keys.add), publish: ["t.add"], answers: true },
          subscribe: [...calculatorSubjects, ...discoverySubjects("add")],
        },
        m: {
          ...{ publicKey: publicKey(keys.m), publish: replicationSubjects, answers: true },
          subscribe: [...replicationSubjects, ...discoverySubjects("m")],
        },
        ws: { publicKey: publicKey(keys.ws), ...gatewaySubjects },
      },
    });
    server = await NatsServer.start({
      config: config
        .replace("listen: 0.0.0.0:4222\n", "\n")
        .replace("http: 127.0.0.1:8222\n", "\n")
        .replace('store_dir: "/data"', `store_dir: ${JSON.stringify(folder)}`),
    });
  });
  after(async () => {
    await Promise.all(buses.map((bus) => bus.close()));
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function as(service: keyof typeof keys): Promise<NatsBus> {
    const bus = new NatsBus({
      ...{ name: service, servers: [server.url], log },
      seed: () => Promise.resolve(keys[service].getSeed()),
      ...(service === "ws" ? { inboxPrefix } : {}),
    });
    buses.push(bus);
    await eventually("it is connected", () => bus.connected);
    return bus;
  }

  it("let every service answer, and the gateway ask and answer its clients", async () => {
    const [add, m, ws] = [await as("add"), await as("m"), await as("ws")];
    for (const [service, bus] of Object.entries({ add, m, ws })) {
      const settings = { service, version: "v1", instance: `${service}-instance` };
      answerDiscovery({ bus, log, settings, serving: () => true });
    }
    const stopping = new AbortController();
    const { rpc } = decodeConfig({
      rpc: { namespaces: [{ name: "console", enabled: true }] },
    });
    const limits = { ...patient, maxAnswers: 3 };
    const served = serveServices({
      ...{ bus: ws, log, inboxPrefix, rpc, limits, signal: stopping.signal },
    });
    await Promise.all([add, m, ws].map((bus) => bus.flush()));
    // Twice: each answer is allowed once, to the one question.
    for (let turn = 0; turn < 2; turn++) {
      const { data } = await ws.request("rpc.console.services", new Uint8Array(), {
        withinMs: 20_000,
      });
      const { at, services } = JSON.parse(Buffer.from(data).toString()) as {
        at: string;
        services: readonly { service: string; instance: string }[];
      };
      assert(!Number.isNaN(Date.parse(at)));
      assert.deepEqual(
        services.map(({ service, instance }) => [service, instance]),
        [
          ["add", "add-instance"],
          ["m", "m-instance"],
          ["ws", "ws-instance"],
        ],
      );
    }
    stopping.abort();
    await served?.whenDone(20_000);
    assert.deepEqual(
      lines.filter((line) => line.includes("refuses")),
      [],
    );
  });

  it("let nobody but the gateway ask, and nobody hear what another is asked", async () => {
    const [add, m] = [await as("add"), await as("m")];
    const denied = { code: "denied" };
    for (const bus of [add, m]) {
      await assert.rejects(
        bus.publish("$SRV.INFO", new Uint8Array(), { withinMs: 20_000 }),
        denied,
      );
      await assert.rejects(
        bus.publish("$SRV.PING", new Uint8Array(), { withinMs: 20_000 }),
        denied,
      );
    }
    const never = (): void => assert.fail();
    for (const subject of ["$SRV.INFO.m", "$SRV.INFO.*", "$SRV.>", "rpc.console.services"]) {
      await assert.rejects(add.subscribe(subject, never).confirmed, denied);
    }
    const ws = await as("ws");
    await assert.rejects(ws.publish("$SRV.PING", new Uint8Array(), { withinMs: 20_000 }), denied);
    await assert.rejects(ws.subscribe("$SRV.INFO.add", never).confirmed, denied);
  });

  it("name the method as the gateway does", () => {
    assert(gatewaySubjects.subscribe.includes(`rpc.${servicesMethod.replace(":", ".")}`));
  });
});
