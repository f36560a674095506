import assert from "node:assert/strict";
import { request } from "node:http";
import { after, describe, it } from "node:test";
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { IdTokens } from "../../../local/cloud/id-tokens.ts";

const account = "m-push@p.iam.gserviceaccount.com";
const now = Date.UTC(2026, 10, 26);

describe("a token of the local cloud", () => {
  const tokens = new IdTokens({ now: () => now });
  after(() => tokens.stop());

  it("says what Google's says, and is proven by the key set", async () => {
    const token = await tokens.sign(account, "https://m.example");
    const keys = createRemoteJWKSet(new URL(await tokens.keysUrl()));
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      currentDate: new Date(now),
    });
    const { sub, ...claims } = payload;
    assert.match(sub ?? "", /^1\d{20}$/);
    const iat = now / 1000;
    assert.deepEqual(claims, {
      ...{ iss: "https://accounts.google.com", aud: "https://m.example", azp: sub },
      ...{ email: account, email_verified: true, iat, exp: iat + 3600 },
    });
    assert.equal(protectedHeader.alg, "RS256");
    const { payload: other } = await jwtVerify(await tokens.sign(account, "x"), keys, {
      currentDate: new Date(now),
    });
    assert.equal(other.sub, sub, "an account keeps its number");
  });

  it("is not proven by the keys of another cloud", async () => {
    const other = new IdTokens({ now: () => now });
    const token = await other.sign(account, "https://m.example");
    const answer = await fetch(await tokens.keysUrl());
    assert.match(answer.headers.get("cache-control") ?? "", /^public, max-age=\d+$/);
    const set = (await answer.json()) as Parameters<typeof createLocalJWKSet>[0];
    assert.deepEqual(
      set.keys.map((key) => Object.keys(key).sort()),
      [["alg", "e", "kid", "kty", "n", "use"]],
      "nothing of the private key",
    );
    await assert.rejects(jwtVerify(token, createLocalJWKSet(set)), /no applicable key/);
    const kid = decodeProtectedHeader(await tokens.sign(account, "x")).kid;
    assert.equal(set.keys[0]?.kid, kid);
  });

  it("has its keys at one path, for no other host", async () => {
    const url = new URL(await tokens.keysUrl());
    assert.equal(url.hostname, "127.0.0.1");
    assert.equal(url.pathname, "/oauth2/v3/certs");
    assert.equal((await fetch(new URL("/", url))).status, 404);
    assert.equal((await fetch(url, { method: "POST" })).status, 404);
    const status = await new Promise((resolve, reject) => {
      const { hostname, port, pathname: path } = url;
      request({ hostname, port, path, headers: { Host: "rebind.example" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .once("error", reject)
        .end();
    });
    assert.equal(status, 403);
  });
});
