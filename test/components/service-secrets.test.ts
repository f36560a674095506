import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServiceSecrets, type ServiceSecretsArgs } from "../../components/service-secrets.ts";
import { record, refuses } from "../support/pulumi.ts";

const args: ServiceSecretsArgs = {
  project: "my-project",
  ids: ["ws-token-hmac", "ws-api-key"],
  protect: false,
};
const declared = (changes: Partial<ServiceSecretsArgs> = {}, preview = false) =>
  record(() => new ServiceSecrets("ws-secrets", { ...args, ...changes }), { preview });

describe("ServiceSecrets", () => {
  it("declares each secret without a version, and names them in a preview too", async () => {
    const { result, all, resources } = await declared({}, true);
    assert.deepEqual(result.ids, args.ids);
    assert.deepEqual(
      all("Secret").map(({ name, inputs }) => [name, inputs]),
      args.ids.map((secretId) => [
        `ws-secrets-${secretId}`,
        {
          project: "my-project",
          secretId,
          replication: { auto: {} },
          labels: { app: "appengine-realtime", stack: "test", component: "ws-secrets" },
          deletionProtection: false,
        },
      ]),
    );
    assert.equal(resources.filter(({ custom }) => custom).length, 2);
  });

  it("protects them where the environment says so", async () => {
    for (const protect of [true, false]) {
      for (const secret of (await declared({ protect })).all("Secret")) {
        assert.equal(secret.protect, protect);
        assert.equal(secret.inputs["deletionProtection"], protect);
      }
    }
  });

  it("declares nothing where no secret is named", async () => {
    assert.deepEqual((await declared({ ids: [] })).all("Secret"), []);
  });

  it("refuses ids that are none, or are there twice, before it declares anything", async () => {
    await refuses(
      () => new ServiceSecrets("ws-secrets", { ...args, ids: ["a/b", "a", "a"] }),
      [
        'ServiceSecrets "ws-secrets" cannot be declared:',
        '  - ids: "a/b" is no secret id; 1 to 255 letters, digits, "_" and "-"',
        "  - ids: one is there twice; each once",
      ].join("\n"),
    );
  });
});
