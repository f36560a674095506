import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeConsole } from "../../../apps/web/console.ts";
import {
  type ConsoleArgs,
  consoleText,
  demoTokenArgs,
} from "../../../components/lib/console-config.ts";

const args: ConsoleArgs = {
  services: [{ service: "default", kind: "standard", scaling: "automatic" }],
  rules: [{ path: "/m", service: "m", domain: "*" }],
  natsMachines: ["nats-0", "nats-1"],
  replicated: [
    { service: "m", instances: 2, topics: { changes: "m-changes", deadLetters: "m-dead" } },
  ],
  gateway: {},
};

const told = (gateway: ConsoleArgs["gateway"]) => decodeConsole(consoleText({ ...args, gateway }));

describe("what the console is told", () => {
  it("is the picture that the stack declares, in the form that the default service takes", () => {
    assert.deepEqual(told({})?.declared, {
      services: [{ service: "default", kind: "standard", scaling: "automatic", versions: [] }],
      rules: [{ path: "/m", service: "m" }],
      nats: [
        { name: "nats-0", state: "declared" },
        { name: "nats-1", state: "declared" },
      ],
      topics: [
        {
          name: "m-changes",
          subscriptions: [
            { name: "m-0", service: "m", index: 0 },
            { name: "m-1", service: "m", index: 1 },
          ],
        },
        { name: "m-dead", subscriptions: [] },
      ],
    });
  });

  it("promises nothing of a gateway without options", () => {
    assert.deepEqual(
      { ...told({}), declared: undefined },
      {
        declared: undefined,
        ...{ anonymous: false, transports: ["websocket"], channels: [] },
        ...{ pingMethod: null, servicesMethod: null },
      },
    );
  });

  it("has what the gateway's options allow", () => {
    for (const client of [{ insecure: true }, { allow_anonymous_connect_without_token: true }]) {
      assert.equal(told({ client })?.anonymous, true);
    }
    assert.deepEqual(
      told({ http_stream: { enabled: true }, sse: { enabled: false } })?.transports,
      ["websocket", "http_stream"],
    );
    const websocket = { disabled: true };
    assert.deepEqual(told({ websocket, sse: { enabled: true } })?.transports, ["sse"]);
    assert.deepEqual(told({ websocket })?.transports, ["websocket"]);
    const rpc = {
      ping: { enabled: true, method: "round" },
      namespaces: [
        { name: "shop", enabled: true },
        { name: "console", enabled: true },
      ],
    };
    assert.deepEqual(
      [told({ rpc })?.pingMethod, told({ rpc })?.servicesMethod],
      ["round", "console:services"],
    );
    assert.equal(told({ rpc: { ping: { enabled: true } } })?.pingMethod, "ping");
    const off = { namespaces: [{ name: "console", enabled: false }] };
    assert.equal(told({ rpc: off })?.servicesMethod, null);
    const channel = { without_namespace: {}, namespaces: [{ name: "chat" }] };
    assert.deepEqual(told({ channel })?.channels, ["add", "chat:lobby"]);
  });
});

describe("what demo tokens are made with", () => {
  it("is the gateway's key, and who it wants tokens to be for and from", () => {
    const key = { hmac_secret_key: { secret: "ws-token-hmac" } };
    assert.deepEqual(demoTokenArgs({ client: { token: key } }), {
      secret: "ws-token-hmac",
      env: {},
    });
    const more = { ...key, audience: "a", issuer: "b" };
    assert.deepEqual(demoTokenArgs({ client: { token: more } })?.env, {
      DEMO_TOKEN_AUDIENCE: "a",
      DEMO_TOKEN_ISSUER: "b",
    });
    assert.equal(demoTokenArgs({}), undefined);
    assert.equal(demoTokenArgs({ client: { token: { audience: "a" } } }), undefined);
  });
});
