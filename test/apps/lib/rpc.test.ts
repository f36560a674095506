import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { connect, headers, type Msg, type NatsConnection } from "nats";
import { NatsBus } from "../../../apps/lib/nats-bus.ts";
import {
  type RpcCaller,
  RpcError,
  rpcHeaders,
  type RpcMethod,
  type RpcOptions,
  rpcSubject,
  serveRpc,
} from "../../../apps/lib/rpc.ts";
import { collectingLog } from "../../support/collecting-log.ts";
import { eventually } from "../../support/eventually.ts";
import { NatsServer } from "../../support/nats.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const ada = '{"user":"ada","client":"c-1","info":{"name":"Ada"},"meta":{"role":"admin"}}';

/** A nats-server, and a client of it that calls as a gateway does. */
class World implements AsyncDisposable {
  readonly server: NatsServer;
  readonly gateway: NatsConnection;
  readonly #open: AsyncDisposable[] = [];

  private constructor(server: NatsServer, gateway: NatsConnection) {
    this.server = server;
    this.gateway = gateway;
  }

  static async start(config = ""): Promise<World> {
    const server = await NatsServer.start({ config });
    return new World(server, await connect({ servers: server.url, reconnectTimeWait: 50 }));
  }

  /** One instance of a service that answers calls, once NATS knows that it does. */
  async serve(
    methods: Readonly<Record<string, RpcMethod>>,
    options: Partial<RpcOptions> = {},
  ): Promise<{
    readonly bus: NatsBus;
    readonly lines: readonly string[];
    readonly stopping: AbortController;
    whenDone(withinMs: number): Promise<void>;
  }> {
    const { log, lines } = collectingLog();
    const bus = new NatsBus({ name: "service", servers: [this.server.url], log });
    this.#open.push({ [Symbol.asyncDispose]: () => bus.close() });
    const stopping = new AbortController();
    const { signal } = stopping;
    const rpc = serveRpc({ bus, log, service: "test", methods, signal, ...options });
    await eventually("it is connected", () => bus.connected);
    return { bus, lines, stopping, whenDone: (ms) => rpc.whenDone(ms) };
  }

  async call(
    method: string,
    data: string | Uint8Array,
    caller = ada,
    timeout = 20_000,
  ): Promise<Msg> {
    const sent = headers();
    if (caller !== "") sent.set(rpcHeaders.caller, caller);
    return this.gateway.request(rpcSubject(method), data, { timeout, headers: sent });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close();
    await Promise.all(this.#open.map((each) => each[Symbol.asyncDispose]()));
    await this.server[Symbol.asyncDispose]();
  }
}

/** What an answer says of an error; undefined when it says of none. */
function errorOf(answer: Msg): { code: string; message: string } | undefined {
  const code = answer.headers?.get(rpcHeaders.errorCode) ?? "";
  if (code === "") return undefined;
  return { code, message: answer.headers?.get(rpcHeaders.errorMessage) ?? "" };
}

describe("a service that answers calls", () => {
  let world: World;
  before(async () => {
    world = await World.start();
  });
  after(() => world[Symbol.asyncDispose]());

  it("is told what is called with which bytes and by whom", async () => {
    const callers: RpcCaller[] = [];
    await world.serve({
      echo: (data, caller) => {
        callers.push(caller);
        return Promise.resolve(data);
      },
      "shop:order": () => Promise.resolve(bytes("ordered")),
    });
    const binary = Uint8Array.from([0, 255, 10, 13, 0x80]);
    const answer = await world.call("echo", binary);
    assert.deepEqual(
      [Uint8Array.from(answer.data), answer.headers?.get(rpcHeaders.errorCode) ?? ""],
      [binary, ""],
    );
    assert.equal((await world.call("echo", "")).data.length, 0);
    assert.equal((await world.call("shop:order", "x")).string(), "ordered");
    const anonymous = '{"user":"","client":"c-2"}';
    await world.call("echo", "x", anonymous);
    await world.call("echo", "x", "");
    const said = { user: "ada", client: "c-1", info: { name: "Ada" }, meta: { role: "admin" } };
    const unsaid = { info: undefined, meta: undefined };
    assert.deepEqual(callers, [
      said,
      said,
      { user: "", client: "c-2", ...unsaid },
      { user: "", client: "", ...unsaid },
    ]);
  });

  it("does nothing for a header that says not who calls, and nothing without a caller who waits", async () => {
    let calls = 0;
    await world.serve({
      count: () => {
        calls += 1;
        return Promise.resolve(bytes(""));
      },
    });
    for (const caller of ["{", "null", "[]", '{"user":"ada"}', '{"user":1,"client":"c"}']) {
      const error = errorOf(await world.call("count", "x", caller));
      assert.deepEqual(error, { code: "107", message: "bad request" }, caller);
    }
    world.gateway.publish(rpcSubject("count"), "x");
    await world.call("count", "x");
    assert.equal(calls, 1);
  });

  it("answers an error of its own as it is, on one line, and a bug as 100, which it writes down", async () => {
    const { lines } = await world.serve({
      refuse: () => Promise.reject(new RpcError(404, "there is no\r\nsuch thing: é")),
      break: () => Promise.reject(new Error("password=hidden")),
      breakAtOnce: () => {
        throw new Error("at once");
      },
      large: () => Promise.resolve(new Uint8Array(1_048_577)),
    });
    const refused = errorOf(await world.call("refuse", ""));
    assert.deepEqual(refused, { code: "404", message: "there is no such thing: é" });
    for (const method of ["break", "breakAtOnce", "large"]) {
      const error = errorOf(await world.call(method, ""));
      assert.deepEqual(error, { code: "100", message: "internal server error" }, method);
    }
    const logged = lines.join("\n");
    assert.match(
      logged,
      /"bug: a call failed".*password=hidden|password=hidden.*"bug: a call failed"/,
    );
    assert.match(logged, /an answer cannot be sent/);
  });

  it("gives each call to one of its instances", async () => {
    const seen: string[] = [];
    const once = (name: string): RpcMethod => {
      return (data) => {
        seen.push(Buffer.from(data).toString());
        return Promise.resolve(bytes(name));
      };
    };
    await world.serve({ once: once("a") });
    await world.serve({ once: once("b") });
    const calls = Array.from({ length: 100 }, (_, n) => world.call("once", String(n)));
    const by = (await Promise.all(calls)).map((answer) => answer.string());
    assert.deepEqual([...new Set(by)].sort(), ["a", "b"]);
    assert.equal(seen.length, 100);
    assert.equal(new Set(seen).size, 100);
  });

  it("has no more calls under way than it may, and answers 111 to others", async () => {
    const hold = Promise.withResolvers<Uint8Array>();
    await world.serve({ wait: () => hold.promise }, { maxUnderWay: 3 });
    const calls = [1, 2, 3, 4, 5].map(() => world.call("wait", ""));
    const refused = await Promise.race(calls);
    assert.deepEqual(errorOf(refused), { code: "111", message: "too many requests" });
    hold.resolve(bytes("done"));
    const errors = (await Promise.all(calls)).map((answer) => errorOf(answer)?.code);
    assert.deepEqual(errors, [undefined, undefined, undefined, "111", "111"]);
    assert.equal((await world.call("wait", "")).string(), "done");
  });

  it("answers what came before it stops, takes nothing afterwards, and waits no longer than it may", async () => {
    const hold = Promise.withResolvers<Uint8Array>();
    const service = await world.serve({ last: () => hold.promise });
    const calls: Promise<Msg>[] = [];
    for (let turn = 0; turn < 50; turn += 1) {
      calls.push(world.call("last", ""));
      await setImmediate();
    }
    // NATS has handed the calls over, and the service has had no turn to read the last of them.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    service.stopping.abort();
    await service.whenDone(1);
    assert.match(service.lines.join("\n"), /calls are still under way/);
    await eventually("nobody takes calls", async () => {
      // One that comes before NATS knows is taken, and waits with the others.
      const error: unknown = await world.call("last", "", ada, 500).then(
        () => undefined,
        (cause: unknown) => cause,
      );
      return error instanceof Error && "code" in error && error.code === "503";
    });
    const done = service.whenDone(20_000);
    hold.resolve(bytes("in time"));
    await done;
    const answers = await Promise.all(calls);
    assert.deepEqual(new Set(answers.map((answer) => answer.string())), new Set(["in time"]));
    assert.equal(service.lines.filter((line) => line.includes("still under way")).length, 1);
  });
});

it("a service goes on answering when NATS was away, and says that it may not subscribe", async () => {
  await using world = await World.start();
  const { bus } = await world.serve({ back: () => Promise.resolve(bytes("here")) });
  await world.server.signal("SIGKILL");
  await eventually("it notices", () => !bus.connected);
  await world.server.restart();
  await eventually("both are back", async () => {
    return (await world.call("back", "", ada, 500)).string() === "here";
  });
  const permissions = '{ subscribe: { deny: ["rpc.>"] } }';
  await using strict = await World.start(
    `authorization { users = [ { user: x, password: x, permissions: ${permissions} } ] }\nno_auth_user: x`,
  );
  const { lines } = await strict.serve({ nothing: () => Promise.resolve(bytes("")) });
  await eventually("it says so", () =>
    lines.some(
      (line) => line.includes("NATS refuses a subscription") && line.includes("rpc.nothing"),
    ),
  );
});
