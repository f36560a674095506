import { HttpError } from "../lib/http.ts";

/** The longest result of concat, in bytes of UTF-8: what one websocket frame may hold. */
export const maxConcatBytes = 65_536;

/**
 * The sum of two JSON numbers, as IEEE 754 doubles.
 *
 * @param body decoded JSON of a request
 * @throws HttpError 400 that names every operand that is wrong
 */
export function sum(body: unknown): number {
  const [a, b] = operands(body, "a finite number", (value) =>
    typeof value === "number" && Number.isFinite(value) ? value : undefined,
  );
  const result = a + b;
  if (!Number.isFinite(result)) {
    throw new HttpError(400, "invalid_argument", "the sum is too large for a number");
  }
  return result;
}

/**
 * Two texts as one.
 *
 * @throws HttpError 400 that names every operand that is wrong, 413 when the result is too long
 */
export function concat(body: unknown): string {
  const [a, b] = operands(body, "a string", (value) =>
    typeof value === "string" ? value : undefined,
  );
  const result = a + b;
  if (Buffer.byteLength(result) > maxConcatBytes) {
    throw new HttpError(
      413,
      "too_large",
      `the result is longer than ${maxConcatBytes} bytes of UTF-8`,
    );
  }
  // Half a surrogate pair has no UTF-8 form: subscribers would receive another text than the caller.
  if (!result.isWellFormed()) {
    throw new HttpError(400, "invalid_argument", "the result holds half of a surrogate pair");
  }
  return result;
}

function operands<T>(
  body: unknown,
  wanted: string,
  decode: (value: unknown) => T | undefined,
): [T, T] {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new HttpError(400, "invalid_argument", `the body must be an object, not ${kind(body)}`);
  }
  const fields = body as Readonly<Record<string, unknown>>;
  const [a, b] = [decode(fields["a"]), decode(fields["b"])];
  if (a !== undefined && b !== undefined) return [a, b];
  const problems = Object.entries({ a, b })
    .filter(([, value]) => value === undefined)
    .map(([name]) => `"${name}" must be ${wanted}, not ${kind(fields[name])}`);
  throw new HttpError(400, "invalid_argument", problems.join("; "));
}

/** What a value is, in words; never the value, which may be long or private. */
function kind(value: unknown): string {
  if (value === undefined) return "absent";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number" && !Number.isFinite(value)) return "too large for a number";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
