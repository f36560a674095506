import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { apps } from "../../components/lib/apps.ts";
import { bundleApp, writeBundle } from "../../components/lib/bundle.ts";
import { Client, openGateway } from "../support/gateway.ts";
import { NatsServer } from "../support/nats.ts";
import { ServiceProcess } from "../support/process.ts";

const root = join(import.meta.dirname, "../..");
let folder = "";

before(async () => {
  // Far from node_modules: what the bundle lacks it does not find.
  folder = await mkdtemp(join(tmpdir(), "bundle-test-"));
  for (const [name, app] of Object.entries(apps)) {
    writeBundle(bundleApp(root, app), join(folder, name));
  }
});

after(() => rm(folder, { recursive: true, force: true }));

function start(name: string, env: Record<string, string> = {}): ServiceProcess {
  return new ServiceProcess(join(folder, name, "main.js"), env);
}

/** Google's clients for Datastore and Pub/Sub, with gRPC under them, are the larger part of m. */
const largest: Readonly<Record<keyof typeof apps, number>> = {
  ...{ web: 1_500_000, add: 1_500_000, ws: 1_500_000 },
  m: 3_000_000,
};

describe("what is deployed of the apps", () => {
  for (const [name, limit] of Object.entries(largest)) {
    it(`is at most ${limit / 1e6} MB for ${name}`, () => {
      const { files } = bundleApp(root, apps[name as keyof typeof apps]);
      const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
      assert.ok(bytes <= limit, `${bytes} bytes`);
    });
  }

  it("works by itself: a result of add reaches a websocket of ws", async () => {
    await using nats = await NatsServer.start();
    await using add = start("add", { NATS_URL: nats.url });
    await using ws = start("ws", { NATS_URL: nats.url, ...openGateway });
    const client = await Client.open(`${(await ws.ready()).replace("http", "ws")}/ws/add`);
    const response = await fetch(`${await add.ready()}/api/add/sum`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"a":40,"b":2}',
    });
    assert.deepEqual(await response.json(), { res: 42 });
    assert.deepEqual(await client.received(1), ["42"]);
    assert.equal((await ws.end()).code, 0);
    assert.equal((await add.end()).code, 0);
    assert.deepEqual([add.other, ws.other], ["", ""], "nothing but log records is written");
  });

  it("serves the site from its archive", async () => {
    await using web = start("web");
    const url = await web.ready();
    assert.match(await (await fetch(url)).text(), /<script type="module" src="\/console.js">/);
    const script = await (await fetch(`${url}/console.js`)).text();
    assert.match(script, /\/console\.json/);
    assert.doesNotMatch(script, /: readonly /);
    assert.equal((await web.end()).code, 0);
    assert.equal(web.other, "");
  });
});
