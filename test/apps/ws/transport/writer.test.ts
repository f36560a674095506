import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Writer } from "../../../../apps/ws/transport/writer.ts";

/** A socket whose peer reads only when the test says so. */
class Valve {
  readonly #queue: { bytes: Uint8Array; done: (() => void) | undefined }[] = [];
  writes = 0;

  get writableLength(): number {
    return this.#queue.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  write(bytes: Uint8Array, done?: () => void): void {
    if (bytes.length > 0) this.writes += 1;
    this.#queue.push({ bytes, done });
  }

  drain(): void {
    for (const { done } of this.#queue.splice(0)) done?.();
  }
}

function never(): void {
  throw new Error("it must not overflow");
}

describe("the writer", () => {
  it("writes at once when nothing waits", () => {
    const valve = new Valve();
    const writer = new Writer(valve, 1_000, never);
    writer.write(Buffer.alloc(10));
    assert.equal(valve.writes, 1);
  });

  it("lets the backlog grow to its limit and not a byte further", () => {
    const valve = new Valve();
    let overflows = 0;
    const writer = new Writer(valve, 1_000, () => (overflows += 1));
    writer.write(Buffer.alloc(500));
    writer.write(Buffer.alloc(1_000 - 500 - 64));
    assert.deepEqual([overflows, writer.backlogBytes], [0, 1_000]);
    writer.write(Buffer.alloc(1));
    assert.deepEqual([overflows, valve.writes], [1, 2]);
    valve.drain();
    writer.write(Buffer.alloc(1));
    assert.deepEqual([overflows, valve.writes], [1, 2], "after the overflow it writes nothing");
  });

  it("takes one piece above the limit when nothing waits, and then as much as ever", () => {
    const valve = new Valve();
    let overflows = 0;
    const writer = new Writer(valve, 1_000, () => (overflows += 1));
    writer.write(Buffer.alloc(5_000));
    writer.write(Buffer.alloc(1_000 - 64));
    assert.equal(overflows, 0);
    valve.drain();
    writer.write(Buffer.alloc(500));
    writer.write(Buffer.alloc(500));
    assert.equal(overflows, 1, "the room of the large piece is gone with it");
    const other = new Writer(new Valve(), 1_000, () => (overflows += 1));
    other.write(Buffer.alloc(5_000));
    other.write(Buffer.alloc(1_000));
    assert.equal(overflows, 2);
  });

  it("takes as much again once the peer has read", () => {
    const valve = new Valve();
    const writer = new Writer(valve, 1_000, never);
    for (let round = 0; round < 100; round += 1) {
      for (let piece = 0; piece < 10; piece += 1) writer.write(Buffer.alloc(30));
      valve.drain();
      assert.equal(writer.backlogBytes, 0);
    }
  });

  it("counts what tiny frames cost to keep", () => {
    const valve = new Valve();
    let overflows = 0;
    const writer = new Writer(valve, 64_000, () => (overflows += 1));
    for (let piece = 0; piece < 1_100; piece += 1) writer.write(Buffer.alloc(3));
    assert.equal(overflows, 1);
    assert.ok(valve.writes < 1_000);
  });

  it("says what waits whenever that changes, of the first piece too", () => {
    const valve = new Valve();
    const reports: number[] = [];
    const writer = new Writer(valve, 1_000, never, (bytes) => reports.push(bytes));
    writer.write(Buffer.alloc(10));
    writer.write(Buffer.alloc(20));
    assert.deepEqual(reports, [10, 10 + 20 + 64]);
    valve.drain();
    assert.equal(reports.at(-1), 0);
  });

  it("takes one message that is larger than the limit when nothing waits", () => {
    const writer = new Writer(new Valve(), 1_000, never);
    writer.write(Buffer.alloc(5_000));
  });
});
