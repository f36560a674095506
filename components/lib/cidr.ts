/** IPv4 ranges: just what the network's arguments need to be checked before anything is declared. */

/** A block of IPv4 addresses, e.g. `10.8.0.0/28`. */
export interface AddressRange {
  /** The lowest address as an unsigned 32-bit number. */
  readonly first: number;
  /** Bits that all addresses of the block share, 0–32. */
  readonly prefix: number;
}

/** The number of addresses in the range. */
export function sizeOf(range: AddressRange): number {
  return 2 ** (32 - range.prefix);
}

/**
 * Reads `a.b.c.d/n`. Answers undefined for anything else, also for a block whose address has bits
 * set beyond its prefix (`10.8.0.1/28`): the cloud refuses those, and what was meant is not clear.
 */
export function parseRange(text: string): AddressRange | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (!match) return undefined;
  const numbers = match.slice(1).map(Number);
  const prefix = numbers[4] ?? 0;
  const octets = numbers.slice(0, 4);
  if (prefix > 32 || octets.some((octet) => octet > 255)) return undefined;
  const first = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const range = { first, prefix };
  return first % sizeOf(range) === 0 && formatRange(range) === text ? range : undefined;
}

export function formatRange(range: AddressRange): string {
  return `${formatAddress(range.first)}/${range.prefix}`;
}

/** True when at least one address is in both. */
export function overlap(a: AddressRange, b: AddressRange): boolean {
  return a.first < b.first + sizeOf(b) && b.first < a.first + sizeOf(a);
}

/** True when every address of `inner` is in `outer`. */
export function contains(outer: AddressRange, inner: AddressRange): boolean {
  return inner.prefix >= outer.prefix && overlap(outer, inner);
}

/** The ranges that RFC 1918 sets aside for private networks. */
const privateRanges: readonly AddressRange[] = [
  { first: 10 * 2 ** 24, prefix: 8 },
  { first: 172 * 2 ** 24 + 16 * 2 ** 16, prefix: 12 },
  { first: 192 * 2 ** 24 + 168 * 2 ** 16, prefix: 16 },
];

export function isPrivate(range: AddressRange): boolean {
  return privateRanges.some((outer) => contains(outer, range));
}

/**
 * The address `index` places above the lowest one.
 * @throws RangeError when the range has no such address
 */
export function addressAt(range: AddressRange, index: number): string {
  if (!Number.isInteger(index) || index < 0 || index >= sizeOf(range)) {
    throw new RangeError(`${formatRange(range)} has no address number ${index}`);
  }
  return formatAddress(range.first + index);
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join(".");
}
