/** How many bytes a whole number below 2³² takes: seven bits go into each. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length += 1;
  return length;
}

/** @returns where it ends */
export function writeVarint(into: Buffer, value: number, start: number): number {
  let rest = value;
  let at = start;
  for (; rest > 0x7f; rest >>>= 7) into[at++] = (rest & 0x7f) | 0x80;
  into[at] = rest;
  return at + 1;
}
