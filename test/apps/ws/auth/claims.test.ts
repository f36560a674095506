import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type {
  ConnectionClaims,
  SubscriptionClaims,
  TokenOutcome,
} from "../../../../apps/ws/auth/tokens.ts";
import type { TokenOptions } from "../../../../apps/ws/config/options.ts";
import { now, verifier } from "./settings.ts";

const secret = "a secret";

/** A rightly signed token with this payload; text is taken as it is. */
function signed(payload: unknown): string {
  const encode = (value: string | Buffer): string => Buffer.from(value).toString("base64url");
  const body =
    typeof payload === "string" || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
  const input = `${encode('{"alg":"HS256"}')}.${encode(body)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

const given = (token: Partial<TokenOptions>) =>
  verifier({ token: { hmac_secret_key: secret, ...token } });

const connect = (
  payload: unknown,
  token: Partial<TokenOptions> = {},
): Promise<TokenOutcome<ConnectionClaims>> => given(token).verifyConnection(signed(payload));

const subscribe = (
  payload: unknown,
  token: Partial<TokenOptions> = {},
): Promise<TokenOutcome<SubscriptionClaims>> => given(token).verifySubscription(signed(payload));

async function connectionClaims(
  payload: unknown,
  token: Partial<TokenOptions> = {},
): Promise<ConnectionClaims> {
  const outcome = await connect(payload, token);
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.message);
  return outcome.claims;
}

async function subscriptionClaims(
  payload: unknown,
  token: Partial<TokenOptions> = {},
): Promise<SubscriptionClaims> {
  const outcome = await subscribe(payload, token);
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.message);
  return outcome.claims;
}

/** The reason and the message of a refusal. */
function refusal<T>(outcome: TokenOutcome<T>): string {
  return outcome.ok ? "ok" : `${outcome.reason}: ${outcome.message}`;
}

const base64 = (value: string | Buffer): string => Buffer.from(value).toString("base64");

describe("a connection token", () => {
  it("without any claim is that of an anonymous client and never expires", async () => {
    assert.deepEqual(await connectionClaims({}), {
      user: "",
      expireAt: undefined,
      info: undefined,
      channels: [],
      subs: Object.create(null) as object,
      meta: undefined,
    });
    assert.equal((await connectionClaims({ exp: now + 1 })).user, "");
    assert.equal((await connectionClaims({ sub: "42" })).expireAt, undefined);
  });

  it("says all that it may say", async () => {
    const claims = await connectionClaims({
      sub: "42",
      exp: now + 60,
      nbf: now,
      iat: now,
      jti: "1",
      info: { name: "Ann" },
      channels: ["news", "#42"],
      subs: { "chat:1": { info: [1], data: null, override: { presence: { value: true } } } },
      meta: { role: "admin", big: 1.5 },
      other: {},
    });
    assert.deepEqual(claims, {
      user: "42",
      expireAt: now + 60,
      info: '{"name":"Ann"}',
      channels: ["news", "#42"],
      subs: Object.assign(Object.create(null) as object, {
        "chat:1": { info: "[1]", data: "null", override: { presence: true } },
      }),
      meta: '{"role":"admin","big":1.5}',
    });
  });

  it("with claims that are null says nothing by them", async () => {
    const names = ["sub", "exp", "nbf", "aud", "iss", "channels", "subs", "meta", "expire_at"];
    const payload = Object.fromEntries([...names, "channel", "b64info"].map((one) => [one, null]));
    assert.deepEqual(await connectionClaims(payload), await connectionClaims({}));
  });

  it("with a channel is invalid, but not with an empty one", async () => {
    assert.equal(
      refusal(await connect({ sub: "42", channel: "news" })),
      "invalid: the token is for a subscription",
    );
    assert.equal(
      refusal(await connect({ channel: "news", exp: 1 })),
      "invalid: the token is for a subscription",
    );
    assert.equal((await connectionClaims({ sub: "42", channel: "" })).user, "42");
  });

  for (const [payload, message] of [
    ["", "the payload is not JSON"],
    ["{", "the payload is not JSON"],
    ["{}x", "the payload is not JSON"],
    [Buffer.from([0x22, 0xff, 0x22]), "the payload is not JSON"],
    ["[]", "the payload is not an object"],
    ["null", "the payload is not an object"],
    ["1.0", "the payload is not an object"],
    ['"x"', "the payload is not an object"],
    [{ sub: 42 }, "sub is no text"],
    [{ sub: ["42"] }, "sub is no text"],
    [{ sub: false }, "sub is no text"],
    [{ exp: String(now + 60) }, "exp is no number"],
    [{ exp: "" }, "exp is no number"],
    [{ exp: true }, "exp is no number"],
    [{ exp: [now + 60] }, "exp is no number"],
    ['{"exp":1e999}', "exp is no number"],
    [{ nbf: "0" }, "nbf is no number"],
    [{ expire_at: "0" }, "expire_at is no whole number"],
    [{ expire_at: now + 0.5 }, "expire_at is no whole number"],
    [{ expire_at: 1e300 }, "expire_at is no whole number"],
    [{ expire_at: false }, "expire_at is no whole number"],
    [{ channel: 1 }, "channel is no text"],
    [{ channels: "news" }, "channels is no list of texts"],
    [{ channels: ["news", 1] }, "channels is no list of texts"],
    [{ channels: { news: {} } }, "channels is no list of texts"],
    [{ subs: ["news"] }, "subs is no object"],
    [{ subs: "news" }, "subs is no object"],
    [{ subs: { news: true } }, "a channel of subs has no object"],
    [{ subs: { news: [] } }, "a channel of subs has no object"],
    [{ b64info: "!" }, "b64info is not in base64"],
    [{ b64info: "e30" }, "b64info is not in base64"],
    [{ b64info: 1 }, "b64info is no text"],
    [{ subs: { news: { b64data: "===" } } }, "subs: b64data is not in base64"],
    [{ subs: { news: { override: [] } } }, "subs: override is no object"],
    [{ subs: { news: { override: { presence: true } } } }, "subs: override.presence is no {value}"],
    [
      { subs: { news: { override: { join_leave: { value: "yes" } } } } },
      "subs: override.join_leave is no {value}",
    ],
  ] as const) {
    const shown = Buffer.isBuffer(payload) ? "bytes" : JSON.stringify(payload);
    it(`with ${shown} is invalid: ${message}`, async () => {
      assert.equal(refusal(await connect(payload)), `invalid: ${message}`);
    });
  }

  it("is not confused by names that objects have of themselves", async () => {
    const claims = await connectionClaims(
      '{"__proto__":{"sub":"root","exp":1},"subs":{"__proto__":{"info":1},"constructor":{}}}',
    );
    assert.equal(claims.user, "");
    assert.equal(claims.expireAt, undefined);
    assert.deepEqual(Object.keys(claims.subs), ["__proto__", "constructor"]);
    assert.equal(Object.getPrototypeOf(claims.subs), null);
    assert.equal(claims.subs["__proto__"]?.info, "1");
    const byClaim = await connectionClaims({}, { user_id_claim: "constructor" });
    assert.equal(byClaim.user, "");
  });

  it("that is nested too deep is answered", async () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const outcome = await connect(`{"info":${deep}}`);
    assert.ok(outcome.ok || outcome.reason === "invalid");
  });

  it("with any claims at all is answered, and its texts of JSON are JSON", async () => {
    const one = given({});
    const name = fc.constantFrom(
      ...["sub", "exp", "nbf", "info", "b64info", "channels", "subs", "meta", "expire_at", "aud"],
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.jsonValue()), async (payload) => {
        const outcome = await one.verifyConnection(signed(payload));
        if (!outcome.ok) return;
        if (outcome.claims.info !== undefined) JSON.parse(outcome.claims.info);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the time of a token", () => {
  it("is over at exp", async () => {
    assert.equal(refusal(await connect({ exp: now })), "expired: the token is expired");
    assert.equal(refusal(await connect({ exp: 0 })), "expired: the token is expired");
    assert.equal(refusal(await connect({ exp: -1 })), "expired: the token is expired");
    assert.equal(refusal(await connect({ exp: now + 0.001 })), "ok");
    assert.equal(
      refusal(await subscribe({ channel: "news", exp: now })),
      "expired: the token is expired",
    );
  });

  it("begins at nbf, before which the client should come again", async () => {
    assert.equal(refusal(await connect({ nbf: now + 1 })), "expired: the token is not valid yet");
    assert.equal(refusal(await connect({ nbf: now })), "ok");
  });

  it("is asked by the clock that the verifier was given", async () => {
    let at = (now - 1) * 1_000;
    const one = verifier({ token: { hmac_secret_key: secret } }, { now: () => at });
    const token = signed({ exp: now });
    assert.equal(refusal(await one.verifyConnection(token)), "ok");
    at = now * 1_000 - 1;
    assert.equal(refusal(await one.verifyConnection(token)), "ok");
    at = now * 1_000;
    assert.equal(refusal(await one.verifyConnection(token)), "expired: the token is expired");
  });

  it("does not matter where anything else is wrong", async () => {
    const strict = { audience: "gateway", issuer: "backend" };
    const right = { aud: "gateway", iss: "backend", exp: 1 };
    const wrong = "invalid: the token is of another issuer or for another audience";
    assert.equal(refusal(await connect(right, strict)), "expired: the token is expired");
    assert.equal(refusal(await connect({ ...right, aud: "x" }, strict)), wrong);
    assert.equal(refusal(await connect({ ...right, iss: "x" }, strict)), wrong);
    assert.equal(refusal(await connect({ ...right, sub: 1 }, strict)), "invalid: sub is no text");
    assert.equal(refusal(await subscribe({ exp: 1 })), "invalid: channel is missing");
  });

  it("is how long a connection may stay, unless expire_at says otherwise", async () => {
    for (const [times, expected] of [
      [{}, undefined],
      [{ exp: now + 60 }, now + 60],
      [{ exp: now + 60.9 }, now + 60],
      [{ exp: now + 60, expire_at: now + 3_600 }, now + 3_600],
      [{ exp: now + 60, expire_at: now + 5 }, now + 5],
      [{ exp: now + 60, expire_at: now - 5 }, now - 5],
      [{ exp: now + 60, expire_at: 0 }, undefined],
      [{ exp: now + 60, expire_at: -1 }, undefined],
      [{ exp: now + 60, expire_at: null }, now + 60],
      [{ expire_at: now + 5 }, now + 5],
    ] as const) {
      const shown = JSON.stringify(times);
      assert.equal((await connectionClaims(times)).expireAt, expected, shown);
      const { expireAt } = await subscriptionClaims({ channel: "news", ...times });
      assert.equal(expireAt, expected, shown);
    }
  });

  it("may be written in any way that JSON has for numbers", async () => {
    const claims = await connectionClaims(`{"exp":${now + 60}.0,"nbf":1e3,"expire_at":1.9e9}`);
    assert.equal(claims.expireAt, 1_900_000_000);
    assert.equal((await connectionClaims(`{"exp":${now + 60}.0}`)).expireAt, now + 60);
    assert.equal(refusal(await connect('{"exp":1.0}')), "expired: the token is expired");
  });
});

describe("info and data", () => {
  for (const text of [
    '{"name":"Ann"}',
    "[]",
    '"text"',
    '""',
    "0",
    "false",
    "true",
    "null",
    "1.0",
    "-0",
    "1e2",
    "12345678901234567890",
    '{"id":9007199254740993,"a":[0.10,1E5],"b":{}}',
    '"\\u2028\\n"',
  ]) {
    it(`may be ${text}, and keep their meaning to the last digit`, async () => {
      const claims = await connectionClaims(
        `{"info": ${text}, "subs": {"news": {"info":${text},"data":\n${text}}}}`,
      );
      const sub = claims.subs["news"];
      const [one, own] = [claims.info ?? "", sub?.info];
      assert.equal(own, one);
      assert.equal(sub?.data, one);
      assert.deepEqual(JSON.parse(one), JSON.parse(text));
      if (!text.includes('"')) assert.equal(one, text);
      if (text.includes("9007199254740993")) assert.equal(one, text);
      const token = await subscriptionClaims(`{"channel":"news","info":${text},"data":${text}}`);
      assert.equal(token.info, one);
      assert.equal(token.data, one);
    });
  }

  it("may be bytes: JSON stays as it is, without newlines", async () => {
    for (const [bytes, text] of [
      ['{"id":1.0}', '{"id":1.0}'],
      ['{\n"id":\r\n1}', '{ "id":  1}'],
      ["null", "null"],
      ['"ü"', '"ü"'],
    ] as const) {
      const claims = await connectionClaims({
        b64info: base64(bytes),
        subs: { news: { b64info: base64(bytes), b64data: base64(bytes) } },
      });
      assert.equal(claims.info, text);
      assert.deepEqual(claims.subs["news"], { info: text, data: text, override: {} });
    }
  });

  it("that are bytes but not JSON become a JSON string", async () => {
    for (const [bytes, value] of [
      ["Ann", "Ann"],
      ["{", "{"],
      ["a\nb", "a\nb"],
      [Buffer.from([0xff, 0x00]), "\ufffd\u0000"],
      [Buffer.from([0xef, 0xbb, 0xbf, 0x31]), "\ufeff1"],
    ] as const) {
      const { data } = await subscriptionClaims({ channel: "news", b64data: base64(bytes) });
      assert.equal(data, JSON.stringify(value));
      assert.ok(!data.includes("\n"));
    }
  });

  it("that are bytes go before those that are JSON, unless they are empty", async () => {
    assert.equal((await connectionClaims({ info: 1, b64info: base64("2") })).info, "2");
    assert.equal((await connectionClaims({ info: 1, b64info: "" })).info, "1");
    assert.equal((await connectionClaims({ b64info: "" })).info, undefined);
  });
});

describe("the user of a token", () => {
  it("is in the claim that the configuration names", async () => {
    const token = { user_id_claim: "uid" };
    assert.equal((await connectionClaims({ sub: "1", uid: "2" }, token)).user, "2");
    assert.equal((await connectionClaims({ sub: "1" }, token)).user, "");
    assert.equal((await connectionClaims({ sub: 1, uid: "2" }, token)).user, "2");
    const { user } = await subscriptionClaims({ channel: "news", sub: "1", uid: "2" }, token);
    assert.equal(user, "2");
  });

  it("may be a whole number there, as databases have it", async () => {
    const token = { user_id_claim: "uid" };
    assert.equal((await connectionClaims({ uid: 42 }, token)).user, "42");
    const { user } = await connectionClaims('{"uid":12345678901234567890}', token);
    assert.equal(user, "12345678901234567890");
    for (const uid of ["1.5", "1e3", "true", "{}", '["1"]']) {
      assert.equal(refusal(await connect(`{"uid":${uid}}`, token)), "invalid: uid is no text");
    }
  });

  it("is that of subscription tokens' own options", async () => {
    const one = verifier({
      token: { hmac_secret_key: secret, user_id_claim: "uid" },
      subscription: { hmac_secret_key: secret, user_id_claim: "person" },
    });
    const payload = { sub: "1", uid: "2", person: "3" };
    const connection = await one.verifyConnection(signed(payload));
    const subscription = await one.verifySubscription(signed({ ...payload, channel: "news" }));
    assert.ok(connection.ok && subscription.ok);
    assert.equal(connection.claims.user, "2");
    assert.equal(subscription.claims.user, "3");
  });
});

describe("the audience and the issuer", () => {
  const wrong = "invalid: the token is of another issuer or for another audience";

  it("do not matter where the configuration does not ask for them", async () => {
    assert.equal(refusal(await connect({ aud: "x", iss: "y" })), "ok");
    assert.equal(refusal(await connect({ aud: 1, iss: {} })), "ok");
  });

  for (const [token, payload, expected] of [
    [{ audience: "gateway" }, { aud: "gateway" }, "ok"],
    [{ audience: "gateway" }, { aud: ["x", "gateway"] }, "ok"],
    [{ audience: "gateway" }, { aud: "gateway2" }, wrong],
    [{ audience: "gateway" }, { aud: [] }, wrong],
    [{ audience: "gateway" }, {}, wrong],
    [{ audience: "gateway" }, { aud: [1] }, "invalid: aud is no list of texts"],
    [{ audience_regex: "^gate" }, { aud: "gateway" }, "ok"],
    [{ audience_regex: "^gate" }, { aud: ["x", "gate"] }, "ok"],
    [{ audience_regex: "^gate" }, { aud: ["x", "a gate"] }, wrong],
    [{ audience_regex: "" }, {}, "ok"],
    [{ audience_regex: ".*" }, {}, wrong],
    [{ issuer: "backend" }, { iss: "backend" }, "ok"],
    [{ issuer: "backend" }, { iss: "Backend" }, wrong],
    [{ issuer: "backend" }, {}, wrong],
    [{ issuer: "backend" }, { iss: ["backend"] }, "invalid: iss is no text"],
    [{ issuer_regex: "^https://(a|b)\\.example$" }, { iss: "https://b.example" }, "ok"],
    [{ issuer_regex: "^https://(a|b)\\.example$" }, { iss: "https://bxexample" }, wrong],
    [{ issuer_regex: ".*" }, {}, wrong],
    [{ issuer: "backend", audience: "gateway" }, { iss: "backend" }, wrong],
  ] as const) {
    const [options, claims] = [JSON.stringify(token), JSON.stringify(payload)];
    it(`with ${options}: ${claims} is ${expected}`, async () => {
      assert.equal(refusal(await connect(payload, token)), expected);
      assert.equal(refusal(await subscribe({ ...payload, channel: "news" }, token)), expected);
    });
  }
});

describe("a subscription token", () => {
  it("needs a channel", async () => {
    for (const payload of [{}, { channel: "" }, { channel: null }]) {
      assert.equal(refusal(await subscribe(payload)), "invalid: channel is missing");
    }
    assert.equal(refusal(await subscribe({ channel: 1 })), "invalid: channel is no text");
  });

  it("says all that it may say, and nothing that it does not", async () => {
    assert.deepEqual(await subscriptionClaims({ channel: "news" }), {
      channel: "news",
      user: "",
      client: undefined,
      expireAt: undefined,
      override: {},
    });
    assert.deepEqual(
      await subscriptionClaims({
        channel: "$chat:1",
        sub: "42",
        client: "an id",
        exp: now + 60,
        info: { a: 1 },
        data: "x",
        override: {
          presence: { value: true },
          join_leave: { value: false },
          force_push_join_leave: {},
          force_recovery: null,
          force_positioning: { value: null },
          position: { value: true },
        },
      }),
      {
        channel: "$chat:1",
        user: "42",
        client: "an id",
        expireAt: now + 60,
        info: '{"a":1}',
        data: '"x"',
        override: {
          presence: true,
          join_leave: false,
          force_push_join_leave: false,
          force_positioning: false,
        },
      },
    );
  });

  it("is for any client when its client is empty", async () => {
    assert.equal((await subscriptionClaims({ channel: "news", client: "" })).client, undefined);
    assert.equal(
      refusal(await subscribe({ channel: "news", client: 7 })),
      "invalid: client is no text",
    );
  });
});
