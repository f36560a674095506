/** The ways to a gateway that the npm client knows: how it writes, and how bytes come and go. */
export interface ClientKind {
  readonly name: string;
  readonly encoding: "json" | "protobuf";
  readonly transport: "websocket" | "http_stream" | "sse";
}

function kind(
  name: string,
  encoding: ClientKind["encoding"],
  transport: ClientKind["transport"],
): ClientKind {
  return { name, encoding, transport };
}

export const clientKinds = {
  jsonWebsocket: kind("JSON on a websocket", "json", "websocket"),
  protobufWebsocket: kind("protobuf on a websocket", "protobuf", "websocket"),
  jsonHttpStream: kind("JSON on an HTTP stream", "json", "http_stream"),
  protobufHttpStream: kind("protobuf on an HTTP stream", "protobuf", "http_stream"),
  // Server-sent events are text.
  jsonSse: kind("JSON on server-sent events", "json", "sse"),
} as const satisfies Readonly<Record<string, ClientKind>>;

/** What a client of the kind has to be given so that others get this value: in protobuf, payloads are bytes. */
export function encodeData({ encoding }: ClientKind, value: unknown): unknown {
  if (encoding === "json" || value instanceof Uint8Array) return value;
  return new TextEncoder().encode(JSON.stringify(value));
}

/** What a client of any kind was given, as a JSON client has it: what is no JSON is the text that the bytes are. */
export function decodeData(data: unknown): unknown {
  if (!(data instanceof Uint8Array)) return data;
  const text = new TextDecoder().decode(data);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
