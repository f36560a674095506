import assert from "node:assert/strict";
import { publishAll, read, type Rows } from "./stage.ts";

export const historyRows: Rows = {
  async "reads a history as the protocol says: limit, since, reverse, position"(stage) {
    const [here, there] = await stage.both();
    const channel = stage.channel();
    await publishAll(here, channel, 1, 2, 3, 4, 5);
    const { epoch } = await here.history(channel);
    assert.ok(epoch.length > 0);
    for (const reader of [here, there]) {
      const { publications, ...position } = await reader.history(channel);
      assert.deepEqual([publications, position], [[], { offset: 5, epoch }]);
      assert.deepEqual(await read(reader, channel, { limit: 0 }), []);
      assert.deepEqual(await read(reader, channel, { limit: -1 }), [1, 2, 3, 4, 5]);
      assert.deepEqual(await read(reader, channel, { limit: 2 }), [1, 2]);
      assert.deepEqual(await read(reader, channel, { limit: 2, reverse: true }), [5, 4]);
      const since = (offset: number): { since: { offset: number; epoch: string } } => ({
        since: { offset, epoch },
      });
      assert.deepEqual(await read(reader, channel, { limit: 2, ...since(2) }), [3, 4]);
      assert.deepEqual(await read(reader, channel, { limit: -1, ...since(3) }), [4, 5]);
      assert.deepEqual(await read(reader, channel, { limit: -1, ...since(5) }), []);
      assert.deepEqual(
        await read(reader, channel, { limit: -1, ...since(3), reverse: true }),
        [2, 1],
      );
      const elsewhere = { limit: -1, since: { offset: 3, epoch: "other" } };
      await assert.rejects(reader.history(channel, elsewhere), { code: 112 });
    }
    const full = await there.history(channel, { limit: -1 });
    assert.deepEqual(
      full.publications.map(({ offset, info }) => [offset, info?.client]),
      [1, 2, 3, 4, 5].map((offset) => [offset, here.id]),
    );
  },

  async "finds a publication in the history by the time that it is acknowledged"(stage) {
    const clients = await stage.both();
    const channel = stage.channel();
    for (let n = 1; n <= 10; n += 1) {
      await clients[n % 2]?.publish(channel, n);
      const found = await clients[n % 3 === 0 ? 0 : 1].history(channel, {
        ...{ limit: 1, reverse: true },
      });
      assert.deepEqual([found.offset, found.publications[0]?.data], [n, n]);
    }
  },
};
