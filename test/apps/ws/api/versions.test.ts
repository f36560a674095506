import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import { Versions } from "../../../../apps/ws/api/versions.ts";
import { JetStream } from "../../../../apps/ws/history/jetstream.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { JetStreamServer } from "../../../support/gateway-process.ts";

/** JetStream, where something happens before a publication on a subject reaches it. */
class Interrupted extends JetStream {
  before: ((subject: string) => Promise<void>) | undefined;

  override async publish(...args: Parameters<JetStream["publish"]>): Promise<number> {
    await this.before?.(args[0]);
    return super.publish(...args);
  }
}

describe("versions of publications", () => {
  let server: JetStreamServer;
  let bus: NatsBus;
  let jetStream: Interrupted;

  before(async () => {
    server = await JetStreamServer.start();
    bus = new NatsBus({ name: "t", servers: [server.server.url], log: collectingLog().log });
    await eventually("there is a connection", () => bus.connected);
    jetStream = new Interrupted(bus, "_INBOX");
    const common = { maxAgeMs: 300_000, replicas: 1 };
    const anchors = { ...common, name: "anchors", subjects: ["a.>"], maxPerSubject: 1 };
    await jetStream.ensureStream(anchors);
    await jetStream.ensureStream({ ...common, name: "s", subjects: ["t.>"], maxPerSubject: 2 });
  });
  after(async () => {
    jetStream.close();
    await bus.close();
    await server[Symbol.asyncDispose]();
  });

  function store(
    channel: string,
    version: bigint,
    through = jetStream,
  ): Promise<number | undefined> {
    return new Versions(through).store(
      { stream: "s", subject: `t.${channel}` },
      { version, epoch: "" },
      Buffer.from(String(version)),
      { id: randomUUID(), headers: undefined, deadline: performance.now() + 30_000 },
    );
  }

  async function stored(channel: string): Promise<string[]> {
    const messages = await jetStream.read("s", `t.${channel}`, 1);
    return messages.map(({ data }) => Buffer.from(data).toString());
  }

  it("keep out an older one that was about to be stored when a newer one came", async () => {
    const slow = new Interrupted(bus, "_INBOX");
    slow.before = async (subject) => {
      if (subject !== "t.race") return;
      slow.before = undefined;
      await store("race", 2n);
    };
    assert.equal(await store("race", 1n, slow), undefined);
    assert.deepEqual(await stored("race"), ["2"]);
    slow.close();
  });

  it("let a newer one come behind whatever came before it", async () => {
    const slow = new Interrupted(bus, "_INBOX");
    slow.before = async (subject) => {
      if (subject !== "t.behind") return;
      slow.before = undefined;
      await jetStream.publish("t.behind", Buffer.from("other"));
    };
    assert.notEqual(await store("behind", 2n, slow), undefined);
    assert.deepEqual(await stored("behind"), ["other", "2"]);
    slow.close();
  });

  it("are known also when their publications have left", async () => {
    await store("left", 2n);
    for (let n = 0; n < 2; n += 1) await jetStream.publish("t.left", Buffer.from("other"));
    assert.equal(await store("left", 1n), undefined);
    assert.deepEqual(await stored("left"), ["other", "other"]);
  });

  it("take none for stored that somebody has only begun", async () => {
    const dies = new Interrupted(bus, "_INBOX");
    dies.before = (subject) =>
      subject === "t.begun" ? Promise.reject(new Error("it dies")) : Promise.resolve();
    await assert.rejects(store("begun", 5n, dies), /it dies/);
    dies.close();
    assert.notEqual(await store("begun", 5n), undefined);
    assert.equal(await store("begun", 5n), undefined);
    assert.deepEqual(await stored("begun"), ["5"]);
  });

  it("find what was stored by somebody who could not say so any more", async () => {
    const dies = new Interrupted(bus, "_INBOX");
    let writes = 0;
    dies.before = (subject) => {
      if (subject.startsWith("a.v.")) writes += 1;
      return writes < 2 ? Promise.resolve() : Promise.reject(new Error("it dies"));
    };
    await assert.rejects(store("silent", 5n, dies), /it dies/);
    dies.close();
    await jetStream.publish("t.silent", Buffer.from("other"));
    for (const version of [4n, 5n]) assert.equal(await store("silent", version), undefined);
    assert.deepEqual(await stored("silent"), ["5", "other"]);
  });
});
