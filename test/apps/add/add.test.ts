import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { connect, headers, type NatsConnection } from "nats";
import { createUser } from "nkeys.js";
import { createAddApp } from "../../../apps/add/app.ts";
import { createCalculator } from "../../../apps/add/calculator.ts";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { eventually } from "../../support/eventually.ts";
import { collectingLog } from "../../support/gateway.ts";
import { MemoryBus } from "../../support/memory-bus.ts";
import { NatsServer } from "../../support/nats.ts";
import { ServiceProcess } from "../../support/process.ts";
import { SecretsServer } from "../../support/secrets.ts";

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}

async function post(url: string, body: string, type = "application/json"): Promise<Answer> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": type }, body });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

function start(server: { url: string }, env: Record<string, string> = {}): ServiceProcess {
  return new ServiceProcess("apps/add/main.ts", { NATS_URL: server.url, ...env });
}

/** Everything that is published on topic add, as a client of NATS sees it. */
async function listen(
  server: NatsServer,
): Promise<{ client: NatsConnection; received: string[] } & AsyncDisposable> {
  const client = await connect({
    servers: server.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  const received: string[] = [];
  client.subscribe("t.add", { callback: (_error, message) => received.push(message.string()) });
  await client.flush();
  return { client, received, [Symbol.asyncDispose]: () => client.close() };
}

const code = (answer: Answer): unknown => (answer.body as { error: { code: unknown } }).error.code;

describe("the add service", () => {
  it("answers each computation and publishes the same result on topic add", async () => {
    await using server = await NatsServer.start();
    await using listener = await listen(server);
    await using service = start(server);
    const url = await service.ready();
    const bodies: [string, string, unknown, string][] = [
      ["sum", '{"a":1,"b":2}', 3, "3"],
      ["sum", '{"a":0.1,"b":0.2}', 0.1 + 0.2, "0.30000000000000004"],
      ["sum", '{"a":1e21,"b":-0}', 1e21, "1e+21"],
      ["concat", '{"a":"x","b":"y"}', "xy", "xy"],
      ["concat", '{"a":"\\u0000<b>","b":"é\\ud83d\\ude00"}', "\0<b>é😀", "\0<b>é😀"],
    ];
    for (const [path, body, res] of bodies) {
      const answer = await post(`${url}/api/add/${path}`, body);
      assert.deepEqual([answer.status, answer.body], [200, { res }]);
    }
    const named = 'application/json; charset="UTF-8"';
    assert.equal((await post(`${url}/api/add/sum`, '{"a":1,"b":2}', named)).status, 200);
    await listener.client.flush();
    assert.deepEqual(listener.received, [...bodies.map(([, , , text]) => text), "3"]);
  });

  it("takes the longest result however its JSON is escaped, and refuses a longer body", async () => {
    await using server = await NatsServer.start();
    await using service = start(server);
    const url = `${await service.ready()}/api/add/concat`;
    const half = "\\u0001".repeat(32_768);
    const answer = await post(url, `{"a":"${half}","b":"${half}"}`);
    assert.deepEqual(answer.body, { res: "\u0001".repeat(65_536) });
    const longer = await post(url, `{"a":"${half}","b":"${half}x"}`);
    assert.deepEqual([longer.status, code(longer)], [413, "too_large"]);
    const huge = await post(url, `{"a":"${half}","b":"${half}${half}"}`);
    assert.deepEqual([huge.status, code(huge)], [413, "too_large"]);
    assert.equal((await server.counts()).messagesIn, 1);
  });

  it("refuses what is wrong with a status and a reason, and publishes none of it", async () => {
    await using server = await NatsServer.start();
    await using service = start(server);
    const url = await service.ready();
    const sum = `${url}/api/add/sum`;
    const cases: [Promise<Answer>, number, string][] = [
      [post(sum, '{"a":1'), 400, "invalid_json"],
      [post(sum, ""), 400, "invalid_argument"],
      [post(sum, '{"a":1,"b":"2"}'), 400, "invalid_argument"],
      [post(sum, '{"a":1.7e308,"b":1.7e308}'), 400, "invalid_argument"],
      [post(sum, "[1,2]"), 400, "invalid_argument"],
      [post(sum, "a=1&b=2", "application/x-www-form-urlencoded"), 415, "unsupported_media_type"],
      [
        post(sum, '{"a":1,"b":2}', "application/json; charset=nonsense"),
        415,
        "unsupported_media_type",
      ],
      ...["utf-16le", "utf-7", "utf-32", "iso-8859-1"].map(
        (charset): [Promise<Answer>, number, string] => [
          post(sum, '{"a":1,"b":2}', `application/json; charset=${charset}`),
          415,
          "unsupported_media_type",
        ],
      ),
      [post(`${url}/api/add/other`, "{}"), 404, "not_found"],
      [post(`${url}/_ah/push-handlers/x`, "{}"), 404, "not_found"],
    ];
    for (const [answer, status, name] of cases) {
      const { status: got, ...rest } = await answer;
      assert.deepEqual([got, code({ status: got, ...rest })], [status, name]);
    }
    const get = await fetch(sum);
    assert.deepEqual([get.status, get.headers.get("allow")], [405, "POST"]);
    assert.equal(get.headers.get("x-powered-by"), null);
    assert.equal((await server.counts()).messagesIn, 0);
  });

  it("answers calls of clients as it answers requests, and publishes their results", async () => {
    await using server = await NatsServer.start();
    await using listener = await listen(server);
    await using service = start(server);
    await service.ready();
    const call = async (method: string, data: string | Uint8Array): Promise<string> => {
      const sent = headers();
      sent.set("Centrifuge-Caller", '{"user":"ada","client":"c-1"}');
      const { client } = listener;
      const answer = await client.request(`rpc.${method}`, data, {
        headers: sent,
        timeout: 20_000,
      });
      const error = answer.headers?.get("Nats-Service-Error-Code") ?? "";
      const message = answer.headers?.get("Nats-Service-Error") ?? "";
      return error === "" ? answer.string() : `${error} ${message}`;
    };
    assert.equal(await call("sum", '{"a":1,"b":2}'), '{"res":3}');
    assert.equal(await call("concat", '{"a":"x","b":"é"}'), '{"res":"xé"}');
    assert.match(await call("sum", '{"a":1,"b":"2"}'), /^400 "b" must be a finite number/);
    assert.match(await call("sum", ""), /^400 the body must be an object, not absent$/);
    assert.match(await call("sum", "{"), /^400 the data is not JSON$/);
    const wrongUtf8 = Buffer.from('{"a":"\xff","b":""}', "latin1");
    assert.match(await call("concat", wrongUtf8), /^400 the data is not JSON$/);
    const long = JSON.stringify({ a: "x".repeat(65_536), b: "y" });
    assert.match(await call("concat", long), /^413 the result is longer than 65536 bytes/);
    assert.deepEqual(listener.received, ["3", "xé"]);
    assert.equal((await service.end("SIGTERM")).code, 0);
    await assert.rejects(call("sum", '{"a":1,"b":2}'), { code: "503" });
  });

  it("says in a message what is wrong with the JSON", async () => {
    await using server = await NatsServer.start();
    await using service = start(server);
    const answer = await post(`${await service.ready()}/api/add/sum`, '{"a":1,}');
    const { error } = answer.body as { error: { message: string } };
    assert.match(error.message, /^the body is not JSON: .*position 7/);
  });

  it("is alive before NATS is there and ready once it is", async () => {
    await using server = await NatsServer.start();
    await server.signal("SIGKILL");
    await using service = start(server);
    const url = `http://127.0.0.1:${await service.port()}`;
    assert.equal((await fetch(`${url}/healthz/live`)).status, 200);
    const ready = await fetch(`${url}/healthz/ready`);
    assert.deepEqual(
      [ready.status, await ready.json()],
      [503, { error: { code: "not_ready", message: "there is no connection to NATS" } }],
    );
    await server.restart();
    await service.ready();
  });

  it("leaves NATS less time for a publication than the 2 s that its caller waits", async () => {
    const bus = new MemoryBus();
    const { signal } = new AbortController();
    const calculator = createCalculator(bus);
    const { log } = collectingLog();
    const server = createHttpServer(createAddApp({ bus, calculator, log, signal }));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const answer = await post(`http://127.0.0.1:${port}/api/add/sum`, '{"a":1,"b":2}');
    server.close();
    server.closeAllConnections();
    assert.deepEqual([answer.status, bus.withinMs], [200, 1_500]);
  });

  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    it(`answers 503 within 2 s, never 200, after ${signal} of nats-server`, async () => {
      await using server = await NatsServer.start();
      await using service = start(server);
      const url = `${await service.ready()}/api/add/sum`;
      assert.equal((await post(url, '{"a":1,"b":2}')).status, 200);
      await server.signal(signal);
      let fastestMs = Infinity;
      for (let round = 0; round < 3; round += 1) {
        const begin = performance.now();
        const answer = await post(url, '{"a":1,"b":2}');
        fastestMs = Math.min(fastestMs, performance.now() - begin);
        assert.deepEqual([answer.status, code(answer)], [503, "not_published"]);
        assert.equal(answer.headers.get("retry-after"), "1");
      }
      // A busy machine may delay an answer; a deadline that is too long delays all.
      assert.ok(fastestMs < 2_000, `the fastest took ${Math.round(fastestMs)} ms`);
      if (signal === "SIGSTOP") await server.signal("SIGCONT");
      else await server.restart();
      await eventually(
        "it works again",
        async () => (await post(url, '{"a":1,"b":2}')).status === 200,
      );
    });
  }

  it("succeeds at its first POST after it was frozen until NATS gave it up", async () => {
    await using server = await NatsServer.start({ config: 'ping_interval: "200ms"\nping_max: 1' });
    await using listener = await listen(server);
    await using service = start(server);
    const url = `${await service.ready()}/api/add/sum`;
    for (let round = 1; round <= 3; round += 1) {
      service.signal("SIGSTOP");
      // Only the listener is left: the server has closed the frozen service's connection.
      await eventually(
        "NATS has given it up",
        async () => (await server.counts()).connections === 1,
      );
      const answer = post(url, `{"a":${round},"b":0}`);
      service.signal("SIGCONT");
      assert.deepEqual((await answer).body, { res: round });
    }
    await listener.client.flush();
    assert.deepEqual(listener.received, ["1", "2", "3"]);
  });

  it("succeeds at its first POST after waking on a connection that was kept alive", async () => {
    await using server = await NatsServer.start({ config: 'ping_interval: "200ms"\nping_max: 1' });
    await using service = start(server);
    const url = new URL(`${await service.ready()}/api/add/sum`);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const postOnce = (): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const sent = request(
          url,
          { agent, method: "POST", headers: { "content-type": "application/json" } },
          (response) => {
            response.resume().on("end", () => {
              resolve(response.statusCode);
            });
          },
        );
        sent.on("error", reject).end('{"a":1,"b":2}');
      });
    assert.equal(await postOnce(), 200);
    service.signal("SIGSTOP");
    await eventually("NATS has given it up", async () => (await server.counts()).connections === 0);
    const status = postOnce();
    service.signal("SIGCONT");
    assert.equal(await status, 200);
    agent.destroy();
  });

  it("logs in with the key that Secret Manager holds and may do nothing else", async () => {
    const user = createUser();
    await using server = await NatsServer.start({
      config: `authorization { users = [ { nkey: ${user.getPublicKey()}, permissions: { publish: { allow: ["t.add"] }, subscribe: { deny: [">"] } } } ] }`,
    });
    await using secrets = await SecretsServer.start(Buffer.from(user.getSeed()).toString());
    await using service = start(server, secrets.env);
    const url = await service.ready();
    assert.equal((await post(`${url}/api/add/sum`, '{"a":1,"b":2}')).status, 200);
    const seed = Buffer.from(user.getSeed()).toString();
    assert.ok(!service.describe().includes(seed), "the seed is in no log");
    assert.ok(!service.describe().includes("token-1"), "the token is in no log");
  });

  it("answers 503 with the reason when its key may not publish there", async () => {
    const user = createUser();
    await using server = await NatsServer.start({
      config: `authorization { users = [ { nkey: ${user.getPublicKey()}, permissions: { publish: { deny: [">"] } } } ] }`,
    });
    await using secrets = await SecretsServer.start(Buffer.from(user.getSeed()).toString());
    await using service = start(server, secrets.env);
    const answer = await post(`${await service.ready()}/api/add/sum`, '{"a":1,"b":2}');
    assert.equal(answer.status, 503);
    const { error } = answer.body as { error: { message: string } };
    assert.match(error.message, /NATS refuses the publication$/);
  });

  it("finishes the request that it is at, leaves with 0 on SIGTERM, and leaves nothing open", async () => {
    await using server = await NatsServer.start();
    await using service = start(server);
    const sent = request(`${await service.ready()}/api/add/sum`, {
      method: "POST",
      headers: { "content-type": "application/json", expect: "100-continue" },
    });
    const answered = once(sent, "response") as Promise<[IncomingMessage]>;
    // The server's word that the request has arrived.
    sent.flushHeaders();
    await once(sent, "continue");
    sent.write('{"a":1,');
    void service.logged("stopping").then(() => {
      sent.end('"b":2}');
    });
    const ended = service.end("SIGTERM");
    const [response] = await answered;
    assert.equal(response.resume().statusCode, 200);
    assert.equal((await ended).code, 0);
    await service.logged("stopped");
    await eventually(
      "its connection is gone",
      async () => (await server.counts()).connections === 0,
    );
  });

  it("leaves with 0 while NATS is frozen", async () => {
    await using server = await NatsServer.start();
    await using service = start(server);
    await service.ready();
    await server.signal("SIGSTOP");
    const { code: exit } = await service.end("SIGTERM");
    await server.signal("SIGCONT");
    assert.equal(exit, 0);
  });

  it("does not start without its environment, and says everything that is missing", async () => {
    await using service = new ServiceProcess("apps/add/main.ts", { PORT: "x" });
    const record = await eventually("it says so", () =>
      service.logs.find((each) => each["severity"] === "CRITICAL"),
    );
    assert.equal((record["problems"] as string[]).length, 2);
    await eventually("it ends", () => service.ended);
    assert.equal(service.child.exitCode, 1);
  });
});
