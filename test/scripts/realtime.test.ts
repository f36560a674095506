import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import { repository } from "../support/checkout.ts";
import { hmacKey, token } from "../support/gateway-pair.ts";
import { JetStreamServer, startGatewayProcess } from "../support/gateway-process.ts";
import type { ServiceProcess } from "../support/process.ts";
import { RealtimeScript } from "../support/realtime-script.ts";

/** The options of a stack's gateway, with the tests' keys in the place of secrets. */
function gatewayOf(stack: string): object {
  const file = readFileSync(join(repository, `Pulumi.${stack}.yaml`), "utf8");
  const { config } = parse(file) as {
    config: { "appengine-realtime:ws": { gateway: { client: { token: object } } } };
  };
  const { gateway } = config["appengine-realtime:ws"];
  const keys = { ...gateway.client.token, hmac_secret_key: hmacKey };
  const client = { ...gateway.client, token: keys };
  return { ...gateway, client, http_api: { key: "a key of the server API" } };
}

describe("npm run realtime", () => {
  let jetStream: JetStreamServer;
  let gateway: ServiceProcess;
  let url = "";

  before(async () => {
    jetStream = await JetStreamServer.start();
    gateway = startGatewayProcess(jetStream.server.url, gatewayOf("dev"));
    url = `${(await gateway.ready()).replace("http", "ws")}/connection/websocket`;
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
    await jetStream[Symbol.asyncDispose]();
  });

  it("--demo finds all as it should be with a gateway as it is deployed", async () => {
    await using script = new RealtimeScript(["--url", url, "--demo"], { TOKEN_KEY: hmacKey });
    assert.equal(await script.exitCode(), 0, script.output);
    assert.match(script.output, /\nall as it should be\n$/);
    assert.match(script.output, /^ok {4}private channel without a token: 103/m);
    assert.match(script.output, /^ok {4}token that expires: renewed/m);
    assert.doesNotMatch(script.output, /left out/);
  });

  it("--demo says what is not as it should be, and fails", async () => {
    await using script = new RealtimeScript(["--url", url, "--demo"], { TOKEN_KEY: "another key" });
    assert.equal(await script.exitCode(), 1, script.output);
    assert.match(script.output, /^WRONG connect: .*\n1 of them not as it should be\n$/);
  });

  it("shows what is published and publishes what is typed, in order", async () => {
    const given = await token({ sub: "ada" });
    const args = ["--url", url, "--channel", "chat:typed", "--token", given];
    await using script = new RealtimeScript(args);
    await script.prints("* subscribed to chat:typed at offset 0\n");
    for (const line of ["one", "two", "<b>three</b>"]) script.type(line);
    await script.prints(/^1 \S+: one\n2 \S+: two\n3 \S+: <b>three<\/b>$/m);
    script.endInput();
    assert.equal(await script.exitCode(), 0);
    assert.match(script.output, /\* disconnected \(0: disconnect called\)\n$/);
  });

  it("ends with the code that the gateway gives when it is refused", async () => {
    await using script = new RealtimeScript(["--url", url, "--channel", "chat:closed"]);
    assert.equal(await script.exitCode(), 1);
    assert.match(script.output, /^\* unsubscribed \(103: permission denied\)$/m);
  });

  it("answers options that it does not know with its usage", async () => {
    for (const args of [["--chanel", "a"], ["--url", "http://localhost"], ["chat:lobby"]]) {
      await using script = new RealtimeScript(args);
      assert.equal(await script.exitCode(), 2);
      assert.match(script.output, /usage: npm run realtime -- \[options\]/);
    }
  });
});
