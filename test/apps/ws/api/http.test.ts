import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { createHttpApp, finishHttpApp } from "../../../../apps/lib/http.ts";
import { addApiRoutes, type ApiHttpOptions } from "../../../../apps/ws/api/http.ts";
import { collectingLog } from "../../../support/collecting-log.ts";

const ordinary: ApiHttpOptions = {
  prefix: "/api",
  key: () => "key",
  insecure: false,
  errorMode: "",
  obstacle: () => undefined,
  execute: () => Promise.resolve({ result: '{"nodes":[]}' }),
  httpLimits: {
    maxApiBodyBytes: 100,
    maxTotalApiBodyBytes: 10_000,
    maxApiRequests: 1,
    bodyMs: 30_000,
  },
};

/** A server with the API's paths alone. */
async function serve(
  options: Partial<ApiHttpOptions>,
  test: (
    post: (
      method: string,
      body?: string,
      headers?: Record<string, string>,
    ) => Promise<{ status: number; body: unknown }>,
  ) => Promise<void>,
): Promise<void> {
  const app = createHttpApp();
  addApiRoutes(app, { ...ordinary, ...options });
  finishHttpApp(app, { log: collectingLog().log, project: undefined });
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await test(async (method, body = "", headers = { "x-api-key": "key" }) => {
      const url = `http://127.0.0.1:${port}/api/${method}`;
      const response = await fetch(url, { method: "POST", body, headers });
      return { status: response.status, body: await response.json() };
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe("the API's paths", () => {
  it("let in who has the key, in each of the places where it may be", async () => {
    await serve({}, async (post) => {
      for (const [method, headers] of [
        ["info", { "x-api-key": "key" }],
        ["info", { authorization: "apikey key" }],
        ["info?api_key=key", {}],
      ] as const) {
        assert.deepEqual(await post(method, "", headers), {
          status: 200,
          body: { result: { nodes: [] } },
        });
      }
      assert.equal((await post("info", "", { authorization: "apikey other" })).status, 401);
    });
  });

  it("let in nobody where there is no key, and say so while it is not read", async () => {
    await serve({ key: () => "" }, async (post) => {
      assert.equal((await post("info", "", { "x-api-key": "" })).status, 401);
    });
    await serve({ key: () => undefined }, async (post) => {
      assert.equal((await post("info")).status, 503);
    });
    await serve({ key: () => undefined, insecure: true }, async (post) => {
      assert.equal((await post("info", "", {})).status, 200);
    });
  });

  it("take a body of the length that is allowed, and none that is longer", async () => {
    await serve({}, async (post) => {
      const padded = `{}${" ".repeat(98)}`;
      assert.equal((await post("info", padded)).status, 200);
      assert.equal((await post("info", `${padded} `)).status, 413);
    });
  });

  it("take so many requests at a time, and others as soon as one has ended", async () => {
    const done = Promise.withResolvers<undefined>();
    const begun = Promise.withResolvers<undefined>();
    const execute: ApiHttpOptions["execute"] = async () => {
      begun.resolve(undefined);
      await done.promise;
      return { error: { code: 102, message: "unknown channel" } };
    };
    await serve({ execute, errorMode: "transport" }, async (post) => {
      const first = post("info");
      await begun.promise;
      assert.equal((await post("info")).status, 503);
      done.resolve(undefined);
      const answer = { status: 404, body: { error: { code: 102, message: "unknown channel" } } };
      assert.deepEqual(await first, answer);
      assert.deepEqual(await post("info"), answer);
    });
  });

  it("do nothing while nothing can be done", async () => {
    const execute = (): never => assert.fail("it is executed");
    await serve({ execute, obstacle: () => "it stops" }, async (post) => {
      const { status, body } = await post("info");
      assert.equal(status, 503);
      assert.partialDeepStrictEqual(body, { error: { message: "it stops" } });
    });
  });
});
