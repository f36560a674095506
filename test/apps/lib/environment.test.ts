import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  EnvironmentError,
  readEnvironment,
  readNatsSettings,
  readServiceSettings,
} from "../../../apps/lib/environment.ts";

function settings(env: Record<string, string>) {
  return readEnvironment(env, (reader) => ({
    ...readServiceSettings(reader, "add"),
    ...readNatsSettings(reader),
  }));
}

describe("the environment", () => {
  it("gives what App Engine sets, with defaults for a terminal", () => {
    assert.deepEqual(settings({ PORT: "8080", NATS_URL: "nats://a:4222, nats://b:4222" }), {
      host: "0.0.0.0",
      port: 8080,
      service: "add",
      version: undefined,
      instance: undefined,
      project: undefined,
      servers: ["nats://a:4222", "nats://b:4222"],
      seedSecret: undefined,
      secretManagerEndpoint: "https://secretmanager.googleapis.com",
      metadataHost: "metadata.google.internal",
    });
  });

  it("reports everything that is missing or wrong at once", () => {
    assert.throws(
      () =>
        settings({
          PORT: "80 80",
          NATS_URL: "nats://user:secret@a:4222,http://b",
          NATS_SEED_SECRET: "seed",
          SECRET_MANAGER_ENDPOINT: "ftp://x",
        }),
      (error) => {
        assert.ok(error instanceof EnvironmentError);
        assert.deepEqual(error.problems, [
          'PORT is "80 80": the TCP port to listen on, a whole number from 0 to 65535',
          "NATS_URL, entry 2 is not a URL of nats or tls: the addresses of NATS, for example nats://10.8.0.2:4222, separated by commas",
          'NATS_SEED_SECRET is "seed": the secret that holds the NKey seed, projects/<project>/secrets/<id>',
          "SECRET_MANAGER_ENDPOINT is not a URL of http or https: where Secret Manager answers",
        ]);
        assert.match(error.message, /^the environment is not complete:\n {2}PORT is/);
        return true;
      },
    );
  });

  it("treats an empty variable as a missing one", () => {
    assert.throws(
      () => settings({ PORT: "", NATS_URL: " " }),
      (error) => {
        assert.ok(error instanceof EnvironmentError);
        assert.deepEqual(error.problems, [
          "PORT is missing: the TCP port to listen on",
          "NATS_URL is missing: the addresses of NATS, for example nats://10.8.0.2:4222, separated by commas",
        ]);
        return true;
      },
    );
  });

  for (const port of ["-1", "65536", "1e3", "0x50", "8080.5", "99999999999999999999"]) {
    it(`refuses PORT=${port}`, () => {
      assert.throws(() => settings({ PORT: port, NATS_URL: "nats://a" }), EnvironmentError);
    });
  }
});
