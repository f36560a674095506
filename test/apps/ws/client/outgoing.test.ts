import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Outgoing } from "../../../../apps/ws/client/outgoing.ts";
import { Outbox } from "../../../../apps/ws/outbox.ts";
import type { Link } from "../../../../apps/ws/transport/link.ts";

function linkAndOutgoing() {
  const writes: string[] = [];
  let backlogBytes = 0;
  const link: Link = {
    write: (bytes) => writes.push(Buffer.from(bytes).toString()),
    close: () => undefined,
    get backlogBytes() {
      return backlogBytes;
    },
    closing: undefined,
  };
  return {
    writes,
    outgoing: new Outgoing(link, new Outbox()),
    fill: (bytes: number) => {
      backlogBytes = bytes;
    },
  };
}

const bytes = (text: string) => Buffer.from(text);

describe("what goes to a client", () => {
  it("leaves in one write at the end of the turn, in order", async () => {
    const { writes, outgoing } = linkAndOutgoing();
    outgoing.release();
    outgoing.send(bytes("a"));
    outgoing.publish(bytes("b"));
    outgoing.send(bytes("c"));
    assert.deepEqual(writes, []);
    await setImmediate();
    assert.deepEqual(writes, ["abc"]);
    outgoing.publish(bytes("d"));
    await setImmediate();
    assert.deepEqual(writes, ["abc", "d"]);
  });

  it("leaves before that when it is much", () => {
    const { writes, outgoing } = linkAndOutgoing();
    outgoing.send(bytes("x".repeat(65_536)));
    assert.equal(writes.length, 0);
    outgoing.send(bytes("y"));
    assert.equal(writes.length, 1);
  });

  it("is no publication before the connect reply, and all that was held behind it", async () => {
    const { writes, outgoing } = linkAndOutgoing();
    outgoing.publish(bytes("p"));
    outgoing.publish(bytes("qq"));
    assert.equal(outgoing.heldBytes, 3);
    outgoing.send(bytes("reply,"));
    outgoing.release();
    outgoing.publish(bytes("r"));
    assert.equal(outgoing.heldBytes, 0);
    await setImmediate();
    assert.deepEqual(writes, ["reply,pqqr"]);
  });

  it("is one large answer at a time, when the peer has read what waits for it", async () => {
    const { outgoing, fill } = linkAndOutgoing();
    const soon = performance.now() + 60_000;
    const taken: string[] = [];
    const take = async (name: string) => {
      const done = await outgoing.turn(soon);
      taken.push(name);
      return done;
    };
    const first = await take("first");
    const second = take("second");
    fill(65_537);
    first();
    await setImmediate();
    assert.deepEqual(taken, ["first"]);
    fill(0);
    outgoing.drained();
    (await second)();
    assert.deepEqual(taken, ["first", "second"]);
  });

  it("is no large answer when the client has not read the ones before in time, or has gone", async () => {
    const { outgoing, fill } = linkAndOutgoing();
    fill(65_537);
    await assert.rejects(outgoing.turn(performance.now()), { code: "unavailable" });
    const waiting = outgoing.turn(performance.now() + 60_000);
    outgoing.end();
    await assert.rejects(waiting, { code: "unavailable" });
  });
});
