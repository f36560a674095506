import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eventually } from "../../support/eventually.ts";
import { type RunningGateway, startGateway } from "../../support/gateway.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { open } from "./config.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** How many are open at a time, and how often they come and go while it is measured. */
const perWave = 250;
const waves = 6;

/** One connection that does a little of everything. */
async function visit(port: number, index: number): Promise<ProtocolClient> {
  const client = await ProtocolClient.connect(port, { name: "visitor" });
  const channels = [`a.${index % 10}`, `plain:b.${index % 10}`, `shy:own.${index}`];
  for (const channel of channels) {
    const recover = index % 2 === 0 ? { recover: true, offset: 0, epoch: "" } : {};
    await client.command({ subscribe: { channel, ...recover } });
  }
  await client.command({ publish: { channel: channels[index % 2], data: { index } } });
  await client.command({ presence_stats: { channel: channels[0] } });
  await client.command({ history: { channel: channels[0], limit: 5 } });
  if (index % 3 === 0) await client.command({ unsubscribe: { channel: channels[0] } });
  return client;
}

/** Opens a wave, then closes it: some say goodbye, some are gone, some misbehave. */
async function wave(port: number): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: perWave }, (_, index) => visit(port, index)),
  );
  for (const [index, client] of clients.entries()) {
    if (index % 3 === 0) client.websocket.close();
    else if (index % 3 === 1) client.websocket.terminate();
    else client.send({ send: {} });
  }
  await Promise.all(clients.map((client) => client.closing()));
}

interface Footprint {
  readonly heapBytes: number;
  readonly timers: number;
  readonly subscriptions: number;
}

/** @param idle how many subscriptions there are when nobody is there; undefined: as many as there are */
async function footprint(running: RunningGateway, idle?: number): Promise<Footprint> {
  await eventually("everybody has gone", () => running.gateway.counts.connections === 0);
  await eventually("nothing is subscribed to for them", () => running.gateway.counts.topics === 0);
  let subscriptions = 0;
  // Channels stay open for some seconds, for those who come back.
  await eventually("NATS subscriptions end", async () => {
    ({ subscriptions } = await running.nats.counts());
    return subscriptions === (idle ?? subscriptions);
  });
  // The log of the test keeps all that is said.
  (running.lines as string[]).length = 0;
  for (let round = 0; round < 3; round += 1) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const resources = process.getActiveResourcesInfo();
  return {
    heapBytes: process.memoryUsage().heapUsed,
    timers: resources.filter((resource) => resource === "Timeout").length,
    subscriptions,
  };
}

describe("connections that come and go", () => {
  it("leave heap, NATS subscriptions and timers where they were", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "jetstream-"));
    const config = `jetstream { store_dir: ${JSON.stringify(folder)} }`;
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const running = stack.use(await startGateway({ gateway: open, config }));
    const idle = await footprint(running);
    // The first of everything stays: compiled code, metrics of each kind, streams.
    await wave(running.port);
    await wave(running.port);
    const first = await footprint(running);
    for (let count = 0; count < waves; count += 1) await wave(running.port);
    const last = await footprint(running, idle.subscriptions);
    const grownKiB = (last.heapBytes - first.heapBytes) / 1_024;
    t.diagnostic(
      `${perWave * waves} connections: heap grew by ${grownKiB.toFixed(0)} KiB, ` +
        `timers ${first.timers} → ${last.timers}, subscriptions stay ${last.subscriptions}`,
    );
    assert.ok(last.timers <= first.timers, `timers ${first.timers} → ${last.timers}`);
    // A connection that stays, or any large part of it, takes several KiB.
    assert.ok(grownKiB < perWave * waves, `the heap grew by ${grownKiB.toFixed(0)} KiB`);
  });
});
