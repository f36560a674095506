import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readSecret, SecretError } from "../../../apps/lib/secret.ts";
import { SecretsServer } from "../../support/secrets.ts";

const name = "projects/p/secrets/nats-seed";
const never = new AbortController().signal;

function settings(server: SecretsServer) {
  return { secretManagerEndpoint: `http://${server.host}`, metadataHost: server.host };
}

describe("reading a secret", () => {
  it("gives the latest version's data, without the line break of a typed file", async () => {
    await using server = await SecretsServer.start("SUABC\n");
    const seed = await readSecret(name, settings(server), never);
    assert.equal(Buffer.from(seed).toString("utf8"), "SUABC");
  });

  it("says which step failed and with which status", async () => {
    await using server = await SecretsServer.start("SUABC");
    await assert.rejects(readSecret("projects/p/secrets/other", settings(server), never), {
      name: "SecretError",
      message: "secret projects/p/secrets/other could not be read: status 403",
    });
    server.status = 503;
    await assert.rejects(readSecret(name, settings(server), never), {
      message: "the access token could not be read: status 503",
    });
  });

  it("names the host that does not answer", async () => {
    const gone = await SecretsServer.start("SUABC");
    const where = settings(gone);
    await gone[Symbol.asyncDispose]();
    await assert.rejects(readSecret(name, where, never), (error) => {
      assert.ok(error instanceof SecretError);
      assert.equal(
        error.message,
        `the access token could not be read: no answer from ${where.metadataHost}`,
      );
      return true;
    });
  });
});
