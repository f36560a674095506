/** What the methods of the server API take, decoded in full before anything of it is done. */
import * as z from "zod";
import { type Tags, tagsFrom, tagsProblem } from "../channel/tags.ts";
import { isJson, withoutNewlines } from "../json.ts";
import { errors } from "../protocol/codes.ts";
import { type ApiError, badRequest } from "./errors.ts";
import { isDeeper, rawElements, rawFields } from "./raw-json.ts";

/** What one call may ask for at most. */
export const requestLimits = {
  /** Of the JSON of a request; payloads may be nested so deeply that every subscriber can read them. */
  depth: 500,
  /** Publications of one call, in all its commands. */
  publications: 10_000,
  /** Bytes of these, each counted by itself. */
  publishedBytes: 67_108_864,
  commands: 1_000,
  /** What lists of clients have at most. */
  whitelist: 1_000,
  /** Characters of an idempotency key, of an id, of a name. */
  key: 255,
} as const;

export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

/** What is published, wherever. */
export interface PublicationRequest {
  readonly data: Uint8Array;
  readonly skipHistory: boolean;
  readonly tags: Tags | undefined;
  /** Empty: none. */
  readonly idempotencyKey: string;
  readonly delta: boolean;
  /** 0: none. */
  readonly version: bigint;
  readonly versionEpoch: string;
}

/** Whose connections are meant: of this user (empty: the anonymous ones), this client, this session. */
export interface Target {
  /** undefined: whoever it is. */
  readonly user: string | undefined;
  readonly client: string | undefined;
  readonly session: string | undefined;
}

export interface SubscribeRequest {
  readonly channel: string;
  readonly target: Target;
  /** Seconds since 1970; undefined: never. */
  readonly expireAt: number | undefined;
  /** JSON text. */
  readonly info: string | undefined;
  /** JSON text. */
  readonly data: string | undefined;
  readonly recoverSince: Position | undefined;
  readonly override: {
    readonly presence?: boolean;
    readonly join_leave?: boolean;
    readonly force_recovery?: boolean;
    readonly force_positioning?: boolean;
    readonly force_push_join_leave?: boolean;
  };
}

/** What is asked for, by method. */
export interface Requests {
  readonly publish: PublicationRequest & { readonly channel: string };
  readonly broadcast: PublicationRequest & { readonly channels: readonly string[] };
  readonly subscribe: SubscribeRequest;
  /** An empty channel: all. */
  readonly unsubscribe: { readonly channel: string; readonly target: Target };
  readonly disconnect: {
    readonly target: Target;
    readonly disconnect: { readonly code: number; readonly reason: string };
    /** Clients that stay. */
    readonly whitelist: readonly string[];
  };
  readonly refresh: {
    readonly target: Target;
    readonly expired: boolean;
    readonly expireAt: number | undefined;
    readonly info: string | undefined;
  };
  readonly presence: { readonly channel: string };
  readonly presence_stats: { readonly channel: string };
  readonly history: {
    readonly channel: string;
    readonly limit: number;
    readonly since: Position | undefined;
    readonly reverse: boolean;
  };
  readonly history_remove: { readonly channel: string };
  readonly channels: { readonly pattern: string };
  readonly info: Readonly<Record<string, never>>;
  /** `params` is JSON text; empty: none. */
  readonly rpc: { readonly method: string; readonly params: string };
}

export type Method = keyof Requests;

/** One request, with what it asks for. */
export type Call = {
  readonly [M in Method]: { readonly method: M; readonly request: Requests[M] };
}[Method];

/** A batch has an error in the place of a command whose method there is not. */
export interface Batch {
  readonly method: "batch";
  readonly parallel: boolean;
  readonly commands: readonly (Call | { readonly error: ApiError })[];
}

const text = z.string({ error: "a text" });
const name = text.max(requestLimits.key, {
  error: `a text of at most ${requestLimits.key} characters`,
});
const flag = z.boolean({ error: "true or false" });
const off = flag.default(false);
const object = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: ({ code }) => {
      const names = Object.keys(shape).join(", ");
      return code === "unrecognized_keys" ? names : `an object with ${names}`;
    },
  });

/** 64-bit numbers may come as texts, as JSON of protobuf has them. */
const decimal = z.union([z.int().nonnegative(), z.string().regex(/^\d{1,20}$/)], {
  error: "a whole number from 0",
});
const offset = decimal.transform((value) => Math.min(Number(value), Number.MAX_SAFE_INTEGER));
const uint64 = z
  .union([z.number().nonnegative(), z.string().regex(/^\d{1,20}$/)], {
    error: "a whole number from 0 to 18446744073709551615",
  })
  .optional();
/** Seconds since 1970; 0, as absent: never. */
const expireAt = z
  .int({ error: "seconds since 1970" })
  .min(0, { error: "seconds since 1970" })
  .max(253_402_300_799, { error: "seconds since 1970" })
  .default(0)
  .transform((seconds) => (seconds === 0 ? undefined : seconds));
const position = object({ offset: offset.prefault(0), epoch: text.default("") });
const json = z.unknown().optional();
const base64 = text.regex(/^[A-Za-z0-9+/]*={0,2}$/, { error: "base64" }).optional();
const channel = text.default("");
const method = name.min(1, { error: "the name of a method" });

const publication = {
  data: json,
  b64data: base64,
  skip_history: off,
  // Decoded from its text: `__proto__` is a tag like any other.
  tags: json,
  idempotency_key: name.default(""),
  delta: off,
  version: uint64,
  version_epoch: name.default(""),
};
const target = { user: name.optional(), client: name.optional(), session: name.optional() };
const bool = object({ value: off }).optional();

const schemas = {
  publish: object({ channel, ...publication }),
  broadcast: object({
    channels: z
      .array(text, { error: "a list of channels" })
      .min(1, { error: "a list of channels" })
      .max(requestLimits.publications, {
        error: `a list of at most ${requestLimits.publications} channels`,
      }),
    ...publication,
  }),
  subscribe: object({
    channel,
    ...target,
    expire_at: expireAt,
    info: json,
    b64info: base64,
    data: json,
    b64data: base64,
    recover_since: position.optional(),
    override: object({
      presence: bool,
      join_leave: bool,
      force_recovery: bool,
      force_positioning: bool,
      force_push_join_leave: bool,
    }).optional(),
  }),
  unsubscribe: object({ channel, ...target }),
  disconnect: object({
    ...target,
    disconnect: object({
      // What is below is of the websocket's own; from 5000 on nobody knows what it means.
      code: z
        .int({ error: "a code from 3000 to 4999" })
        .min(3_000, { error: "a code from 3000 to 4999" })
        .max(4_999, { error: "a code from 3000 to 4999" }),
      // A close frame has no room for more, and clients take JSON in it for something else.
      reason: text
        .refine((value) => Buffer.byteLength(value) <= 123 && !isJson(value), {
          error: "a text of at most 123 bytes that is no JSON",
        })
        .default(""),
    }).optional(),
    whitelist: z
      .array(name, { error: "a list of clients" })
      .max(requestLimits.whitelist, {
        error: `a list of at most ${requestLimits.whitelist} clients`,
      })
      .default([]),
  }),
  refresh: object({ ...target, expired: off, expire_at: expireAt, info: json }),
  presence: object({ channel }),
  presence_stats: object({ channel }),
  history: object({
    channel,
    limit: z.int({ error: "a whole number" }).default(0),
    since: position.optional(),
    reverse: off,
  }),
  history_remove: object({ channel }),
  channels: object({ pattern: name.default("") }),
  info: object({}),
  rpc: object({ method, params: json }),
} satisfies Record<Method, z.ZodType>;

const batch = object({
  commands: z
    .array(z.record(z.string(), z.unknown(), { error: "an object" }), {
      error: "a list of commands",
    })
    .max(requestLimits.commands, { error: `a list of at most ${requestLimits.commands} commands` }),
  parallel: off,
});

/** A request is not as it should be; `message` says what, and where. */
class Unacceptable extends Error {}

export function isMethod(value: string): value is Method {
  return Object.hasOwn(schemas, value);
}

/**
 * Decodes the body of a call.
 *
 * @param method of the path
 * @param body what was sent; nothing is an empty object
 */
export function decodeCall(
  method: Method | "batch",
  body: Uint8Array,
): { readonly call: Call | Batch } | { readonly error: ApiError; readonly isJson: boolean } {
  const parsed = parse(body);
  if ("problem" in parsed) return { error: badRequest(parsed.problem), isJson: false };
  const { value, json: raw } = parsed;
  try {
    const call = method === "batch" ? decodeBatch(value, raw) : decodeOne(method, value, raw, "");
    return { call: bounded(call) };
  } catch (error) {
    if (!(error instanceof Unacceptable)) throw error;
    return { error: badRequest(error.message), isJson: true };
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parse(
  body: Uint8Array,
): { readonly value: object; readonly json: string } | { readonly problem: string } {
  if (body.length === 0) return { value: {}, json: "{}" };
  let raw: string;
  try {
    raw = utf8.decode(body);
  } catch {
    return { problem: "the body is not in UTF-8" };
  }
  if (isDeeper(raw, requestLimits.depth)) return { problem: "the body is nested too deeply" };
  try {
    const value: unknown = JSON.parse(raw);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { value, json: raw };
    }
  } catch {
    // Said below, without the text, which may be private.
    return { problem: "the body is not JSON" };
  }
  return { problem: "the body is no object" };
}

function decodeBatch(value: unknown, raw: string): Batch {
  const { commands, parallel } = read(batch, value, "");
  const list = rawFields(raw).get("commands") ?? "[]";
  const raws = rawElements(list);
  return {
    method: "batch",
    parallel,
    commands: commands.map((command, index) => {
      const names = Object.keys(command);
      const [only] = names;
      const at = `commands[${index}]`;
      if (only === undefined || names.length > 1) {
        throw new Unacceptable(`${at}: has ${names.length} fields; allowed: one, the method`);
      }
      if (!isMethod(only)) return { error: errors.methodNotFound };
      const inner = rawFields(raws[index] ?? "{}").get(only) ?? "{}";
      return decodeOne(only, command[only], inner, `${at}.${only}`);
    }),
  };
}

/** @param at where in the body it is */
function decodeOne(method: Method, value: unknown, raw: string, at: string): Call {
  const decode: Decoder = decoders[method];
  return { method, request: decode(withoutNulls(value ?? {}), raw, at) } as Call;
}

/** In JSON of protobuf, what is null is not there. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
}

type Decoder = (value: unknown, raw: string, at: string) => Requests[Method];

const decoders: {
  readonly [M in Method]: (value: unknown, raw: string, at: string) => Requests[M];
} = {
  publish: (value, raw, at) => {
    const fields = read(schemas.publish, value, at);
    return { channel: fields.channel, ...publicationOf(fields, raw, at) };
  },
  broadcast: (value, raw, at) => {
    const fields = read(schemas.broadcast, value, at);
    return { channels: fields.channels, ...publicationOf(fields, raw, at) };
  },
  subscribe: (value, raw, at) => {
    const { override, ...fields } = read(schemas.subscribe, value, at);
    return {
      channel: fields.channel,
      target: targetOf(fields, at),
      expireAt: fields.expire_at,
      info: jsonOf("info", fields.b64info, raw, at),
      data: jsonOf("data", fields.b64data, raw, at),
      recoverSince: fields.recover_since,
      override: Object.fromEntries(
        Object.entries(override ?? {}).flatMap(([key, set]) =>
          set === undefined ? [] : [[key, set.value]],
        ),
      ),
    };
  },
  unsubscribe: (value, _raw, at) => {
    const fields = read(schemas.unsubscribe, value, at);
    return { channel: fields.channel, target: targetOf(fields, at) };
  },
  disconnect: (value, _raw, at) => {
    const fields = read(schemas.disconnect, value, at);
    return {
      target: targetOf(fields, at),
      disconnect: fields.disconnect ?? { code: 3_503, reason: "force disconnect" },
      whitelist: fields.whitelist,
    };
  },
  refresh: (value, raw, at) => {
    const fields = read(schemas.refresh, value, at);
    return {
      target: targetOf(fields, at),
      expired: fields.expired,
      expireAt: fields.expire_at,
      info: jsonOf("info", undefined, raw, at),
    };
  },
  presence: (value, _raw, at) => read(schemas.presence, value, at),
  presence_stats: (value, _raw, at) => read(schemas.presence_stats, value, at),
  history: (value, _raw, at) => {
    const { since, ...fields } = read(schemas.history, value, at);
    return { ...fields, since };
  },
  history_remove: (value, _raw, at) => read(schemas.history_remove, value, at),
  channels: (value, _raw, at) => read(schemas.channels, value, at),
  info: (value, _raw, at) => read(schemas.info, value, at),
  rpc: (value, raw, at) => {
    const fields = read(schemas.rpc, value, at);
    return { method: fields.method, params: rawFields(raw).get("params") ?? "" };
  },
};

function publicationOf(
  fields: z.infer<typeof schemas.publish> | z.infer<typeof schemas.broadcast>,
  raw: string,
  at: string,
): PublicationRequest {
  const { b64data, version } = fields;
  const given = rawFields(raw);
  const written = given.get("data");
  let data: Uint8Array;
  if (b64data !== undefined && b64data !== "") {
    if (written !== undefined) {
      throw new Unacceptable(`${path(at, "b64data")}: cannot be given together with data`);
    }
    data = Buffer.from(b64data, "base64");
  } else data = Buffer.from(written ?? "");
  if (data.length === 0) throw new Unacceptable(`${path(at, "data")}: is missing`);
  // The number as it is written: of a double, the last digits of 64 bits are gone.
  const digits = version === undefined ? "0" : (given.get("version") ?? "0").replaceAll('"', "");
  if (!/^\d{1,20}$/.test(digits) || BigInt(digits) >= 2n ** 64n) {
    throw new Unacceptable(
      `${path(at, "version")}: is wrong; allowed: a whole number from 0 to 18446744073709551615`,
    );
  }
  return {
    data,
    skipHistory: fields.skip_history,
    tags: tagsOf(given.get("tags"), at),
    idempotencyKey: fields.idempotency_key,
    delta: fields.delta,
    version: BigInt(digits),
    versionEpoch: fields.version_epoch,
  };
}

function tagsOf(written: string | undefined, at: string): Tags | undefined {
  const given: unknown = written === undefined ? null : JSON.parse(written);
  if (given === null) return undefined;
  const isObject = typeof given === "object" && !Array.isArray(given);
  const tags = isObject ? tagsFrom(Object.entries(given)) : undefined;
  if (tags === undefined) {
    throw new Unacceptable(`${path(at, "tags")}: is wrong; allowed: an object of texts`);
  }
  const problem = tagsProblem(tags);
  if (problem !== undefined) throw new Unacceptable(`${path(at, "tags")}: ${problem}`);
  return Object.keys(tags).length === 0 ? undefined : tags;
}

/** JSON that is handed on as it was written, or its bytes in base64. */
function jsonOf(
  name: "info" | "data",
  encoded: string | undefined,
  raw: string,
  at: string,
): string | undefined {
  if (encoded === undefined || encoded === "") {
    // White space it can only be: clients take a newline for the end of a message.
    const written = rawFields(raw).get(name);
    return written === undefined || written === "null" ? undefined : withoutNewlines(written);
  }
  const bytes = Buffer.from(encoded, "base64").toString("utf8");
  // It becomes a part of what JSON clients are sent.
  if (!isJson(bytes)) throw new Unacceptable(`${path(at, `b64${name}`)}: does not hold JSON`);
  return withoutNewlines(bytes);
}

function targetOf(
  { user, client, session }: { readonly [K in keyof Target]?: Target[K] },
  at: string,
): Target {
  const target = { user, client: client || undefined, session: session || undefined };
  // A field that was forgotten must not mean everybody.
  if (user === undefined && target.client === undefined && target.session === undefined) {
    throw new Unacceptable(
      `${path(at, "user")}: is missing; one of user, client and session is needed`,
    );
  }
  return target;
}

/** The whole of a call is within the limits, or nothing of it is done. */
function bounded(call: Call | Batch): Call | Batch {
  const all = call.method === "batch" ? call.commands : [call];
  let publications = 0;
  let bytes = 0;
  for (const each of all) {
    if ("error" in each) continue;
    if (each.method !== "publish" && each.method !== "broadcast") continue;
    const count = each.method === "publish" ? 1 : each.request.channels.length;
    publications += count;
    bytes += count * each.request.data.length;
  }
  if (publications > requestLimits.publications || bytes > requestLimits.publishedBytes) {
    throw new Unacceptable(
      `${publications} publications of ${bytes} bytes in all; allowed: ${requestLimits.publications} of ${requestLimits.publishedBytes} bytes`,
    );
  }
  return call;
}

function read<T extends z.ZodType>(schema: T, value: unknown, at: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Unacceptable(result.error.issues.flatMap((issue) => explain(issue, at)).join("; "));
}

function explain(issue: z.core.$ZodIssue, at: string): string[] {
  const where = path(at, ...issue.path);
  if (issue.code !== "unrecognized_keys") return [`${where}: is wrong; allowed: ${issue.message}`];
  // A few say enough of what is wrong.
  return issue.keys.slice(0, 10).map((key) => {
    const unknown = path(at, ...issue.path, key.slice(0, 80));
    return `${unknown}: is not known; allowed: ${issue.message || "nothing"}`;
  });
}

function path(at: string, ...parts: readonly PropertyKey[]): string {
  const steps = parts.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`));
  return `${at}${steps.join("")}`.replace(/^\./, "") || "the request";
}
