/** Pub/Sub's push: who may call, and what it says. https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions */
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import { HttpError } from "../lib/http.ts";

export interface PushIdentity {
  /** The service account that the subscriptions push as. */
  readonly account: string;
  /** What the subscriptions name as audience. */
  readonly audience: string;
  /** Where Google publishes the keys that it signs tokens with. */
  readonly keysUrl: string;
}

/** Both forms are Google's. */
const issuers = ["https://accounts.google.com", "accounts.google.com"];
/** Clocks differ. */
const toleranceSeconds = 30;

/**
 * Checks the token that Pub/Sub sends with a push.
 *
 * @returns a function of the request's Authorization header that throws HttpError: 401 for a token
 *   that is missing or wrong, 403 for one of somebody else, 503 when Google's keys cannot be had
 */
export function createPushVerifier({
  account,
  audience,
  keysUrl,
}: PushIdentity): (authorization: string | undefined) => Promise<void> {
  const keys = createRemoteJWKSet(new URL(keysUrl), { timeoutDuration: 5_000 });
  return async (authorization) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) {
      throw new HttpError(401, "no_token", "a push has a token in its Authorization header");
    }
    let payload: Record<string, unknown>;
    try {
      ({ payload } = await jwtVerify(token, keys, {
        algorithms: ["RS256"],
        issuer: issuers,
        audience,
        clockTolerance: toleranceSeconds,
        requiredClaims: ["exp", "email"],
      }));
    } catch (cause) {
      if (!isRefusal(cause)) {
        throw new HttpError(503, "no_keys", "the keys of push tokens cannot be had", { cause });
      }
      throw new HttpError(401, "wrong_token", "the push's token is not valid", { cause });
    }
    if (payload["email"] !== account || payload["email_verified"] !== true) {
      throw new HttpError(403, "wrong_account", "the push's token is of another account");
    }
  };
}

/** True for what is wrong with a token, and not with the way to the keys. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof errors.JOSEError &&
    !["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"].includes(error.code)
  );
}

/** What this service's own messages say. */
export interface Push {
  readonly rev: number;
  readonly writer: string | undefined;
  /** The index of the instance that the subscription pushes to, if its name has one. */
  readonly index: number | undefined;
}

/** @throws HttpError 400; Pub/Sub delivers it again and at last lays it aside as a dead letter */
export function decodePush(body: unknown): Push {
  const { message, subscription } = fields(body);
  const { rev, writer } = fields(fields(message)["attributes"]);
  if (typeof rev !== "string" || !/^[1-9]\d{0,14}$/.test(rev)) {
    throw new HttpError(
      400,
      "invalid_argument",
      "a push has the attribute rev, a whole number from 1, in message.attributes",
    );
  }
  const index = typeof subscription === "string" ? /-(\d{1,4})$/.exec(subscription)?.[1] : null;
  return {
    rev: Number(rev),
    writer: typeof writer === "string" && /^[\w-]{1,64}$/.test(writer) ? writer : undefined,
    index: index == null ? undefined : Number(index),
  };
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
