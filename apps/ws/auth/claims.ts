import type { ChannelOverride } from "../channel/rules.ts";
import { isJson, withoutNewlines } from "../json.ts";

/** What a token says of one subscription. */
export interface SubscriptionGrant {
  /** JSON text, for `chan_info`. */
  readonly info?: string;
  /** JSON text, for the subscribe result. */
  readonly data?: string;
  readonly override: ChannelOverride;
}

export interface ConnectionClaims {
  /** Empty: an anonymous client. */
  readonly user: string;
  /** Seconds since the epoch; undefined: never. */
  readonly expireAt: number | undefined;
  /** JSON text, for `conn_info`. */
  readonly info: string | undefined;
  /** Server-side subscriptions; the family's server looks at them only where there are no `subs`. */
  readonly channels: readonly string[];
  /** Server-side subscriptions by channel; the object has no prototype. */
  readonly subs: Readonly<Record<string, SubscriptionGrant>>;
  /** JSON text, for servers only. */
  readonly meta: string | undefined;
}

export interface SubscriptionClaims extends SubscriptionGrant {
  readonly channel: string;
  /** Empty: an anonymous client. */
  readonly user: string;
  /** The client id that the token is for; undefined: any. */
  readonly client: string | undefined;
  /** Seconds since the epoch; undefined: never. */
  readonly expireAt: number | undefined;
}

/** A claim that cannot be what it has to be. The message names the claim and never holds its value. */
export class ClaimError extends Error {
  override readonly name = "ClaimError";
}

/**
 * The claims of one token, of which nothing but that they are an object is known.
 * A claim that is `null` is absent, as the family's server has it.
 */
export class Claims {
  readonly #claims: JsonObject;

  /** @throws ClaimError */
  constructor(payload: Uint8Array) {
    let claims: unknown;
    try {
      claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload), keepNumber);
    } catch {
      throw new ClaimError("the payload is not JSON");
    }
    if (!isObject(claims)) throw new ClaimError("the payload is not an object");
    this.#claims = claims;
  }

  /** @throws ClaimError */
  connection(userClaim: string): ConnectionClaims {
    const { info } = grant(this.#claims, "");
    const meta = own(this.#claims, "meta");
    return {
      user: this.#user(userClaim),
      expireAt: this.#expireAt(),
      info,
      channels: texts(this.#claims, "channels") ?? [],
      subs: grants(this.#claims),
      meta: meta === undefined ? undefined : JSON.stringify(meta),
    };
  }

  /** @throws ClaimError */
  subscription(userClaim: string): SubscriptionClaims {
    const { channel } = this;
    if (channel === undefined) throw new ClaimError("channel is missing");
    const client = text(this.#claims, "client");
    return {
      ...grant(this.#claims, ""),
      channel,
      user: this.#user(userClaim),
      client: client === "" ? undefined : client,
      expireAt: this.#expireAt(),
    };
  }

  /** The channel, which makes a token one for a subscription. */
  get channel(): string | undefined {
    const channel = text(this.#claims, "channel");
    return channel === "" ? undefined : channel;
  }

  get audiences(): readonly string[] {
    const audience = own(this.#claims, "aud");
    if (typeof audience === "string") return [audience];
    return texts(this.#claims, "aud") ?? [];
  }

  get issuer(): string | undefined {
    return text(this.#claims, "iss");
  }

  /** From when on the token is expired, seconds since the epoch. */
  get expiresAt(): number | undefined {
    return time(this.#claims, "exp");
  }

  /** Before when the token is not valid yet, seconds since the epoch. */
  get notBefore(): number | undefined {
    return time(this.#claims, "nbf");
  }

  #user(userClaim: string): string {
    if (userClaim === "") return text(this.#claims, "sub") ?? "";
    const user = own(this.#claims, userClaim);
    // Databases number their users; the number's text is the id, however long it is.
    const digits = numberText(user);
    if (digits !== undefined && /^-?\d+$/.test(digits)) return digits;
    return text(this.#claims, userClaim) ?? "";
  }

  /** `expire_at` lets a connection live longer or shorter than its token. */
  #expireAt(): number | undefined {
    const expireAt = own(this.#claims, "expire_at");
    if (expireAt === undefined) {
      const { expiresAt } = this;
      return expiresAt === undefined ? undefined : Math.floor(expiresAt);
    }
    const seconds = Number(numberText(expireAt));
    if (!Number.isSafeInteger(seconds)) throw new ClaimError("expire_at is no whole number");
    return seconds > 0 ? seconds : undefined;
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

/** TypeScript does not know them yet. */
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON: (text: string) => unknown;
  isRawJSON: (value: unknown) => boolean;
};

/** Keeps a number's text where the number would lose some of it: an id of 19 digits, 1.0. */
function keepNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || context?.source === undefined) return value;
  return String(value) === context.source ? value : rawJSON(context.source);
}

/** The text of a number as it was written; undefined when the value is none. */
function numberText(value: unknown): string | undefined {
  return typeof value === "number" || isRawJSON(value) ? JSON.stringify(value) : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRawJSON(value);
}

function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

function text(object: JsonObject, name: string): string | undefined {
  const value = own(object, name);
  if (value === undefined || typeof value === "string") return value;
  throw new ClaimError(`${name} is no text`);
}

function texts(object: JsonObject, name: string): readonly string[] | undefined {
  const value = own(object, name);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  throw new ClaimError(`${name} is no list of texts`);
}

/** Whoever writes a time as text must not get a token that never expires. */
function time(object: JsonObject, name: string): number | undefined {
  const value = own(object, name);
  if (value === undefined) return undefined;
  const seconds = Number(numberText(value));
  if (Number.isFinite(seconds)) return seconds;
  throw new ClaimError(`${name} is no number`);
}

function grants(claims: JsonObject): Readonly<Record<string, SubscriptionGrant>> {
  const subs = own(claims, "subs") ?? {};
  if (!isObject(subs)) throw new ClaimError("subs is no object");
  // A channel may have any name, `__proto__` too.
  const result = Object.create(null) as Record<string, SubscriptionGrant>;
  for (const channel of Object.keys(subs)) {
    const one = own(subs, channel) ?? {};
    if (!isObject(one)) throw new ClaimError("a channel of subs has no object");
    result[channel] = grant(one, "subs: ");
  }
  return result;
}

function grant(object: JsonObject, where: string): SubscriptionGrant {
  const info = json(object, "info", where);
  const data = json(object, "data", where);
  return {
    ...(info === undefined ? {} : { info }),
    ...(data === undefined ? {} : { data }),
    override: override(object, where),
  };
}

/** A value of any type as JSON text; bytes in base64, which go before it, need not be JSON. */
function json(object: JsonObject, name: "info" | "data", where: string): string | undefined {
  const encoded = text(object, `b64${name}`);
  if (encoded === undefined || encoded === "") {
    return Object.hasOwn(object, name) ? JSON.stringify(object[name]) : undefined;
  }
  if (!base64.test(encoded)) throw new ClaimError(`${where}b64${name} is not in base64`);
  return jsonText(Buffer.from(encoded, "base64"));
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** JSON stays, without newlines, which end a message; all else becomes a JSON string. */
function jsonText(bytes: Buffer): string {
  const decoded = bytes.toString();
  return isJson(decoded) ? withoutNewlines(decoded) : JSON.stringify(decoded);
}

const overridable = [
  "presence",
  "join_leave",
  "force_push_join_leave",
  "force_recovery",
  "force_positioning",
] as const satisfies readonly (keyof ChannelOverride)[];

/** `{presence: {value: true}}`; what it holds beside is of other versions and means nothing here. */
function override(object: JsonObject, where: string): ChannelOverride {
  const given = own(object, "override") ?? {};
  if (!isObject(given)) throw new ClaimError(`${where}override is no object`);
  const result: { -readonly [Name in keyof ChannelOverride]: ChannelOverride[Name] } = {};
  for (const name of overridable) {
    const option = own(given, name);
    if (option === undefined) continue;
    // An object without a value says false in the family's encoding.
    const value = isObject(option) ? (own(option, "value") ?? false) : undefined;
    if (typeof value !== "boolean") throw new ClaimError(`${where}override.${name} is no {value}`);
    result[name] = value;
  }
  return result;
}
