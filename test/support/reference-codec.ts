import { Centrifuge } from "centrifuge/build/protobuf";

/** The protobuf codec of the npm client: made by another library from the protocol's schema. */
interface ReferenceCodec {
  encodeCommands(commands: readonly unknown[]): Uint8Array;
  decodeCommands(frame: Uint8Array): readonly unknown[];
  encodeReplies(replies: readonly unknown[]): Uint8Array;
  decodeReplies(frame: Uint8Array): readonly unknown[];
  encodeEmulationRequest(request: unknown): Uint8Array;
}

/** Not public; it stands in each client. */
export const referenceCodec: ReferenceCodec = (
  new Centrifuge("ws://localhost", { websocket: WebSocket }) as unknown as {
    readonly _codec: ReferenceCodec;
  }
)._codec;

/** Fields of bytes, which hold JSON as it is where messages are JSON. */
const payloads = new Set(["data", "conn_info", "chan_info"]);

/** Fields in which names are anything. */
const maps = new Set(["subs", "presence", "tags", "headers"]);

/** A message as JSON has it, made into what the reference codec takes. */
export function toReference(message: unknown, inMap = false): unknown {
  if (Array.isArray(message)) return message.map((each) => toReference(each));
  if (typeof message !== "object" || message === null) return message;
  return fromEntries(message, (name, value) => {
    if (!inMap && payloads.has(name)) return Buffer.from(JSON.stringify(value));
    return toReference(value, !inMap && maps.has(name));
  });
}

/**
 * A message that was decoded, from JSON or by the reference codec, in a form in which messages are equal that
 * mean the same. What is zero or empty is absent, but for messages in messages: that they are there means something.
 */
export function normal(message: unknown): unknown {
  return normalIn(message, false) ?? {};
}

function normalIn(value: unknown, inMap: boolean): unknown {
  if (value instanceof Uint8Array) return payload(decoded(value));
  if (typeof value !== "object" || value === null) return value || undefined;
  if (isLong(value)) return value.toNumber() || undefined;
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : value.map((each) => normal(each));
  }
  return fromEntries(value, (name, field) => {
    if (inMap) return typeof field === "string" ? field : normal(field);
    if (payloads.has(name)) {
      return field instanceof Uint8Array ? normalIn(field, false) : payload(field);
    }
    if (!maps.has(name)) return normalIn(field, false);
    const map = normalIn(field, true);
    return typeof map === "object" && map !== null && Object.keys(map).length === 0
      ? undefined
      : map;
  });
}

/** In JSON, an empty text may be empty bytes. */
function payload(value: unknown): unknown {
  return value === "" ? undefined : { payload: value };
}

function decoded(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function isLong(value: object): value is { toNumber(): number } {
  return "toNumber" in value && typeof value.toNumber === "function";
}

/** Any name is a name here, `__proto__` too. What becomes undefined is left out. */
function fromEntries(
  object: object,
  change: (name: string, value: unknown) => unknown,
): Record<string, unknown> {
  const entries = Object.entries(object).map(
    ([name, value]) => [name, change(name, value)] as const,
  );
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}
