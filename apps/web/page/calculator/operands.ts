/** What may be computed, by the name that the service `add` has for it. */
export const operations = ["sum", "concat"] as const;
export type Operation = (typeof operations)[number];

/** What the service is sent. */
export type Operands =
  { readonly a: number; readonly b: number } | { readonly a: string; readonly b: string };

export type Read =
  | { readonly ok: true; readonly operands: Operands }
  /** What is wrong with either. */
  | { readonly ok: false; readonly a: string | undefined; readonly b: string | undefined };

/** The longest result of concat, in bytes of UTF-8. */
const maxConcatBytes = 65_536;

/** Reads what a person has typed into the two fields. */
export function readOperands(operation: Operation, a: string, b: string): Read {
  if (operation === "concat") {
    const bytes = new TextEncoder().encode(a + b).length;
    if (bytes <= maxConcatBytes) return { ok: true, operands: { a, b } };
    const problem = `Together the texts have ${bytes} bytes in UTF-8; ${maxConcatBytes} are allowed.`;
    return { ok: false, a: undefined, b: problem };
  }
  const [first, second] = [numberOf(a), numberOf(b)];
  if (typeof first === "number" && typeof second === "number") {
    return { ok: true, operands: { a: first, b: second } };
  }
  return { ok: false, a: problemOf(first), b: problemOf(second) };
}

function problemOf(read: number | string): string | undefined {
  return typeof read === "string" ? read : undefined;
}

/** The number, or what is wrong with it. */
function numberOf(typed: string): number | string {
  const text = typed.trim();
  if (text === "") return "Type a number.";
  if (/^[-+]?\d+,\d+$/.test(text)) return "Write a point in place of the comma.";
  // Number() takes more than people would call a number: "0x10", "Infinity".
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return "This is not a number.";
  const value = Number(text);
  return Number.isFinite(value) ? value : "This number is too large.";
}
