import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  base64url,
  compactVerify,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
} from "jose";
import type { CompactVerifyGetKey, CryptoKey } from "jose";
import type { TokenOptions } from "../config/options.ts";

export type SignatureOutcome =
  | { readonly ok: true; readonly payload: Uint8Array }
  | { readonly ok: false; readonly reason: "invalid" | "unavailable"; readonly message: string };

/** Checks a token's signature and gives what is signed; never rejects. */
export type SignatureCheck = (token: string) => Promise<SignatureOutcome>;

export interface JwksTiming {
  /** How long the endpoint may take, ms. */
  readonly timeoutMs: number;
  /** How long after a success the keys are not fetched again for a key that is not among them, ms. */
  readonly cooldownMs: number;
  /** After which time the keys are fetched anew, ms. */
  readonly maxAgeMs: number;
}

export const jwksTiming: JwksTiming = { timeoutMs: 2_000, cooldownMs: 2_000, maxAgeMs: 600_000 };

/** After a failure too, the endpoint has this much peace, ms. */
const paceMs = 1_000;

const hmacHashes = { HS256: "SHA-256", HS384: "SHA-384", HS512: "SHA-512" } as const;
const rsaAlgorithms: readonly string[] = ["RS256", "RS384", "RS512"];
const curves: ReadonlyMap<string, string> = new Map([
  ["prime256v1", "ES256"],
  ["secp384r1", "ES384"],
  ["secp521r1", "ES512"],
]);
const jwksAlgorithms = [...rsaAlgorithms, ...curves.values(), "EdDSA", "Ed25519"];

/** The keys cannot be had, so that nothing is known of the token. */
class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}

type KeysByAlgorithm = ReadonlyMap<string, KeyObject | Promise<CryptoKey>>;

/**
 * The check that options ask for: with the keys of the JWKS endpoint if there is one, as in the family,
 * and with the configured keys otherwise. The keys alone decide which algorithms there are, and never
 * the token: who signs with HMAC and a public key as the secret finds no key.
 *
 * @param path of the options, for problems
 * @param problems gets a line for each key that is none
 * @param now milliseconds since the epoch
 */
export function signatureCheck(
  options: TokenOptions,
  path: string,
  problems: string[],
  { now, jwks }: { readonly now: () => number; readonly jwks: JwksTiming },
): SignatureCheck {
  const { jwks_public_endpoint: endpoint } = options;
  if (endpoint !== "") {
    const url = URL.parse(endpoint);
    const isWeb = url?.protocol === "https:" || url?.protocol === "http:";
    if (url !== null && isWeb && !/[{}]/.test(endpoint)) {
      const keys = remoteKeys(url, jwks);
      return (token) => verify(token, jwksAlgorithms, keys);
    }
    problems.push(`${path}.jwks_public_endpoint: is no URL of https or http without placeholders`);
  }
  const current: KeysByAlgorithm = new Map<string, KeyObject | Promise<CryptoKey>>([
    ...hmacKeys(options.hmac_secret_key),
    ...publicKeys(options.rsa_public_key, rsaUses, () => {
      problems.push(`${path}.rsa_public_key: is no RSA public key of 2048 bits or more as PEM`);
    }),
    ...publicKeys(options.ecdsa_public_key, ecdsaUses, () => {
      problems.push(`${path}.ecdsa_public_key: is no public key of P-256, P-384 or P-521 as PEM`);
    }),
  ]);
  const previous: KeysByAlgorithm = new Map(hmacKeys(options.hmac_previous_secret_key));
  const until = options.hmac_previous_secret_key_valid_until * 1_000;
  return async (token) => {
    const outcome = await verifyWith(current, token);
    if (outcome.ok || previous.size === 0 || (until !== 0 && now() >= until)) return outcome;
    const second = await verifyWith(previous, token);
    return second.ok ? second : outcome;
  };
}

/** Takes a token's word for it: for development only. */
export const noSignatureCheck: SignatureCheck = (token) => {
  try {
    const { 1: payload, length } = token.split(".");
    // What has no header is no token, whoever signed it.
    decodeProtectedHeader(token);
    if (length === 3 && payload !== undefined) {
      return Promise.resolve({ ok: true, payload: base64url.decode(payload) });
    }
  } catch {
    // Malformed, too.
  }
  return Promise.resolve(invalid("the token is malformed"));
};

function verifyWith(keys: KeysByAlgorithm, token: string): Promise<SignatureOutcome> {
  return verify(token, [...keys.keys()], async ({ alg }) => {
    const key = await keys.get(alg);
    if (key === undefined) throw new errors.JOSEAlgNotAllowed();
    return key;
  });
}

async function verify(
  token: string,
  algorithms: string[],
  key: CompactVerifyGetKey,
): Promise<SignatureOutcome> {
  try {
    const { payload, protectedHeader } = await compactVerify(token, key, { algorithms });
    // It is a signature, but no JWT's: what is signed stands there unencoded.
    if (protectedHeader.b64 === false) return invalid("the token is malformed");
    return { ok: true, payload };
  } catch (error) {
    if (error instanceof KeysUnavailable) {
      return { ok: false, reason: "unavailable", message: error.message };
    }
    return invalid(whyInvalid(error));
  }
}

function whyInvalid(error: unknown): string {
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the signature is wrong";
  if (error instanceof errors.JOSEAlgNotAllowed) return "there is no key for the token's algorithm";
  if (error instanceof errors.JWKSNoMatchingKey) return "the token's key is not in the key set";
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return "the token does not say which of several keys is its";
  }
  // A curve or a size that does not fit, too.
  return "the token is malformed";
}

function invalid(message: string): SignatureOutcome {
  return { ok: false, reason: "invalid", message };
}

function hmacKeys(secret: string): [string, Promise<CryptoKey>][] {
  if (secret === "") return [];
  return Object.entries(hmacHashes).map(([algorithm, hash]) => [
    algorithm,
    // Once, and not for each token.
    crypto.subtle.importKey("raw", Buffer.from(secret), { name: "HMAC", hash }, false, ["verify"]),
  ]);
}

function rsaUses({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  return asymmetricKeyType === "rsa" && bits >= 2_048 ? rsaAlgorithms : [];
}

function ecdsaUses({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  const algorithm = curves.get(asymmetricKeyDetails?.namedCurve ?? "");
  return asymmetricKeyType === "ec" && algorithm !== undefined ? [algorithm] : [];
}

function publicKeys(
  pem: string,
  uses: (key: KeyObject) => readonly string[],
  onProblem: () => void,
): [string, KeyObject][] {
  if (pem === "") return [];
  const key = parsePublicKey(pem);
  const algorithms = key === undefined ? [] : uses(key);
  if (key === undefined || algorithms.length === 0) {
    onProblem();
    return [];
  }
  return algorithms.map((algorithm) => [algorithm, key]);
}

function parsePublicKey(pem: string): KeyObject | undefined {
  // Node would take the public half of it, and nobody would notice where the private one lies about.
  if (pem.includes("PRIVATE KEY")) return undefined;
  try {
    return createPublicKey(pem);
  } catch {
    return undefined;
  }
}

/**
 * The keys of an endpoint. For a key that is not among them they are fetched again, since it may be
 * new; within the cooldown all such tokens wait for its end and share one request, so that nobody can
 * make the gateway ask often, and nobody with a new key is sent away for good.
 */
function remoteKeys(
  url: URL,
  { timeoutMs, cooldownMs, maxAgeMs }: JwksTiming,
): CompactVerifyGetKey {
  const pace = Math.min(paceMs, cooldownMs);
  let askedAt = Number.NEGATIVE_INFINITY;
  let cooled: Promise<void> | undefined;
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: timeoutMs,
    cooldownDuration: cooldownMs,
    cacheMaxAge: maxAgeMs,
    [customFetch]: (address, init) => {
      const now = performance.now();
      if (now - askedAt < pace) return Promise.reject(new Error("it failed a moment ago"));
      askedAt = now;
      return fetch(address, init);
    },
  });
  return async (header, token) => {
    try {
      const { coolingDown } = keys;
      try {
        return await keys(header, token);
      } catch (error) {
        if (!coolingDown || !(error instanceof errors.JWKSNoMatchingKey)) throw error;
      }
      cooled ??= pause(cooldownMs, undefined, { ref: false }).finally(() => (cooled = undefined));
      await cooled;
      return await keys(header, token);
    } catch (error) {
      if (
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys
      ) {
        throw error;
      }
      throw new KeysUnavailable(`the key set could not be fetched: ${causes(error)}`);
    }
  };
}

/** What went wrong, with what was behind it: `fetch failed: connect ECONNREFUSED`. */
function causes(error: unknown): string {
  if (!(error instanceof Error)) return "for no reason";
  return error.cause === undefined ? error.message : `${error.message}: ${causes(error.cause)}`;
}
