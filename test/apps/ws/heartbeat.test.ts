import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Heartbeat } from "../../../apps/ws/heartbeat.ts";

const intervalMs = 25_000;

describe("the heartbeat", () => {
  it("asks within one interval and decides exactly one later: within two, whenever one came", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const heartbeat = new Heartbeat({ intervalMs });
    let nowMs = 0;
    const peers: { addedMs: number; pingsMs: number[] }[] = [];
    for (; nowMs < 3 * intervalMs; nowMs += 100) {
      if (nowMs < intervalMs) {
        const peer = { addedMs: nowMs, pingsMs: [] as number[] };
        peers.push(peer);
        heartbeat.add({ ping: () => peer.pingsMs.push(nowMs + 100) });
      }
      t.mock.timers.tick(100);
    }
    assert.equal(peers.length, 250);
    for (const { addedMs, pingsMs } of peers) {
      const [first = Infinity, second = Infinity] = pingsMs;
      assert.ok(first - addedMs <= intervalMs, `added at ${addedMs}, asked at ${first}`);
      assert.equal(second - first, intervalMs);
    }
    heartbeat.stop();
  });

  it("spreads its questions over the interval", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const heartbeat = new Heartbeat({ intervalMs, slots: 50 });
    let asked = 0;
    for (let peer = 0; peer < 1_000; peer += 1) heartbeat.add({ ping: () => (asked += 1) });
    for (let turn = 1; turn <= 50; turn += 1) {
      t.mock.timers.tick(500);
      assert.equal(asked, turn * 20);
    }
    heartbeat.stop();
  });

  it("asks nobody who has left, and nobody after its end", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const heartbeat = new Heartbeat({ intervalMs });
    let [gone, stayed] = [0, 0];
    const release = heartbeat.add({ ping: () => (gone += 1) });
    heartbeat.add({ ping: () => (stayed += 1) });
    t.mock.timers.tick(intervalMs);
    release();
    t.mock.timers.tick(intervalMs);
    assert.deepEqual([gone, stayed], [1, 2]);
    heartbeat.stop();
    t.mock.timers.tick(10 * intervalMs);
    assert.deepEqual([gone, stayed], [1, 2]);
  });
});
