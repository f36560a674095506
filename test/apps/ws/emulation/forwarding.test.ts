import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import { Forwarding } from "../../../../apps/ws/emulation/forwarding.ts";
import { newSession, Sessions } from "../../../../apps/ws/emulation/sessions.ts";
import { collectingLog } from "../../../support/collecting-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { NatsServer } from "../../../support/nats.ts";

/** A gateway, as far as it takes part in this. */
interface Node {
  readonly id: string;
  readonly bus: NatsBus;
  readonly sessions: Sessions;
  readonly forwarding: Forwarding;
}

describe("commands that arrive at a gateway", () => {
  let nats: NatsServer;
  const nodes: Node[] = [];

  async function start(withinMs = 30_000): Promise<Node> {
    const { log } = collectingLog();
    const bus = new NatsBus({ name: "gateway", servers: [nats.url], log });
    const sessions = new Sessions();
    const id = randomUUID();
    await eventually("it is connected", () => bus.connected);
    const forwarding = new Forwarding({ bus, node: id, sessions, withinMs });
    await bus.flush();
    const node = { id, bus, sessions, forwarding };
    nodes.push(node);
    return node;
  }

  async function stop({ forwarding, bus }: Node): Promise<void> {
    forwarding.stop();
    await bus.close();
  }

  /** A session at a node, and what was brought to it. */
  function hold({ sessions }: Node): { session: string; taken: string[]; end: () => void } {
    const session = newSession();
    const taken: string[] = [];
    const end = sessions.add(session, {
      take: (bytes) => taken.push(Buffer.from(bytes).toString("latin1")),
    });
    return { session, taken, end };
  }

  const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

  before(async () => {
    nats = await NatsServer.start();
  });
  after(async () => {
    await Promise.all(nodes.map(stop));
    await nats[Symbol.asyncDispose]();
  });

  it("reach the session, wherever it is held, as they are", async () => {
    const [one, other] = [await start(), await start()];
    const held = hold(one);
    for (const { forwarding } of [one, other]) {
      const data = bytes("\0\xff{}\n");
      const { session } = held;
      assert.equal(await forwarding.deliver({ node: one.id, session, data }), "taken");
    }
    assert.deepEqual(held.taken, ["\0\xff{}\n", "\0\xff{}\n"]);
  });

  it("keep their order on the way", async () => {
    const [one, other] = [await start(), await start()];
    const { session, taken } = hold(one);
    const numbers = Array.from({ length: 1_000 }, (_, n) => String(n));
    const outcomes = await Promise.all(
      numbers.map((n) => other.forwarding.deliver({ node: one.id, session, data: bytes(n) })),
    );
    assert.deepEqual(new Set(outcomes), new Set(["taken"]));
    assert.deepEqual(taken, numbers);
  });

  it("find no gateway that has stopped, never was or is no name of one", async () => {
    const [one, other] = [await start(), await start()];
    await stop(one);
    const data = bytes("{}");
    const started = performance.now();
    for (const node of [
      one.id,
      randomUUID(),
      "",
      "unknown",
      "*",
      ">",
      `${other.id}.x`,
      "a b\r\n",
    ]) {
      const outcome = await other.forwarding.deliver({ node, session: "s", data });
      assert.equal(outcome, "unknown_node", node);
    }
    assert.ok(performance.now() - started < 15_000, "it waits for nobody");
  });

  it("are taken, and go nowhere, when the session has ended: its stream says why", async () => {
    const [one, other] = [await start(), await start()];
    const { session, taken, end } = hold(one);
    end();
    for (const { forwarding } of [one, other]) {
      for (const name of [session, newSession(), "", "no\r\nname", "x".repeat(10_000)]) {
        const outcome = await forwarding.deliver({ node: one.id, session: name, data: bytes("1") });
        assert.equal(outcome, "taken");
      }
    }
    assert.deepEqual(taken, []);
    assert.equal(one.sessions.size, 0);
  });

  it("are refused when they are larger than NATS takes", async () => {
    const [one, other] = [await start(), await start()];
    const { session } = hold(one);
    const data = Buffer.alloc(1_048_576);
    assert.equal(await other.forwarding.deliver({ node: one.id, session, data }), "too_large");
  });

  it("are given up when the other gateway does not answer, or NATS is away", async () => {
    await using far = await NatsServer.start();
    const { log } = collectingLog();
    const bus = new NatsBus({ name: "gateway", servers: [far.url], log });
    await eventually("it is connected", () => bus.connected);
    // It hears the requests and is too busy to answer.
    const node = randomUUID();
    bus.subscribe(`g.emulate.${node}`, () => undefined);
    const forwarding = new Forwarding({
      ...{ bus, node: randomUUID(), sessions: new Sessions(), withinMs: 100 },
    });
    await bus.flush();
    const request = { node, session: "s", data: bytes("{}") };
    assert.equal(await forwarding.deliver(request), "unavailable");
    await far.signal("SIGKILL");
    await eventually("NATS is missed", () => !bus.connected);
    assert.equal(await forwarding.deliver(request), "unavailable");
    await bus.close();
  });

  it("have sessions that nobody guesses", () => {
    const names = new Set(Array.from({ length: 1_000 }, newSession));
    assert.equal(names.size, 1_000);
    for (const name of names) assert.match(name, /^[\w-]{32}$/);
  });
});
