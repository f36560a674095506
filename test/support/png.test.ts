import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import { readPng, smallPng } from "./png.ts";

type Colour = readonly [red: number, green: number, blue: number];

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** A picture as browsers write them, each of its rows with the filter that is given. */
function png(rows: readonly (readonly Colour[])[], filters: readonly number[]): Buffer {
  const bytes = rows.map((row) => row.flat());
  const filtered = bytes.map((row, y) => {
    const filter = filters[y] ?? 0;
    return [
      filter,
      ...row.map((value, i) => {
        const left = row[i - 3] ?? 0;
        const up = bytes[y - 1]?.[i] ?? 0;
        const corner = (i < 3 ? undefined : bytes[y - 1]?.[i - 3]) ?? 0;
        // The specification's own order: of equals the left one, then the upper one.
        const near = [left, up, corner].sort(
          (a, b) => Math.abs(left + up - corner - a) - Math.abs(left + up - corner - b),
        );
        const guess = [0, left, up, Math.floor((left + up) / 2), near[0] ?? 0][filter] ?? 0;
        return (value - guess) & 0xff;
      }),
    ];
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(rows[0]?.length ?? 0, 0);
  header.writeUInt32BE(rows.length, 4);
  header.set([8, 2], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.from(filtered.flat()))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

describe("screenshots as small pictures", () => {
  const rows: Colour[][] = Array.from({ length: 10 }, (_row, y) =>
    Array.from({ length: 7 }, (_column, x) => [
      (x * 37 + y * 11) & 0xff,
      (x * y * 5) & 0xff,
      200 - y,
    ]),
  );
  const expected = rows.flat().map(([red, green, blue]) => (red << 16) | (green << 8) | blue);

  it("are read with each of the filters that a browser may choose", () => {
    const filters = [0, 1, 2, 3, 4, 4, 3, 2, 1, 0];
    const { width, height, colours } = readPng(png(rows, filters));
    assert.deepEqual([width, height], [7, 10]);
    assert.deepEqual([...colours], expected);
  });

  it("keep the size, every colour of the first 256, and of others the nearest", () => {
    const few = smallPng(png(rows, []));
    assert.equal(few.readUInt32BE(16), 7);
    assert.equal(few.readUInt32BE(20), 10);
    // 8 bits and a palette.
    assert.deepEqual([...few.subarray(24, 26)], [8, 3]);
    assert.equal(few.toString("latin1", 37, 41), "PLTE");
    assert.equal(few.readUInt32BE(33), new Set(expected).size * 3);
    // 300 greys in red, of which those that come twice are kept.
    const many = Array.from({ length: 2 }, (_row, y) =>
      Array.from({ length: 300 }, (_column, x): Colour => [
        x & 0xff,
        x >> 8,
        y === 0 || x < 200 ? 7 : 9,
      ]),
    );
    const palette = smallPng(png(many, []));
    assert.equal(palette.readUInt32BE(33), 256 * 3);
  });

  it("are not made of anything else", () => {
    assert.throws(() => smallPng(Buffer.from("GIF89a, which is another thing")), /not a PNG/);
    const paletted = smallPng(png(rows, []));
    assert.throws(() => smallPng(paletted), /not a picture as browsers write them/);
  });
});
