import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { applyStringDelta } from "fossil-delta";
import { headers } from "nats";
import { clientKinds } from "../../support/client-kind.ts";
import { eventually } from "../../support/eventually.ts";
import { GatewayPair } from "../../support/gateway-pair.ts";
import { subjectOf } from "../../support/gateway-process.ts";
import { NpmClient, type NpmSubscription } from "../../support/npm-client.ts";
import { ProtocolClient } from "../../support/protocol-client.ts";
import { Random } from "../../support/random.ts";
import { GatewayDoor } from "./gateway-door.ts";

const history = { history_size: 300, history_ttl: "300s", force_recovery: true };
const config = {
  client: { insecure: true },
  channel: {
    namespaces: [
      { name: "docs", ...history, allowed_delta_types: ["fossil"], delta_publish: true },
      { name: "live", allowed_delta_types: ["fossil"], delta_publish: true },
      // Only what says so itself is a delta.
      { name: "some", ...history, allowed_delta_types: ["fossil"] },
      {
        ...{ name: "cache", ...history, force_recovery_mode: "cache" },
        ...{ allowed_delta_types: ["fossil"], delta_publish: true },
      },
    ],
  },
};

/** A publication as it comes to a client that speaks JSON. */
interface Pub {
  readonly data: unknown;
  readonly offset?: number;
  readonly delta?: true;
}
interface Subscribed {
  readonly delta?: true;
  readonly epoch?: string;
  readonly offset?: number;
  readonly recovered?: true;
  readonly publications?: readonly Pub[];
}

describe("deltas", { concurrency: true }, () => {
  let pair: GatewayPair;

  before(async () => {
    pair = await GatewayPair.start(config);
  });
  after(async () => {
    await pair[Symbol.asyncDispose]();
  });

  /** Publishes as a service does; `delta` says that it may be sent as a delta. */
  function publish(channel: string, payload: string | Uint8Array, delta = false): void {
    const labels = headers();
    if (delta) labels.set("Centrifuge-Delta", "true");
    pair.publisher.publish(subjectOf(channel), payload, { headers: labels });
  }

  async function subscribe(client: ProtocolClient, request: object): Promise<Subscribed> {
    const reply = await client.command({ subscribe: { delta: "fossil", ...request } });
    assert.ok("subscribe" in reply, JSON.stringify(reply));
    return reply["subscribe"] as Subscribed;
  }

  /** The publications that were pushed to a client, once there are so many. */
  async function pushed(client: ProtocolClient, count: number): Promise<Pub[]> {
    const pubs = () => client.pushes.flatMap((push) => ("pub" in push ? [push["pub"] as Pub] : []));
    await eventually(`${count} publications arrive`, () => pubs().length >= count, { everyMs: 2 });
    return pubs();
  }

  /** Which of them are deltas, and what they are put together. */
  function read(pubs: readonly Pub[], base = ""): { deltas: boolean[]; values: unknown[] } {
    let text = base;
    const values = pubs.map(({ data, delta }): unknown => {
      assert.equal(typeof data, "string");
      text = delta === true ? applyStringDelta(text, data as string) : (data as string);
      return JSON.parse(text);
    });
    return { deltas: pubs.map(({ delta }) => delta === true), values };
  }

  const document = (n: number): { filler: string; n: number } => ({
    filler: "größe ".repeat(30),
    n,
  });
  const text = (n: number): string => JSON.stringify(document(n));

  it("begin with a whole payload for who comes, and go on for who is there", async () => {
    for (const namespace of ["docs", "live"]) {
      const channel = pair.channel(namespace);
      const first = await ProtocolClient.connect(pair.port(0));
      assert.equal((await subscribe(first, { channel })).delta, true);
      for (const n of [1, 2]) publish(channel, text(n));
      await pushed(first, 2);
      const second = await ProtocolClient.connect(pair.port(0));
      await subscribe(second, { channel });
      for (const n of [3, 4]) publish(channel, text(n));
      const [ofFirst, ofSecond] = [await pushed(first, 4), await pushed(second, 2)].map((pubs) =>
        read(pubs),
      );
      assert.deepEqual(ofFirst, {
        deltas: [false, true, true, true],
        values: [1, 2, 3, 4].map(document),
      });
      assert.deepEqual(ofSecond, { deltas: [false, true], values: [3, 4].map(document) });
      first.websocket.close();
      second.websocket.close();
    }
  });

  it("go on at once after a recovery that brought something, and begin anew after one that did not", async () => {
    await Promise.all(
      ([0, 1] as const).map(async (index) => {
        const channel = pair.channel("docs");
        const connect = () => ProtocolClient.connect(pair.port(index));
        const first = await ProtocolClient.connect(pair.port(0));
        const { epoch = "" } = await subscribe(first, { channel });
        for (const n of [1, 2, 3]) publish(channel, text(n));
        await pushed(first, 3);
        const [back, same, late] = await Promise.all([connect(), connect(), connect()]);
        const since = { channel, recover: true, epoch };
        const { recovered, publications = [] } = await subscribe(back, { ...since, offset: 1 });
        assert.equal(recovered, true);
        assert.deepEqual(read(publications), {
          deltas: [false, true],
          values: [2, 3].map(document),
        });
        assert.equal((await subscribe(same, { ...since, offset: 3 })).recovered, true);
        assert.equal((await subscribe(late, { ...since, epoch: "other" })).recovered, undefined);
        for (const n of [4, 5]) publish(channel, text(n));
        const both = { values: [4, 5].map(document) };
        assert.deepEqual(read(await pushed(back, 2), text(3)), { deltas: [true, true], ...both });
        for (const client of [same, late]) {
          assert.deepEqual(read(await pushed(client, 2)), { deltas: [false, true], ...both });
        }
        for (const client of [first, back, same, late]) client.websocket.close();
      }),
    );
  });

  it("go on from the latest publication, where that is what a recovery brings", async () => {
    const channel = pair.channel("cache");
    const first = await ProtocolClient.connect(pair.port(0));
    await subscribe(first, { channel });
    for (const n of [1, 2]) publish(channel, text(n));
    await pushed(first, 2);
    const back = await ProtocolClient.connect(pair.port(1));
    const { publications = [] } = await subscribe(back, { channel, recover: true });
    assert.deepEqual(read(publications), { deltas: [false], values: [document(2)] });
    publish(channel, text(3));
    assert.deepEqual(read(await pushed(back, 1), text(2)), {
      deltas: [true],
      values: [document(3)],
    });
    first.websocket.close();
    back.websocket.close();
  });

  it("are made of what says that it may be one, where not all may", async () => {
    const channel = pair.channel("some");
    const client = await ProtocolClient.connect(pair.port(1));
    await subscribe(client, { channel });
    const wanted = [false, true, false, true, true];
    for (const [n, delta] of wanted.entries()) publish(channel, text(n), delta);
    assert.deepEqual(read(await pushed(client, 5)), {
      deltas: wanted,
      values: wanted.map((_, n) => document(n)),
    });
    // And so is what comes out of the history.
    const back = await ProtocolClient.connect(pair.port(0));
    const { publications = [] } = await subscribe(back, { channel, recover: true });
    assert.deepEqual(read(publications).deltas, wanted);
    client.websocket.close();
    back.websocket.close();
  });

  it("are not for those who have not asked, beside one who has, and not for histories", async () => {
    const channel = pair.channel("docs");
    const client = await ProtocolClient.connect(pair.port(0));
    const asking = await ProtocolClient.connect(pair.port(0));
    assert.equal((await subscribe(asking, { channel })).delta, true);
    assert.equal((await subscribe(client, { channel, delta: "" })).delta, undefined);
    for (const n of [1, 2]) publish(channel, text(n));
    const whole = [
      { data: document(1), offset: 1 },
      { data: document(2), offset: 2 },
    ];
    assert.deepEqual(await pushed(client, 2), whole);
    const reply = await client.command({ history: { channel, limit: -1 } });
    const { publications } = reply["history"] as { publications: Pub[] };
    assert.deepEqual(publications, whole);
    assert.deepEqual(read(await pushed(asking, 2)).deltas, [false, true]);
    asking.websocket.close();
    client.websocket.close();
  });

  for (const [namespace, seed] of [
    ["docs", 1],
    ["live", 2],
    ["some", 3],
  ] as const) {
    it(`are put together by the npm client to every document, in both encodings, on both gateways, through cuts: ${namespace}`, async () => {
      const random = new Random(seed);
      const channel = pair.channel(namespace);
      await using stack = new AsyncDisposableStack();
      const open = async (index: 0 | 1) => {
        const door = stack.use(await GatewayDoor.open(pair));
        door.leadTo(index);
        const kinds = [clientKinds.jsonWebsocket, clientKinds.protobufWebsocket];
        const clients = kinds.map((kind) => stack.use(new NpmClient(door.port, { kind })));
        return { door, clients };
      };
      const sides = [await open(0), await open(1)];
      const clients = sides.flatMap((side) => side.clients);
      const subscriptions: NpmSubscription[] = [];
      for (const { client } of clients) client.connect();
      for (const client of clients) {
        await client.happens("connected");
        subscriptions.push(await client.subscribe(channel, { delta: "fossil" }));
      }
      const published: unknown[] = [];
      const isThere = (): boolean =>
        subscriptions.every(({ publications }) => {
          const last: unknown = publications.at(-1)?.data;
          return isSame(last, published.at(-1));
        });
      /** Says where they are until all hear it: without a history, who is not there has missed it. */
      const meet = async (round: number): Promise<void> => {
        let saidAt = Number.NEGATIVE_INFINITY;
        await eventually(
          "all have the last one",
          () => {
            if (published.length > 0 && isThere()) return true;
            if (performance.now() - saidAt < 500) return false;
            saidAt = performance.now();
            const value = { round, n: published.length };
            published.push(value);
            payload = JSON.stringify(value);
            publish(channel, payload, true);
            return false;
          },
          { everyMs: 5 },
        );
      };
      let payload: string | Uint8Array = "{}";
      for (let round = 0; round < 12; round += 1) {
        const work = async (): Promise<void> => {
          const count = 1 + random.below(6);
          for (let each = 0; each < count; each += 1) {
            payload = changed(payload, published.length, random);
            published.push(seen(payload));
            publish(channel, payload, random.chance(0.7));
          }
          await pair.publisher.flush();
        };
        const { door } = random.one(sides);
        const { subscription } = random.one(subscriptions);
        const fate = random.below(4);
        if (fate === 0) await door.away(work, random.chance(0.5) ? 0 : 1);
        else if (fate === 1) {
          subscription.unsubscribe();
          await work();
          subscription.subscribe();
        } else if (fate === 2) {
          const done = work();
          door.moveTo(random.chance(0.5) ? 0 : 1);
          await done;
        } else await work();
        await meet(round);
      }
      for (const { publications, subscription } of subscriptions) {
        const received = publications.map(({ data }): unknown => data);
        if (namespace === "live") {
          // Nothing that was missed comes later.
          let at = 0;
          for (const data of received) {
            const found = published.findIndex((each, index) => index >= at && isSame(each, data));
            assert.notEqual(found, -1, JSON.stringify(data));
            at = found + 1;
          }
        } else assert.deepEqual(received, published);
        const { numDeltaPayloads } = subscription.deltaStats();
        assert.ok(numDeltaPayloads > 0);
      }
      const problems = clients.flatMap(({ events }) =>
        events.filter((event) => event.startsWith("error")),
      );
      assert.deepEqual(
        problems.filter((problem) => !problem.startsWith("error transport")),
        [],
      );
    });
  }
});

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What clients make of a payload, whatever they speak. */
function seen(payload: string | Uint8Array): unknown {
  const text = typeof payload === "string" ? payload : new TextDecoder().decode(payload);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Another document, much like the one before most of the time. */
function changed(payload: string | Uint8Array, n: number, random: Random): string | Uint8Array {
  const words = ["größe", "語る", "😀😁", "plain", "\u0001\n", '"quoted"', "я".repeat(20)];
  const some = (count: number): string[] => Array.from({ length: count }, () => random.one(words));
  switch (random.below(8)) {
    case 0:
      // Neither JSON nor, most of the time, text.
      return Uint8Array.from({ length: 60 }, (_, index) =>
        index < 50 ? index : random.below(256),
      );
    case 1:
      return `no JSON, ${n}: ${some(5).join(" ")}`;
    case 2:
      return JSON.stringify({ n, words: some(30) }, undefined, 2);
    default: {
      const value = seen(payload);
      const before = typeof value === "object" && value !== null ? value : {};
      const list: unknown = Reflect.get(before, "words");
      const kept = Array.isArray(list) ? (list as unknown[]) : some(30);
      const place = random.below(kept.length);
      return JSON.stringify({ ...before, n, words: kept.with(place, random.one(words)) });
    }
  }
}
