import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import { keyId, Once } from "../../../../apps/ws/api/once.ts";
import { JetStream } from "../../../../apps/ws/history/jetstream.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { JetStreamServer } from "../../../support/gateway-process.ts";

describe("what is published once", () => {
  let server: JetStreamServer;
  let bus: NatsBus;
  let jetStream: JetStream;
  let once: Once;

  before(async () => {
    server = await JetStreamServer.start();
    const { log } = collectingLog();
    bus = new NatsBus({ name: "once", servers: [server.server.url], log });
    await eventually("there is a connection", () => bus.connected);
    jetStream = new JetStream(bus, "_INBOX");
    const limits = { maxBytes: 1_000_000, maxKeyBytes: 100_000 };
    once = new Once({ jetStream, replicas: 1, limits });
  });
  after(async () => {
    jetStream.close();
    await bus.close();
    await server[Symbol.asyncDispose]();
  });

  const position = { offset: 1, epoch: "e" };

  it("is stored by the first who comes, and only found by the others", async () => {
    const id = keyId("a", randomUUID());
    let stored = 0;
    const store = () => {
      stored += 1;
      return Promise.resolve(position);
    };
    const nothing = () => Promise.resolve(undefined);
    assert.deepEqual(await once.store(id, nothing, store), position);
    const another = new Once({ jetStream, replicas: 1 });
    assert.deepEqual(await another.store(id, nothing, store), position);
    assert.equal(stored, 1);
  });

  it("is looked for where an attempt has begun and not ended", async () => {
    const id = keyId("a", randomUUID());
    const found = { offset: 7, epoch: "e" };
    const fails = (): Promise<never> => Promise.reject(new Error("the gateway dies"));
    await assert.rejects(once.store(id, fails, fails), /the gateway dies/);
    assert.deepEqual(await once.store(id, () => Promise.resolve(found), fails), found);
    assert.deepEqual(await once.store(id, fails, fails), found);
  });

  it("is not forgotten for other publications: these are refused when there is no room", async () => {
    const id = keyId("a", randomUUID());
    const fails = (): Promise<never> => Promise.reject(new Error("nobody should ask"));
    await once.store(id, fails, () => Promise.resolve(position));
    const subject = "n.plain.a";
    const data = Buffer.alloc(100_000);
    const heard: string[] = [];
    await bus.subscribe(subject, (_, message) => {
      heard.push(message.header("Nats-Msg-Id") ?? "");
    }).confirmed;
    const send = (key: string) => once.send(subject, data, { id: key, withinMs: 4_000 });
    const taken: string[] = [];
    await assert.rejects(
      async () => {
        for (let n = 0; n < 20; n += 1) {
          await send(`flood-${n}`);
          taken.push(`flood-${n}`);
        }
      },
      { code: "unavailable", message: /maximum bytes exceeded/ },
    );
    // Who was first has been published, and still is known; the keys of histories are elsewhere.
    for (const key of taken) await send(key);
    assert.deepEqual(await once.store(id, fails, fails), position);
    await bus.flush();
    assert.deepEqual(heard, taken);
    assert.ok(taken.length >= 5);
  });
});

describe("the id of a publication with a key", () => {
  it("differs for other channels and keys, also where a text could be cut in two ways", () => {
    const ids = [
      keyId("a", "b"),
      keyId("a", "c"),
      keyId("b", "a"),
      keyId("a\nb", "c"),
      keyId("ab", ""),
    ];
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[\w-]{43}$/);
  });
});
