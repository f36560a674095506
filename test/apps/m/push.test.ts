import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT } from "jose";
import { HttpError } from "../../../apps/lib/http.ts";
import { createPushVerifier, decodePush } from "../../../apps/m/push.ts";

const account = "push@p.iam.gserviceaccount.com";
const audience = "https://m.p";
const keys = await generateKeyPair("RS256", { extractable: true });
const otherKeys = await generateKeyPair("RS256");

/** Google's keys, or what is in their place. */
async function serveKeys(answer?: { status: number; body: string }) {
  // Without alg, so that what a token may be signed with is not the keys' word.
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "k1", use: "sig" };
  const server = createServer((_request, response) => {
    response.writeHead(answer?.status ?? 200, { "content-type": "application/json" });
    response.end(answer?.body ?? JSON.stringify({ keys: [jwk] }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const now = Math.floor(Date.now() / 1_000);
const claims: JWTPayload = {
  iss: "https://accounts.google.com",
  aud: audience,
  email: account,
  email_verified: true,
  iat: now,
  exp: now + 3_600,
};

function sign(payload: JWTPayload, key = keys.privateKey, kid = "k1"): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: "RS256", kid }).sign(key);
}

function without(claim: string): JWTPayload {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim));
}

async function refusal(work: Promise<void>): Promise<[number, string]> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof HttpError);
    return [error.status, error.code];
  }
  return [204, "accepted"];
}

describe("a push's token", () => {
  it("is taken from Google's account of this service, in both forms that the issuer has", async () => {
    await using served = await serveKeys();
    const verify = createPushVerifier({ account, audience, keysUrl: served.url });
    await verify(`Bearer ${await sign(claims)}`);
    await verify(`bearer ${await sign({ ...claims, iss: "accounts.google.com" })}`);
    // Clocks differ.
    await verify(`Bearer ${await sign({ ...claims, exp: now - 5 })}`);
  });

  it("is refused when it is missing, forged, of somebody else, for somebody else or too old", async () => {
    await using served = await serveKeys();
    const verify = createPushVerifier({ account, audience, keysUrl: served.url });
    const part = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const publicText = Buffer.from(await exportSPKI(keys.publicKey));
    const good = await sign(claims);
    const [head = "", , signature = ""] = good.split(".");
    const wrong: [number, string] = [401, "wrong_token"];
    const missing: [number, string] = [401, "no_token"];
    const foreign: [number, string] = [403, "wrong_account"];
    const cases: [string, string | undefined, [number, string]][] = [
      ["no header", undefined, missing],
      ["another scheme", `Basic ${good}`, missing],
      ["no token", "Bearer ", missing],
      ["no JWT", "Bearer abc", missing],
      ["more than one", `Bearer ${good} ${good}`, missing],
      ["unsigned", `Bearer ${part({ alg: "none" })}.${part(claims)}.`, missing],
      ["unsigned, with a signature", `Bearer ${part({ alg: "none" })}.${part(claims)}.AA`, wrong],
      ["changed", `Bearer ${head}.${part({ ...claims, sub: "x" })}.${signature}`, wrong],
      ["signed by others", `Bearer ${await sign(claims, otherKeys.privateKey)}`, wrong],
      ["by an unknown key", `Bearer ${await sign(claims, keys.privateKey, "k2")}`, wrong],
      [
        "signed with the public key as a secret",
        `Bearer ${await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(publicText)}`,
        wrong,
      ],
      [
        "signed in another way",
        `Bearer ${await new SignJWT(claims).setProtectedHeader({ alg: "PS256", kid: "k1" }).sign(await importJWK(await exportJWK(keys.privateKey), "PS256"))}`,
        wrong,
      ],
      ["of another issuer", `Bearer ${await sign({ ...claims, iss: "https://a.b" })}`, wrong],
      ["without issuer", `Bearer ${await sign(without("iss"))}`, wrong],
      ["for another", `Bearer ${await sign({ ...claims, aud: "https://m.q" })}`, wrong],
      ["for nobody", `Bearer ${await sign(without("aud"))}`, wrong],
      ["expired", `Bearer ${await sign({ ...claims, exp: now - 3_600 })}`, wrong],
      ["without end", `Bearer ${await sign(without("exp"))}`, wrong],
      ["not yet valid", `Bearer ${await sign({ ...claims, nbf: now + 3_600 })}`, wrong],
      ["without account", `Bearer ${await sign(without("email"))}`, wrong],
      ["of another account", `Bearer ${await sign({ ...claims, email: "a@b.c" })}`, foreign],
      ["unverified", `Bearer ${await sign({ ...claims, email_verified: false })}`, foreign],
      ["verified in words", `Bearer ${await sign({ ...claims, email_verified: "true" })}`, foreign],
      ["without verification", `Bearer ${await sign(without("email_verified"))}`, foreign],
    ];
    for (const [name, authorization, expected] of cases) {
      assert.deepEqual(await refusal(verify(authorization)), expected, name);
    }
  });

  it("is neither taken nor refused for good while Google's keys cannot be had", async () => {
    const token = `Bearer ${await sign(claims)}`;
    const served = await serveKeys();
    await served[Symbol.asyncDispose]();
    await using failing = await serveKeys({ status: 500, body: "{}" });
    await using strange = await serveKeys({ status: 200, body: "<html>" });
    await using empty = await serveKeys({ status: 200, body: '{"keys":1}' });
    for (const { url } of [served, failing, strange, empty]) {
      const verify = createPushVerifier({ account, audience, keysUrl: url });
      assert.deepEqual(await refusal(verify(token)), [503, "no_keys"]);
    }
  });
});

describe("a push's body", () => {
  const body = (
    attributes: unknown,
    subscription: unknown = "projects/p/subscriptions/m-3",
  ): unknown => ({
    subscription,
    message: { messageId: "1", attributes },
  });

  it("names the revision, the writer and the index of the subscription", () => {
    assert.deepEqual(decodePush(body({ rev: "7", writer: "w-1" })), {
      rev: 7,
      writer: "w-1",
      index: 3,
    });
    assert.deepEqual(decodePush(body({ rev: "999999999999999" }, "projects/p/subscriptions/m")), {
      rev: 999_999_999_999_999,
      writer: undefined,
      index: undefined,
    });
  });

  it("may have a writer or a subscription that is of no use", () => {
    for (const writer of ["", "a b", "a.b", ">", "w".repeat(65), 1, null, undefined]) {
      assert.equal(decodePush(body({ rev: "7", writer })).writer, undefined);
    }
    for (const subscription of ["m", "m-", "m-x", "m-12345", "m-3-dlq", 3, null]) {
      assert.equal(decodePush(body({ rev: "7" }, subscription)).index, undefined);
    }
    assert.equal(decodePush(body({ rev: "7" }, "m-0")).index, 0);
  });

  it("is refused without a revision", () => {
    const bodies = [
      undefined,
      null,
      "text",
      7,
      [],
      {},
      { message: null },
      { message: { data: "aGVsbG8=" } },
      ...[7, "0", "-1", "1.5", "07", "", " 7", "1000000000000000", null].map((rev) =>
        body({ rev }),
      ),
    ];
    for (const each of bodies) {
      assert.throws(
        () => decodePush(each),
        (error) => {
          assert.ok(error instanceof HttpError);
          assert.deepEqual(
            [error.status, error.code, error.message],
            [
              400,
              "invalid_argument",
              "a push has the attribute rev, a whole number from 1, in message.attributes",
            ],
          );
          return true;
        },
      );
    }
  });
});
