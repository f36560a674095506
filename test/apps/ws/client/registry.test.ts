import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Registry } from "../../../../apps/ws/client/registry.ts";
import type { Closing } from "../../../../apps/ws/transport/link.ts";
import { eventually } from "../../../support/eventually.ts";
import { SharedBus } from "../../../support/shared-bus.ts";

class Client {
  readonly client: string;
  closed: Closing | undefined;

  constructor(client: string) {
    this.client = client;
  }

  close(closing: Closing): void {
    this.closed = closing;
  }
}

describe("the register of clients", () => {
  it("lets a user have so many connections, and anonymous ones any number", () => {
    const registry = new Registry(new SharedBus().connect(), { limit: 2, single: false });
    const [a, b, c] = [new Client("a"), new Client("b"), new Client("c")];
    assert.equal(registry.add(a, "42"), undefined);
    assert.equal(registry.add(b, "42"), undefined);
    assert.equal(registry.add(c, "42")?.code, 3504);
    assert.equal(registry.add(c, "43"), undefined);
    registry.remove(a, "42");
    assert.equal(registry.add(new Client("d"), "42"), undefined);
    for (let i = 0; i < 5; i += 1) assert.equal(registry.add(new Client(`${i}`), ""), undefined);
    registry.stop();
  });

  it("ends the older connections of a user, on all gateways, where one is all that there may be", async () => {
    const nats = new SharedBus();
    let now = 0;
    const clock = (): number => (now += 1);
    const here = new Registry(nats.connect(), { limit: 0, single: true }, clock);
    const there = new Registry(nats.connect(), { limit: 0, single: true }, clock);
    const [first, second, third, other] = ["1", "2", "3", "4"].map((id) => new Client(id));
    assert.ok(first && second && third && other);
    there.add(first, "42");
    there.add(other, "43");
    here.add(second, "42");
    await eventually("the one on the other gateway is closed", () => first.closed?.code === 3504);
    here.add(third, "42");
    assert.equal(second.closed?.code, 3504);
    assert.deepEqual([third.closed, other.closed], [undefined, undefined]);
    here.stop();
    there.stop();
  });

  for (const [name, earlier, later] of [
    ["came first", 1, 2],
    ["has the smaller id when both came at one time", 1, 1],
  ] as const) {
    it(`ends of two that do not know of each other the one that ${name}, and only that`, async () => {
      const nats = new SharedBus();
      const here = new Registry(nats.connect(), { limit: 0, single: true }, () => earlier);
      const there = new Registry(nats.connect(), { limit: 0, single: true }, () => later);
      const [a, b] = [new Client("a"), new Client("b")];
      // In one turn: neither has heard of the other.
      there.add(b, "42");
      here.add(a, "42");
      await eventually("one is closed", () => a.closed ?? b.closed);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual([a.closed?.code, b.closed], [3504, undefined]);
      here.stop();
      there.stop();
    });
  }
});
