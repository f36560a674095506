/**
 * How deeply the JSON of a publication may be nested: beyond, JSON libraries of other subscribers fail, of
 * Swift at 512, of Python at 1,000.
 */
export const maxDepth = 500;

/**
 * The text of `data` in a command, as the client wrote it: numbers keep all their digits.
 * Slicing is cheaper than writing the parsed value again, let alone by a reviver that sees the source.
 *
 * @param json the command: an object that JSON.parse has taken
 * @param method the field that holds it
 * @returns "" when there is no data; undefined when it is nested too deeply
 */
export function rawData(json: string, method = "publish"): string | undefined {
  const scanner = new Scanner(json);
  let data: string | undefined = "";
  scanner.enter();
  // As for JSON.parse, the last of several fields with one name counts.
  for (let name = scanner.next(); name !== undefined; name = scanner.next()) {
    if (name !== method) {
      scanner.skipValue();
      continue;
    }
    data = "";
    if (!scanner.enter()) continue;
    for (let inner = scanner.next(); inner !== undefined; inner = scanner.next()) {
      const value = scanner.skipValue();
      if (inner === "data") data = value;
    }
  }
  return data;
}

/** Whether JSON text is nested too deeply for some subscribers. */
export function isTooDeep(json: string): boolean {
  // As many brackets have to close.
  return json.length > 2 * maxDepth && new Scanner(json).skipValue() === undefined;
}

const code = {
  quote: 0x22,
  comma: 0x2c,
  backslash: 0x5c,
  openBracket: 0x5b,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
  space: 0x20,
} as const;

/** Goes through valid JSON. */
class Scanner {
  readonly #json: string;
  #at = 0;

  constructor(json: string) {
    this.#json = json;
  }

  /** Goes into an object; skips what is none. */
  enter(): boolean {
    this.#skipSpace();
    if (this.#json.charCodeAt(this.#at) !== code.openBrace) {
      this.skipValue();
      return false;
    }
    this.#at += 1;
    return true;
  }

  /** Goes to the value of the next field, and says its name; undefined: the object has ended. */
  next(): string | undefined {
    this.#skipSpace();
    if (this.#json.charCodeAt(this.#at) === code.comma) {
      this.#at += 1;
      this.#skipSpace();
    }
    const start = this.#at;
    if (this.#json.charCodeAt(start) !== code.quote) {
      this.#at += 1;
      return undefined;
    }
    this.#skipString();
    const name = this.#json.slice(start + 1, this.#at - 1);
    this.#skipSpace();
    // The colon.
    this.#at += 1;
    return name.includes("\\") ? String(JSON.parse(`"${name}"`)) : name;
  }

  /** The text of the value; undefined when it is nested too deeply. */
  skipValue(): string | undefined {
    this.#skipSpace();
    const start = this.#at;
    const deepest = this.#skip();
    return deepest > maxDepth ? undefined : this.#json.slice(start, this.#at);
  }

  /** @returns how deeply it was nested */
  #skip(): number {
    const json = this.#json;
    let depth = 0;
    let deepest = 0;
    for (;;) {
      switch (json.charCodeAt(this.#at)) {
        case code.quote:
          this.#skipString();
          break;
        case code.openBrace:
        case code.openBracket:
          this.#at += 1;
          depth += 1;
          if (depth > deepest) deepest = depth;
          // What follows is not the end of the value.
          continue;
        case code.closeBrace:
        case code.closeBracket:
          this.#at += 1;
          depth -= 1;
          break;
        default:
          this.#at += 1;
          // A number, true, false or null ends before what cannot belong to it.
          if (depth > 0 || !this.#endsWord()) continue;
      }
      if (depth === 0) return deepest;
    }
  }

  #endsWord(): boolean {
    const next = this.#json.charCodeAt(this.#at);
    return next <= code.space || next === code.comma || next === code.closeBrace;
  }

  #skipSpace(): void {
    while (this.#json.charCodeAt(this.#at) <= code.space) this.#at += 1;
  }

  #skipString(): void {
    for (let from = this.#at + 1; ;) {
      const end = this.#json.indexOf('"', from);
      let before = end;
      while (this.#json.charCodeAt(before - 1) === code.backslash) before -= 1;
      from = end + 1;
      // A quote is escaped by an odd number of backslashes.
      if ((end - before) % 2 === 1) continue;
      this.#at = from;
      return;
    }
  }
}
