/**
 * Deltas in the format of Fossil (https://fossil-scm.org/home/doc/tip/www/delta_format.wiki): a program
 * that makes a target out of a source by copying from the source and inserting bytes.
 *
 * The library finds what the two have in common; its time goes by the square of the size at worst, and
 * what it inserts may begin in the middle of a character. So it is only asked about what differs, and its
 * program is mended before it is written down.
 */

/** A step of the program: bytes of the source from an offset on, or, without one, the target's next bytes. */
interface Step {
  readonly from: number | undefined;
  readonly length: number;
}

export interface DeltaOptions {
  /** The target is UTF-8, and so is the delta to be. */
  readonly text: boolean;
  /** Finds a delta as the library does; undefined: there is no time for it. */
  readonly search: (source: Uint8Array, target: Uint8Array) => Uint8Array | undefined;
}

/** Below this the library finds nothing, and a copy saves nothing. */
const minSearch = 17;
/** A shorter copy is hardly shorter than what it copies; a longer one stays when halves of characters go. */
const minCopy = 8;

/** The delta that makes the target out of the source. It may be longer than the target. */
export function makeDelta(source: Uint8Array, target: Uint8Array, options: DeltaOptions): Buffer {
  const shorter = Math.min(source.length, target.length);
  let head = 0;
  while (head < shorter && source[head] === target[head]) head += 1;
  let tail = 0;
  const [sourceEnd, targetEnd] = [source.length - 1, target.length - 1];
  const maxTail = shorter - head;
  while (tail < maxTail && source[sourceEnd - tail] === target[targetEnd - tail]) tail += 1;
  const steps = plain([
    { from: 0, length: head },
    ...between(source, target, head, tail, options),
    { from: source.length - tail, length: tail },
  ]);
  return write(options.text ? onCharacters(steps, target) : steps, target);
}

/** Steps for what lies between a common beginning and a common end. */
function between(
  source: Uint8Array,
  target: Uint8Array,
  head: number,
  tail: number,
  { search }: DeltaOptions,
): readonly Step[] {
  const from = source.subarray(head, source.length - tail);
  const to = target.subarray(head, target.length - tail);
  const isSmall = from.length < minSearch || to.length < minSearch;
  const found = isSmall ? undefined : search(from, to);
  if (found === undefined) return [{ from: undefined, length: to.length }];
  return read(found).map((step) =>
    step.from === undefined ? step : { from: step.from + head, length: step.length },
  );
}

/** Without steps that do nothing or copy next to nothing, and with inserts that follow each other as one. */
function plain(steps: readonly Step[]): Step[] {
  const result: Step[] = [];
  for (const { from, length } of steps) {
    if (length === 0) continue;
    const step = { from: length < minCopy ? undefined : from, length };
    const last = result.at(-1);
    if (last !== undefined && last.from === undefined && step.from === undefined) {
      result[result.length - 1] = { from: undefined, length: last.length + length };
    } else result.push(step);
  }
  return result;
}

/** Lets every insert begin and end where a character does: what is copied beside it is shortened. */
function onCharacters(steps: readonly Step[], target: Uint8Array): Step[] {
  const lengths = steps.map(({ length }) => length);
  const skipped = steps.map(() => 0);
  let at = 0;
  for (const [index, { from, length }] of steps.entries()) {
    if (from === undefined) {
      const [before, after] = [index - 1, index + 1];
      const early = backward(target, at);
      const late = forward(target, at + length);
      if (before >= 0) lengths[before] = (lengths[before] ?? 0) - early;
      if (after < steps.length) {
        lengths[after] = (lengths[after] ?? 0) - late;
        skipped[after] = late;
      }
      lengths[index] = length + early + late;
    }
    at += length;
  }
  return steps.map(({ from }, index) => ({
    from: from === undefined ? undefined : from + (skipped[index] ?? 0),
    length: lengths[index] ?? 0,
  }));
}

/** How many bytes before a place the character begins that goes on there. */
function backward(text: Uint8Array, place: number): number {
  let count = 0;
  while (isWithinCharacter(text[place - count])) count += 1;
  return count;
}

/** How many bytes behind a place the next character begins. */
function forward(text: Uint8Array, place: number): number {
  let count = 0;
  while (isWithinCharacter(text[place + count])) count += 1;
  return count;
}

function isWithinCharacter(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

function write(steps: readonly Step[], target: Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  let ascii = `${numeral(target.length)}\n`;
  let at = 0;
  for (const { from, length } of steps) {
    if (from === undefined) {
      parts.push(Buffer.from(`${ascii}${numeral(length)}:`), target.subarray(at, at + length));
      ascii = "";
    } else ascii += `${numeral(length)}@${numeral(from)},`;
    at += length;
  }
  parts.push(Buffer.from(`${ascii}${numeral(checksum(target))};`));
  return Buffer.concat(parts);
}

/** The format's own base of 64. */
function numeral(value: number): string {
  let text = digits[value & 63] ?? "";
  for (let rest = value >>> 6; rest > 0; rest >>>= 6) text = (digits[rest & 63] ?? "") + text;
  return text;
}

/** The sum of all words of four bytes, the last one filled up with zeros. */
function checksum(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length & ~3;
  let sum = 0;
  for (let at = 0; at < whole; at += 4) sum = (sum + view.getInt32(at)) | 0;
  for (let at = whole; at < bytes.length; at += 1) {
    sum = (sum + ((bytes[at] ?? 0) << (24 - 8 * (at - whole)))) | 0;
  }
  return sum >>> 0;
}

/** The steps of a delta that the library has made. */
function read(delta: Uint8Array): Step[] {
  const steps: Step[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (;;) {
      const digit = digits.indexOf(String.fromCharCode(delta[at] ?? 0));
      if (digit < 0) return value;
      value = value * 64 + digit;
      at += 1;
    }
  };
  number();
  at += 1;
  for (;;) {
    const length = number();
    const operator = delta[at];
    at += 1;
    if (operator === 0x3a) {
      steps.push({ from: undefined, length });
      at += length;
    } else if (operator === 0x40) {
      steps.push({ from: number(), length });
      at += 1;
    } else return steps;
  }
}
