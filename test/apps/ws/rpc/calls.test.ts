import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { connect, headers, type Msg, type NatsConnection } from "nats";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import { rpcHeaders } from "../../../../apps/lib/rpc.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { inboxPrefix } from "../../../../apps/ws/gateway.ts";
import type { RpcOutcome } from "../../../../apps/ws/protocol/effects.ts";
import { type CallRequest, Calls } from "../../../../apps/ws/rpc/calls.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { NatsServer } from "../../../support/nats.ts";

const internal = { code: 100, message: "internal server error", temporary: true };
const tooMany = { code: 111, message: "too many requests", temporary: true };
const notFound = { code: 104, message: "method not found" };

describe("calls over NATS", () => {
  let server: NatsServer;
  let bus: NatsBus;
  let service: NatsConnection;
  let complaints: string[] = [];
  before(async () => {
    server = await NatsServer.start();
    const { log } = collectingLog();
    bus = new NatsBus({ name: "gateway", servers: [server.url], inboxPrefix, log });
    service = await connect({ servers: server.url });
    await eventually("the gateway is connected to NATS", () => bus.connected);
  });
  after(async () => {
    await service.close();
    await bus.close();
    await server[Symbol.asyncDispose]();
  });

  function make(options: object = {}, maxCallBytes = 1_000_000): Calls {
    complaints = [];
    const rpc = decodeConfig({ rpc: { without_namespace: { enabled: true }, ...options } }).rpc;
    return new Calls({
      ...{ bus, rpc, limits: { maxCallBytes } },
      complain: (error, what) => complaints.push(`${what}: ${String(error)}`),
    });
  }

  const request = (method: string, more: Partial<CallRequest> = {}): CallRequest => ({
    method,
    data: Buffer.from("[1]"),
    caller: '{"user":"ä","client":"c"}',
    withinMs: 20_000,
    ...more,
  });

  async function outcomeOf(calls: Calls, what: CallRequest): Promise<RpcOutcome> {
    const { outcome, letGo } = await calls.call(what);
    letGo();
    letGo();
    assert.equal(calls.count, 0);
    return outcome;
  }

  /** A service that answers as it is told, until the test's end. */
  async function answering(
    t: TestContext,
    method: string,
    answer: (message: Msg) => void,
  ): Promise<void> {
    const subscription = service.subscribe(`rpc.${method}`, {
      callback: (_error, message) => {
        answer(message);
      },
    });
    t.after(() => {
      subscription.unsubscribe();
    });
    await service.flush();
  }

  it("are answered by whoever serves them, which is told who calls", async (t) => {
    const calls = make();
    const bytes = Uint8Array.from([0, 255, 10]);
    await answering(t, "echo", (message) => {
      assert.equal(message.headers?.get(rpcHeaders.caller), '{"user":"ä","client":"c"}');
      message.respond(message.data);
    });
    const outcome = await outcomeOf(calls, request("echo", { data: bytes }));
    assert.deepEqual(outcome.ok && Uint8Array.from(outcome.data), bytes);
    const nothing = await outcomeOf(calls, request("echo", { data: new Uint8Array() }));
    assert.deepEqual(nothing.ok && nothing.data.length, 0);
  });

  it("can be answered by the services of NATS's own clients, errors too", async () => {
    const calls = make();
    const framework = await service.services.add({ name: "shop", version: "1.0.0" });
    framework.addEndpoint("order", {
      subject: "rpc.shop.order",
      handler: (error, message) => {
        assert.equal(error, null);
        if (message.string() === "[1]") message.respond("ordered");
        else message.respondError(409, "sold out");
      },
    });
    await service.flush();
    const ordered = await outcomeOf(calls, request("shop:order"));
    assert.equal(ordered.ok && Buffer.from(ordered.data).toString(), "ordered");
    const refused = await outcomeOf(calls, request("shop:order", { data: Buffer.from("[2]") }));
    assert.deepEqual(refused, { ok: false, error: { code: 409, message: "sold out" } });
    await framework.stop();
  });

  it("of what nobody serves are 104, at once; what is not answered in time is 100, and so is no NATS", async (t) => {
    const calls = make();
    assert.deepEqual(await outcomeOf(calls, request("nobody")), { ok: false, error: notFound });
    assert.deepEqual(complaints, []);
    await answering(t, "silent", () => undefined);
    const silent = await outcomeOf(calls, request("silent", { withinMs: 50 }));
    assert.deepEqual(silent, { ok: false, error: internal });
    assert.match(complaints.join(), /no answer on rpc.silent within 50 ms/);
    const { log } = collectingLog();
    const away = new NatsBus({ name: "x", servers: ["nats://127.0.0.1:1"], inboxPrefix, log });
    const { rpc } = decodeConfig({});
    const limits = { maxCallBytes: 1 };
    const lost = new Calls({ bus: away, rpc, limits, complain: () => undefined });
    const data = new Uint8Array();
    assert.deepEqual((await lost.call(request("x", { data }))).outcome, {
      ok: false,
      error: internal,
    });
    await away.close();
  });

  const answers: [code: string | undefined, text: string | undefined, error: object][] = [
    ["400", "wrong", { code: 400, message: "wrong" }],
    ["1999", "", { code: 1_999, message: "" }],
    ["404", undefined, { code: 404, message: "" }],
    ["500", "é".repeat(2_000), { code: 500, message: "é".repeat(1_000) }],
    ["111", undefined, tooMany],
    ["103", "not you", { code: 103, message: "not you" }],
    ...["399", "2000", "113", "0", "-1", "4e2", "x", "", "99999"].map(
      (code): [string, string, object] => [code, "anything", internal],
    ),
    [undefined, "no code", internal],
  ];
  for (const [code, text, error] of answers) {
    it(`answer the code ${code ?? "(none)"} as ${JSON.stringify(error).slice(0, 80)}`, async (t) => {
      const calls = make();
      await answering(t, "failing", (message) => {
        const said = headers();
        if (code !== undefined) said.set(rpcHeaders.errorCode, code);
        if (text !== undefined) said.set(rpcHeaders.errorMessage, text);
        message.respond("ignored", { headers: said });
      });
      assert.deepEqual(await outcomeOf(calls, request("failing")), { ok: false, error });
      assert.equal(complaints.length, error === internal ? 1 : 0, complaints.join());
    });
  }

  it("are bounded in number", async (t) => {
    const calls = make({ total_call_limit: 2 });
    const waiting: Msg[] = [];
    await answering(t, "slow", (message) => void waiting.push(message));
    const under = [calls.call(request("slow")), calls.call(request("slow"))];
    assert.equal(calls.count, 2);
    const third = await calls.call(request("slow"));
    assert.deepEqual(third.outcome, { ok: false, error: tooMany });
    third.letGo();
    assert.equal(calls.count, 2);
    await eventually("the service has both", () => waiting.length === 2);
    for (const message of waiting) message.respond("x");
    for (const call of await Promise.all(under)) call.letGo();
    await answering(t, "echo", (message) => void message.respond(message.data));
    for (let n = 0; n < 3; n += 1) assert.ok((await outcomeOf(calls, request("echo"))).ok);
  });

  it("are bounded in the bytes that they carry, and in those that they bring until somebody has them", async (t) => {
    const calls = make({}, 1_000);
    const waiting: Msg[] = [];
    await answering(t, "slow", (message) => void waiting.push(message));
    const call = (bytes: number) => calls.call(request("slow", { data: new Uint8Array(bytes) }));
    const refused = { ok: false, error: tooMany };
    const first = call(900);
    assert.deepEqual((await call(101)).outcome, refused);
    const second = call(100);
    assert.deepEqual((await call(1)).outcome, refused);
    await eventually("the service has both", () => waiting.length === 2);
    waiting[0]?.respond(new Uint8Array(850));
    const brought = await first;
    assert.equal(brought.outcome.ok, true);
    assert.deepEqual((await call(51)).outcome, refused);
    // It was carried out, so nobody knows but the service: no error that says that it was not.
    waiting[1]?.respond(new Uint8Array(151));
    const late = await second;
    assert.deepEqual(late.outcome, { ok: false, error: internal });
    late.letGo();
    brought.letGo();
    await answering(t, "echo", (message) => void message.respond(message.data));
    const again = await outcomeOf(calls, request("echo", { data: new Uint8Array(1_000) }));
    assert.equal(again.ok, true);
  });

  it("that NATS finds too large are 107", async () => {
    const data = new Uint8Array(1_048_576);
    const outcome = await outcomeOf(make({}, 10_000_000), request("x", { data }));
    assert.deepEqual(outcome, { ok: false, error: { code: 107, message: "bad request" } });
  });

  it("of no client are made by name, where the method is enabled", async (t) => {
    const calls = make({ namespaces: [{ name: "shut" }] });
    await answering(t, "echo", (message) => {
      assert.equal(message.headers?.get(rpcHeaders.caller), '{"user":"","client":""}');
      message.respond(message.data);
    });
    const outcome = await calls.callAsService("echo", Buffer.from("x"));
    assert.equal(outcome.ok && Buffer.from(outcome.data).toString(), "x");
    for (const [name, code] of [
      ["shut:echo", 108],
      ["other", 104],
      ["a.b", 104],
    ] as const) {
      const { ok, ...rest } = await calls.callAsService(name, Buffer.from("x"));
      assert.deepEqual([ok, "error" in rest && rest.error.code], [false, code], name);
    }
    assert.equal(calls.count, 0);
  });
});
