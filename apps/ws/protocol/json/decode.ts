import { isRecord, withoutNewlines } from "../../json.ts";
import type { Input } from "../effects.ts";
import { filterLimits, nodeBeyond } from "../filter-limits.ts";
import type { Command, FilterNode, Payload, Recover, StreamPosition } from "../messages.ts";
import { rawData } from "./raw-data.ts";

/**
 * What a client sent in one frame: commands and pongs, one to a line. Whatever it is, nothing is thrown.
 * What follows a malformed line is not looked at.
 */
export function decodeFrame(text: string): readonly Input[] {
  // A newline inside a JSON string is escaped, so that this is one command.
  if (!text.includes("\n")) {
    return [isBlank(text) ? malformed("the frame is empty") : decodeLine(text)];
  }
  const inputs: Input[] = [];
  for (const line of text.split("\n")) {
    if (isBlank(line)) continue;
    const input = decodeLine(line);
    inputs.push(input);
    if (input.kind === "malformed") break;
  }
  return inputs.length > 0 ? inputs : [malformed("the frame is empty")];
}

type Fields = Readonly<Record<string, unknown>>;

/** Thrown in here only; the message goes to logs and holds nothing of what was sent. */
class Malformed extends Error {}

const maxUint32 = 4_294_967_295;

function isBlank(text: string): boolean {
  return text.trim() === "";
}

function malformed(reason: string): Input {
  return { kind: "malformed", reason };
}

function decodeLine(line: string): Input {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return malformed("a line is not JSON");
  }
  if (!isFields(value)) return malformed("a line is not an object");
  try {
    const command = decodeObject(value, line);
    return command === undefined
      ? { kind: "pong" }
      : { kind: "command", command, size: line.length };
  } catch (error) {
    if (error instanceof Malformed) return malformed(error.message);
    throw error;
  }
}

/** @returns undefined for a pong */
function decodeObject(fields: Fields, line: string): Command | undefined {
  let method: string | undefined;
  for (const name of Object.keys(fields)) {
    // What is null is absent, here and below.
    if (name === "id" || fields[name] === null || !methods.has(name)) continue;
    if (method !== undefined) throw new Malformed("a line holds more than one command");
    method = name;
  }
  if (method === undefined) {
    if (Object.keys(fields).length > 0) throw new Malformed("a line holds no known command");
    return undefined;
  }
  const given = fields["id"] ?? undefined;
  if (given !== undefined && !isInteger(given, 1, maxUint32)) {
    throw new Malformed("id is not a number from 1 to 4294967295");
  }
  const request = fields[method];
  if (!isFields(request)) {
    throw new Malformed(`${method} is not an object`);
  }
  if (method === "send" || method === "ping") return { method, id: given };
  if (given === undefined) throw new Malformed("a command has no id");
  return decodeRequest(method, given, request, line);
}

const methods: ReadonlySet<string> = new Set<Command["method"]>([
  "connect",
  "subscribe",
  "unsubscribe",
  "publish",
  "presence",
  "presence_stats",
  "history",
  "rpc",
  "send",
  "refresh",
  "sub_refresh",
  "ping",
]);

function decodeRequest(method: string, id: number, request: Fields, line: string): Command {
  switch (method) {
    case "publish":
      return {
        method,
        id,
        channel: text(request, "channel"),
        data: data(line, method),
        type: integer(request, "type"),
      };
    case "subscribe":
      return {
        method,
        id,
        channel: text(request, "channel"),
        token: text(request, "token"),
        ...recover(request),
        positioned: flag(request, "positioned"),
        recoverable: flag(request, "recoverable"),
        joinLeave: flag(request, "join_leave"),
        delta: text(request, "delta"),
        tf: filter(object(request, "tf")),
        flag: integer(request, "flag"),
        type: integer(request, "type"),
      };
    case "connect":
      // Headers may matter to who stands in front; they are to be right, but mean nothing here.
      object(request, "headers");
      return {
        method,
        id,
        token: text(request, "token"),
        subs: subs(object(request, "subs")),
        name: text(request, "name"),
        version: text(request, "version"),
      };
    case "unsubscribe":
    case "presence":
    case "presence_stats":
      return { method, id, channel: text(request, "channel") };
    case "history":
      return {
        method,
        id,
        channel: text(request, "channel"),
        limit: integer(request, "limit"),
        since: position(object(request, "since")),
        reverse: flag(request, "reverse"),
      };
    case "rpc":
      return { method, id, name: text(request, "method"), data: data(line, method) };
    case "refresh":
      return { method, id, token: text(request, "token") };
    case "sub_refresh":
      return {
        method,
        id,
        channel: text(request, "channel"),
        token: text(request, "token"),
      };
    default:
      throw new Error(`${method} is among the methods and not decoded`);
  }
}

function data(line: string, method: "publish" | "rpc"): Payload {
  const raw = rawData(line, method);
  if (raw === undefined) throw new Malformed("data is nested too deeply");
  return Buffer.from(withoutNewlines(raw));
}

function filter(fields: Fields | undefined): FilterNode | undefined {
  return fields && filterNode(fields, 1, { nodes: 0 });
}

/** @param sums of the whole filter so far */
function filterNode(fields: Fields, depth: number, sums: { nodes: number }): FilterNode {
  sums.nodes += 1;
  if (depth > filterLimits.depth || sums.nodes > filterLimits.nodes) return nodeBeyond;
  const vals = list(fields, "vals").map((value) => {
    if (typeof value === "string") return value;
    throw new Malformed("a value of a filter is not text");
  });
  return {
    op: text(fields, "op"),
    key: text(fields, "key"),
    cmp: text(fields, "cmp"),
    val: text(fields, "val"),
    vals,
    nodes: list(fields, "nodes").map((node) => {
      if (isFields(node)) return filterNode(node, depth + 1, sums);
      throw new Malformed("a node of a filter is not an object");
    }),
  };
}

function subs(fields: Fields | undefined): ReadonlyMap<string, Recover> {
  if (fields === undefined) return noSubs;
  const result = new Map<string, Recover>();
  for (const channel of Object.keys(fields)) {
    result.set(channel, recover(object(fields, channel) ?? {}));
  }
  return result;
}

const noSubs: ReadonlyMap<string, Recover> = new Map();

function recover(fields: Fields): Recover {
  return {
    recover: flag(fields, "recover"),
    offset: offset(fields),
    epoch: text(fields, "epoch"),
  };
}

function position(fields: Fields | undefined): StreamPosition | undefined {
  return fields && { offset: offset(fields), epoch: text(fields, "epoch") };
}

/** Of 64 bits; those that no number here holds exactly are no position of any stream anyhow. */
function offset(fields: Fields): number {
  const value = fields["offset"] ?? 0;
  if (isInteger(value, 0, 2 ** 64)) return Math.min(value, Number.MAX_SAFE_INTEGER);
  throw new Malformed("offset is not a whole number");
}

function text(fields: Fields, name: string): string {
  const value = fields[name] ?? "";
  if (typeof value === "string") return value;
  throw new Malformed(`${name} is not text`);
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value === "boolean") return value;
  throw new Malformed(`${name} is not true or false`);
}

function integer(fields: Fields, name: string): number {
  const value = fields[name] ?? 0;
  if (isInteger(value, -(2 ** 31), maxUint32)) return value;
  throw new Malformed(`${name} is not a whole number of 32 bits`);
}

function object(fields: Fields, name: string): Fields | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  if (isFields(value)) return value;
  // A channel may be named in `subs` by the client.
  throw new Malformed("a field that has to be an object is none");
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name] ?? [];
  if (Array.isArray(value)) return value;
  throw new Malformed(`${name} is not a list`);
}

function isFields(value: unknown): value is Fields {
  return isRecord(value) && !Array.isArray(value);
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
}
