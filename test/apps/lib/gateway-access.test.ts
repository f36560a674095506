import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { readEnvironment } from "../../../apps/lib/environment.ts";
import { connectGateway, readGatewaySettings } from "../../../apps/lib/gateway-access.ts";

describe("a service's access to the server API", () => {
  /** The keys that came, in order. */
  const keys: unknown[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    keys.push(request.headers["x-api-key"]);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(status === 200 ? '{"result":{"nodes":[]}}' : '{"error":{"code":"unauthorized"}}');
  });
  let url = "";

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const places = { secretManagerEndpoint: "", metadataHost: "" };
  const { signal } = new AbortController();

  it("is what the environment says", () => {
    const secret = "projects/p/secrets/ws-api-key";
    const settings = readEnvironment(
      { GATEWAY_URL: "https://ws.example.com/api/", GATEWAY_KEY_SECRET: secret },
      readGatewaySettings,
    );
    assert.deepEqual(settings, {
      gatewayUrl: "https://ws.example.com/api",
      gatewayKeySecret: secret,
    });
    assert.throws(
      () => readEnvironment({ GATEWAY_KEY_SECRET: "ws-api-key" }, readGatewaySettings),
      /GATEWAY_KEY_SECRET/,
    );
  });

  it("reads its key once for many calls, and again when it could not be read", async () => {
    const secret = "projects/p/secrets/ws-api-key";
    let reads = 0;
    const client = connectGateway(
      { gatewayUrl: url, gatewayKeySecret: secret, ...places },
      signal,
      {},
      (name) => {
        assert.equal(name, secret);
        reads += 1;
        if (reads === 1) return Promise.reject(new Error("not yet"));
        return Promise.resolve(Buffer.from("the key"));
      },
    );
    await assert.rejects(client.nodes(), { code: 100, message: /not yet/ });
    keys.length = 0;
    await Promise.all([client.nodes(), client.nodes()]);
    await client.nodes();
    assert.deepEqual([reads, keys], [2, ["the key", "the key", "the key"]]);
  });

  it("says what is final, and what is not", async () => {
    const client = connectGateway(
      { gatewayUrl: url, gatewayKeySecret: undefined, ...places },
      signal,
    );
    status = 401;
    await assert.rejects(client.nodes(), { code: 401, temporary: false });
    status = 503;
    await assert.rejects(client.nodes(), { code: 100, temporary: true });
    status = 200;
    await client.nodes();
  });
});
