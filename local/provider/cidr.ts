/** IPv4 addresses and ranges, as far as the cloud checks them. */

export interface Range {
  /** Lowest address as an unsigned 32-bit number. */
  readonly first: number;
  /** 0–32. */
  readonly prefix: number;
}

/** Reads dotted decimals; undefined when the text is no IPv4 address. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** Reads `a.b.c.d/n`; undefined when it is no range, or has address bits set below its prefix. */
export function parseRange(text: string): Range | undefined {
  const [address, prefixText, ...rest] = text.split("/");
  if (address === undefined || prefixText === undefined || rest.length > 0) return undefined;
  const first = parseAddress(address);
  if (first === undefined || !/^\d{1,2}$/.test(prefixText)) return undefined;
  const prefix = Number(prefixText);
  return prefix <= 32 && first % size(prefix) === 0 ? { first, prefix } : undefined;
}

export function overlaps(a: Range, b: Range): boolean {
  return a.first < b.first + size(b.prefix) && b.first < a.first + size(a.prefix);
}

export function contains(range: Range, address: number): boolean {
  return address >= range.first && address < range.first + size(range.prefix);
}

/** True when every address of `inner` is in `outer`. */
export function encloses(outer: Range, inner: Range): boolean {
  return inner.prefix >= outer.prefix && contains(outer, inner.first);
}

function size(prefix: number): number {
  return 2 ** (32 - prefix);
}
