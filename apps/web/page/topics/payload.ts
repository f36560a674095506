import { beginning } from "../ui/format.ts";

/** A payload as text that can be shown, or its beginning. */
export interface Shown {
  readonly text: string;
  /** Whether it is a text itself, and not JSON of something else. */
  readonly plain: boolean;
  /** Whether there is more of it than `text`. */
  readonly cut: boolean;
}

/** What a row shows of a payload. */
export const folded = { characters: 280, lines: 4 } as const;
/** What a row shows at most, once it is opened. */
export const unfoldedCharacters = 20_000;
/** What is deeper is not measured, so that no payload exhausts the stack. */
const measuredDepth = 200;

/** The beginning of a payload, on one line if it is JSON. Costs as much as it shows, however large the payload is. */
export function fold(data: unknown): Shown {
  const whole = write(data, folded.characters, false);
  let end = -1;
  for (let line = 0; line < folded.lines; line += 1) {
    end = whole.text.indexOf("\n", end + 1);
    if (end === -1) return whole;
  }
  return { ...whole, text: whole.text.slice(0, end), cut: true };
}

/** All of a payload up to a limit, JSON with an indentation. */
export function unfold(data: unknown): Shown {
  return write(data, unfoldedCharacters, true);
}

function write(data: unknown, limit: number, indented: boolean): Shown {
  if (typeof data === "string") {
    return { text: beginning(data, limit), plain: true, cut: data.length > limit };
  }
  const writer = new Writer(limit, indented);
  writer.value(data, 0);
  return { text: beginning(writer.text, limit), plain: false, cut: writer.full };
}

/** Writes JSON until there is enough of it; each level of depth is written, too, so that there are not too many. */
class Writer {
  text = "";
  readonly #limit: number;
  readonly #indented: boolean;

  constructor(limit: number, indented: boolean) {
    this.#limit = limit;
    this.#indented = indented;
  }

  /** Whether something is left out. */
  get full(): boolean {
    return this.text.length > this.#limit;
  }

  value(value: unknown, depth: number): void {
    if (typeof value === "string") {
      // Escapes make it longer, never shorter.
      const rest = this.#limit - this.text.length + 1;
      this.text += JSON.stringify(value.length > rest ? value.slice(0, rest) : value);
    } else if (typeof value !== "object" || value === null) {
      this.text += String(value);
    } else if (Array.isArray(value)) {
      this.#array(value, depth + 1);
    } else {
      this.#object(value as Readonly<Record<string, unknown>>, depth + 1);
    }
  }

  #array(values: readonly unknown[], depth: number): void {
    this.text += "[";
    let first = true;
    for (const value of values) {
      if (this.text.length > this.#limit) return;
      this.#next(first, depth);
      first = false;
      this.value(value, depth);
    }
    this.#close("]", first, depth);
  }

  #object(values: Readonly<Record<string, unknown>>, depth: number): void {
    this.text += "{";
    let first = true;
    for (const key in values) {
      if (this.text.length > this.#limit) return;
      this.#next(first, depth);
      first = false;
      this.value(key, depth);
      this.text += this.#indented ? ": " : ":";
      this.value(values[key], depth);
    }
    this.#close("}", first, depth);
  }

  #next(first: boolean, depth: number): void {
    if (!first) this.text += ",";
    if (this.#indented) this.text += `\n${"  ".repeat(depth)}`;
  }

  #close(bracket: string, empty: boolean, depth: number): void {
    if (this.#indented && !empty) this.text += `\n${"  ".repeat(depth - 1)}`;
    this.text += bracket;
  }
}

/** About how many characters a payload has; it is not worth writing it to know. */
export function sizeOf(data: unknown, depth = 0): number {
  if (typeof data === "string") return data.length + 2;
  if (typeof data !== "object" || data === null || depth >= measuredDepth) return 8;
  let size = 2;
  if (Array.isArray(data)) {
    for (const value of data) size += sizeOf(value, depth + 1) + 1;
    return size;
  }
  const values = data as Readonly<Record<string, unknown>>;
  for (const key in values) size += key.length + 4 + sizeOf(values[key], depth + 1);
  return size;
}
