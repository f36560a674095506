import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createHttpApp, finishHttpApp, HttpError } from "../../../../apps/lib/http.ts";
import { createHttpServer } from "../../../../apps/lib/server.ts";
import { crossOrigin } from "../../../../apps/ws/transport/http-cors.ts";
import { collectingLog } from "../../../support/collecting-log.ts";

const page = "https://shop.example";

describe("pages of other origins", () => {
  /** A path behind it; what a request with these headers is answered. */
  async function serve(
    t: TestContext,
    allowed: readonly string[] | null,
  ): Promise<(method: string, headers?: Record<string, string>) => Promise<Response>> {
    const app = createHttpApp();
    app
      .route("/path")
      .all(crossOrigin(["POST"], allowed))
      .post((request, response) => {
        if (request.get("x-fail") !== undefined) throw new HttpError(404, "gone", "it is gone");
        response.status(204).end();
      });
    finishHttpApp(app, { log: collectingLog().log, project: undefined });
    const server = createHttpServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/path`;
    return (method, headers = {}) => fetch(url, { method, headers });
  }

  const preflight = {
    origin: page,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-own",
  };

  it("may ask, send what they want to and read the answer, failures too, if they are allowed", async (t) => {
    const ask = await serve(t, [page]);
    const permission = await ask("OPTIONS", preflight);
    assert.equal(permission.status, 204);
    assert.equal(permission.headers.get("access-control-allow-origin"), page);
    assert.equal(permission.headers.get("access-control-allow-methods"), "POST");
    assert.equal(permission.headers.get("access-control-allow-headers"), "content-type,x-own");
    assert.ok(Number(permission.headers.get("access-control-max-age")) > 0);
    for (const headers of [{ origin: page }, { origin: page, "x-fail": "1" }]) {
      const answer = await ask("POST", headers);
      assert.equal(answer.status, "x-fail" in headers ? 404 : 204);
      assert.equal(answer.headers.get("access-control-allow-origin"), page);
      assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
      // A cache must not give one page what was said to another.
      assert.equal(answer.headers.get("vary"), "origin");
    }
  });

  it("are refused before anything is done for them, if they are not", async (t) => {
    const ask = await serve(t, ["https://*.example.com"]);
    for (const [method, headers] of [
      ["OPTIONS", preflight],
      ["POST", { origin: page }],
      ["POST", { origin: "null" }],
      ["POST", { origin: "https://evil.com/.example.com" }],
    ] as const) {
      const answer = await ask(method, headers);
      assert.equal(answer.status, 403);
      assert.equal(answer.headers.get("access-control-allow-origin"), null);
      assert.match(await answer.text(), /forbidden_origin/);
    }
  });

  it("have links, pictures and frames refused, which come without an origin", async (t) => {
    const ask = await serve(t, [page]);
    for (const [status, headers] of [
      [403, { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }],
      [403, { "sec-fetch-site": "same-site", "sec-fetch-dest": "image" }],
      [403, { "sec-fetch-site": "none", "sec-fetch-dest": "document" }],
      [403, { "sec-fetch-site": "same-origin", "sec-fetch-dest": "iframe" }],
      [204, { "sec-fetch-site": "same-origin", "sec-fetch-dest": "empty" }],
      [204, { "sec-fetch-site": "cross-site", "sec-fetch-dest": "empty", origin: page }],
      // Node's fetch says so much.
      [204, { "sec-fetch-mode": "cors" }],
    ] as const) {
      assert.equal((await ask("POST", headers)).status, status, JSON.stringify(headers));
    }
  });

  it("may come without cookies where any page may", async (t) => {
    const ask = await serve(t, ["*"]);
    const answer = await ask("POST", { origin: page });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get("access-control-allow-origin"), page);
    assert.equal(answer.headers.get("access-control-allow-credentials"), null);
  });

  it("are those of any host but the gateway's own, where nothing is configured", async (t) => {
    const ask = await serve(t, null);
    assert.equal((await ask("POST", { origin: page })).status, 403);
    const own = new URL((await ask("POST")).url).origin;
    assert.equal((await ask("POST", { origin: own })).status, 204);
    // What is no browser sends none.
    const none = await ask("POST");
    assert.equal(none.status, 204);
    assert.equal(none.headers.get("access-control-allow-origin"), null);
  });
});
