import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Closing } from "../../../../apps/ws/peer.ts";
import { Registry } from "../../../../apps/ws/websocket/registry.ts";
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

  it("ends the other connections of a user, on all gateways, where one is all that there may be", async () => {
    const nats = new SharedBus();
    const here = new Registry(nats.connect(), { limit: 0, single: true });
    const there = new Registry(nats.connect(), { limit: 0, single: true });
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
});
