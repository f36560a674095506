/** The value of JSON; undefined when it is none. */
export function parseJson(data: Uint8Array): unknown {
  try {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON text without raw newlines, which can only be white space in it: clients take one for the end of a message. */
export function withoutNewlines(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replaceAll(/[\r\n]/g, " ") : json;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
