import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe as suite, it } from "node:test";
import type { EmulatorCommands } from "../../../local/cloud/emulator.ts";
import { alive, gone } from "../../support/alive.ts";
import { emulatorsMissing } from "../../support/emulators.ts";
import { eventually } from "../../support/eventually.ts";
import {
  database,
  environmentOf,
  startCloudWithEmulators,
  subscription,
  topic,
} from "./pubsub-support.ts";
import { deploy, startCloud, type TestCloud } from "./support.ts";

const skip = emulatorsMissing() ?? false;

async function rpc(host: string, method: string, body: unknown): Promise<unknown> {
  const response = await fetch(`http://${host}/v1/projects/p:${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

const key = { path: [{ kind: "Kind", name: "name" }] };

async function write(host: string, value: string): Promise<void> {
  const upsert = { key, properties: { value: { stringValue: value } } };
  await rpc(host, "commit", { mode: "NON_TRANSACTIONAL", mutations: [{ upsert }] });
}

async function read(host: string): Promise<string | undefined> {
  const answer = (await rpc(host, "lookup", { keys: [key] })) as {
    found?: { entity: { properties: { value: { stringValue: string } } } }[];
  };
  return answer.found?.[0]?.entity.properties.value.stringValue;
}

/** Deploys default and answers the environment of its instance. */
async function environment(test: TestCloud): Promise<Readonly<Record<string, string>>> {
  await deploy(test, "d1");
  return environmentOf(test, `appengine.localhost:${test.port}`);
}

suite("a database in Datastore mode", { skip }, () => {
  it("is the emulator, which serves when the first instance starts", async () => {
    await using test = await startCloudWithEmulators();
    const began = performance.now();
    await test.cloud.create(database());
    const declared = performance.now() - began;
    const env = await environment(test);
    const deployed = performance.now() - began;
    assert.ok(declared < deployed / 2, `${declared} of ${deployed} ms: nothing else waits for it`);
    const host = env["DATASTORE_EMULATOR_HOST"] ?? "";
    assert.match(host, /^127\.0\.0\.1:2\d{4}$/);
    assert.equal(env["METADATA_SERVER_DETECTION"], "none");
    await write(host, "kept");
    assert.equal(await read(host), "kept");
    assert.equal(test.cloud.emulators.pubsub.pid, undefined, "no topic, no Pub/Sub");
  });

  it("comes back on its port with its data when the emulator is told to end", async () => {
    await using test = await startCloudWithEmulators();
    await test.cloud.create(database());
    const host = (await environment(test))["DATASTORE_EMULATOR_HOST"] ?? "";
    await write(host, "kept");
    const pid = test.cloud.emulators.datastore.pid ?? 0;
    process.kill(pid, "SIGTERM");
    await gone(pid);
    await eventually("the data is there again", async () => (await read(host)) === "kept");
    await write(host, "goes on");
    process.kill(test.cloud.emulators.datastore.pid ?? 0, "SIGKILL");
    await eventually("it serves again", async () => (await read(host)) === "kept");
  });

  it("loses its data when it is deleted, and leaves nothing behind with the cloud", async () => {
    await using test = await startCloudWithEmulators();
    const { cloud } = test;
    await cloud.create(database());
    const host = (await environment(test))["DATASTORE_EMULATOR_HOST"] ?? "";
    await write(host, "gone");
    const { pid } = cloud.emulators.datastore;
    assert.ok(pid !== undefined);
    await cloud.delete(database());
    assert.ok(!alive(pid));
    await cloud.create(database());
    await cloud.emulators.datastore.serving();
    assert.equal(await read(host), undefined);

    const again = cloud.emulators.datastore.pid ?? 0;
    await cloud.stop();
    assert.ok(!alive(again));
    assert.ok(!existsSync(cloud.folder));
    await assert.rejects(cloud.emulators.datastore.serving(), /the local cloud is stopping/);
  });

  it("in native mode is only written down", async () => {
    await using test = await startCloudWithEmulators();
    const native = database();
    await test.cloud.create({ ...native, inputs: { ...native.inputs, type: "FIRESTORE_NATIVE" } });
    await environment(test);
    assert.equal(test.cloud.emulators.datastore.pid, undefined);
  });
});

suite("an instance", { skip }, () => {
  it("that starts before the first topic has the same Pub/Sub as those that start behind it", async () => {
    await using test = await startCloudWithEmulators();
    const { PUBSUB_EMULATOR_HOST: host = "" } = await environment(test);
    await assert.rejects(fetch(`http://${host}/`));
    await test.cloud.create(topic("m-changes"));
    assert.equal((await fetch(`http://${host}/`)).status, 200);
    await deploy(test, "v1", { service: "m" });
    const env = await environmentOf(test, `m-dot-appengine.localhost:${test.port}`);
    assert.equal(env["PUBSUB_EMULATOR_HOST"], host);
  });
});

suite("an emulator", () => {
  it("begins to start with the cloud where the program will need it", { skip }, async () => {
    await using test = await startCloudWithEmulators({ emulatorsAtOnce: true });
    const { datastore, pubsub } = test.cloud.emulators;
    await eventually("both run", () => datastore.pid !== undefined && pubsub.pid !== undefined);
    const pids = [datastore.pid, pubsub.pid];
    await test.cloud.create(database());
    await test.cloud.create(topic("t-1"));
    assert.deepEqual([datastore.pid, pubsub.pid], pids);
  });

  it("that is not on this machine: the database is written down, the topic refused, the rest runs", async () => {
    await using test = await startCloud({
      emulators: () => Promise.resolve({ missing: "Java is not installed: install it" }),
    });
    await test.cloud.create(database());
    await assert.rejects(test.cloud.create(topic("t-1")), {
      message: "Java is not installed: install it",
    });
    await assert.rejects(test.cloud.create(subscription("s-1", "t-1")), /Java is not installed/);
    const env = await environment(test);
    for (const name of ["DATASTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"]) {
      assert.equal(env[name], undefined, name);
    }
    assert.match(env["GOOGLE_JWKS_URL"] ?? "", /^http:\/\/127\.0\.0\.1:\d+\/oauth2\/v3\/certs$/);
    assert.ok(
      test.lines.includes(
        `cloud    | the database ${database().id} is only written down, for it has no emulator here (docs/local.md)`,
      ),
    );
  });

  it("that does not start fails what needs it, with its last lines, and is tried again the next time", async () => {
    const script = (text: string): EmulatorCommands => ({
      command: () => Promise.resolve({ file: process.execPath, args: ["-e", text] }),
    });
    let fails = true;
    await using test = await startCloud({
      emulators: () =>
        Promise.resolve({
          command: (name, place) =>
            fails
              ? script(`console.error("no memory for ${name}"); process.exit(1)`).command(
                  name,
                  place,
                )
              : script(
                  `require("http").createServer((q, r) => r.end()).listen(${place.port}, "127.0.0.1")`,
                ).command(name, place),
        }),
    });
    await test.cloud.create(database());
    const reason =
      /the datastore emulator ended with exit code 1 before it served; its last lines:\n {2}no memory for datastore/;
    await assert.rejects(deploy(test, "d1"), reason);
    await eventually("it is said too", () =>
      test.lines.some((line) => line.startsWith("cloud    | the datastore emulator ended with")),
    );
    await assert.rejects(test.cloud.create(topic("t-1")), /no memory for pubsub/);
    fails = false;
    await deploy(test, "d1");
    await test.cloud.create(topic("t-1"));
  });

  it("ends with a cloud that stops while it starts", { skip }, async () => {
    await using test = await startCloudWithEmulators();
    const { cloud, lines } = test;
    await cloud.create(database());
    const topics = cloud.create(topic("t-1"));
    topics.catch(() => undefined);
    const pids = await eventually("both are starting", () => {
      const found = [cloud.emulators.datastore.pid, cloud.emulators.pubsub.pid];
      const there = found.filter((pid) => pid !== undefined);
      return there.length === 2 && there;
    });
    await cloud.stop();
    await assert.rejects(topics, /was stopped before it served|the local cloud is stopping/);
    for (const pid of pids) assert.ok(!alive(pid));
    assert.ok(!existsSync(cloud.folder));
    assert.ok(!lines.some((line) => line.includes("was stopped")), lines.join("\n"));
  });
});
