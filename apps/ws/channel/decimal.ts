/** A decimal number of any length, exactly. */
export interface Decimal {
  readonly negative: boolean;
  /** Digits before the point, without leading zeros. */
  readonly whole: string;
  /** Digits behind the point, without trailing zeros. */
  readonly fraction: string;
  /** The same as floating point, where that tells any two of them apart. */
  readonly small: number | undefined;
}

const maxLength = 200;
/** So many digits are told apart in floating point. */
const smallDigits = 15;
const pattern = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** The number that a text is, written as `-12.50`; undefined when it is none. */
export function parseDecimal(text: string): Decimal | undefined {
  const [, sign, digits, decimals = ""] = (text.length <= maxLength && pattern.exec(text)) || [];
  if (digits === undefined) return undefined;
  let start = 0;
  while (digits[start] === "0") start += 1;
  let end = decimals.length;
  while (decimals[end - 1] === "0") end -= 1;
  const [whole, fraction] = [digits.slice(start), decimals.slice(0, end)];
  const small = digits.length + decimals.length <= smallDigits ? Number(text) : undefined;
  return { negative: sign === "-" && whole + fraction !== "", whole, fraction, small };
}

/** Below 0: a is less than b; above 0: it is more. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.small !== undefined && b.small !== undefined) return a.small - b.small;
  if (a.negative !== b.negative) return a.negative ? -1 : 1;
  const [low, high] = a.negative ? [b, a] : [a, b];
  // As many digits compare as text does, and so do those behind a point.
  return (
    low.whole.length - high.whole.length ||
    compareTexts(low.whole, high.whole) ||
    compareTexts(low.fraction, high.fraction)
  );
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
