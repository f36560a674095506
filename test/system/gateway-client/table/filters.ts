import assert from "node:assert/strict";
import type { FilterNode } from "centrifuge";
import { eventually } from "../../../support/eventually.ts";
import type { Rows } from "./stage.ts";

const prices: readonly Readonly<Record<string, string>>[] = [
  { ticker: "BTC", price: "51000.5" },
  { ticker: "ETH", price: "3000" },
  { ticker: "BTC", price: "49999.99" },
  {},
  { ticker: "SOL", price: "cheap", colour: "ß" },
];

const filters: readonly [filter: FilterNode, accepted: readonly number[]][] = [
  [{ key: "ticker", cmp: "eq", val: "BTC" }, [0, 2]],
  [{ key: "ticker", cmp: "neq", val: "BTC" }, [1, 3, 4]],
  [{ key: "ticker", cmp: "in", vals: ["ETH", "SOL"] }, [1, 4]],
  [{ key: "price", cmp: "gte", val: "3000.00" }, [0, 1, 2]],
  [{ key: "colour", cmp: "ew", val: "ß" }, [4]],
  [
    {
      op: "and",
      nodes: [
        { op: "or", nodes: ["BTC", "ETH"].map((val) => ({ key: "ticker", cmp: "eq", val })) },
        { op: "not", nodes: [{ key: "price", cmp: "lt", val: "50000" }] },
      ],
    },
    [0],
  ],
];

export const filterRows: Rows = {
  async "gets the publications that its filter lets pass, with their tags"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel("tags");
    const everything = await there.subscribe(channel);
    const filtered = await Promise.all(
      filters.map(async ([tagsFilter], index) => {
        const client = index === 0 ? here : await stage.connect(index % 2 === 0 ? 0 : 1);
        return client.subscribe(channel, { tagsFilter });
      }),
    );
    for (const [n, tags] of prices.entries()) stage.pair.publish(channel, String(n), tags);
    assert.deepEqual(await everything.received(5), [0, 1, 2, 3, 4]);
    assert.deepEqual(
      everything.publications.map(({ tags }) => ({ ...tags })),
      prices,
    );
    for (const [index, subscription] of filtered.entries()) {
      const accepted = filters[index]?.[1] ?? [];
      assert.deepEqual(await subscription.received(accepted.length), accepted, String(index));
      const offsets = subscription.publications.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        accepted.map((n) => n + 1),
      );
    }
    const { publications } = await here.history(channel, { limit: -1 });
    assert.deepEqual(
      publications.map(({ tags }) => ({ ...tags })),
      prices,
    );
  },

  async "recovers what its filter lets pass, and is where the channel is"(stage) {
    const door = await stage.door();
    const channel = stage.channel("tags");
    const client = await stage.connectThrough(door);
    const tagsFilter: FilterNode = { key: "n", cmp: "in", vals: ["2", "5", "8"] };
    const subscription = await client.subscribe(channel, { tagsFilter });
    const publish = async (...numbers: readonly number[]): Promise<void> => {
      for (const n of numbers) stage.pair.publish(channel, String(n), { n: String(n) });
      await stage.pair.publisher.flush();
    };
    await publish(1, 2, 3);
    assert.deepEqual(await subscription.received(1), [2]);
    await door.away(() => publish(4, 5, 6));
    await subscription.received(2);
    await publish(7, 8, 9);
    assert.deepEqual(await subscription.received(3), [2, 5, 8]);
    assert.deepEqual(
      subscription.publications.map(({ offset }) => offset),
      [2, 5, 8],
    );
    assert.equal(subscription.contexts[1]?.recovered, true);
  },

  async "is refused a filter that is none, or where there are none: 107"(stage) {
    const client = await stage.connect(0);
    const wrong: FilterNode[] = [
      { key: "a", cmp: "eq" },
      { op: "not", nodes: [] },
      { key: "a", cmp: "in", val: "b" },
    ];
    for (const tagsFilter of wrong) {
      await client.subscription(stage.channel("tags"), { tagsFilter }).happens("unsubscribed 107");
    }
    const tagsFilter: FilterNode = { key: "a", cmp: "eq", val: "b" };
    await client.subscription(stage.channel(), { tagsFilter }).happens("unsubscribed 107");
    await eventually("the connection goes on", async () => {
      await client.subscribe(stage.channel("tags"), { tagsFilter });
      return true;
    });
    assert.deepEqual(client.connection, ["connecting 0", "connected"]);
  },
};
