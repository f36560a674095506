/** Makes screenshots small: as a picture of at most 256 colours, a third of the bytes. */
import { crc32, deflateSync, inflateSync } from "node:zlib";

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const mostColours = 256;

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Row by row, a number 0xRRGGBB for each. */
  readonly colours: Uint32Array;
}

/** Reads what browsers write: 8 bits a channel, with or without alpha, not interlaced; the alpha is dropped. */
export function readPng(png: Buffer): Pixels {
  const parts = chunks(png);
  const header = parts.find(({ type }) => type === "IHDR")?.data;
  const [depth, kind, , , interlaced] = [...(header?.subarray(8) ?? [])];
  const channels = kind === 6 ? 4 : kind === 2 ? 3 : 0;
  if (header === undefined || depth !== 8 || channels === 0 || interlaced !== 0) {
    throw new Error("not a picture as browsers write them");
  }
  const width = header.readUInt32BE(0);
  const height = header.readUInt32BE(4);
  const packed = parts.filter(({ type }) => type === "IDAT").map(({ data }) => data);
  const bytes = inflateSync(Buffer.concat(packed));
  const colours = new Uint32Array(width * height);
  const stride = width * channels;
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y += 1) {
    const start = y * (stride + 1);
    const row = Uint8Array.from(bytes.subarray(start + 1, start + 1 + stride));
    unfilter(bytes[start] ?? 0, row, above, channels);
    for (let x = 0; x < width; x += 1) {
      const at = x * channels;
      colours[y * width + x] =
        ((row[at] ?? 0) << 16) | ((row[at + 1] ?? 0) << 8) | (row[at + 2] ?? 0);
    }
    above = row;
  }
  return { width, height, colours };
}

/** The same picture with the 256 colours that it has most of; what is of another gets the nearest of these. */
export function smallPng(png: Buffer): Buffer {
  const { width, height, colours } = readPng(png);
  const counts = new Map<number, number>();
  // By runs of the same, of which a page has long ones.
  for (let at = 0; at < colours.length;) {
    const colour = colours[at] ?? 0;
    let end = at + 1;
    while (colours[end] === colour) end += 1;
    counts.set(colour, (counts.get(colour) ?? 0) + end - at);
    at = end;
  }
  const palette = [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, mostColours)
    .map(([colour]) => colour);
  const places = new Map(palette.map((colour, index) => [colour, index]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const colour = colours[y * width + x] ?? 0;
      let place = places.get(colour);
      if (place === undefined) {
        place = nearest(colour, palette);
        places.set(colour, place);
      }
      // The first byte of a row says that it is not filtered: what is no neighbour has no likeness here.
      rows[y * (width + 1) + 1 + x] = place;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8);
  const table = palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(table)),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunks(png: Buffer): { readonly type: string; readonly data: Buffer }[] {
  if (!png.subarray(0, 8).equals(signature)) throw new Error("not a PNG");
  const found: { type: string; data: Buffer }[] = [];
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    found.push({ type, data: png.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return found;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

type Guess = (left: number, up: number, corner: number) => number;

/** How each kind of filter guesses a byte from its neighbours; what is written is by how much it is wrong. */
const guesses: readonly Guess[] = [
  () => 0,
  (left) => left,
  (_left, up) => up,
  (left, up) => (left + up) >> 1,
  paeth,
];

/** Undoes a row's filter in place; `above` is the row before it. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, channels: number): void {
  const guess = guesses[filter];
  if (guess === undefined) throw new Error(`there is no filter ${filter}`);
  for (let i = 0; i < row.length; i += 1) {
    row[i] = (row[i] ?? 0) + guess(row[i - channels] ?? 0, above[i] ?? 0, above[i - channels] ?? 0);
  }
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const toLeft = Math.abs(guess - left);
  const toUp = Math.abs(guess - up);
  const toCorner = Math.abs(guess - corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

function nearest(colour: number, palette: readonly number[]): number {
  let best = 0;
  let least = Infinity;
  for (const [index, other] of palette.entries()) {
    const red = (colour >> 16) - (other >> 16);
    const green = ((colour >> 8) & 0xff) - ((other >> 8) & 0xff);
    const blue = (colour & 0xff) - (other & 0xff);
    const distance = red * red + green * green + blue * blue;
    if (distance < least) [best, least] = [index, distance];
  }
  return best;
}
