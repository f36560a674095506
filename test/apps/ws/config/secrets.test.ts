import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeReferringConfig } from "../../../../apps/ws/config/options.ts";
import { resolveSecrets } from "../../../../apps/ws/config/secrets.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const reference = (id: string) => ({ secret: `projects/p/secrets/${id}` });

describe("secrets by reference", () => {
  const config = decodeReferringConfig({
    client: {
      token: {
        hmac_secret_key: reference("new"),
        hmac_previous_secret_key: "old",
      },
      subscription_token: { enabled: true, hmac_secret_key: reference("new") },
    },
    http_api: { key: reference("api") },
  });

  it("become their texts, and each is read once", async () => {
    const asked: string[] = [];
    const resolved = await resolveSecrets(config, (name) => {
      asked.push(name);
      return Promise.resolve(bytes(`text of ${name.split("/").at(-1) ?? ""}`));
    });
    assert.deepEqual(asked, ["projects/p/secrets/new", "projects/p/secrets/api"]);
    assert.equal(resolved.client.token.hmac_secret_key, "text of new");
    assert.equal(resolved.client.token.hmac_previous_secret_key, "old");
    assert.equal(resolved.client.subscription_token.hmac_secret_key, "text of new");
    assert.equal(resolved.http_api.key, "text of api");
    assert.deepEqual(resolved.channel, config.channel);
  });

  it("are not asked for where there are none", async () => {
    const plain = decodeReferringConfig({ http_api: { key: "k" } });
    const resolved = await resolveSecrets(plain, () => assert.fail("nothing is to be read"));
    assert.equal(resolved.http_api.key, "k");
  });

  it("must not be empty, which would switch off what they are the key of", async () => {
    await assert.rejects(
      resolveSecrets(config, () => Promise.resolve(bytes(""))),
      {
        name: "ConfigError",
        problems: [
          "client.token.hmac_secret_key: the secret projects/p/secrets/new is empty",
          "client.subscription_token.hmac_secret_key: the secret projects/p/secrets/new is empty",
          "http_api.key: the secret projects/p/secrets/api is empty",
        ],
      },
    );
  });

  it("that cannot be read are told as they were", async () => {
    const error = new Error("status 403");
    await assert.rejects(
      resolveSecrets(config, () => Promise.reject(error)),
      error,
    );
  });
});
