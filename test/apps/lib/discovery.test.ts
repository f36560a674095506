import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  connect,
  type NatsConnection,
  NatsError,
  type QueuedIterator,
  RequestStrategy,
} from "nats";
import { answerDiscovery, type DiscoveryOptions } from "../../../apps/lib/discovery.ts";
import { NatsBus } from "../../../apps/lib/nats-bus.ts";
import { collectingLog } from "../../support/collecting-log.ts";
import { eventually } from "../../support/eventually.ts";
import { NatsServer } from "../../support/nats.ts";

/** The asking side is NATS's own client for services. */
describe("a process that answers who it is", () => {
  let server: NatsServer;
  let client: NatsConnection;
  const open: NatsBus[] = [];
  before(async () => {
    server = await NatsServer.start();
    client = await connect({ servers: server.url });
  });
  after(async () => {
    await client.close();
    await Promise.all(open.map((bus) => bus.close()));
    await server[Symbol.asyncDispose]();
  });

  /** A process of a service, once NATS knows that it answers. */
  async function start(
    service: string,
    instance: string | undefined,
    options: Partial<DiscoveryOptions> = {},
  ): Promise<NatsBus> {
    const { log } = collectingLog();
    const bus = new NatsBus({ name: service, servers: [server.url], log });
    open.push(bus);
    const settings = { service, version: "v1", instance };
    answerDiscovery({ bus, log, settings, serving: () => true, ...options });
    await eventually("it is connected", () => bus.connected);
    await bus.flush();
    return bus;
  }

  const strategy = RequestStrategy.Count;
  const ask = { strategy, maxWait: 20_000, maxMessages: 1 };
  async function all<T>(answers: Promise<QueuedIterator<T>>): Promise<T[]> {
    const found: T[] = [];
    for await (const each of await answers) found.push(each);
    return found;
  }

  it("is found by NATS's own client, among all, by its name and by its id", async () => {
    await start("one", "i-1", { index: () => 2, methods: ["sum", "shop:order"] });
    await start("two", "i-2");
    const services = client.services.client({ ...ask, maxMessages: 2 });
    assert.deepEqual((await all(services.ping())).map(({ name, id }) => `${name} ${id}`).sort(), [
      "one i-1",
      "two i-2",
    ]);
    assert.equal((await all(services.info())).length, 2);
    const single = client.services.client(ask);
    const [named] = await all(single.info("one"));
    const [byId] = await all(single.info("one", "i-1"));
    assert.deepEqual(named, byId);
    const { metadata, ...rest } = named ?? assert.fail();
    const { started_at, ...known } = metadata ?? assert.fail();
    assert.deepEqual(rest, {
      ...{ type: "io.nats.micro.v1.info_response", name: "one", id: "i-1", version: "1.0.0" },
      description: "",
      endpoints: [
        { name: "sum", subject: "rpc.sum", queue_group: "one", metadata: {} },
        { name: "shop-order", subject: "rpc.shop.order", queue_group: "one", metadata: {} },
      ],
    });
    assert.deepEqual(known, { version: "v1", instance: "i-1", index: "2", serving: "true" });
    const started = Date.parse(started_at ?? "");
    assert(Math.abs(started - performance.timeOrigin) < 10);
    const [ping] = await all(single.ping("two", "i-2"));
    assert.deepEqual([ping?.type, ping?.name], ["io.nats.micro.v1.ping_response", "two"]);
  });

  it("says what is so when it is asked: whether it serves, and which index it has", async () => {
    let serving = true;
    const indexes: number[] = [];
    await start("three", "i-3", { serving: () => serving, index: () => indexes[0] });
    const services = client.services.client(ask);
    const before = (await all(services.info("three")))[0]?.metadata;
    assert.deepEqual([before?.["serving"], before?.["index"]], ["true", undefined]);
    serving = false;
    indexes.push(0);
    const later = (await all(services.info("three")))[0]?.metadata;
    assert.deepEqual([later?.["serving"], later?.["index"]], ["false", "0"]);
  });

  it("has an id of its own where its instance has none, or none that a subject takes", async () => {
    await start("four", undefined);
    await start("five", "a.b *");
    const services = client.services.client(ask);
    const [four] = await all(services.info("four"));
    const [five] = await all(services.info("five"));
    for (const { id } of [four ?? assert.fail(), five ?? assert.fail()]) {
      assert.match(id, /^[\w-]{36}$/);
    }
    assert.equal(four?.metadata?.["instance"], four?.id);
    assert.equal(five?.metadata?.["instance"], "a.b *");
  });

  it("answers nobody who waits for no answer, and nobody once its bus is closed", async () => {
    const bus = await start("six", "i-6");
    client.publish("$SRV.INFO.six");
    await client.flush();
    const services = client.services.client(ask);
    assert.equal((await all(services.info("six"))).length, 1);
    await bus.close();
    await eventually("NATS knows that it has gone", () =>
      client.request("$SRV.INFO.six", "", { timeout: 1_000 }).then(
        () => false,
        (error: unknown) => error instanceof NatsError && error.code === "503",
      ),
    );
  });
});
