import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe as suite, it } from "node:test";
import { Identity } from "../../../local/cloud/identity.ts";

const add = "add@p.iam.gserviceaccount.com";
const ws = "ws@p.iam.gserviceaccount.com";
const role = "roles/secretmanager.secretAccessor";
const name = "projects/p/secrets/nats-seed-add";

let now = 1_000_000;
let identity: Identity;
let endpoint: string;

async function token(account: string): Promise<string> {
  const host = await identity.metadataHost(account, "p");
  const path = "/computeMetadata/v1/instance/service-accounts/default/token";
  const response = await fetch(`http://${host}${path}`, {
    headers: { "Metadata-Flavor": "Google" },
  });
  const body = (await response.json()) as { access_token: string; token_type: string };
  assert.equal(body.token_type, "Bearer");
  return body.access_token;
}

async function access(
  secret: string,
  bearer: string | undefined,
): Promise<{ status: number; body: { payload?: { data: string }; error?: { status: string } } }> {
  const response = await fetch(`${endpoint}/v1/${secret}/versions/latest:access`, {
    headers: bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` },
  });
  return { status: response.status, body: (await response.json()) as object };
}

before(async () => {
  identity = new Identity({
    secret: (id) => Promise.resolve(id === "empty" ? undefined : `seed of ${id}`),
    now: () => now,
  });
  endpoint = await identity.secretEndpoint();
  identity.declareSecret(name);
  identity.declareSecret("projects/p/secrets/empty");
  identity.grant("g1", name, role, `serviceAccount:${add}`);
  identity.grant("g2", "empty", role, `serviceAccount:${add}`);
  identity.grant("g3", "undeclared", role, `serviceAccount:${add}`);
  identity.grant("g4", "nats-seed-add", "roles/secretmanager.viewer", `serviceAccount:${ws}`);
});
after(() => identity.stop());

suite("a secret", () => {
  it("is served to the account that a declared member names", async () => {
    const { status, body } = await access(name, await token(add));
    assert.equal(status, 200);
    const data = Buffer.from(body.payload?.data ?? "", "base64").toString();
    assert.equal(data, "seed of nats-seed-add");
  });

  const refused: readonly [string, number, string, string, () => Promise<string | undefined>][] = [
    ["without a token", 401, "UNAUTHENTICATED", name, () => Promise.resolve(undefined)],
    ["with a made-up token", 401, "UNAUTHENTICATED", name, () => Promise.resolve("local.x")],
    ["to another service's account", 403, "PERMISSION_DENIED", name, () => token(ws)],
    ["of another project", 404, "NOT_FOUND", name.replace("/p/", "/q/"), () => token(add)],
    ["that has no version", 404, "NOT_FOUND", "projects/p/secrets/empty", () => token(add)],
    ["that nobody declared", 404, "NOT_FOUND", "projects/p/secrets/undeclared", () => token(add)],
    ["that nobody granted", 403, "PERMISSION_DENIED", "projects/p/secrets/other", () => token(add)],
    [
      "by a path around it",
      404,
      "NOT_FOUND",
      "projects/p/secrets/x/../nats-seed-add/y",
      () => token(add),
    ],
  ];
  for (const [why, code, error, secret, bearer] of refused) {
    it(`is refused ${why}, in Google's form`, async () => {
      const { status, body } = await access(secret, await bearer());
      assert.equal(status, code);
      assert.equal(body.error?.status, error);
      assert.equal(body.payload, undefined);
    });
  }

  it("is refused when the member is gone, and to a token that has expired", async () => {
    const bearer = await token(add);
    identity.revoke("g1");
    assert.equal((await access(name, bearer)).status, 403);
    identity.grant("g1", name, role, `serviceAccount:${add}`);
    assert.equal((await access(name, bearer)).status, 200);
    now += 3_600_001;
    assert.equal((await access(name, bearer)).status, 401);
    assert.equal((await access(name, await token(add))).status, 200);
  });
});

suite("the metadata server", () => {
  it("speaks for one account, to who sends the header that no web page can", async () => {
    const host = await identity.metadataHost(add, "p");
    assert.equal(host, await identity.metadataHost(add, "p"));
    assert.notEqual(host, await identity.metadataHost(ws, "p"));
    const base = `http://${host}/computeMetadata/v1`;
    const headers = { "Metadata-Flavor": "Google" };
    const token = `${base}/instance/service-accounts/default/token`;
    assert.equal((await fetch(token)).status, 403);
    assert.equal((await fetch(token, { method: "POST", headers })).status, 405);
    const email = await fetch(`${base}/instance/service-accounts/default/email`, { headers });
    assert.equal(await email.text(), add);
    assert.equal(await (await fetch(`${base}/project/project-id`, { headers })).text(), "p");
    assert.equal((await fetch(`${base}/instance/attributes/x`, { headers })).status, 404);
  });

  it("gives the same token until it is near its end, then another", async () => {
    const first = await token(ws);
    assert.equal(await token(ws), first);
    now += 3_500_000;
    assert.notEqual(await token(ws), first);
  });
});

suite("the metadata and the secrets", () => {
  it("are not for a page whose host name was made to point here", async () => {
    const metadata = new URL(`http://${await identity.metadataHost(add, "p")}`);
    const ask = (url: URL, path: string, host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const { hostname, port } = url;
        const headers = { Host: host, "Metadata-Flavor": "Google" };
        request({ hostname, port, path, headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .once("error", reject)
          .end();
      });
    const path = "/computeMetadata/v1/instance/service-accounts/default/token";
    assert.equal(await ask(metadata, path, metadata.host), 200);
    assert.equal(await ask(metadata, path, `rebind.example:${metadata.port}`), 403);
    assert.equal(await ask(metadata, path, `localhost:${metadata.port}`), 403);
    const secrets = new URL(endpoint);
    const secret = `/v1/${name}/versions/latest:access`;
    assert.equal(await ask(secrets, secret, secrets.host), 401);
    assert.equal(await ask(secrets, secret, `rebind.example:${secrets.port}`), 403);
  });
});
