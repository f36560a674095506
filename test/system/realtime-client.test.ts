import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { clientKinds } from "../support/client-kind.ts";
import { NpmClient } from "../support/npm-client.ts";
import { RealtimeScript } from "../support/realtime-script.ts";
import { System } from "./system.ts";

describe("the npm client under npm start", () => {
  let system: System;

  before(async () => {
    // The service m has nothing to do with it.
    system = await System.start({ env: { CLOUDSDK_ROOT_DIR: "/nowhere" } });
    await system.ready();
  });
  after(() => system[Symbol.asyncDispose]());

  it("finds all as it should be in npm run realtime -- --demo", async () => {
    const url = `ws://localhost:${system.port}/connection/websocket`;
    await using script = new RealtimeScript(["--url", url, "--demo"]);
    assert.equal(await script.exitCode(), 0, script.output);
    assert.match(script.output, /^ok {4}server-side subscription: .*recovered$/m);
    assert.match(script.output, /^ok {4}rpc: the service add answers 3$/m);
  });

  it("comes through the front door by every transport, in every encoding", async () => {
    const channel = "chat:transports";
    for (const [index, kind] of Object.values(clientKinds).entries()) {
      using client = await NpmClient.connect(system.port, { kind });
      const subscription = await client.subscribe(channel);
      await client.publish(channel, kind.name);
      assert.deepEqual(await subscription.received(1), [kind.name]);
      const { publications } = await client.history(channel, { limit: 100 });
      assert.equal(publications.length, index + 1);
      assert.deepEqual(client.connection, ["connecting 0", "connected"]);
    }
  });
});
