import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { describe, it } from "node:test";
import fc from "fast-check";
import { applyDelta, createDelta } from "fossil-delta";
import { makeDelta } from "../../../../apps/ws/delta/fossil.ts";
import { Searcher } from "../../../../apps/ws/delta/searcher.ts";

const search = (source: Uint8Array, target: Uint8Array): Uint8Array => createDelta(source, target);
const never = (): undefined => undefined;

/** What two payloads are made of, so that they have a lot in common in any order. */
const pieces = fc.array(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 3 }),
    fc.string({ unit: fc.constantFrom("é", "è", "語", "誤", "😀", "😁", "a"), maxLength: 40 }),
    fc.constantFrom(
      '{"name":"',
      '","price":12.5},',
      "я".repeat(30),
      "ю".repeat(30),
      "x".repeat(50),
    ),
  ),
  { maxLength: 12 },
);
/** The second is the first with some pieces left out, doubled, moved or new. */
const texts = pieces.chain((before) =>
  fc
    .array(
      before.length > 0
        ? fc.oneof(
            fc.constantFrom(...before),
            pieces.map((p) => p.join("")),
          )
        : fc.constant("a"),
    )
    .map((after) => [Buffer.from(before.join("")), Buffer.from(after.join(""))] as const),
);
const bytes = fc
  .tuple(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }))
  .chain(([a, b]) =>
    fc
      .array(fc.constantFrom(a, b, Buffer.alloc(40, 1)), { maxLength: 5 })
      .map((parts) => [a, Buffer.concat(parts)] as const),
  );

describe("a delta", () => {
  it("makes the target out of the source, of any bytes, searched or not", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, texts), fc.boolean(), ([source, target], searched) => {
        const delta = makeDelta(source, target, { text: false, search: searched ? search : never });
        assert.deepEqual(
          Buffer.from(applyDelta(source, new Uint8Array(delta))),
          Buffer.from(target),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it("of texts is a text, whatever they have in common", () => {
    let cut = 0;
    fc.assert(
      fc.property(texts, fc.boolean(), ([source, target], searched) => {
        const delta = makeDelta(source, target, { text: true, search: searched ? search : never });
        assert.ok(isUtf8(delta));
        assert.deepEqual(
          Buffer.from(applyDelta(source, new Uint8Array(delta))),
          Buffer.from(target),
        );
        if (!isUtf8(Buffer.from(createDelta(source, target)))) cut += 1;
      }),
      { numRuns: 1_000 },
    );
    // It would be no test if the library by itself did not cut characters.
    assert.ok(cut > 0);
  });

  it("is short where little has changed, though every character takes two bytes", () => {
    const source = Buffer.from(`{"text":"${"привет ".repeat(100)}","n":1}`);
    const target = Buffer.from(source.toString().replace("т пр", "д пр").replace('"n":1', '"n":2'));
    const delta = makeDelta(source, target, { text: true, search });
    assert.ok(delta.length < 60, String(delta.length));
    assert.ok(isUtf8(delta));
  });

  it("is longer than its target by 20 bytes at most, whatever the two are", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, texts), ([source, target]) => {
        const ours = makeDelta(source, target, { text: false, search }).length;
        const inserted = target.length + 20;
        assert.ok(ours <= inserted, `${ours} for ${target.length}`);
      }),
    );
  });

  it("of what differs in one place needs no search", () => {
    let searched = 0;
    const counting = (): undefined => void (searched += 1);
    const document = JSON.stringify({
      list: Array.from({ length: 50 }, (_, id) => ({ id, price: 10 + id })),
    });
    const source = Buffer.from(document);
    const target = Buffer.from(document.replace('"price":42', '"price":1042'));
    const delta = makeDelta(source, target, { text: true, search: counting });
    assert.equal(searched, 0);
    assert.ok(delta.length < 30, String(delta.length));
  });
});

describe("a searcher", () => {
  const noise = (seed: number) =>
    Buffer.from(Array.from({ length: 2_000 }, (_, i) => (i * i * seed) % 251));

  it("takes no more than its share of the time, and goes on when time has passed", () => {
    let now = 0;
    // Every look at the clock takes 30 ms: so long does a search seem to take.
    const searcher = new Searcher(() => (now += 30));
    let found = 0;
    for (let round = 0; round < 300; round += 1) {
      if (searcher.search(noise(3), noise(7)) !== undefined) found += 1;
    }
    const spent = found * 30;
    assert.ok(spent > 0.15 * now && spent < 0.25 * now + 100, `${spent} of ${now} ms`);
    now += 10_000;
    assert.notEqual(searcher.search(noise(3), noise(7)), undefined);
  });

  it("does not look at what is larger than 32 KiB", () => {
    const searcher = new Searcher();
    const [small, large] = [Buffer.alloc(32_768, 1), Buffer.alloc(32_769, 1)];
    assert.notEqual(searcher.search(small, small), undefined);
    assert.equal(searcher.search(large, small), undefined);
    assert.equal(searcher.search(small, large), undefined);
  });
});
