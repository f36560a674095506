import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { decodeJwt, jwtVerify, SignJWT } from "jose";
import { SecretError } from "../../../apps/lib/secret.ts";
import { createHttpServer } from "../../../apps/lib/server.ts";
import { createWebApp } from "../../../apps/web/app.ts";
import { DemoTokens } from "../../../apps/web/demo-tokens.ts";
import { collectingLog } from "../../support/gateway.ts";

const key = Buffer.from("a key of some length, for tests alone");
const day = 24 * 60 * 60 * 1_000;

describe("demo tokens", () => {
  const start = Date.parse("2026-11-27T00:00:00Z");
  let now = start;
  const tokens = new DemoTokens({
    readKey: () => Promise.resolve(key),
    ...{ audience: "realtime", issuer: "the site", now: () => now },
  });

  it("name a visitor for ten minutes, with the audience and issuer that the gateway wants", async () => {
    const { token, user, expiresAt } = await tokens.issue();
    assert.match(user, /^visitor-[0-9a-f]{8}$/);
    assert.equal(expiresAt.getTime(), start + 600_000);
    const { payload, protectedHeader } = await jwtVerify(token, key, {
      ...{ audience: "realtime", issuer: "the site", currentDate: new Date(now) },
    });
    assert.equal(protectedHeader.alg, "HS256");
    assert.deepEqual([payload.sub, payload.exp], [user, start / 1_000 + 600]);
    assert.notEqual((await tokens.issue()).user, user);
  });

  it("are renewed under the same name until a day after their end", async () => {
    now = start;
    const first = await tokens.issue();
    now = start + 600_000 + day - 5_000;
    const second = await tokens.issue(first.token);
    assert.equal(second.user, first.user);
    assert.equal(second.expiresAt.getTime(), now + 600_000);
    now = start + 600_000 + day + 5_000;
    assert.notEqual((await tokens.issue(first.token)).user, first.user);
    assert.equal((await tokens.issue(second.token)).user, first.user);
  });

  it("keep no name of a token that is not theirs, whoever signed it", async () => {
    now = start;
    const { token, user } = await tokens.issue();
    const claims = decodeJwt(token);
    const made = (change: object, secret: Uint8Array = key): Promise<string> =>
      new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg: "HS256" }).sign(secret);
    assert.equal((await tokens.issue(await made({}))).user, user, "the same claims are taken");
    const [, body = ""] = token.split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const other of [
      await made({ sub: "alice" }),
      await made({ sub: "visitor-1a2b3c4d5" }),
      await made({ kind: undefined }),
      await made({ aud: "elsewhere" }),
      await made({ iss: "elsewhere" }),
      await made({}, Buffer.from("another key of some length, for tests")),
      `${none}.${body}.`,
      token.slice(0, -2),
      "no token",
      "",
    ]) {
      const issued = await tokens.issue(other);
      assert.notEqual(issued.user, user, other);
      assert.match(issued.user, /^visitor-[0-9a-f]{8}$/);
    }
  });

  it("ask for the key again after it could not be read, and when it is ten minutes old", async () => {
    let asked = 0;
    let at = start;
    const keys = [undefined, key, Buffer.from("another key of some length, for tests")];
    const some = new DemoTokens({
      readKey: () => {
        const read = keys[asked];
        asked += 1;
        return read === undefined
          ? Promise.reject(new SecretError("no answer"))
          : Promise.resolve(read);
      },
      now: () => at,
    });
    await assert.rejects(some.issue(), SecretError);
    await some.issue();
    at += 599_999;
    const { token } = await some.issue();
    await jwtVerify(token, key, { currentDate: new Date(at) });
    assert.equal(asked, 2);
    at += 1;
    const { token: later } = await some.issue();
    await jwtVerify(later, keys[2] ?? key, { currentDate: new Date(at) });
    assert.equal(asked, 3);
  });
});

describe("POST /console/token", () => {
  let readable = true;
  let server: Server;
  let url = "";
  const { log, lines } = collectingLog();
  const started = async (demoTokens?: DemoTokens): Promise<[Server, string]> => {
    const { signal } = new AbortController();
    const made = createHttpServer(createWebApp({ site: [], demoTokens, log, signal }));
    made.listen(0, "127.0.0.1");
    await once(made, "listening");
    return [made, `http://127.0.0.1:${(made.address() as AddressInfo).port}`];
  };
  const post = async (body: string, headers = {}, path = "/console/token", base = url) => {
    const response = await fetch(base + path, {
      ...{ method: "POST", body },
      headers: { "content-type": "application/json", ...headers },
    });
    const { token, user, error } = (await response.json()) as {
      token?: string;
      user?: string;
      error?: { code: string };
    };
    return { status: response.status, token, user, code: error?.code, headers: response.headers };
  };

  before(async () => {
    const readKey = (): Promise<Uint8Array> =>
      readable ? Promise.resolve(key) : Promise.reject(new SecretError("status 500"));
    [server, url] = await started(new DemoTokens({ readKey }));
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  it("answers 503 while the key cannot be read, and says why in the log alone", async () => {
    readable = false;
    const { status, code, headers } = await post("{}");
    assert.deepEqual([status, code, headers.get("retry-after")], [503, "unavailable", "5"]);
    const said = lines.filter((line) => line.includes("no token for a visitor"));
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /status 500/);
    readable = true;
  });

  it("gives a token that nothing may keep, and writes none of it into the log", async () => {
    const first = await post("{}", { "sec-fetch-site": "same-origin" });
    assert.equal(first.status, 200);
    assert.equal(first.headers.get("cache-control"), "no-store");
    const second = await post(JSON.stringify({ token: first.token }));
    assert.equal(second.user, first.user);
    assert.ok(!lines.join("\n").includes(first.token ?? "?"));
  });

  it("refuses pages of other sites, other methods and what is no such body", async () => {
    for (const site of ["cross-site", "same-site", "none"]) {
      assert.deepEqual((await post("{}", { "sec-fetch-site": site })).code, "other_site", site);
    }
    for (const origin of ["https://elsewhere.example", "null", "nothing", `${url}0`]) {
      assert.deepEqual((await post("{}", { origin })).code, "other_site", origin);
    }
    const own = { origin: url, "sec-fetch-site": "same-origin" };
    assert.equal((await post("{}", own)).status, 200);
    assert.equal((await post("{}", { ...own, "sec-fetch-site": "same-site" })).code, "other_site");
    for (const body of ['{"user":"alice"}', '{"token":1}', "[]", '"x"', ""]) {
      assert.equal((await post(body)).code, "invalid_argument", body);
    }
    assert.equal((await post(JSON.stringify({ token: "x".repeat(5_000) }))).status, 413);
    assert.equal((await post("{}", { "content-type": "text/plain" })).status, 415);
    assert.equal((await fetch(`${url}/console/token`)).status, 405);
  });

  it("is not there where the stack wants no demo tokens, and /console.json says so", async () => {
    const [none, base] = await started();
    try {
      assert.equal((await post("{}", {}, "/console/token", base)).status, 404);
      const facts = async (at: string) =>
        (await (await fetch(`${at}/console.json`)).json()) as object;
      assert.deepEqual(
        [await facts(base), await facts(url)].map(
          (each) => Reflect.get(each, "demoTokens") as unknown,
        ),
        [false, true],
      );
    } finally {
      none.close();
      none.closeAllConnections();
    }
  });
});
