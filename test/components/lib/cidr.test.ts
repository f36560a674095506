import assert from "node:assert/strict";
import { BlockList } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  addressAt,
  type AddressRange,
  contains,
  formatRange,
  isPrivate,
  overlap,
  parseRange,
  sizeOf,
} from "../../../components/lib/cidr.ts";

const range = fc
  .record({ address: fc.nat({ max: 0xffff_ffff }), prefix: fc.integer({ min: 0, max: 32 }) })
  .map(({ address, prefix }): AddressRange => {
    const size = 2 ** (32 - prefix);
    return { first: Math.floor(address / size) * size, prefix };
  });
/** Small numbers of prefixes and addresses, so that ranges often meet. */
const nearRange = fc
  .record({ address: fc.nat({ max: 255 }), prefix: fc.integer({ min: 24, max: 32 }) })
  .map(({ address, prefix }): AddressRange => {
    const size = 2 ** (32 - prefix);
    return { first: 10 * 2 ** 24 + Math.floor(address / size) * size, prefix };
  });

/** What Node itself takes the range for. */
function blockList(of: AddressRange): BlockList {
  const list = new BlockList();
  const [address = "", prefix = ""] = formatRange(of).split("/");
  list.addSubnet(address, Number(prefix));
  return list;
}

describe("IPv4 ranges", () => {
  it("are read back as they were written", () => {
    fc.assert(
      fc.property(range, (r) => {
        assert.deepEqual(parseRange(formatRange(r)), r);
      }),
    );
  });

  it("hold their first and last address and not the ones beside them, as Node sees it", () => {
    fc.assert(
      fc.property(range, (r) => {
        const list = blockList(r);
        const last = r.first + sizeOf(r) - 1;
        assert(list.check(addressAt(r, 0)) && list.check(addressAt(r, sizeOf(r) - 1)));
        const all = { first: 0, prefix: 0 };
        if (r.first > 0) assert(!list.check(addressAt(all, r.first - 1)));
        if (last < 0xffff_ffff) assert(!list.check(addressAt(all, last + 1)));
      }),
    );
  });

  it("overlap exactly when some address is in both, whichever is asked first", () => {
    fc.assert(
      fc.property(nearRange, nearRange, (a, b) => {
        const list = blockList(b);
        const shared = Array.from({ length: sizeOf(a) }, (_, i) => addressAt(a, i)).some((text) =>
          list.check(text),
        );
        assert.equal(overlap(a, b), shared);
        assert.equal(overlap(b, a), shared);
        assert.equal(contains(a, b), shared && sizeOf(b) <= sizeOf(a));
      }),
    );
  });

  it("are not read from text that means something else or nothing", () => {
    for (const text of [
      ...["", "10.0.0.0", "10.0.0.0/33", "10.0.0.256/32", "10.0.0.1/28", "10.0.0/8", "a.b.c.d/8"],
      ...["010.0.0.0/8", "10.0.0.0/08", " 10.0.0.0/8", "10.0.0.0/8 ", "10.0.0.0/-1", "::/0"],
    ]) {
      assert.equal(parseRange(text), undefined, text);
    }
  });

  it("are private when all of them is in a range of RFC 1918", () => {
    const answers = Object.fromEntries(
      [
        ...["10.0.0.0/8", "10.255.255.240/28", "172.16.0.0/12", "172.31.255.0/24"],
        ...["192.168.0.0/16", "9.0.0.0/8", "10.0.0.0/7", "172.32.0.0/16", "8.8.8.8/32"],
      ].map((text) => [text, isPrivate(parseRange(text) ?? assert.fail(text))]),
    );
    assert.deepEqual(answers, {
      "10.0.0.0/8": true,
      "10.255.255.240/28": true,
      "172.16.0.0/12": true,
      "172.31.255.0/24": true,
      "192.168.0.0/16": true,
      "9.0.0.0/8": false,
      "10.0.0.0/7": false,
      "172.32.0.0/16": false,
      "8.8.8.8/32": false,
    });
  });

  it("have no address before their first or after their last", () => {
    const r = { first: 10 * 2 ** 24, prefix: 30 };
    assert.equal(addressAt(r, 3), "10.0.0.3");
    assert.throws(() => addressAt(r, 4), new RangeError("10.0.0.0/30 has no address number 4"));
    assert.throws(() => addressAt(r, -1), new RangeError("10.0.0.0/30 has no address number -1"));
    assert.throws(() => addressAt(r, 0.5), new RangeError("10.0.0.0/30 has no address number 0.5"));
  });
});
