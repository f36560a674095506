/**
 * The parts of JSON as its writer wrote them, so that what is only handed on keeps all digits of its
 * numbers, the order of its fields and its bytes.
 */

const structure = /["{}[\],:]/g;

/**
 * The texts of an object's fields, without the white space around them.
 *
 * @param json an object that JSON.parse has taken
 */
export function rawFields(json: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const { text, valueAt } of parts(json)) {
    // As for JSON.parse, the last of several fields with one name counts.
    fields.set(String(JSON.parse(text.slice(0, valueAt))), text.slice(valueAt + 1).trim());
  }
  return fields;
}

/**
 * The texts of a list's elements.
 *
 * @param json a list that JSON.parse has taken
 */
export function rawElements(json: string): readonly string[] {
  return parts(json).map(({ text }) => text);
}

/** Whether JSON is nested more deeply than that. */
export function isDeeper(json: string, depth: number): boolean {
  // As many brackets have to close.
  if (json.length <= 2 * depth) return false;
  let open = 0;
  for (const { mark } of marks(json)) {
    if (mark === "{" || mark === "[") {
      open += 1;
      if (open > depth) return true;
    } else if (mark === "}" || mark === "]") open -= 1;
  }
  return false;
}

interface Part {
  readonly text: string;
  /** Where the first colon outside of brackets is; -1: there is none. */
  readonly valueAt: number;
}

/** What stands between the outermost brackets, cut at the commas. */
function parts(json: string): Part[] {
  const found: Part[] = [];
  let depth = 0;
  let start = 0;
  let colon = -1;
  const cut = (end: number): void => {
    const raw = json.slice(start, end);
    const text = raw.trim();
    // Nothing is between the brackets of what is empty.
    if (text === "") return;
    found.push({ text, valueAt: colon === -1 ? -1 : colon - start - raw.indexOf(text) });
  };
  for (const { mark, at } of marks(json)) {
    if (mark === "{" || mark === "[") {
      depth += 1;
      if (depth === 1) start = at + 1;
    } else if (mark === "}" || mark === "]") {
      depth -= 1;
      if (depth === 0) cut(at);
    } else if (depth !== 1) {
      continue;
    } else if (mark === ",") {
      cut(at);
      start = at + 1;
      colon = -1;
    } else if (mark === ":" && colon === -1) {
      colon = at;
    }
  }
  return found;
}

/** Brackets, commas and colons outside of texts. */
function* marks(json: string): Generator<{ readonly mark: string; readonly at: number }> {
  structure.lastIndex = 0;
  let from = 0;
  for (;;) {
    structure.lastIndex = from;
    const match = structure.exec(json);
    if (match === null) return;
    const [mark] = match;
    if (mark === '"') from = afterText(json, match.index);
    else {
      from = match.index + 1;
      yield { mark, at: match.index };
    }
  }
}

/** Where a text ends that begins there. */
function afterText(json: string, start: number): number {
  for (let from = start + 1; ;) {
    const end = json.indexOf('"', from);
    if (end === -1) return json.length;
    let before = end;
    while (json.charCodeAt(before - 1) === 0x5c) before -= 1;
    // A quote is escaped by an odd number of backslashes.
    if ((end - before) % 2 === 0) return end + 1;
    from = end + 1;
  }
}
