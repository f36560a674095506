import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SignJWT } from "jose";
import { TokenVerifier } from "../../../../apps/ws/auth/tokens.ts";
import { ChannelRules } from "../../../../apps/ws/channel/rules.ts";
import { decodeConfig } from "../../../../apps/ws/config/options.ts";
import { admitRaw } from "../../../../apps/ws/raw/identity.ts";

const key = "a secret of the test, long enough for HS256";
const token = (claims: Record<string, unknown>): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(key));
const inAnHour = Math.floor(Date.now() / 1_000) + 3_600;

async function admit(
  topic: string,
  request: { query?: string; headers?: Record<string, string> },
  client: object = {},
  channel: object = {},
) {
  const config = decodeConfig({
    client: { token: { hmac_secret_key: key }, ...client },
    channel: {
      without_namespace: { allow_subscribe_for_client: true, ...channel },
      namespaces: [{ name: "chat", allow_subscribe_for_client: true }],
    },
  });
  const verifier = new TokenVerifier(config.client);
  const outcome = await admitRaw(
    { headers: request.headers ?? {} },
    { topic, query: new URLSearchParams(request.query ?? "") },
    {
      client: config.client,
      rules: new ChannelRules(config),
      verify: (each) => verifier.verifyConnection(each),
    },
  );
  return "status" in outcome ? `${outcome.status} ${outcome.code}` : outcome;
}

describe("who may open a raw websocket", () => {
  it("is nobody without a token, unless the configuration says so", async () => {
    assert.equal(await admit("a", {}), "401 unauthorized");
    const anonymous = { allow_anonymous_connect_without_token: true };
    assert.equal(
      await admit("a", {}, anonymous),
      "403 forbidden",
      "no topic is for anonymous ones",
    );
    const open = await admit("a", {}, anonymous, { allow_subscribe_for_anonymous: true });
    assert.deepEqual(open, { topic: "a", mayPublish: false, expiresAtMs: undefined });
  });

  it("is everybody in insecure mode, with every permission, but not with a bad token", async () => {
    const insecure = { insecure: true };
    const all = await admit("$private", {}, insecure);
    assert.deepEqual(all, { topic: "$private", mayPublish: true, expiresAtMs: undefined });
    assert.equal(await admit("a", { query: "token=x.y.z" }, insecure), "401 unauthorized");
  });

  it("is whoever has a token, in the header or in the query", async () => {
    const good = await token({ sub: "42", exp: inAnHour });
    const admitted = { topic: "a", mayPublish: false, expiresAtMs: inAnHour * 1_000 };
    assert.deepEqual(await admit("a", { query: `token=${good}` }), admitted);
    const headers = { authorization: `Bearer ${good}` };
    assert.deepEqual(await admit("a", { headers }), admitted);
    // The header counts.
    assert.deepEqual(await admit("a", { headers, query: "token=x" }), admitted);
    const publisher = await admit("a", { headers }, {}, { allow_publish_for_subscriber: true });
    assert.deepEqual(publisher, { ...admitted, mayPublish: true });
  });

  it("is nobody with a token that has expired, is of another key, or of no user where one is needed", async () => {
    const old = await token({ sub: "42", exp: 1 });
    assert.equal(await admit("a", { query: `token=${old}` }), "401 token_expired");
    const ended = await token({ sub: "42", exp: inAnHour, expire_at: 1 });
    assert.equal(await admit("a", { query: `token=${ended}` }), "401 token_expired");
    const forged = await new SignJWT({ sub: "42" })
      .setProtectedHeader({ alg: "HS256" })
      .sign(Buffer.from("another secret of nobody in particular"));
    assert.equal(await admit("a", { query: `token=${forged}` }), "401 unauthorized");
    const nobody = await token({ exp: inAnHour });
    const strict = { disallow_anonymous_connection_tokens: true };
    assert.equal(await admit("a", { query: `token=${nobody}` }, strict), "401 unauthorized");
  });

  it("gets the topics that the token names, private ones too, and no other private one", async () => {
    const query = `token=${await token({ sub: "42", subs: { "$chat:ours": {}, $mine: {} } })}`;
    const list = `token=${await token({ sub: "42", channels: ["$mine"] })}`;
    const both = await token({ sub: "42", channels: ["$mine"], subs: { "$chat:ours": {} } });
    const granted = (topic: string) => ({ topic, mayPublish: false, expiresAtMs: undefined });
    assert.deepEqual(await admit("$chat:ours", { query }), granted("$chat:ours"));
    assert.deepEqual(await admit("$mine", { query }), granted("$mine"));
    assert.deepEqual(await admit("$mine", { query: list }), granted("$mine"));
    // As in the protocol, one list makes the other void.
    assert.equal(await admit("$mine", { query: `token=${both}` }), "403 forbidden");
    assert.equal(await admit("$other", { query }), "403 forbidden");
    assert.equal(await admit("$chat:other", { query }), "403 forbidden");
    // A property of every object is no topic of the token.
    assert.equal(await admit("$toString", { query }), "403 forbidden");
  });

  it("is told of a namespace that does not exist before anything else", async () => {
    assert.equal(await admit("nothing:a", {}), "404 unknown_channel");
  });

  it("may be a user that a trusted proxy names", async () => {
    const proxy = { user_id_http_header: "X-User" };
    const admitted = { topic: "a", mayPublish: false, expiresAtMs: undefined };
    assert.deepEqual(await admit("a", { headers: { "x-user": "42" } }, proxy), admitted);
    assert.equal(await admit("a", { headers: { "x-user": "42" } }), "401 unauthorized");
  });
});
