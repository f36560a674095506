import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { createAddApp } from "../../apps/add/app.ts";
import { createCalculator } from "../../apps/add/calculator.ts";
import { createLog } from "../../apps/lib/log.ts";
import { NatsBus } from "../../apps/lib/nats-bus.ts";
import { createHttpServer } from "../../apps/lib/server.ts";
import { createMApp } from "../../apps/m/app.ts";
import { Replica } from "../../apps/m/replica.ts";
import { createWebApp } from "../../apps/web/app.ts";
import { Gateway, inboxPrefix } from "../../apps/ws/gateway.ts";
import { alertsOf } from "../../components/lib/alerts.ts";
import { logMetricInputs, logMetrics } from "../../components/lib/log-metrics.ts";
import { uptimePaths } from "../../components/lib/uptime.ts";
import { repository } from "../support/checkout.ts";
import { eventually } from "../support/eventually.ts";
import { Client, gatewayParts } from "../support/gateway.ts";
import { entryOf, extract, type LogEntry, matches } from "../support/log-filter.ts";
import { MemoryBus } from "../support/memory-bus.ts";
import { MemoryStore, writing } from "../support/memory-store.ts";
import { NatsServer } from "../support/nats.ts";

/** A log as an instance on App Engine has it. */
function logOf(service: string) {
  const entries: LogEntry[] = [];
  const log = createLog(
    { service, version: "v1", instance: "00c61b117ca010f5f64d25d7" },
    { sink: { write: (line) => entries.push(entryOf(line, service)) }, readable: false },
  );
  return { log, entries };
}

async function serving<T>(
  handler: RequestListener,
  use: (port: number, server: ReturnType<typeof createHttpServer>) => Promise<T>,
): Promise<T> {
  const server = createHttpServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use((server.address() as AddressInfo).port, server);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const figuresOf = (entries: readonly LogEntry[], text: string): Record<string, unknown>[] =>
  entries.flatMap(({ jsonPayload }) => (jsonPayload["message"] === text ? [jsonPayload] : []));

/** The sum of a figure over all lines. */
const sum = (lines: readonly Record<string, unknown>[], field: string): number =>
  lines.reduce((all, line) => all + Number(line[field]), 0);

/** What a gateway logs that has NATS, sockets and messages, and then no NATS any more. */
async function gatewayEntries(): Promise<readonly LogEntry[]> {
  const { log, entries } = logOf("ws");
  await using nats = await NatsServer.start();
  const stopping = new AbortController();
  const bus = new NatsBus({ name: "ws", servers: [nats.url], inboxPrefix, log });
  const gateway = new Gateway({
    ...{ ...gatewayParts(), bus, log, signal: stopping.signal, limits: { brokerGraceMs: 1 } },
  });
  gateway.reportFigures(60_000);
  await serving(gateway.handler, async (port, server) => {
    gateway.attach(server);
    await eventually("NATS is there", () => bus.connected);
    const clients = await Promise.all([1, 2].map(() => Client.open(`ws://127.0.0.1:${port}/ws/a`)));
    clients[0]?.websocket.send("x");
    for (const client of clients) await client.received(1);
    await nats.signal("SIGKILL");
    for (const client of clients) await client.closing();
  });
  stopping.abort();
  await gateway.stop(50);
  await bus.close();
  return entries;
}

/** A replica in this process that serves. */
async function withReplica<T>(
  use: (parts: { replica: Replica; entries: LogEntry[]; handler: RequestListener }) => Promise<T>,
): Promise<T> {
  const { log, entries } = logOf("m");
  const stopping = new AbortController();
  const { signal } = stopping;
  const replica = new Replica({
    identity: { replica: "own", instance: undefined, version: "v1" },
    ...{ store: new MemoryStore(), bus: new MemoryBus(), log, signal, leaseMs: 600_000 },
    publisher: { publish: () => Promise.resolve(), close: () => Promise.resolve() },
  });
  const handler = createMApp({
    ...{ replica, topic: "m", log, signal, project: "p" },
    verifyPush: () => Promise.resolve(),
  });
  try {
    assert.ok(await replica.whenServing(10_000));
    return await use({ replica, entries, handler });
  } finally {
    stopping.abort();
    await replica.stop();
  }
}

async function replicaEntries(): Promise<readonly LogEntry[]> {
  return withReplica(async ({ replica, entries }) => {
    // A second line begins anew.
    replica.reportFigures(5);
    await replica.post(writing({ k: 1 }), 1_000);
    const written = (): boolean => sum(figuresOf(entries, "replica figures"), "posts") > 0;
    await eventually("the figures of the POST", written);
    const lines = entries.length;
    await eventually("one more line", () => entries.length > lines);
    return entries;
  });
}

const all: LogEntry[] = [];
before(async () => {
  all.push(...(await gatewayEntries()), ...(await replicaEntries()));
});

describe("what the apps log", () => {
  for (const metric of logMetrics({ replicated: true })) {
    it(`has what the metric ${metric.name} is made of`, () => {
      const { filter, labelExtractors, valueExtractor } = logMetricInputs(metric);
      const found = all.filter((entry) => matches(filter, entry));
      assert.ok(found.length > 0, `no line matches ${filter}`);
      for (const [label, extractor] of Object.entries(labelExtractors)) {
        for (const entry of found) {
          const value = extract(extractor, entry);
          assert.ok(typeof value === "string" && value !== "", `${label} is ${String(value)}`);
        }
      }
      if (valueExtractor !== undefined) {
        const numbers = found.filter((entry) => Number.isFinite(extract(valueExtractor, entry)));
        assert.ok(numbers.length > 0, `no line has a number for ${valueExtractor}`);
      }
    });
  }

  for (const { id, trigger } of alertsOf({ natsMachines: ["nats-0"], replicas: 2 })) {
    if (trigger.kind !== "log") continue;
    it(`has the line of which the alert ${id} tells`, () => {
      assert.ok(all.some((entry) => matches(trigger.filter, entry)));
    });
  }

  it("counts of a gateway: its websockets, what came, and what went to each of them", () => {
    const lines = figuresOf(all, "gateway figures");
    assert.equal(sum(lines, "opened"), 2);
    assert.equal(sum(lines, "messagesIn"), 1);
    assert.equal(sum(lines, "messagesOut"), 2);
    assert.equal(lines.at(-1)?.["connections"], 0);
    assert.ok(sum(lines, "natsAwayMs") > 0);
    assert.equal(lines.at(-1)?.["ready"], 0);
  });

  it("counts a POST of a replica once, and says no time where there was none", () => {
    const lines = figuresOf(all, "replica figures");
    assert.equal(sum(lines, "posts"), 1);
    assert.equal(sum(lines, "unconfirmed"), 0);
    for (const line of lines) assert.equal("confirmMs" in line, line["posts"] !== 0);
    assert.equal(lines.at(-1)?.["rev"], 1);
    assert.equal(lines.at(-1)?.["missing"], 0);
    assert.ok(lines.some((line) => line["serving"] === 1));
    assert.equal(lines.at(-1)?.["serving"], 0, "it stops");
  });

  it("puts nothing but numbers among the figures, but for what every line has", () => {
    for (const text of ["gateway figures", "replica figures"]) {
      for (const { message, serviceContext, instance, ...figures } of figuresOf(all, text)) {
        assert.deepEqual([typeof message, typeof instance], ["string", "string"]);
        assert.deepEqual(serviceContext, {
          service: text === "gateway figures" ? "ws" : "m",
          version: "v1",
        });
        for (const [name, value] of Object.entries(figures)) {
          assert.equal(typeof value, "number", name);
        }
      }
    }
  });
});

describe("a filter", () => {
  const entry = entryOf('{"severity":"WARNING","time":"t","message":"a","b":{"c":1}}', "ws");
  it("takes what has all that it asks for, and nothing else", () => {
    assert.ok(matches('resource.type="gae_app" AND jsonPayload.message="a"', entry));
    assert.ok(!matches('resource.type="gae_app" AND jsonPayload.message="b"', entry));
    assert.ok(matches("severity>=WARNING", entry));
    assert.ok(!matches("severity>=ERROR", entry));
    assert.equal(extract("EXTRACT(jsonPayload.b.c)", entry), 1);
    assert.equal(extract("EXTRACT(jsonPayload.d.c)", entry), undefined);
  });
  it("that is of another form is an error", () => {
    assert.throws(() => matches("jsonPayload.message:a", entry), /not understood/);
    assert.throws(() => extract("jsonPayload.b", entry), /not understood/);
  });
});

describe("what probes ask", () => {
  const { log } = logOf("test");
  const { signal } = new AbortController();
  // The site's scripts are made by a bundler; the page is all that is asked for.
  const page = {
    ...{ path: "/", type: "text/html", etag: '"1"' },
    body: readFileSync(join(repository, "apps/web/page/index.html")),
  };
  const ask = (handler: RequestListener, path: string) =>
    serving(handler, async (port) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: response.status, body: await response.text() };
    });
  const handlers: Readonly<
    Record<string, (use: (h: RequestListener) => Promise<void>) => Promise<void>>
  > = {
    web: (use) => use(createWebApp({ site: [page], log, signal })),
    add: (use) => {
      const bus = new MemoryBus();
      return use(createAddApp({ bus, calculator: createCalculator(bus), log, signal }));
    },
    ws: async (use) => {
      const gateway = new Gateway({ ...gatewayParts(), bus: new MemoryBus(), log, signal });
      await use(gateway.handler);
      await gateway.stop(50);
    },
    m: (use) => withReplica(({ handler }) => use(handler)),
  };
  for (const { service, path, status, contains } of uptimePaths(["web", "add", "ws", "m"])) {
    it(`is answered by ${service} as they want it`, async () => {
      await handlers[service]?.(async (handler) => {
        const answer = await ask(handler, path);
        assert.equal(answer.status, status);
        assert.ok(answer.body.includes(contains), answer.body);
      });
    });
  }
});
