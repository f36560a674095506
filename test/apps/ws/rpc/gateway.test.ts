import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import { type RpcCaller, RpcError, type RpcMethod, serveRpc } from "../../../../apps/lib/rpc.ts";
import { clientKinds } from "../../../support/client-kind.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { hmacKey, token } from "../../../support/gateway-pair.ts";
import { Client, type RunningGateway, startGateway } from "../../../support/gateway.ts";
import { NpmClient } from "../../../support/npm-client.ts";

const options = {
  client: { token: { hmac_secret_key: hmacKey }, ping_interval: "5s", pong_timeout: "4s" },
  rpc: {
    without_namespace: { enabled: true },
    namespaces: [{ name: "brief", enabled: true, timeout: "100ms" }],
    connection_call_limit: 40,
  },
};
const large = Buffer.from(JSON.stringify("x".repeat(200_000)));

describe("calls of clients", () => {
  let running: RunningGateway;
  let bus: NatsBus;
  let held = Promise.withResolvers<Uint8Array>();
  const callers: RpcCaller[] = [];
  const stopping = new AbortController();
  before(async () => {
    running = await startGateway({ gateway: options });
    const { log } = collectingLog();
    bus = new NatsBus({ name: "service", servers: [running.nats.url], log });
    const methods: Record<string, RpcMethod> = {
      echo: (data, caller) => {
        callers.push(caller);
        return Promise.resolve(data);
      },
      refuse: () => Promise.reject(new RpcError(402, "pay first")),
      large: () => Promise.resolve(large),
      hold: () => held.promise,
      "brief:hold": () => held.promise,
    };
    serveRpc({ bus, log, service: "test", methods, signal: stopping.signal });
    await eventually("the service is connected", () => bus.connected);
  });
  after(async () => {
    held.resolve(Buffer.from(""));
    stopping.abort();
    await bus.close();
    await running[Symbol.asyncDispose]();
  });

  const claims = { sub: "ada", info: { name: "Ada" }, meta: { role: "admin" } };
  async function connected(kind: "jsonWebsocket" | "protobufWebsocket"): Promise<NpmClient> {
    return NpmClient.connect(running.port, {
      kind: clientKinds[kind],
      token: await token(claims),
      debug: false,
    });
  }

  for (const kind of ["jsonWebsocket", "protobufWebsocket"] as const) {
    it(`of the kind ${clientKinds[kind].name} say who calls, and bring what the service answers`, async () => {
      using client = await connected(kind);
      callers.length = 0;
      for (const data of [{ a: [1, "é"] }, null, "text"]) {
        assert.deepEqual(await client.rpc("echo", data), data);
      }
      assert.deepEqual(callers[0], {
        user: "ada",
        client: client.id,
        info: { name: "Ada" },
        meta: { role: "admin" },
      });
      await assert.rejects(client.rpc("refuse", {}), { code: 402, message: "pay first" });
      await assert.rejects(client.rpc("nobody", {}), { code: 104 });
      await assert.rejects(client.rpc("brief:hold", {}), { code: 100 });
      await assert.rejects(client.rpc("other:hold", {}), { code: 104 });
    });
  }

  it("carry any bytes in protobuf, and bring them as they are", async () => {
    using client = await connected("protobufWebsocket");
    const echo = async (sent: Uint8Array): Promise<number[]> => {
      const { data } = (await client.client.rpc("echo", sent)) as { readonly data: unknown };
      assert.ok(data instanceof Uint8Array);
      return [...data];
    };
    const bytes = [0, 255, 10, 13, 128];
    assert.deepEqual(await echo(Uint8Array.from(bytes)), bytes);
    assert.deepEqual(await echo(new Uint8Array()), []);
  });

  it("do not hold each other up, and are refused while one client has too many under way", async () => {
    using client = await connected("jsonWebsocket");
    using other = await connected("jsonWebsocket");
    held = Promise.withResolvers();
    const slow = Array.from({ length: 40 }, () => client.rpc("hold", 1));
    await assert.rejects(client.rpc("echo", 1), { code: 111 });
    assert.equal(await other.rpc("echo", 1), 1);
    held.resolve(Buffer.from("7"));
    assert.deepEqual(new Set(await Promise.all(slow)), new Set([7]));
    assert.equal(await client.rpc("echo", 1), 1);
  });

  it("are answered one after the other, as the client reads, where answers are large", async () => {
    const client = await Client.open(`ws://127.0.0.1:${running.port}/connection/websocket`);
    const send = (...commands: object[]): void => {
      client.websocket.send(commands.map((command) => JSON.stringify(command)).join("\n"));
    };
    send({ id: 1, connect: { token: await token(claims) } });
    await client.received(1);
    let most = 0;
    const watch = new AbortController();
    const watching = (async () => {
      while (!watch.signal.aborted) {
        most = Math.max(most, running.gateway.backlogBytes);
        await setImmediate();
      }
    })();
    send(...Array.from({ length: 40 }, (_, n) => ({ id: n + 2, rpc: { method: "large" } })));
    await client.received(41);
    watch.abort();
    await watching;
    assert.equal(client.closed, undefined);
    // All of them together are eight times what may wait for one client.
    assert.ok(most <= 2 * large.length + 65_536, String(most));
    client.websocket.close();
  });

  it("leave nothing behind when clients go while they wait, or NATS does", async () => {
    held = Promise.withResolvers();
    const client = await connected("jsonWebsocket");
    for (let n = 0; n < 3; n += 1) client.rpc("hold", 1).catch(() => undefined);
    assert.equal(await client.rpc("echo", 1), 1);
    client.close();
    using next = await connected("jsonWebsocket");
    const last = next.rpc("hold", 1);
    // It may be refused before the end of NATS is known here.
    last.catch(() => undefined);
    await running.nats.signal("SIGKILL");
    await assert.rejects(last, { code: 100 });
    await assert.rejects(next.rpc("echo", 1), { code: 100 });
    await running.nats.restart();
    held.resolve(Buffer.from("1"));
    await eventually("calls are answered again", async () => (await next.rpc("echo", 1)) === 1);
    assert.equal(next.events.filter((event) => event === "connected").length, 1);
  });
});
