import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decodeReferringConfig,
  defaultConfig,
  mapSecrets,
} from "../../../apps/ws/config/options.ts";
import {
  gatewayConfigText,
  gatewayProblems,
  gatewaySecretIds,
} from "../../../components/lib/gateway-config.ts";

const options = {
  client: {
    token: { hmac_secret_key: { secret: "ws-token" }, hmac_previous_secret_key: "" },
    subscription_token: { enabled: true, hmac_secret_key: { secret: "ws-token" } },
  },
  channel: { namespaces: [{ name: "news", presence: true }, { name: "chat" }] },
  http_api: { key: { secret: "ws-api-key" }, insecure: false },
};
const problemsOf = (value: unknown, strict = false) =>
  gatewayProblems(value, { where: "gateway", strict });

describe("the gateway's options in a stack file", () => {
  it("name secrets by their ids, and the app gets their full names", () => {
    assert.deepEqual(problemsOf(options, true), []);
    assert.deepEqual(gatewaySecretIds(options), ["ws-api-key", "ws-token"]);
    const config = decodeReferringConfig(JSON.parse(gatewayConfigText(options, "my-project")));
    const token = { secret: "projects/my-project/secrets/ws-token" };
    assert.deepEqual(config.client.token.hmac_secret_key, token);
    assert.equal(config.client.token.hmac_previous_secret_key, "");
    assert.deepEqual(config.client.subscription_token.hmac_secret_key, token);
    assert.deepEqual(config.http_api.key, { secret: "projects/my-project/secrets/ws-api-key" });
  });

  it("become the same text in whatever order they are, lists aside", () => {
    const { client, channel, http_api } = options;
    const [news = {}, chat = {}] = channel.namespaces;
    const text = gatewayConfigText(options, "p");
    const turned = { presence: true, name: "news" };
    const other = { http_api, channel: { namespaces: [turned, chat] }, client };
    assert.equal(gatewayConfigText(other, "p"), text);
    const swapped = { ...options, channel: { namespaces: [chat, news] } };
    assert.notEqual(gatewayConfigText(swapped, "p"), text);
  });

  it("can hold no secret of the app's in plain text", () => {
    mapSecrets(defaultConfig, (_, path) => {
      const of = (value: unknown) =>
        path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
      assert.match(problemsOf(of("s3cret")).join("\n"), /^[^\n]*: is in plain text; [^\n]*$/);
      for (const value of [1, true, null, ["s3cret"], { secret: "s3cret" }, { secret: ["ws-x"] }]) {
        const problems = problemsOf(of(value)).join("\n");
        assert.match(problems, /^[^\n]*: is no reference; [^\n]*$/);
        assert(!problems.includes("s3cret"), problems);
      }
    });
  });

  it("are refused with a secret under a misspelt or foreign name", () => {
    for (const name of ["hmac_secret", "secret_key", "hmac_key", "apikey", "password", "secret"]) {
      assert.equal(problemsOf({ a: [{ [name]: "s3cret" }] }).length, 1, name);
    }
    assert.deepEqual(
      problemsOf({
        client: {
          token: {
            rsa_public_key: "-----BEGIN PUBLIC KEY-----",
            ecdsa_public_key: "",
            hmac_previous_secret_key_valid_until: 1_800_000_000,
          },
        },
      }),
      [],
    );
  });

  it("are refused with anything that opens them to everybody, where that must not be", () => {
    const open = { client: { insecure: true }, admin: [{ insecure_mode: "yes" }] };
    assert.deepEqual(problemsOf(open), []);
    assert.deepEqual(
      problemsOf(open, true).map((problem) => problem.split(":")[0]),
      ["gateway.client.insecure", "gateway.admin[0].insecure_mode"],
    );
  });
});
