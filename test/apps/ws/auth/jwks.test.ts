import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { describe, it } from "node:test";
import { SignJWT } from "jose";
import type { JWK } from "jose";
import type { JwksTiming } from "../../../../apps/ws/auth/signatures.ts";
import type { TokenVerifier } from "../../../../apps/ws/auth/tokens.ts";
import type { TokenOptions } from "../../../../apps/ws/config/options.ts";
import { JwksServer } from "./jwks-server.ts";
import { now, verifier } from "./settings.ts";

interface Pair {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** As the endpoint publishes it. */
  readonly jwk: JWK;
}

function pair(algorithm: string, kid: string, more: JWK = {}): Pair {
  const curve = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[algorithm];
  const { privateKey, publicKey } = algorithm.startsWith("E")
    ? curve === undefined
      ? generateKeyPairSync("ed25519")
      : generateKeyPairSync("ec", { namedCurve: curve })
    : generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, use: "sig", ...more } as JWK;
  return { kid, algorithm, privateKey, publicKey, jwk };
}

const first = pair("RS256", "first");
const second = pair("ES256", "second");
const third = pair("RS256", "third");

function token(
  { algorithm, kid, privateKey }: Pair,
  header: { alg?: string; kid?: string | undefined } = {},
  claims: Record<string, unknown> = { sub: "42" },
): Promise<string> {
  const { alg = algorithm } = header;
  const named = "kid" in header ? header.kid : kid;
  return new SignJWT(claims)
    .setProtectedHeader({ alg, ...(named === undefined ? {} : { kid: named }) })
    .sign(privateKey);
}

/** A verifier that has no keys but those of the endpoint. */
function remote(
  url: string,
  jwks: Partial<JwksTiming> = {},
  more: Partial<TokenOptions> = {},
): TokenVerifier {
  return verifier({ token: { jwks_public_endpoint: url, ...more } }, { jwks });
}

async function reason(one: TokenVerifier, text: string | Promise<string>): Promise<string> {
  const outcome = await one.verifyConnection(await text);
  return outcome.ok ? "ok" : outcome.reason;
}

/** Why it is unavailable. */
async function obstacle(one: TokenVerifier, text: string | Promise<string>): Promise<string> {
  const outcome = await one.verifyConnection(await text);
  assert.ok(!outcome.ok);
  assert.equal(outcome.reason, "unavailable");
  return outcome.message;
}

const pass = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

describe("a JWKS endpoint", () => {
  for (const algorithm of ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"]) {
    it(`may have keys for ${algorithm}`, async () => {
      const own = pair(algorithm, "own");
      await using server = await JwksServer.start([first.jwk, own.jwk]);
      const one = remote(server.url);
      assert.equal(await reason(one, token(own)), "ok");
      assert.equal(await reason(one, token(pair(algorithm, "own"))), "invalid");
    });
  }

  it("is asked once for any number of tokens, also when all come at once", async () => {
    await using server = await JwksServer.start([first.jwk, second.jwk]);
    const one = remote(server.url);
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, index) => token(index % 2 === 0 ? first : second)),
    );
    const outcomes = await Promise.all(tokens.map((text) => reason(one, text)));
    assert.deepEqual(new Set(outcomes), new Set(["ok"]));
    for (const text of tokens) assert.equal(await reason(one, text), "ok");
    assert.equal(server.requests, 1);
  });

  it("is where the keys are, and what is configured beside it is not used", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = remote(server.url, {}, { hmac_secret_key: "secret" });
    const hmac = new SignJWT({}).setProtectedHeader({ alg: "HS256", kid: "first" });
    assert.equal(await reason(one, hmac.sign(Buffer.from("secret"))), "invalid");
  });

  it("does not make a public key a secret, nor lend a key to another algorithm", async () => {
    const own = pair("RS256", "own", { alg: "RS256" });
    await using server = await JwksServer.start([first.jwk, own.jwk]);
    const one = remote(server.url);
    for (const guess of [
      first.publicKey.export({ type: "spki", format: "pem" }),
      first.publicKey.export({ type: "spki", format: "der" }),
      JSON.stringify(first.jwk),
      Buffer.from(first.jwk.n ?? "", "base64url"),
    ]) {
      const header = Buffer.from('{"alg":"HS256","kid":"first"}').toString("base64url");
      const input = `${header}.${Buffer.from('{"sub":"root"}').toString("base64url")}`;
      const signature = createHmac("sha256", guess).update(input).digest("base64url");
      assert.equal(await reason(one, `${input}.${signature}`), "invalid");
    }
    const none = `${Buffer.from('{"alg":"none","kid":"first"}').toString("base64url")}.e30.`;
    assert.equal(await reason(one, none), "invalid");
    assert.equal(await reason(one, token(first, { alg: "PS256" })), "invalid");
    assert.equal(await reason(one, token(first, { alg: "RS512" })), "ok");
    // The endpoint says what this key is for.
    assert.equal(await reason(one, token(own, { alg: "RS512" })), "invalid");
    assert.equal(await reason(one, token(own)), "ok");
  });

  it("may have other keys beside them that are of no use here", async () => {
    const encryption = pair("RS256", "first", { use: "enc" });
    const odd = { kty: "XX", kid: "odd" } as unknown as JWK;
    const oct = { kty: "oct", kid: "oct", k: "c2VjcmV0" };
    await using server = await JwksServer.start([encryption.jwk, odd, oct, first.jwk]);
    const one = remote(server.url);
    assert.equal(await reason(one, token(first)), "ok");
    const hmac = new SignJWT({}).setProtectedHeader({ alg: "HS256", kid: "oct" });
    assert.equal(await reason(one, hmac.sign(Buffer.from("secret"))), "invalid");
  });

  it("may leave out which key a token is of only where there is one", async () => {
    await using server = await JwksServer.start([first.jwk, second.jwk]);
    assert.equal(await reason(remote(server.url), token(first, { kid: undefined })), "ok");
    server.keys = [first.jwk, third.jwk];
    assert.equal(await reason(remote(server.url), token(first, { kid: undefined })), "invalid");
  });

  it("with too short a key has none for the token", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    const jwk = { ...publicKey.export({ format: "jwk" }), kid: "short" } as JWK;
    await using server = await JwksServer.start([jwk]);
    const header = Buffer.from('{"alg":"RS256","kid":"short"}').toString("base64url");
    const signature = sign("sha256", Buffer.from(`${header}.e30`), privateKey);
    const text = `${header}.e30.${signature.toString("base64url")}`;
    assert.equal(await reason(remote(server.url), text), "invalid");
  });

  it("can be one for subscription tokens alone", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = verifier({
      token: { hmac_secret_key: "secret" },
      subscription: { jwks_public_endpoint: server.url },
    });
    const text = await token(first, {}, { channel: "news" });
    assert.ok((await one.verifySubscription(text)).ok);
    assert.equal(await reason(one, token(first)), "invalid");
  });
});

describe("keys that change", () => {
  it("are fetched again for a token of a new one, which is not sent away meanwhile", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = remote(server.url, { cooldownMs: 200 });
    assert.equal(await reason(one, token(first)), "ok");
    server.keys = [first.jwk, third.jwk];
    // Within the cooldown: all of them wait for one request.
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => reason(one, token(third))));
    assert.deepEqual(new Set(outcomes), new Set(["ok"]));
    assert.equal(server.requests, 2);
    assert.equal(await reason(one, token(first)), "ok");
    assert.equal(server.requests, 2);
  });

  it("are fetched at once for a token of a new one when the last time is long ago", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = remote(server.url, { cooldownMs: 50 });
    assert.equal(await reason(one, token(first)), "ok");
    server.keys = [third.jwk];
    await pass(80);
    assert.equal(await reason(one, token(third)), "ok");
    assert.equal(server.requests, 2);
    assert.equal(await reason(one, token(first)), "invalid");
  });

  it("do not hold up tokens of the others", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = remote(server.url, { cooldownMs: 1_000 });
    assert.equal(await reason(one, token(first)), "ok");
    let answered = false;
    const waiting = reason(one, token(third)).finally(() => (answered = true));
    assert.equal(await reason(one, token(first)), "ok");
    assert.equal(answered, false);
    assert.equal(await waiting, "invalid");
  });

  it("cannot be asked for often by tokens of keys that there never were", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = remote(server.url, { cooldownMs: 300 });
    assert.equal(await reason(one, token(first)), "ok");
    const started = performance.now();
    for (let round = 0; round < 3; round += 1) {
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, () => reason(one, token(first, { kid: randomUUID() }))),
      );
      assert.deepEqual(new Set(outcomes), new Set(["invalid"]));
    }
    const windows = Math.ceil((performance.now() - started) / 300);
    assert.ok(server.requests <= 1 + windows, `${server.requests} requests`);
    assert.ok(server.requests <= 5);
  });

  it("are not trusted any more when they are gone for as long as keys are kept", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = remote(server.url, { cooldownMs: 20, maxAgeMs: 150 });
    assert.equal(await reason(one, token(first)), "ok");
    server.keys = [third.jwk];
    assert.equal(await reason(one, token(first)), "ok");
    await pass(180);
    assert.equal(await reason(one, token(first)), "invalid");
    assert.equal(await reason(one, token(third)), "ok");
  });
});

describe("an endpoint that fails", () => {
  it("by not being there makes every token unavailable, and is found when it comes", async () => {
    const port = await (async () => {
      await using server = await JwksServer.start([]);
      return server.port;
    })();
    const one = remote(`http://127.0.0.1:${port}/.well-known/jwks.json`, { cooldownMs: 50 });
    assert.match(await obstacle(one, token(first)), /could not be fetched: .*ECONNREFUSED/);
    assert.match(await obstacle(one, token(first, {}, { exp: now })), /could not be fetched/);
    await using server = await JwksServer.start([first.jwk], port);
    await pass(80);
    assert.equal(await reason(one, token(first)), "ok");
    assert.equal(await reason(one, token(first, {}, { exp: now })), "expired");
    assert.equal(server.requests, 1);
  });

  it("is left in peace for a while", async () => {
    await using server = await JwksServer.start([first.jwk]);
    server.respond = (response) => response.writeHead(503).end();
    const one = remote(server.url, { cooldownMs: 10_000 });
    for (let times = 0; times < 20; times += 1) await obstacle(one, token(first));
    assert.equal(server.requests, 1);
    assert.match(await obstacle(one, token(first)), /it failed a moment ago/);
  });

  it("does not hold up what needs no keys to be refused", async () => {
    await using server = await JwksServer.start([first.jwk]);
    server.respond = () => undefined;
    const one = remote(server.url, { timeoutMs: 60_000 });
    assert.equal(await reason(one, "no token"), "invalid");
    const hmac = new SignJWT({}).setProtectedHeader({ alg: "HS256" });
    assert.equal(await reason(one, hmac.sign(Buffer.from("secret"))), "invalid");
    assert.equal(server.requests, 0);
  });

  it("by silence does so after the time that it has", async () => {
    await using server = await JwksServer.start([first.jwk]);
    for (const silence of [
      () => undefined,
      (response: Parameters<typeof server.respond>[0]) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write('{"keys":[');
      },
    ]) {
      server.respond = silence;
      const one = remote(server.url, { timeoutMs: 200 });
      const started = performance.now();
      assert.match(await obstacle(one, token(first)), /timed out|timeout/i);
      assert.ok(performance.now() - started < 1_500);
    }
  });

  it("has two seconds if nothing else is said", async () => {
    await using server = await JwksServer.start([first.jwk]);
    server.respond = () => undefined;
    const started = performance.now();
    await obstacle(remote(server.url), token(first));
    const took = performance.now() - started;
    assert.ok(took > 1_800 && took < 3_500, `${took} ms`);
  });

  for (const [what, respond] of [
    ["status 500", (response) => response.writeHead(500).end("{}")],
    ["status 404", (response) => response.writeHead(404).end('{"keys":[]}')],
    ["a redirection", (response) => response.writeHead(302, { location: "/elsewhere" }).end()],
    ["no JSON", (response) => response.end("<html>")],
    ["nothing", (response) => response.end()],
    ["another object", (response) => response.end('{"error":"x"}')],
    ["a list", (response) => response.end("[]")],
    ["keys that are none", (response) => response.end('{"keys":[1]}')],
    ["a broken answer", (response) => response.destroy()],
  ] as const satisfies readonly (readonly [string, JwksServer["respond"]])[]) {
    it(`with ${what} makes tokens unavailable and not invalid`, async () => {
      await using server = await JwksServer.start([first.jwk]);
      server.respond = respond;
      await obstacle(remote(server.url), token(first));
    });
  }

  it("does not matter to tokens of keys that are known", async () => {
    await using server = await JwksServer.start([first.jwk]);
    const one = remote(server.url, { cooldownMs: 50 });
    assert.equal(await reason(one, token(first)), "ok");
    server.respond = (response) => response.writeHead(500).end();
    await pass(80);
    await obstacle(one, token(third));
    assert.equal(await reason(one, token(first)), "ok");
  });

  it("by giving a private key away is not relied on", async () => {
    const leaked = { ...first.privateKey.export({ format: "jwk" }), kid: "first" } as JWK;
    await using server = await JwksServer.start([leaked]);
    await obstacle(remote(server.url), token(first));
  });
});
