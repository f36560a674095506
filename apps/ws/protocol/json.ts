import { isUtf8 } from "node:buffer";
import type { Input } from "./effects.ts";
import type {
  ClientInfo,
  Command,
  Publication,
  PublicationText,
  Push,
  Reply,
  StreamPosition,
  SubscribeResult,
} from "./messages.ts";

type Json = Readonly<Record<string, unknown>>;

const maxId = 2 ** 32 - 1;

/** What a client sent in one frame, a JSON object per line; whatever it is, it does not throw. */
export function decodeFrame(text: string): readonly Input[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) return [{ kind: "malformed", reason: "the frame is empty" }];
  return lines.map(decodeLine);
}

function decodeLine(line: string): Input {
  try {
    const value: unknown = JSON.parse(line);
    if (!isObject(value)) throw new Malformed("a command is an object");
    const fields = new Fields(value);
    const kinds = Object.keys(value).filter((key) => key !== "id" && value[key] !== undefined);
    if (kinds.length === 0 && value["id"] === undefined) return { kind: "pong" };
    const [method, ...more] = kinds;
    if (method === undefined || more.length > 0) throw new Malformed("a command has one method");
    return { kind: "command", command: decodeCommand(fields, method, line) };
  } catch (error) {
    if (error instanceof Malformed) return { kind: "malformed", reason: error.message };
    // No JSON, or nested more deeply than the stack is.
    return { kind: "malformed", reason: "a command is JSON" };
  }
}

function decodeCommand(fields: Fields, method: string, line: string): Command {
  const id = fields.whole("id", maxId);
  if (id === 0 && method !== "send") throw new Malformed("a command has an id");
  const request = fields.object(method);
  switch (method) {
    case "connect":
      return { id, method, request: { token: request.text("token"), subs: request.subs() } };
    case "subscribe":
      return {
        id,
        method,
        request: {
          channel: request.text("channel"),
          token: request.text("token"),
          recover: request.flag("recover") ? request.position() : undefined,
          positioned: request.flag("positioned"),
          recoverable: request.flag("recoverable"),
          join_leave: request.flag("join_leave"),
          delta: request.text("delta"),
          filtered: request.has("tf"),
          flag: request.whole("flag", maxId),
          type: request.whole("type", maxId),
        },
      };
    case "unsubscribe":
    case "presence":
    case "presence_stats":
      return { id, method, request: { channel: request.text("channel") } };
    case "publish":
      return {
        id,
        method,
        request: {
          channel: request.text("channel"),
          data: request.has("data") ? payload(line, request, method) : undefined,
          type: request.whole("type", maxId),
        },
      };
    case "history":
      return {
        id,
        method,
        request: {
          channel: request.text("channel"),
          limit: request.integer("limit"),
          since: request.has("since") ? request.object("since").position() : undefined,
          reverse: request.flag("reverse"),
        },
      };
    case "rpc":
      return { id, method, request: { method: request.text("method") } };
    case "refresh":
      return { id, method, request: { token: request.text("token") } };
    case "sub_refresh":
      return {
        id,
        method,
        request: {
          channel: request.text("channel"),
          token: request.text("token"),
          type: request.whole("type", maxId),
        },
      };
    case "send":
    case "ping":
      return { id, method, request: {} };
    default:
      throw new Malformed("there is no such command");
  }
}

class Malformed extends Error {}

/** The fields of a message; those that are absent or null have the value that is zero. */
class Fields {
  readonly #value: Json;

  constructor(value: Json) {
    this.#value = value;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? (this.#value[name] ?? undefined) : undefined;
  }

  text(name: string): string {
    const value = this.get(name) ?? "";
    if (typeof value !== "string") throw new Malformed(`${name} is text`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.get(name) ?? false;
    if (typeof value !== "boolean") throw new Malformed(`${name} is true or false`);
    return value;
  }

  integer(name: string): number {
    const value = this.get(name) ?? 0;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      throw new Malformed(`${name} is a whole number`);
    }
    return value;
  }

  whole(name: string, most: number): number {
    const value = this.integer(name);
    if (value < 0 || value > most) throw new Malformed(`${name} is from 0 to ${most}`);
    return value;
  }

  object(name: string): Fields {
    const value = this.get(name) ?? {};
    if (!isObject(value)) throw new Malformed(`${name} is an object`);
    return new Fields(value);
  }

  position(): StreamPosition {
    return { offset: this.whole("offset", Number.MAX_SAFE_INTEGER), epoch: this.text("epoch") };
  }

  subs(): ReadonlyMap<string, StreamPosition | undefined> {
    const subs = this.object("subs");
    return new Map(
      Object.keys(subs.#value).map((channel) => {
        const sub = subs.object(channel);
        return [channel, sub.flag("recover") ? sub.position() : undefined];
      }),
    );
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Numbers that JavaScript's may not hold, or writes in another way. */
const delicateNumber = /\d{16}|\d[eE]/;

const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
  rawJSON(source: string): unknown;
};

/** The payload as JSON text without raw newlines; every number keeps its digits. */
function payload(line: string, request: Fields, method: string): string {
  if (!delicateNumber.test(line)) return JSON.stringify(request.get("data"));
  const exact = json.parse(line, (_key, value, { source }) =>
    typeof value === "number" && source !== undefined ? json.rawJSON(source) : value,
  ) as Record<string, { data: unknown }>;
  return JSON.stringify(exact[method]?.data);
}

export function encodeReply(reply: Reply): string {
  if ("error" in reply) return JSON.stringify({ id: reply.id, error: reply.error });
  return `{"id":${reply.id},"${reply.method}":${encodeResult(reply)}}`;
}

function encodeResult(reply: Exclude<Reply, { error: unknown }>): string {
  switch (reply.method) {
    case "connect": {
      const { subs, ...rest } = reply.result;
      if (subs === undefined) return JSON.stringify(rest);
      const each = [...subs].map(
        ([channel, result]) => `${JSON.stringify(channel)}:${encodeSubscribe(result)}`,
      );
      return withFields(rest, `"subs":{${each.join(",")}}`);
    }
    case "subscribe":
      return encodeSubscribe(reply.result);
    case "presence": {
      const { presence, ...rest } = reply.result;
      const each = [...presence].map(
        ([client, info]) => `${JSON.stringify(client)}:${encodeClientInfo(info)}`,
      );
      return withFields(rest, `"presence":{${each.join(",")}}`);
    }
    case "history": {
      const { publications, ...rest } = reply.result;
      return withFields(rest, `"publications":[${publications.join(",")}]`);
    }
    case "rpc":
      return `{"data":${reply.result.data}}`;
    default:
      return JSON.stringify(reply.result);
  }
}

function encodeSubscribe({ publications, data, ...rest }: SubscribeResult): string {
  return withFields(
    rest,
    ...(publications === undefined ? [] : [`"publications":[${publications.join(",")}]`]),
    ...(data === undefined ? [] : [`"data":${data}`]),
  );
}

/** An object's JSON with further fields, which are JSON text already. */
function withFields(value: object, ...fields: readonly string[]): string {
  const text = JSON.stringify(value);
  if (fields.length === 0) return text;
  return `${text.slice(0, -1)}${text === "{}" ? "" : ","}${fields.join(",")}}`;
}

export function encodePush(push: Push): string {
  const channel = JSON.stringify(push.channel);
  if ("unsubscribe" in push) {
    return `{"push":{"channel":${channel},"unsubscribe":${JSON.stringify(push.unsubscribe)}}}`;
  }
  const [kind, { info }] = "join" in push ? ["join", push.join] : ["leave", push.leave];
  return `{"push":{"channel":${channel},"${kind}":{"info":${encodeClientInfo(info)}}}}`;
}

/** A publication for pushes, recoveries and histories alike. */
export function encodePublication({ data, offset, info }: Publication): PublicationText {
  const infoField = info === undefined ? "" : `,"info":${encodeClientInfo(info)}`;
  return `{"data":${data}${offset === undefined ? "" : `,"offset":${offset}`}${infoField}}`;
}

export function encodePublicationPush(channel: string, publication: PublicationText): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"pub":${publication}}}`;
}

export function encodeClientInfo({ user, client, conn_info, chan_info }: ClientInfo): string {
  return withFields(
    { user, client },
    ...(conn_info === undefined ? [] : [`"conn_info":${conn_info}`]),
    ...(chan_info === undefined ? [] : [`"chan_info":${chan_info}`]),
  );
}

/** Any payload as JSON text without raw newlines. */
export function publicationData(payloadBytes: Uint8Array): string {
  const bytes = Buffer.from(payloadBytes.buffer, payloadBytes.byteOffset, payloadBytes.byteLength);
  const text = isUtf8(bytes) ? bytes.toString("utf8") : new TextDecoder().decode(bytes);
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify(text);
  }
  // In JSON, a raw line break can only be between tokens.
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, " ") : text;
}
