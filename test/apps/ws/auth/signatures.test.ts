import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SignJWT } from "jose";
import { maxTokenLength } from "../../../../apps/ws/auth/tokens.ts";
import type { TokenOutcome } from "../../../../apps/ws/auth/tokens.ts";
import { ConfigError } from "../../../../apps/ws/config/options.ts";
import { now, verifier } from "./settings.ts";

const secret = "a secret that only the backend and the gateway know";
const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const curves = { ES256: "P-256", ES384: "P-384", ES512: "P-521" } as const;
const ec = Object.fromEntries(
  Object.entries(curves).map(([algorithm, namedCurve]) => [
    algorithm,
    generateKeyPairSync("ec", { namedCurve }),
  ]),
);
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();

function token(
  algorithm: string,
  key: KeyObject | string,
  claims: Record<string, unknown> = { sub: "42" },
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm })
    .sign(typeof key === "string" ? Buffer.from(key) : key);
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token with any header, signed as HMAC would with any secret. */
function forged(header: unknown, claims: unknown, key: string | Buffer, hash = "sha256"): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest("base64url")}`;
}

function reason<T>(outcome: TokenOutcome<T>): string {
  return outcome.ok ? "ok" : outcome.reason;
}

describe("a signature", () => {
  for (const algorithm of ["HS256", "HS384", "HS512"]) {
    it(`of ${algorithm} is verified with the secret key`, async () => {
      const { verifyConnection } = bound({ hmac_secret_key: secret });
      assert.equal(await verifyConnection(await token(algorithm, secret)), "ok");
      assert.equal(await verifyConnection(await token(algorithm, `${secret}!`)), "invalid");
    });
  }

  for (const algorithm of ["RS256", "RS384", "RS512"]) {
    it(`of ${algorithm} is verified with the RSA key`, async () => {
      const { verifyConnection } = bound({ rsa_public_key: pem(rsa.publicKey) });
      assert.equal(await verifyConnection(await token(algorithm, rsa.privateKey)), "ok");
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
      assert.equal(await verifyConnection(await token(algorithm, privateKey)), "invalid");
    });
  }

  for (const algorithm of Object.keys(curves)) {
    it(`of ${algorithm} is verified with a key of its curve only`, async () => {
      for (const [other, keys] of Object.entries(ec)) {
        const { verifyConnection } = bound({ ecdsa_public_key: pem(keys.publicKey) });
        const own = ec[algorithm];
        assert.ok(own);
        assert.equal(
          await verifyConnection(await token(algorithm, own.privateKey)),
          other === algorithm ? "ok" : "invalid",
        );
      }
    });
  }

  it("may be of each kind for which there is a key", async () => {
    const p256 = ec["ES256"];
    assert.ok(p256);
    const { verifyConnection } = bound({
      hmac_secret_key: secret,
      rsa_public_key: pem(rsa.publicKey),
      ecdsa_public_key: pem(p256.publicKey),
    });
    assert.equal(await verifyConnection(await token("HS512", secret)), "ok");
    assert.equal(await verifyConnection(await token("RS256", rsa.privateKey)), "ok");
    assert.equal(await verifyConnection(await token("ES256", p256.privateKey)), "ok");
  });

  it("is never right where there is no key", async () => {
    const { verifyConnection } = bound({});
    assert.equal(await verifyConnection(await token("HS256", secret)), "invalid");
    assert.equal(await verifyConnection(forged({ alg: "HS256" }, {}, "")), "invalid");
    assert.equal(await verifyConnection(await token("RS256", rsa.privateKey)), "invalid");
  });

  it("of HMAC with the public key as its secret is refused", async () => {
    const key = pem(rsa.publicKey);
    const der = rsa.publicKey.export({ type: "spki", format: "der" });
    for (const configured of [
      { rsa_public_key: key },
      { rsa_public_key: key, hmac_secret_key: secret },
    ]) {
      const { verifyConnection } = bound(configured);
      for (const guess of [key, key.trimEnd(), `${key}\n`, der]) {
        for (const hash of ["256", "384", "512"]) {
          const attack = forged({ alg: `HS${hash}` }, { sub: "root" }, guess, `sha${hash}`);
          assert.equal(await verifyConnection(attack), "invalid");
        }
      }
    }
  });

  it("that is none is refused, however its absence is written", async () => {
    const { verifyConnection } = bound({
      hmac_secret_key: secret,
      rsa_public_key: pem(rsa.publicKey),
    });
    for (const alg of ["none", "None", "NONE", "nOnE", "", "HS0", "constructor", "__proto__", 0]) {
      for (const signature of ["", "AA", forged({ alg }, {}, "").split(".")[2] ?? ""]) {
        const attack = `${encode({ alg })}.${encode({ sub: "root" })}.${signature}`;
        assert.equal(await verifyConnection(attack), "invalid", `${alg} ${signature}`);
      }
    }
    for (const header of [{}, { alg: null }, { alg: ["HS256"] }, [], "HS256", null]) {
      assert.equal(await verifyConnection(forged(header, {}, secret)), "invalid");
    }
  });

  it("with a key that the token itself brings is refused", async () => {
    const thief = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    const jwk = thief.publicKey.export({ format: "jwk" });
    const { verifyConnection } = bound({ rsa_public_key: pem(rsa.publicKey) });
    const header = { alg: "RS256", jwk, jku: "http://127.0.0.1:9/", x5u: "http://127.0.0.1:9/" };
    const signed = `${encode(header)}.${encode({ sub: "root" })}`;
    const signature = sign("sha256", Buffer.from(signed), thief.privateKey).toString("base64url");
    assert.equal(await verifyConnection(`${signed}.${signature}`), "invalid");
  });

  it("over what is not encoded, or with an extension that is not known, is refused", async () => {
    const { verifyConnection } = bound({ hmac_secret_key: secret });
    const plain = `${encode({ alg: "HS256", b64: false, crit: ["b64"] })}.{}`;
    const signature = createHmac("sha256", secret).update(plain).digest("base64url");
    assert.equal(await verifyConnection(`${plain}.${signature}`), "invalid");
    const header = { alg: "HS256", crit: ["exp"], exp: 1 };
    assert.equal(await verifyConnection(forged(header, {}, secret)), "invalid");
  });

  it("is of all that is signed", async () => {
    const { verifyConnection } = bound({ hmac_secret_key: secret });
    const good = await token("HS256", secret, { sub: "42" });
    const [header = "", , signature = ""] = good.split(".");
    assert.equal(
      await verifyConnection(`${header}.${encode({ sub: "1" })}.${signature}`),
      "invalid",
    );
    assert.equal(await verifyConnection(`${good}.`), "invalid");
    assert.equal(await verifyConnection(`${good}.x.y`), "invalid");
    assert.equal(await verifyConnection(` ${good}`), "invalid");
    assert.equal(await verifyConnection(good.slice(0, -1)), "invalid");
    assert.equal(await verifyConnection(good.slice(0, good.lastIndexOf(".") + 1)), "invalid");
  });

  it("with the previous key is right until its time is over", async () => {
    const old = await token("HS256", "the old secret");
    const recent = await token("HS384", secret);
    const keys = { hmac_secret_key: secret, hmac_previous_secret_key: "the old secret" };
    let at = now * 1_000;
    const limited = verifier(
      { token: { ...keys, hmac_previous_secret_key_valid_until: now + 60 } },
      { now: () => at },
    );
    assert.equal(reason(await limited.verifyConnection(old)), "ok");
    assert.equal(reason(await limited.verifyConnection(recent)), "ok");
    at += 59_999;
    assert.equal(reason(await limited.verifyConnection(old)), "ok");
    at += 1;
    assert.equal(reason(await limited.verifyConnection(old)), "invalid");
    assert.equal(reason(await limited.verifyConnection(recent)), "ok");

    const unlimited = bound(keys);
    assert.equal(await unlimited.verifyConnection(old), "ok");
    assert.equal(await unlimited.verifyConnection(await token("HS256", "neither")), "invalid");
  });

  it("with the previous key is expired or invalid as any other is", async () => {
    const { verifyConnection } = bound({
      hmac_secret_key: secret,
      hmac_previous_secret_key: "the old secret",
      rsa_public_key: pem(rsa.publicKey),
    });
    assert.equal(
      await verifyConnection(await token("HS256", "the old secret", { exp: now })),
      "expired",
    );
    assert.equal(await verifyConnection(await token("RS256", rsa.privateKey)), "ok");
    assert.equal(await verifyConnection(forged({ alg: "RS256" }, {}, "the old secret")), "invalid");
  });

  it("is looked at before anything else: who forged an expired token learns nothing", async () => {
    const { verifyConnection } = bound({ hmac_secret_key: secret });
    assert.equal(await verifyConnection(await token("HS256", secret, { exp: 1 })), "expired");
    assert.equal(await verifyConnection(await token("HS256", "wrong", { exp: 1 })), "invalid");
  });

  it("of a huge token is not computed", async () => {
    const { verifyConnection } = bound({ hmac_secret_key: secret });
    const long = await token("HS256", secret, { sub: "x".repeat(40_000) });
    assert.ok(long.length < maxTokenLength);
    assert.equal(await verifyConnection(long), "ok");
    const tooLong = await token("HS256", secret, { sub: "x".repeat(50_000) });
    assert.ok(tooLong.length > maxTokenLength);
    assert.equal(await verifyConnection(tooLong), "invalid");
    const started = performance.now();
    assert.equal(await verifyConnection("a.".repeat(5_000_000)), "invalid");
    assert.ok(performance.now() - started < 500);
  });

  it("need not be there where the configuration says so, but a token does", async () => {
    const lax = verifier({ skip: true, token: { hmac_secret_key: secret } });
    const claims = { sub: "42", exp: now + 1 };
    for (const good of [
      await token("HS256", "any", claims),
      `${encode({ alg: "none" })}.${encode(claims)}.`,
    ]) {
      const outcome = await lax.verifyConnection(good);
      assert.ok(outcome.ok);
      assert.equal(outcome.claims.user, "42");
    }
    const old = await token("HS256", "any", { exp: now });
    assert.equal(reason(await lax.verifyConnection(old)), "expired");
    for (const bad of ["", "a.b", "a.b.c", `${encode({ alg: "none" })}.!.`, `.${encode({})}.`]) {
      assert.equal(reason(await lax.verifyConnection(bad)), "invalid");
    }
  });

  it("is of other keys for subscription tokens where these have options of their own", async () => {
    const one = verifier({
      token: { hmac_secret_key: secret },
      subscription: { hmac_secret_key: "another" },
    });
    const claims = { sub: "42", channel: "news" };
    const own = await token("HS256", "another", claims);
    const foreign = await token("HS256", secret, claims);
    assert.equal(reason(await one.verifySubscription(own)), "ok");
    assert.equal(reason(await one.verifySubscription(foreign)), "invalid");
    assert.equal(reason(await one.verifyConnection(await token("HS256", "another"))), "invalid");
    const shared = verifier({ token: { hmac_secret_key: secret } });
    assert.equal(reason(await shared.verifySubscription(foreign)), "ok");
  });

  it("is wrong in whatever is no token, and verifying never rejects", async () => {
    const one = verifier({
      token: { hmac_secret_key: secret, rsa_public_key: pem(rsa.publicKey) },
    });
    const lax = verifier({ skip: true });
    const part = fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.json({ maxDepth: 2 }).map(encode),
      fc.constantFrom(encode({ alg: "HS256" }), encode({ alg: "RS256" }), "e30", ""),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 4 }), async (parts) => {
        const text = parts.join(".");
        assert.equal(reason(await one.verifyConnection(text)), "invalid");
        assert.equal(reason(await one.verifySubscription(text)), "invalid");
        await lax.verifyConnection(text);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("a key that is none", () => {
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const short = generateKeyPairSync("rsa", { modulusLength: 1_024 });
  const bitcoin = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const pss = generateKeyPairSync("rsa-pss", { modulusLength: 2_048 });
  const rsaProblem = "rsa_public_key: is no RSA public key of 2048 bits or more as PEM";
  const ecProblem = "ecdsa_public_key: is no public key of P-256, P-384 or P-521 as PEM";
  const urlProblem = "jwks_public_endpoint: is no URL of https or http without placeholders";

  for (const [what, token, problem] of [
    ["text", { rsa_public_key: "x" }, rsaProblem],
    ["a short RSA key", { rsa_public_key: pem(short.publicKey) }, rsaProblem],
    ["an RSA key for PSS only", { rsa_public_key: pem(pss.publicKey) }, rsaProblem],
    ["an EC key as RSA key", { rsa_public_key: pem(p256.publicKey) }, rsaProblem],
    [
      "a private key",
      { rsa_public_key: rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString() },
      rsaProblem,
    ],
    ["an RSA key as EC key", { ecdsa_public_key: pem(rsa.publicKey) }, ecProblem],
    ["a key of another curve", { ecdsa_public_key: pem(bitcoin.publicKey) }, ecProblem],
    ["no URL", { jwks_public_endpoint: "keys" }, urlProblem],
    ["a file", { jwks_public_endpoint: "file:///keys" }, urlProblem],
    ["a template", { jwks_public_endpoint: "https://{{tenant}}.example/keys" }, urlProblem],
  ] as const) {
    it(`because it is ${what} is refused at construction`, () => {
      assert.throws(
        () => verifier({ token }),
        (error) => {
          assert.ok(error instanceof ConfigError);
          assert.deepEqual(error.problems, [`client.token.${problem}`]);
          return true;
        },
      );
    });
  }

  it("is named with all that is wrong, of both kinds of tokens", () => {
    assert.throws(
      () =>
        verifier({
          token: { audience_regex: "(", issuer_regex: "[" },
          subscription: { ecdsa_public_key: "x", issuer_regex: "\\A" },
        }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.deepEqual(error.problems, [
          "client.token.audience_regex: is no regular expression as JavaScript has them",
          "client.token.issuer_regex: is no regular expression as JavaScript has them",
          `client.subscription_token.${ecProblem}`,
          "client.subscription_token.issuer_regex: is no regular expression as JavaScript has them",
        ]);
        return true;
      },
    );
  });
});

/** The reason of each answer, with `ok` for success. */
function bound(token: Parameters<typeof verifier>[0]["token"] & object): {
  verifyConnection: (text: string) => Promise<string>;
} {
  const one = verifier({ token });
  return { verifyConnection: async (text) => reason(await one.verifyConnection(text)) };
}
