import assert from "node:assert/strict";
import { describe as suite, it } from "node:test";
import { connect, nkeyAuthenticator, type NatsConnection } from "nats";
import nkeys from "nkeys.js";
import type { Picture } from "../../../local/cloud/picture.ts";
import type { Resource } from "../../../local/provider/backend.ts";
import { alive, gone } from "../../support/alive.ts";
import { eventually } from "../../support/eventually.ts";
import { ask, resource, startCloud, type TestCloud } from "./support.ts";

const pair = nkeys.createUser();

function node(index: number, count: number, extra = ""): Resource {
  const addresses = Array.from({ length: count }, (_, i) => `10.0.0.${i + 2}`);
  const config = [
    `server_name: "nats-${index}"`,
    "listen: 0.0.0.0:4222",
    "http: 127.0.0.1:8222",
    "accounts {",
    "  APP {",
    "    jetstream: enabled",
    `    users: [ { nkey: ${pair.getPublicKey()} } ]`,
    "  }",
    "}",
    "jetstream {",
    '  store_dir: "/data"',
    "}",
    ...(count > 1
      ? [
          "cluster {",
          '  name: "c1"',
          "  listen: 0.0.0.0:6222",
          `  routes: ${JSON.stringify(addresses.map((address) => `nats://${address}:6222`))}`,
          "}",
        ]
      : []),
    extra,
  ];
  const userData = [
    "#cloud-config",
    "write_files:",
    "  - path: /etc/nats/nats-server.conf",
    "    content: |",
    ...config.map((line) => `      ${line}`),
  ].join("\n");
  return resource("gcp:compute/instance:Instance", `nats-${index}`, {
    name: `nats-${index}`,
    metadata: { "user-data": userData },
    networkInterfaces: [{ networkIp: addresses[index] }],
    attachedDisks: [{ source: `projects/p/zones/z/disks/nats-${index}-data` }],
  });
}

async function declareAddresses({ cloud }: TestCloud, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const inputs = { address: `10.0.0.${i + 2}` };
    await cloud.create(resource("gcp:compute/address:Address", `nats-${i}`, inputs));
  }
}

async function client({ cloud }: TestCloud, index = 0): Promise<NatsConnection> {
  const port = await cloud.addresses.port(`10.0.0.${index + 2}`, 4222);
  return connect({
    servers: `127.0.0.1:${port}`,
    authenticator: nkeyAuthenticator(pair.getSeed()),
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
  });
}

/** As the console sees the machine. */
async function picturedNats({ port }: TestCloud): Promise<Picture["nats"][number] | undefined> {
  const { body } = await ask(port, "/_local/system");
  return (JSON.parse(body) as Picture).nats.find(({ name }) => name === "nats-0");
}

suite("a NATS machine", () => {
  it("of another version than the one at hand is refused", async () => {
    const test = await startCloud();
    try {
      await declareAddresses(test, 1);
      const other = node(0, 1);
      const metadata = other.inputs["metadata"] as Record<string, string>;
      const userData = `${metadata["user-data"] ?? ""}\n# docker run library/nats:2.99.1@sha256:0`;
      const inputs = { ...other.inputs, metadata: { "user-data": userData } };
      await assert.rejects(
        test.cloud.create({ ...other, inputs }),
        /nats-server 2\.99\.1 is declared/,
      );
    } finally {
      await test.cloud.stop();
    }
  });

  it("runs nats-server with its own configuration, where its address stands for a port here", async () => {
    await using test = await startCloud();
    await declareAddresses(test, 1);
    await test.cloud.create(node(0, 1));
    const nats = await client(test);
    assert.equal(nats.info?.server_name, "nats-0");
    const port = await test.cloud.addresses.port("10.0.0.2", 4222);
    await assert.rejects(connect({ servers: `127.0.0.1:${port}` }), /Authorization/);
    await nats.close();
  });

  it("that dies comes back on its port with its data, so that clients go on", async () => {
    await using test = await startCloud();
    await declareAddresses(test, 1);
    await test.cloud.create(node(0, 1));
    const nats = await client(test);
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: "S", subjects: ["s"] });
    await nats.jetstream().publish("s", "kept");
    const pid = test.cloud.nats.pid("nats-0") ?? 0;
    const { body } = await ask(test.port, "/_local/kill", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ nats: "nats-0" }),
    });
    assert.deepEqual(JSON.parse(body), { killed: { pid } });
    assert.equal((await picturedNats(test))?.state, "restarting");
    await gone(pid);
    await eventually("it is live again", async () => (await picturedNats(test))?.state === "live");
    assert.equal((await picturedNats(test))?.starts, 2);
    assert.notEqual(test.cloud.nats.pid("nats-0"), pid);
    await eventually("the client reads the message again", async () => {
      return (await manager.streams.getMessage("S", { seq: 1 })).string() === "kept";
    });
    await nats.close();
  });

  it("whose configuration changes is restarted with it; a replaced one keeps its disk", async () => {
    await using test = await startCloud();
    await declareAddresses(test, 1);
    const first = node(0, 1);
    await test.cloud.create(first);
    const nats = await client(test);
    await (await nats.jetstreamManager()).streams.add({ name: "S", subjects: ["s"] });
    await test.cloud.update(node(0, 1, "max_payload: 2KB"), first);
    await eventually("the new setting holds", () => nats.info?.max_payload === 2048);
    await test.cloud.delete(first);
    assert.equal(test.cloud.nats.pid("nats-0"), undefined);
    await test.cloud.create(node(0, 1));
    await eventually("the stream is there", async () => {
      return (await (await nats.jetstreamManager()).streams.names().next()).includes("S");
    });
    await nats.close();
  });

  it("whose configuration cannot be translated is refused and nothing runs", async () => {
    await using test = await startCloud();
    await declareAddresses(test, 1);
    await assert.rejects(
      test.cloud.create(node(0, 1, 'log_file: "/tmp/x"')),
      /line 13: log_file: "\/tmp\/x" \(log_file is not known here\)/,
    );
    assert.equal(test.cloud.nats.pid("nats-0"), undefined);
  });

  it("whose configuration nats-server refuses fails its creation with the server's words", async () => {
    await using test = await startCloud();
    await declareAddresses(test, 1);
    await assert.rejects(
      test.cloud.create(node(0, 1, "max_payload: potato")),
      /nats-0 ended with exit code 1 before it served; its last lines:[^]*nats-server\.conf:13/,
    );
  });

  it("is one of three that form a cluster", async () => {
    const test = await startCloud();
    try {
      await declareAddresses(test, 3);
      for (let i = 0; i < 3; i++) await test.cloud.create(node(i, 3));
      const [a, b] = await Promise.all([client(test, 0), client(test, 2)]);
      await eventually("a stream with three replicas can be made", async () => {
        const manager = await a.jetstreamManager();
        const info = await manager.streams.add({ name: "R", subjects: ["r"], num_replicas: 3 });
        return info.cluster?.replicas?.length === 2;
      });
      const heard = (async () => {
        for await (const message of b.subscribe("hi", { max: 1 })) return message.string();
        return undefined;
      })();
      await b.flush();
      await eventually("the interest is known to the other node", async () => {
        a.publish("hi", "over the cluster");
        await a.flush();
        return (
          (await Promise.race([heard, new Promise((r) => setTimeout(r, 100))])) ===
          "over the cluster"
        );
      });
      await Promise.all([a.close(), b.close()]);
    } finally {
      const pids = [0, 1, 2].map((i) => test.cloud.nats.pid(`nats-${i}`) ?? 0);
      await test.cloud.stop();
      for (const pid of pids) assert.ok(!alive(pid));
    }
  });
});
