/** Milliseconds of each unit; the family's server reads durations as Go does. */
const units: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** What a duration looks like, in words for messages. */
export const durationRule = 'text with units h, m, s or ms, e.g. "25s" or "1h30m"';

/**
 * Milliseconds of a duration such as `25s`, `5m0s`, `1.5h` or `500ms`; undefined when the text is none,
 * or is finer than a millisecond.
 */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(?:\d{1,12}(?:\.\d{1,9})?(?:ms|s|m|h))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, number, unit = ""] of text.matchAll(/([\d.]+)([a-z]+)/g)) {
    ms += Number(number) * (units[unit] ?? Number.NaN);
  }
  // 4.35s is 4350 ms, whatever binary fractions make of it.
  const whole = Math.round(ms);
  return Math.abs(ms - whole) < 1e-6 && Number.isSafeInteger(whole) ? whole : undefined;
}

/** `1h30m`, `25s`, `500ms`: the shortest text that `parseDuration` reads as this number. */
export function durationText(ms: number): string {
  if (ms === 0) return "0s";
  let rest = ms;
  let text = "";
  for (const unit of ["h", "m", "s", "ms"]) {
    const size = units[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
