import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import {
  connect,
  type ConnectionOptions,
  type NatsConnection,
  nkeyAuthenticator,
  type Status,
} from "nats";
import { createUser } from "nkeys.js";
import { calculatorMethods } from "../../../apps/add/rpc.ts";
import { rpcSubject } from "../../../apps/lib/rpc.ts";
import { subjects } from "../../../apps/m/channel.ts";
import {
  calculatorSubjects,
  gatewaySubjects,
  natsConfig,
  type NatsConfigArgs,
  replicationSubjects,
  topicPrefix,
} from "../../../components/lib/nats-config.ts";
import { provideNatsServer, thisMachine } from "../../../local/tools/nats-server.ts";
import { eventually } from "../../support/eventually.ts";
import { NatsServer } from "../../support/nats.ts";
import { freePort } from "../../support/ports.ts";

const pairs = { add: createUser(), ws: createUser(), asking: createUser(), idle: createUser() };
const alone: NatsConfigArgs = {
  serverName: "nats-0",
  zone: "us-central1-a",
  storageMb: 64,
  memoryMb: 16,
  clients: {
    ws: { publicKey: pairs.ws.getPublicKey(), publish: ["t.>"], subscribe: ["t.>"] },
    idle: { publicKey: pairs.idle.getPublicKey(), publish: [], subscribe: [] },
    asking: {
      publicKey: pairs.asking.getPublicKey(),
      publish: ["rpc.>"],
      subscribe: ["_INBOX_asking.>"],
    },
    add: {
      publicKey: pairs.add.getPublicKey(),
      publish: ["t.add"],
      subscribe: calculatorSubjects,
      answers: true,
    },
  },
};
const fixedKeys = {
  ...alone,
  clients: {
    ws: { ...alone.clients["ws"], publicKey: "UWS", publish: ["t.>"], subscribe: ["t.>"] },
    idle: { publicKey: "UIDLE", publish: [], subscribe: [] },
    add: {
      publicKey: "UADD",
      publish: ["t.add"],
      subscribe: calculatorSubjects,
      answers: true,
    },
  },
};

/** Replaces exactly one line, and fails if there is not exactly one such line. */
function replaceLine(text: string, from: string, to: string): string {
  assert.equal(text.split(from).length, 2, `"${from}" is there once`);
  return text.replace(from, to);
}

/** The configuration as it runs on this machine: own ports (the helper sets them) and own folder. */
function onThisMachine(text: string, folder: string): string {
  return [
    ["listen: 0.0.0.0:4222\n", "\n"],
    ["http: 127.0.0.1:8222\n", "\n"],
    ['store_dir: "/data"', `store_dir: ${JSON.stringify(folder)}`],
  ].reduce((all, [from = "", to = ""]) => replaceLine(all, from, to), text);
}

describe("the subjects of replicated memory", () => {
  it("are those that apps/m uses, and lie outside of the topics", () => {
    const { changes, acknowledgement, write, written } = subjects;
    assert.deepEqual(replicationSubjects, [
      changes,
      ...[acknowledgement, write, written].map((of) => of("*")),
    ]);
    for (const subject of replicationSubjects) assert(!subject.startsWith(topicPrefix), subject);
  });
});

describe("the methods of add", () => {
  it("are those that apps/add answers", () => {
    const never = () => Promise.reject(new Error("nobody asks"));
    const methods = Object.keys(calculatorMethods({ sum: never, concat: never }));
    assert.deepEqual(calculatorSubjects, methods.map(rpcSubject));
  });
});

describe("the text of nats-server's configuration", () => {
  it("of one server is as it was reviewed", (t) => {
    t.assert.snapshot(natsConfig(fixedKeys), { serializers: [String] });
  });

  it("of a node of three is as it was reviewed", (t) => {
    const cluster = { name: "nats", addresses: ["10.16.0.2", "10.16.0.3", "10.16.0.4"] };
    t.assert.snapshot(natsConfig({ ...fixedKeys, cluster }), { serializers: [String] });
  });

  it("is found valid by the server that is deployed", async () => {
    const server = await provideNatsServer(thisMachine(console.error));
    const folder = await mkdtemp(join(tmpdir(), "nats-config-"));
    try {
      const file = join(folder, "nats-server.conf");
      for (const cluster of [undefined, { name: "nats", addresses: ["10.0.0.2", "10.0.0.3"] }]) {
        await writeFile(file, natsConfig({ ...alone, ...(cluster ? { cluster } : {}) }));
        await promisify(execFile)(server, ["-t", "-c", file]);
        await writeFile(file, natsConfig(alone).replace("max_pending", "max_pendings"));
        await assert.rejects(promisify(execFile)(server, ["-t", "-c", file]), /max_pendings/);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a server with that configuration", () => {
  let folder: string;
  let server: NatsServer;
  const open: NatsConnection[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nats-data-"));
    server = await NatsServer.start({ config: onThisMachine(natsConfig(alone), folder) });
  });
  after(async () => {
    await Promise.all(open.map((connection) => connection.close()));
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function as(who: keyof typeof pairs | undefined): Promise<NatsConnection> {
    const options: ConnectionOptions = { servers: server.url, reconnect: false };
    if (who) options.authenticator = nkeyAuthenticator(pairs[who].getSeed());
    const connection = await connect(options);
    open.push(connection);
    return connection;
  }

  const nothing = (): void => undefined;

  /** The violations that the server answers with while `action` runs, in words. */
  async function violations(
    connection: NatsConnection,
    action: () => void | Promise<void>,
  ): Promise<string[]> {
    const found: string[] = [];
    const statuses: AsyncIterable<Status> = connection.status();
    void (async () => {
      for await (const { data, permissionContext } of statuses as AsyncIterable<
        Status & { permissionContext?: { operation: string; subject: string } }
      >) {
        if (permissionContext) {
          found.push(`${permissionContext.operation} ${permissionContext.subject}`);
        } else found.push(JSON.stringify(data));
      }
    })();
    await action();
    // The server answers in order: behind the pong there is no violation left to come.
    await connection.flush();
    await new Promise((resolve) => setImmediate(resolve));
    return found;
  }

  it("takes no client without a key", async () => {
    await assert.rejects(as(undefined), { code: "AUTHORIZATION_VIOLATION" });
  });

  it("takes no client with another key", async () => {
    const stranger = nkeyAuthenticator(createUser().getSeed());
    await assert.rejects(
      connect({ servers: server.url, reconnect: false, authenticator: stranger }),
      { code: "AUTHORIZATION_VIOLATION" },
    );
  });

  it("brings what add publishes on its topic to ws", async () => {
    const [add, ws] = [await as("add"), await as("ws")];
    const received: string[] = [];
    ws.subscribe("t.add", { callback: (_, message) => received.push(message.string()) });
    await ws.flush();
    assert.deepEqual(
      await violations(add, () => {
        add.publish("t.add", "42");
      }),
      [],
    );
    await eventually("the message arrives", () => received.length > 0);
    assert.deepEqual(received, ["42"]);
  });

  it("lets add answer who calls its methods, once, and nobody else", async () => {
    const add = await as("add");
    const asking = await connect({
      servers: server.url,
      reconnect: false,
      authenticator: nkeyAuthenticator(pairs.asking.getSeed()),
      inboxPrefix: "_INBOX_asking",
    });
    open.push(asking);
    const inboxes: string[] = [];
    add.subscribe("rpc.sum", {
      queue: "add",
      callback: (_error, message) => {
        inboxes.push(message.reply ?? "");
        message.respond("3");
      },
    });
    await add.flush();
    const broken = await violations(add, async () => {
      assert.equal((await asking.request("rpc.sum", "", { timeout: 20_000 })).string(), "3");
    });
    assert.deepEqual([broken, inboxes.length], [[], 1]);
    for (const inbox of [...inboxes, "_INBOX_asking.other.1", "rpc.sum", "rpc.concat"]) {
      const again = await violations(add, () => {
        add.publish(inbox, "x");
      });
      assert.deepEqual(again, [`publish ${inbox}`]);
    }
    await assert.rejects(asking.request("rpc.concat", "", { timeout: 20_000 }), { code: "503" });
  });

  it("lets add publish nothing else and subscribe to nothing else", async () => {
    const add = await as("add");
    const others = ["t.other", "t", "t.add.x", "$JS.API.INFO", "$SYS.REQ.SERVER.PING", "_INBOX.x"];
    for (const subject of others) {
      assert.deepEqual(
        await violations(add, () => {
          add.publish(subject, "x");
        }),
        [`publish ${subject}`],
      );
    }
    const heard = ["t.add", "t.>", ">", "*", "$SYS.>", "_INBOX.>", "$JS.>", "rpc.>", "rpc.other"];
    for (const subject of heard) {
      assert.deepEqual(
        await violations(add, () => {
          add.subscribe(subject, { callback: nothing });
        }),
        [`subscription ${subject}`],
      );
    }
  });

  it("lets who is allowed nothing do nothing", async () => {
    const idle = await as("idle");
    const broken = await violations(idle, () => {
      idle.publish("t.add", "x");
      idle.subscribe("t.add", { callback: nothing });
    });
    assert.deepEqual(broken.sort(), ["publish t.add", "subscription t.add"]);
  });

  it("lets ws publish and subscribe below t. and nowhere else", async () => {
    const ws = await as("ws");
    assert.deepEqual(
      await violations(ws, () => {
        ws.publish("t.chat", "x");
        ws.publish("t.a.b", "x");
        ws.subscribe("t.>", { callback: nothing });
      }),
      [],
    );
    for (const subject of [
      "t",
      "tt.x",
      "$JS.API.STREAM.CREATE.x",
      "$SYS.REQ.USER.INFO",
      "_INBOX.x",
    ]) {
      assert.deepEqual(
        await violations(ws, () => {
          ws.publish(subject, "x");
        }),
        [`publish ${subject}`],
      );
    }
    for (const subject of [">", "*", "*.x", "$SYS.>", "_INBOX.>", "$JS.>"]) {
      assert.deepEqual(
        await violations(ws, () => {
          ws.subscribe(subject, { callback: nothing });
        }),
        [`subscription ${subject}`],
      );
    }
  });

  it("has JetStream on, for the account of the services, with its data in the given folder", async () => {
    const varz = await server.monitor("/varz");
    const { config } = varz["jetstream"] as { config: Record<string, unknown> };
    assert.deepEqual(
      [config["store_dir"], config["max_storage"], config["max_memory"], config["sync_always"]],
      [join(folder, "jetstream"), 64 * 2 ** 20, 16 * 2 ** 20, true],
    );
    const account = (await server.monitor("/accountz?acc=APP"))["account_detail"];
    assert.equal((account as { jetstream_enabled: boolean }).jetstream_enabled, true);
  });

  it("tells its clients of its end on SIGUSR2, the signal of the machine's stop", async () => {
    await using other = await NatsServer.start({
      config: natsConfig(alone)
        .replace("listen: 0.0.0.0:4222", "")
        .replace("http: 127.0.0.1:8222", "")
        .replace('store_dir: "/data"', `store_dir: ${JSON.stringify(join(folder, "other"))}`),
    });
    const client = await connect({
      servers: other.url,
      authenticator: nkeyAuthenticator(pairs.ws.getSeed()),
    });
    open.push(client);
    const types: string[] = [];
    void (async () => {
      for await (const status of client.status()) types.push(status.type);
    })();
    process.kill(other.pid, "SIGUSR2");
    await eventually("the client hears of lame duck mode", () => types.includes("ldm"));
  });
});

/** What the gateway does with NATS, as an own user, beside somebody else who may see everything. */
describe("the subjects of the gateway", () => {
  let folder: string;
  let server: NatsServer;
  let refused: string[] = [];
  let ws: NatsConnection;
  let other: NatsConnection;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nats-data-"));
    const { ws: gateway, add } = alone.clients;
    const clients = {
      ws: { ...(gateway ?? assert.fail()), ...gatewaySubjects },
      add: { ...(add ?? assert.fail()), publish: [">"], subscribe: [">"] },
    };
    const text = onThisMachine(natsConfig({ ...alone, clients }), folder);
    server = await NatsServer.start({ config: text });
    const as = (user: keyof typeof pairs) =>
      connect({
        servers: server.url,
        reconnect: false,
        authenticator: nkeyAuthenticator(pairs[user].getSeed()),
        ...(user === "ws" ? { inboxPrefix: "_INBOX_ws" } : {}),
      });
    [ws, other] = await Promise.all([as("ws"), as("add")]);
    const statuses: AsyncIterable<Status & { permissionContext?: { subject: string } }> =
      ws.status();
    void (async () => {
      for await (const { permissionContext } of statuses) {
        refused.push(permissionContext?.subject ?? "");
      }
    })();
  });
  after(async () => {
    await Promise.all([ws.close(), other.close()]);
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function refusedWhile(action: () => void): Promise<string[]> {
    refused = [];
    action();
    await ws.flush();
    await new Promise((resolve) => setImmediate(resolve));
    return refused;
  }

  async function ask(subject: string, body: object): Promise<Record<string, unknown>> {
    const answer = await ws.request(subject, JSON.stringify(body), { timeout: 2_000 });
    return { headers: answer.headers, ...answer.json<Record<string, unknown>>() };
  }

  const streams = [
    { name: "history", subjects: ["t.>"] },
    { name: "history-chat", subjects: ["n.chat.>", "n.$chat.>"] },
    { name: "anchors", subjects: ["a.>"] },
  ].map((stream) => ({
    ...stream,
    max_msgs_per_subject: 10,
    allow_direct: true,
    republish: { src: ">", dest: "r.>" },
  }));

  it("let it make its streams, change them, read what they hold and empty them", async () => {
    const heard: string[] = [];
    for (const subject of ["r.>", "j.>", "g.>", "t.>", "n.>"]) {
      ws.subscribe(subject, { callback: (_, message) => heard.push(message.subject) });
    }
    for (const stream of streams) {
      const made = await ask(`$JS.API.STREAM.CREATE.${stream.name}`, stream);
      assert.equal(made["error"], undefined);
      const changed = { ...stream, max_msgs_per_subject: 20 };
      assert.equal(
        (await ask(`$JS.API.STREAM.UPDATE.${stream.name}`, changed))["error"],
        undefined,
      );
      assert.equal((await ask(`$JS.API.STREAM.INFO.${stream.name}`, {}))["error"], undefined);
    }
    const acknowledged = await ask("n.$chat.room", { text: "hello" });
    assert.deepEqual([acknowledged["stream"], acknowledged["seq"]], ["history-chat", 1]);
    await ask("a.n.$chat.room", { offset: 1 });
    const found = await ask("$JS.API.STREAM.MSG.GET.history-chat", {
      last_by_subj: "n.$chat.room",
    });
    assert.equal(found["error"], undefined);
    const read = await ask("$JS.API.DIRECT.GET.history-chat", { last_by_subj: "n.$chat.room" });
    assert.equal(read["text"], "hello");
    ws.publish("j.n.$chat.room", "join");
    ws.publish("g.hello", "hello");
    await eventually("what is stored and said is heard", () => heard.length === 5);
    assert.deepEqual(heard.sort(), [
      "g.hello",
      "j.n.$chat.room",
      "n.$chat.room",
      "r.a.n.$chat.room",
      "r.n.$chat.room",
    ]);
    assert.equal((await ask("$JS.API.INFO", {}))["error"], undefined);
    const once = {
      name: "once",
      subjects: ["g.once.>", "g.key.*"],
      republish: { src: "g.once.*.>", dest: "{{wildcard(1)}}.>" },
    };
    assert.equal((await ask("$JS.API.STREAM.CREATE.once", once))["error"], undefined);
    await ask("g.once.n.plain.room", { text: "once" });
    await eventually("it is handed on", () => heard.includes("n.plain.room"));
    const purged = { filter: "n.$chat.room" };
    assert.equal((await ask("$JS.API.STREAM.PURGE.history-chat", purged))["purged"], 1);
    assert.deepEqual(refused, []);
  });

  it("let it neither forge what is stored nor take a stream or a message away", async () => {
    for (const subject of [
      ...["r.t.add", "m.changes", "_INBOX.x", "$SYS.REQ.SERVER.PING", "$JS.ACK.x", "x"],
      ...["DELETE", "MSG.DELETE", "SNAPSHOT", "RESTORE"].map(
        (call) => `$JS.API.STREAM.${call}.history`,
      ),
      ...["$JS.API.CONSUMER.CREATE.history", "$JS.API.CONSUMER.DURABLE.CREATE.history.x"],
    ]) {
      assert.deepEqual(
        await refusedWhile(() => {
          ws.publish(subject, "{}");
        }),
        [subject],
      );
    }
  });

  it("let it hear nothing of other services", async () => {
    for (const subject of [">", "*.>", "m.>", "a.>", "_INBOX.>", "$JS.>", "$SYS.>"]) {
      assert.deepEqual(
        await refusedWhile(() => {
          ws.subscribe(subject, { callback: () => undefined });
        }),
        [subject],
      );
    }
  });
});

describe("three servers with that configuration", () => {
  it("form a cluster with a JetStream leader, and do so again without one of them", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nats-cluster-"));
    const addresses = ["10.16.0.2", "10.16.0.3", "10.16.0.4"];
    const ports = await Promise.all(addresses.map(() => freePort()));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    // Together, since a node is only healthy when it has found a leader.
    const servers = await Promise.all(
      addresses.map(async (_, index) => {
        const text = natsConfig({
          ...alone,
          serverName: `nats-${index}`,
          zone: `europe-west1-${["b", "c", "d"][index] ?? ""}`,
          cluster: { name: "nats", addresses },
        });
        const translated = addresses.reduce(
          (all, address, i) => replaceLine(all, `${address}:6222`, `127.0.0.1:${ports[i] ?? 0}`),
          replaceLine(text, "listen: 0.0.0.0:6222", `listen: 127.0.0.1:${ports[index] ?? 0}`),
        );
        return stack.use(
          await NatsServer.start({ config: onThisMachine(translated, join(folder, `${index}`)) }),
        );
      }),
    );

    const leaderOf = async (server: NatsServer): Promise<string | undefined> => {
      const meta = (await server.monitor("/jsz"))["meta_cluster"] as
        { leader?: string; cluster_size: number } | undefined;
      return meta?.cluster_size === 3 ? meta.leader : undefined;
    };
    const agreed = (among: readonly NatsServer[]): Promise<string> =>
      eventually("all nodes name the same leader", async () => {
        const [first, ...others] = await Promise.all(among.map(leaderOf));
        return others.every((leader) => leader === first) ? first : undefined;
      });
    const leader = await agreed(servers);
    assert.match(leader, /^nats-[012]$/);

    const left = servers.filter((_, index) => leader !== `nats-${index}`);
    await servers[Number(leader.at(-1))]?.signal("SIGKILL");
    const next = await eventually("another leader is found", async () => {
      const now = await agreed(left);
      return now !== leader && now;
    });
    assert.match(next, /^nats-[012]$/);
  });
});
