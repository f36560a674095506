import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { signal } from "@preact/signals";
import { decodeConsole } from "../../../apps/web/console.ts";
import { DemoTokens } from "../../../apps/web/demo-tokens.ts";
import type { CallError } from "../../../apps/web/page/live/codes.ts";
import { Connection } from "../../../apps/web/page/live/connection.ts";
import { consoleText, demoTokenArgs } from "../../../components/lib/console-config.ts";
import type { GatewayOptions } from "../../../components/lib/gateway-config.ts";
import { decodeSettings } from "../../../config.ts";
import { readStackFile } from "../../../local/engine/stack-file.ts";
import { eventually } from "../../support/eventually.ts";
import { hmacKey } from "../../support/gateway-pair.ts";
import { startGateway } from "../../support/gateway.ts";

const root = join(import.meta.dirname, "../../..");

/** The options as the gateway has them once it has read its secrets. */
function withSecrets(options: unknown): unknown {
  return JSON.parse(JSON.stringify(options), (_, value: unknown) =>
    typeof value === "object" && value !== null && "secret" in value ? hmacKey : value,
  );
}

function withTokenOptions(options: GatewayOptions, more: Readonly<Record<string, string>>) {
  const client = options["client"] as { token?: object } | undefined;
  return { ...options, client: { ...client, token: { ...client?.token, ...more } } };
}

/**
 * The page's connection, as the console makes it, to a gateway with the options of a stack.
 *
 * @param token what the gateway asks of tokens, beside what the stack says
 */
async function openedIn(stack: string, token: Readonly<Record<string, string>> = {}) {
  const settings = decodeSettings(readStackFile(root, stack).config, stack);
  const options = withTokenOptions(settings.ws.gateway ?? {}, token);
  const told = decodeConsole(
    consoleText({
      ...{ services: [], rules: [], natsMachines: [], replicated: [] },
      gateway: options,
    }),
  );
  assert(told !== undefined);
  const demo = settings.web.demoTokens === true ? demoTokenArgs(options) : undefined;
  const issuer =
    demo &&
    new DemoTokens({
      readKey: () => Promise.resolve(Buffer.from(hmacKey)),
      audience: demo.env["DEMO_TOKEN_AUDIENCE"],
      issuer: demo.env["DEMO_TOKEN_ISSUER"],
    });
  await using opened = new AsyncDisposableStack();
  const gateway = opened.use(
    await startGateway({ jetStream: true, gateway: withSecrets(options) }),
  );
  gateway.publisher.subscribe("rpc.console.services", {
    callback: (_error, message) => message.respond(JSON.stringify({ from: "services" })),
  });
  const connection = new Connection({
    origin: `http://127.0.0.1:${gateway.port}`,
    ...{ transports: told.transports, pingMethod: told.pingMethod, visible: signal(true) },
    identity: issuer ? { kind: "demo" } : told.anonymous ? { kind: "anonymous" } : undefined,
    wires: {
      fetch: async (url, init) =>
        url.endsWith("/console/token") && issuer
          ? Response.json(await issuer.issue())
          : fetch(url, init),
      ...{ WebSocket, EventSource: undefined },
    },
  });
  opened.defer(() => {
    connection.end();
  });
  connection.connect();
  await eventually(`the console of ${stack} is connected`, () => {
    if (connection.state.value === "connected") return true;
    throw new Error(connection.problem.value);
  });
  const ends = opened.move();
  return {
    ...{ told, connection },
    /** What becomes of a subscription to the channel: it comes to be, or the page is told why not. */
    async listening(name: string) {
      const channel = connection.listen(name, {});
      const refusal = await eventually(`${name} is subscribed to or refused`, () => {
        const { state, problem } = channel;
        return state.value === "subscribed" ? "none" : problem.value;
      });
      return { channel, refusal };
    },
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  };
}

const refused = ({ code }: CallError): boolean => code === 103;

describe("what the page may", () => {
  it("in dev: a visitor hears, publishes, sees who is there, and asks what runs", async () => {
    await using page = await openedIn("dev", { audience: "my-project-dev", issuer: "the site" });
    const { connection, told } = page;
    assert.match(connection.user.value ?? "", /^visitor-[0-9a-f]{8}$/);
    for (const name of told.channels) {
      assert.equal((await page.listening(name)).refusal, "none", name);
    }
    const { channel } = await page.listening("chat:lobby");
    await channel.publish({ text: "hello" });
    assert.equal((await channel.history(10)).publications.length, 1);
    assert.equal(Object.keys((await channel.presence()).clients).length, 1);
    assert.deepEqual(await connection.call(told.pingMethod ?? "", {}), {});
    assert.deepEqual(await connection.call(told.servicesMethod ?? "", {}), { from: "services" });
  });

  it("in prod: whoever looks hears what is public, and nothing else", async () => {
    await using page = await openedIn("prod");
    const { connection, told } = page;
    assert.equal(connection.user.value, "");
    const add = await page.listening("add");
    assert.equal(add.refusal, "none");
    await assert.rejects(add.channel.publish(1), refused);
    assert.match((await page.listening("chat:lobby")).refusal, /does not allow it/);
    assert.deepEqual(await connection.call(told.pingMethod ?? "", {}), {});
    assert.equal(told.servicesMethod, null);
    await assert.rejects(connection.call("console:services", {}), { code: 104 });
  });
});
