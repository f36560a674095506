import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect, type NatsConnection } from "nats";
import { durationText } from "../../apps/ws/config/duration.ts";
import { defaultConfig } from "../../apps/ws/config/options.ts";
import { disconnects, errors, unsubscribes } from "../../apps/ws/protocol/codes.ts";
import { gatewaySubjects } from "../../components/lib/nats-config.ts";
import { repository, temporaryCheckout } from "../support/checkout.ts";
import { eventually } from "../support/eventually.ts";
import { hmacKey } from "../support/gateway-pair.ts";
import { JetStreamServer, startGatewayProcess } from "../support/gateway-process.ts";
import { goProgram } from "../support/go.ts";
import { NpmClient } from "../support/npm-client.ts";
import { freePort } from "../support/ports.ts";
import { ServiceProcess } from "../support/process.ts";
import { pythonClient } from "../support/python.ts";

const guide = readFileSync(join(repository, "docs/realtime.md"), "utf8");
const options = readFileSync(join(repository, "docs/realtime-options.md"), "utf8");

/** The rows of all tables of a text, cell by cell. */
function rowsOf(text: string): string[][] {
  return [...text.matchAll(/^\|(.*)\|$/gm)].map(([, row = ""]) =>
    row.split("|").map((cell) => cell.trim()),
  );
}

/** Sections by their headings. */
function sectionsOf(text: string): Map<string, string> {
  const parts = text.split(/^## /m).slice(1);
  return new Map(
    parts.map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n"))]),
  );
}

/** The program of another language: the block whose first line is a comment with its name. */
function programOf(text: string, language: string): string {
  const block = new RegExp(`^\`\`\`${language}\n((?:#|//) client\\.\\w+\n.*?)^\`\`\`$`, "ms");
  return block.exec(text)?.[1] ?? assert.fail(`there is no program in ${language}`);
}

/**
 * Programs in JavaScript by their names. A block whose first line is `// <name>.js` begins one; every other
 * goes on with the first one.
 */
function programsOf(text: string): Map<string, string> {
  const programs = new Map<string, string>();
  for (const [, code = ""] of text.matchAll(/^```js\n(.*?)^```$/gms)) {
    const [first = ""] = programs.keys();
    const name = /^\/\/ ([\w-]+\.js)\n/.exec(code)?.[1] ?? first;
    programs.set(name, (programs.get(name) ?? "") + code);
  }
  return programs;
}

/** Everything that may be configured below an object, by its path, as a table says the default. */
function defaultsOf(value: object, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, inner] of Object.entries(value) as [string, unknown][]) {
    const at = path === "" ? name : `${path}.${name}`;
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) {
      for (const [deeper, text] of defaultsOf(inner, at)) found.set(deeper, text);
    } else found.set(at, textOf(name, inner));
  }
  return found;
}

function textOf(name: string, value: unknown): string {
  if (name === "connection_limit") return "half of the memory / 24 KiB";
  if (name === "total_queue_max_size") return "a quarter of the memory";
  const isDuration = /_(interval|timeout|delay|ttl|age|lag)$|^timeout$/.test(name);
  if (isDuration && typeof value === "number") return durationText(value);
  return typeof value === "string" && value !== "" ? value : JSON.stringify(value);
}

/** What programs of all languages print. */
function assertLines(output: string): void {
  for (const line of [
    /^connecting: 0 connect called$/m,
    /^connected as [0-9a-f-]{36}$/m,
    /^subscribed, recovered: false$/im,
    /^1: .*hello/m,
    /^1 of 1 publications$/m,
    /hello, ada/,
  ]) {
    assert.match(output, line);
  }
}

describe("docs/realtime-options.md", () => {
  it("has every option with its default, and no other", () => {
    const { client, channel, rpc, http_stream, sse, emulation, ...others } = defaultConfig;
    const { token, subscription_token, subscribe_to_user_personal_channel, ...ofClient } = client;
    const { without_namespace, namespaces, ...ofChannel } = channel;
    const { without_namespace: methods, ...ofRpc } = rpc;
    const sections = sectionsOf(options);
    const tables: Record<string, object> = {
      "`client`": ofClient,
      "`client.token` and `client.subscription_token`": { ...token, ...subscription_token },
      "`client.subscribe_to_user_personal_channel`": subscribe_to_user_personal_channel,
      "`channel`": { ...ofChannel, namespaces },
      "`channel.without_namespace` and `channel.namespaces[]`": without_namespace,
      "`websocket`, `raw`, `prometheus`, `health`, `shutdown`, `http_api`": others,
      "`http_stream`, `sse` and `emulation`": { http_stream, sse, emulation },
      "`rpc`": ofRpc,
      "`rpc.without_namespace` and `rpc.namespaces[]`": methods,
    };
    for (const [heading, values] of Object.entries(tables)) {
      const documented = new Map(
        rowsOf(sections.get(heading) ?? "")
          .slice(2)
          .flatMap(([names = "", value = ""]) =>
            [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => [name, value] as const),
          ),
      );
      documented.delete("without_namespace");
      const expected = defaultsOf(values);
      const sorted = (map: Map<string, string>) => Object.fromEntries([...map].sort());
      assert.deepEqual(sorted(documented), sorted(expected), heading);
    }
  });

  it("names every subject that a gateway may use", () => {
    const section = sectionsOf(options).get("What it does on NATS") ?? "";
    for (const subject of [...gatewaySubjects.publish, ...gatewaySubjects.subscribe]) {
      const short = subject.replace(/^\$JS\.API\.STREAM\.(?!CREATE)/, ".");
      assert.ok(section.includes(`\`${short}\``), subject);
    }
  });
});

describe("docs/realtime.md", () => {
  it("has every code with its words", () => {
    const rows = rowsOf(sectionsOf(guide).get("Codes") ?? "");
    const unused = "3000 and the error 101";
    assert.ok(guide.includes(unused));
    const all = [
      ...Object.values(errors).map(({ code, message }) => ({ code, words: message })),
      ...[...Object.values(disconnects), ...Object.values(unsubscribes)].map(
        ({ code, reason }) => ({ code, words: reason }),
      ),
    ];
    for (const { code, words } of all) {
      if (unused.includes(String(code))) continue;
      const row = rows.find(([cell]) => cell === String(code));
      assert.ok(row?.[1] !== undefined && words.startsWith(row[1]), `${code} ${words}`);
    }
  });
});

describe("the programs of docs/realtime.md, with a gateway", () => {
  let jetStream: JetStreamServer;
  let gateway: ServiceProcess;
  let nats: NatsConnection;
  const programs = programsOf(guide);

  before(async () => {
    jetStream = await JetStreamServer.start();
    gateway = startGatewayProcess(jetStream.server.url, {
      client: { token: { hmac_secret_key: hmacKey } },
      channel: {
        namespaces: [
          {
            name: "chat",
            ...{ history_size: 100, history_ttl: "1h", force_recovery: true },
            ...{ presence: true, join_leave: true },
            allow_subscribe_for_client: true,
            allow_publish_for_subscriber: true,
            allow_presence_for_subscriber: true,
            allow_history_for_subscriber: true,
          },
          {
            ...{ name: "scores", allowed_delta_types: ["fossil"], delta_publish: true },
            allow_subscribe_for_client: true,
          },
          {
            ...{ name: "prices", allow_tags_filter: true },
            ...{ history_size: 100, history_ttl: "1h", force_recovery: true },
            allow_subscribe_for_client: true,
          },
        ],
      },
      http_stream: { enabled: true },
      rpc: { without_namespace: { enabled: true } },
      prometheus: { enabled: true },
    });
    await gateway.ready();
    nats = await connect({ servers: jetStream.server.url });
  });
  after(async () => {
    await nats.close();
    await gateway[Symbol.asyncDispose]();
    await jetStream[Symbol.asyncDispose]();
  });

  it("are six", () => {
    assert.deepEqual([...programs.keys()].sort(), [
      ...["client.js", "fallback.js", "protobuf.js", "publisher.js", "service.js"],
      "token-server.js",
    ]);
  });

  it("run as they stand: a client gets a token, misses nothing and leaves", async (t) => {
    const folder = temporaryCheckout(t);
    for (const [name, code] of programs) writeFileSync(join(folder, name), code);
    // What takes long at first begins first.
    const goes = goProgram(programOf(guide, "go"), join(folder, "go"));
    goes.catch(() => undefined);
    const python = await pythonClient();
    const [tokenPort, port] = await Promise.all([freePort(), gateway.port()]);
    // The client is a page's, which has an origin, and the address of a deployed gateway.
    writeFileSync(
      join(folder, "page.js"),
      `const realFetch = fetch;
       const gateway = "http://127.0.0.1:${port}";
       globalThis.fetch = (path, options) =>
         realFetch(
           new URL(
             path.replace("https://my-project.appspot.com", gateway),
             "http://127.0.0.1:${tokenPort}",
           ),
           options,
         );
       globalThis.WebSocket = class extends WebSocket {
         constructor(url, ...rest) {
           if (process.argv[1].endsWith("fallback.js")) throw new Error("websockets are broken");
           super(url.replace("wss://my-project.appspot.com", "ws://127.0.0.1:${port}"), ...rest);
         }
       };`,
    );
    const start = (args: readonly string[], program = process.execPath) => {
      const child = spawn(program, args, {
        cwd: folder,
        env: {
          ...{ PATH: process.env["PATH"], TOKEN_KEY: hmacKey, PORT: String(tokenPort) },
          NATS_URL: jetStream.server.url,
          GATEWAY_URL: `ws://127.0.0.1:${port}/connection/websocket`,
          TOKEN_URL: `http://127.0.0.1:${tokenPort}/`,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      t.after(() => child.kill("SIGKILL"));
      const run = { child, output: "" };
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => (run.output += text));
      }
      return run;
    };
    start(["token-server.js"]);
    await eventually("tokens are given", async () => {
      return (await fetch(`http://127.0.0.1:${tokenPort}/`)).ok;
    });

    const publisher = start(["publisher.js"]);
    assert.deepEqual(await once(publisher.child, "close"), [0, null], publisher.output);

    const service = start(["service.js"]);
    await eventually("calls are answered", () => service.output === "ready\n");

    const client = start(["--import", "./page.js", "client.js"]);
    assert.deepEqual(await once(client.child, "close"), [0, null], client.output);
    for (const line of [
      /^connecting: 0 connect called$/m,
      /^connected as [0-9a-f-]{36}$/m,
      /^up to date$/m,
      /^3: hello$/m,
      /^3 of 3 publications, in epoch \w+$/m,
      /^ada \{ name: 'Ada' \}$/m,
      /^1 clients, 1 users$/m,
      /^hello, ada$/m,
      /^unsubscribed: 0 unsubscribe called$/m,
      /^disconnected: 0 disconnect called$/m,
    ]) {
      assert.match(client.output, line);
    }
    assert.doesNotMatch(client.output, /error|undefined/i);

    const fallback = start(["--import", "./page.js", "fallback.js"]);
    await eventually("it is connected without a websocket", () => {
      if (fallback.output === "connected by http_stream\nreceived: hello\n") return true;
      throw new Error(fallback.output);
    });

    const protobuf = start(["--import", "./page.js", "protobuf.js"]);
    assert.deepEqual(await once(protobuf.child, "close"), [0, null], protobuf.output);
    assert.deepEqual(protobuf.output.split("\n").sort(), ["", "1: hello", "hello, ada"]);

    await t.test("in Python", { skip: python.obstacle ?? false }, async () => {
      writeFileSync(join(folder, "client.py"), programOf(guide, "python"));
      const run = start(["-u", "client.py"], python.python);
      assert.deepEqual(await once(run.child, "close"), [0, null], run.output);
      assertLines(run.output);
    });

    const { file, obstacle } = await goes;
    await t.test("in Go", { skip: obstacle ?? false }, async () => {
      const run = start([], file);
      assert.deepEqual(await once(run.child, "close"), [0, null], run.output);
      assertLines(run.output);
    });
  });

  it("get metrics of the names that docs/realtime-options.md has", async () => {
    const text = await (await fetch(`http://127.0.0.1:${await gateway.port()}/metrics`)).text();
    const given = [...text.matchAll(/^# TYPE (gateway_\w+)/gm)].map(([, name = ""]) => name);
    const section = sectionsOf(options).get("Health, metrics, logs") ?? "";
    const documented = rowsOf(section).flatMap(
      ([cell = ""]) => /`(gateway_\w+)`/.exec(cell)?.[1] ?? [],
    );
    assert.deepEqual(documented.sort(), given.sort());
  });
});

it("the gateway runs alone as docs/realtime-options.md says", async () => {
  const command = /^PORT=8081 NATS_URL=\S+ WS_CONFIG='([^']+)' node (apps\/ws\/main\.ts)$/m;
  const [, config = "", main = ""] = command.exec(options) ?? [];
  await using jetStream = await JetStreamServer.start();
  const env = { NATS_URL: jetStream.server.url, WS_CONFIG: config };
  await using gateway = new ServiceProcess(main, env);
  await gateway.ready();
  using client = await NpmClient.connect(await gateway.port());
  await client.subscribe("anything");
});
