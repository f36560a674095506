import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { signal } from "@preact/signals";
import { createAddApp } from "../../../../apps/add/app.ts";
import { createCalculator } from "../../../../apps/add/calculator.ts";
import { calculatorMethods } from "../../../../apps/add/rpc.ts";
import { serveRpc } from "../../../../apps/lib/rpc.ts";
import {
  type Attempt,
  Calculator,
  type CalculatorOptions,
} from "../../../../apps/web/page/calculator/calculator.ts";
import { readOperands } from "../../../../apps/web/page/calculator/operands.ts";
import { Connection } from "../../../../apps/web/page/live/connection.ts";
import { eventually } from "../../../support/eventually.ts";
import { collectingLog, type RunningGateway, startGateway } from "../../../support/gateway.ts";

async function listen(handler: RequestListener): Promise<{ server: Server; origin: string }> {
  const server = createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The last attempt, once it is as wanted. */
function attempt(calculator: Calculator, wanted: (last: Attempt) => boolean): Promise<Attempt> {
  return eventually("the attempt is as wanted", () => {
    const [last] = calculator.attempts.value;
    if (last !== undefined && wanted(last)) return last;
    throw new Error(JSON.stringify(last));
  });
}

const settled = ({ answer, arrival }: Attempt): boolean =>
  answer.kind !== "awaited" && arrival.kind !== "awaited";

describe("Try it", { concurrency: 4 }, () => {
  let gateway: RunningGateway;
  let service: { server: Server; origin: string };
  const stopping = new AbortController();
  const pages: Connection[] = [];

  before(async () => {
    gateway = await startGateway({
      jetStream: true,
      gateway: {
        client: { insecure: true },
        channel: {
          without_namespace: { history_size: 100, history_ttl: "1h", force_recovery: true },
        },
        rpc: { without_namespace: { enabled: true } },
      },
    });
    const { bus } = gateway;
    const calculator = createCalculator(bus);
    const { signal, log } = { signal: stopping.signal, log: collectingLog().log };
    serveRpc({ bus, log, service: "add", methods: calculatorMethods(calculator), signal });
    service = await listen(createAddApp({ bus, calculator, log, signal }));
  });
  after(async () => {
    for (const page of pages) page.end();
    stopping.abort();
    service.server.close();
    service.server.closeAllConnections();
    await gateway[Symbol.asyncDispose]();
  });

  async function page(options: Partial<CalculatorOptions> = {}): Promise<{
    connection: Connection;
    calculator: Calculator;
  }> {
    const connection = new Connection({
      origin: `http://127.0.0.1:${gateway.port}`,
      transports: ["websocket"],
      identity: { kind: "anonymous" },
      pingMethod: null,
      visible: signal(true),
      wires: { fetch, WebSocket },
      reconnectMs: [50, 500],
    });
    pages.push(connection);
    const calculator = new Calculator({ origin: service.origin, connection, fetch, ...options });
    connection.connect();
    await eventually("subscribed to add", () => calculator.channel.state.value === "subscribed");
    return { connection, calculator };
  }

  // Different results, for all of these pages hear each other's.
  for (const [way, a] of [
    ["http", 40],
    ["rpc", 50],
  ] as const) {
    it(`shows when a result arrives on the channel, and when the answer came, by ${way}`, async () => {
      const { calculator } = await page();
      assert.deepEqual(calculator.compute("sum", String(a), " 2.5 ", way), {
        ok: true,
        operands: { a, b: 2.5 },
      });
      const { answer, arrival, ...rest } = await attempt(calculator, settled);
      assert.ok(answer.kind === "given" && arrival.kind === "arrived", JSON.stringify(arrival));
      assert.equal(answer.result, String(a + 2.5));
      assert.ok(answer.ms > 0 && arrival.ms > 0);
      assert.equal(arrival.recovered, false);
      assert.deepEqual([rest.number, rest.operation, rest.way], [1, "sum", way]);
    });

    it(`knows texts again that arrive as JSON, by ${way}`, async () => {
      const { calculator } = await page();
      const texts = [`x${way}`, "0010", "1e2", "", '{ "a": [1] }', "true", "ü€😀"];
      for (const text of texts) {
        calculator.compute("concat", text, "", way);
        const { answer, arrival } = await attempt(calculator, settled);
        assert.ok(answer.kind === "given", JSON.stringify(answer));
        assert.equal(answer.result, text);
        assert.equal(arrival.kind, "arrived", text);
      }
    });

    it(`shows what the service says where it refuses, by ${way}`, async () => {
      const { calculator } = await page();
      calculator.compute("sum", "1e308", "1e308", way);
      const { answer, arrival } = await attempt(calculator, settled);
      assert.ok(answer.kind === "refused");
      assert.equal(answer.message, "the sum is too large for a number (400)");
      assert.equal(arrival.kind, "none");
    });
  }

  it("does not take another one's result for its own", async () => {
    const slow = Promise.withResolvers<Response>();
    // The second one claims to have published what nobody publishes after the click.
    const asked = [slow.promise, Promise.resolve(Response.json({ res: 7001 }))];
    const unpublished: CalculatorOptions["fetch"] = async () => {
      return (await asked.shift()) ?? Response.error();
    };
    const { calculator, connection } = await page({ fetch: unpublished, arrivalMs: 50 });
    const heard: unknown[] = [];
    connection.listen("add", { publication: ({ data }) => heard.push(data) });
    calculator.compute("sum", "7000", "2", "http");
    gateway.publisher.publish("t.add", "7001");
    await eventually("the other one's is heard", () => heard.includes(7001));
    assert.equal(calculator.attempts.value[0]?.arrival.kind, "awaited");
    calculator.compute("sum", "7000", "1", "http");
    const { arrival } = await attempt(calculator, (last) => last.number === 2 && settled(last));
    assert.equal(arrival.kind, "missing");
    gateway.publisher.publish("t.add", "7002");
    await eventually("its own is heard", () => heard.includes(7002));
    slow.resolve(Response.json({ res: 7002 }));
    const own = await eventually("the first is as wanted", () => {
      const first = calculator.attempts.value.find(({ number }) => number === 1);
      return first !== undefined && settled(first) && first;
    });
    assert.equal(own.arrival.kind, "arrived");
  });

  it("keeps the last ten", async () => {
    const { calculator } = await page();
    for (let n = 1; n <= 12; n += 1) calculator.compute("sum", "9000", String(n), "http");
    await eventually("all have arrived", () =>
      calculator.attempts.value.every(({ arrival }) => arrival.kind === "arrived"),
    );
    const { attempts } = calculator;
    assert.deepEqual(
      attempts.value.map(({ number }) => number),
      [12, 11, 10, 9, 8, 7, 6, 5, 4, 3],
    );
  });

  it("gets by recovery what came while the connection was away", async () => {
    const { calculator, connection } = await page();
    const back = Promise.withResolvers<undefined>();
    // It is subscribed when it is asked, and loses the connection before the answer.
    const slow: CalculatorOptions["fetch"] = async (url, init) => {
      connection.interrupt(back.promise);
      await eventually("it is away", () => connection.state.value === "connecting");
      return fetch(url, init);
    };
    const other = new Calculator({ origin: service.origin, connection, fetch: slow });
    await eventually("subscribed", () => other.channel.state.value === "subscribed");
    other.compute("concat", "came ", "late", "http");
    await attempt(other, ({ answer }) => answer.kind === "given");
    back.resolve(undefined);
    const { arrival } = await attempt(other, settled);
    assert.ok(arrival.kind === "arrived", JSON.stringify(arrival));
    assert.equal(arrival.recovered, true);
    other.end();
    assert.equal(calculator.channel.state.value, "subscribed");
  });

  it("says that a result cannot arrive where the page is not subscribed", async () => {
    const { calculator, connection } = await page();
    connection.disconnect();
    calculator.compute("sum", "1", "1", "http");
    const { answer, arrival } = await attempt(calculator, settled);
    assert.ok(answer.kind === "given");
    assert.equal(arrival.kind, "unheard");
    calculator.compute("sum", "1", "1", "rpc");
    const call = await attempt(calculator, (last) => last.number === 2 && settled(last));
    assert.ok(call.answer.kind === "refused");
    assert.equal(call.answer.message, "the page is not connected");
  });

  it("says that a result has not arrived", async () => {
    const deaf = await listen((_request, response) => {
      response.setHeader("content-type", "application/json").end('{"res":"nobody publishes this"}');
    });
    try {
      const { calculator } = await page({ origin: deaf.origin, arrivalMs: 50 });
      calculator.compute("concat", "a", "b", "http");
      const { arrival } = await attempt(calculator, settled);
      assert.ok(arrival.kind === "missing");
      assert.ok(arrival.ms >= 50);
    } finally {
      deaf.server.close();
      deaf.server.closeAllConnections();
    }
  });

  for (const [what, handler, message] of [
    [
      "503 with the reason",
      (_request, response) => {
        response.writeHead(503, { "content-type": "application/json" });
        response.end('{"error":{"code":"not_published","message":"NATS is away"}}');
      },
      "NATS is away (503)",
    ],
    [
      "an error that is not JSON",
      (_request, response) => response.writeHead(502).end("<h1>Bad gateway</h1>"),
      "refused (502)",
    ],
    [
      "a success that is none",
      (_request, response) => response.end("<h1>Welcome</h1>"),
      "the answer is not understood",
    ],
    [
      "no answer",
      (request) => request.socket.destroy(),
      "no answer: the service cannot be reached",
    ],
  ] as const satisfies readonly (readonly [string, RequestListener, string])[]) {
    it(`says it where the service gives ${what}`, async () => {
      const broken = await listen(handler);
      try {
        const { calculator } = await page({ origin: broken.origin });
        calculator.compute("sum", "1", "2", "http");
        const { answer, arrival } = await attempt(calculator, settled);
        assert.ok(answer.kind === "refused");
        assert.equal(answer.message, message);
        assert.equal(arrival.kind, "none");
      } finally {
        broken.server.close();
        broken.server.closeAllConnections();
      }
    });
  }
});

describe("operands", () => {
  it("are numbers as people write them", () => {
    for (const [typed, value] of [
      ["1", 1],
      [" -2.50 ", -2.5],
      ["+.5", 0.5],
      ["3.", 3],
      ["1e-3", 0.001],
    ] as const) {
      const read = readOperands("sum", typed, "0");
      assert.deepEqual(read, { ok: true, operands: { a: value, b: 0 } });
    }
  });

  it("that are no numbers are named, each with what is wrong", () => {
    for (const [typed, problem] of [
      ["", "Type a number."],
      ["1,5", "Write a point in place of the comma."],
      ["0x10", "This is not a number."],
      ["Infinity", "This is not a number."],
      [".", "This is not a number."],
      ["1e999", "This number is too large."],
    ] as const) {
      assert.deepEqual(readOperands("sum", typed, "1"), { ok: false, a: problem, b: undefined });
      assert.deepEqual(readOperands("sum", "1", typed), { ok: false, a: undefined, b: problem });
    }
  });

  it("are texts of 65,536 bytes in all, and not one more", () => {
    const half = "ü".repeat(16_384);
    assert.equal(readOperands("concat", half, half).ok, true);
    const read = readOperands("concat", half, `${half}x`);
    assert.ok(!read.ok);
    assert.match(read.b ?? "", /65537 bytes in UTF-8; 65536 are allowed/);
  });
});
