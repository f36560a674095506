import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Outbox } from "../../../apps/ws/outbox.ts";

describe("the outbox", () => {
  it("flushes after all promises of the turn, and before the next turn", async () => {
    const outbox = new Outbox();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        order.push("next turn");
        resolve();
      });
      void Promise.resolve()
        .then(() => {
          outbox.add({ flush: () => order.push("flush") });
          order.push("promise");
        })
        .then(() => Promise.resolve())
        .then(() => order.push("later promise"));
    });
    assert.deepEqual(order, ["promise", "later promise", "flush", "next turn"]);
  });

  it("flushes each once, and those that are added by a flush as well", async () => {
    const outbox = new Outbox();
    const flushed: string[] = [];
    outbox.add({
      flush: () => {
        flushed.push("a");
        outbox.add({ flush: () => flushed.push("c") });
      },
    });
    outbox.add({ flush: () => flushed.push("b") });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(flushed, ["a", "b", "c"]);
  });
});
