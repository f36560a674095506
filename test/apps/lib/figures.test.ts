import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NatsAway, reportFigures } from "../../../apps/lib/figures.ts";
import { collectingLog } from "../../support/collecting-log.ts";
import { eventually } from "../../support/eventually.ts";
import { MemoryBus } from "../../support/memory-bus.ts";

describe("figures", () => {
  it("are written again and again, and once more at the end", async () => {
    const { log, lines } = collectingLog();
    const stopping = new AbortController();
    let count = 0;
    reportFigures("figures", () => ({ count: (count += 1) }), {
      ...{ log, signal: stopping.signal, everyMs: 5 },
    });
    await eventually("two lines", () => lines.length >= 2);
    const before = lines.length;
    stopping.abort();
    const atTheEnd = lines.length;
    assert.equal(atTheEnd, before + 1);
    assert.match(lines.at(-1) ?? "", new RegExp(`"count":${atTheEnd},"message":"figures"`));
    await new Promise((resolve) => setTimeout(resolve, 15));
    assert.equal(lines.length, atTheEnd, "the timer goes on");
  });

  it("are not begun by a process that stops already", () => {
    const { log, lines } = collectingLog();
    reportFigures("figures", () => ({}), { log, signal: AbortSignal.abort() });
    assert.deepEqual(lines, []);
  });
});

describe("the time without NATS", () => {
  it("is added up, and begins again whenever it is taken", () => {
    const bus = new MemoryBus();
    let now = 0;
    const away = new NatsAway(bus, () => now);
    const at = (ms: number): void => {
      now = ms;
    };
    at(10);
    assert.equal(away.takeMs(), 0, "it is connected");
    bus.change(false);
    at(15);
    bus.change(false);
    assert.equal(away.takeMs(), 5);
    at(22);
    bus.change(true);
    at(30);
    bus.change(false);
    at(31);
    assert.equal(away.takeMs(), 7 + 1);
    assert.equal(away.takeMs(), 0);
  });

  it("counts from the start where there was no connection yet", () => {
    const bus = new MemoryBus();
    bus.change(false);
    let now = 100;
    const away = new NatsAway(bus, () => now);
    now = 130;
    assert.equal(away.takeMs(), 30);
  });
});
