import { ConfigError } from "../config/options.ts";
import type { ClientOptions, TokenOptions } from "../config/options.ts";
import { ClaimError, Claims } from "./claims.ts";
import type { ConnectionClaims, SubscriptionClaims } from "./claims.ts";
import { jwksTiming, noSignatureCheck, signatureCheck } from "./signatures.ts";
import type { JwksTiming, SignatureCheck } from "./signatures.ts";

export type { ConnectionClaims, SubscriptionClaims, SubscriptionGrant } from "./claims.ts";

/**
 * What became of a token. `expired`: it is not of this time, and all else about it is right.
 * `unavailable`: the keys could not be fetched, so that nothing is known (error 100, temporary).
 * The message is for logs and holds nothing of the token.
 */
export type TokenOutcome<T> =
  | { readonly ok: true; readonly claims: T }
  | {
      readonly ok: false;
      readonly reason: "expired" | "invalid" | "unavailable";
      readonly message: string;
    };

/** What the verifier needs of `client` in the configuration; secrets are resolved. */
export type VerifierSettings = Pick<
  ClientOptions,
  "insecure_skip_token_signature_verify" | "token" | "subscription_token"
>;

export interface VerifierOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly jwks?: Partial<JwksTiming>;
}

/** A token that is longer, in characters, is not looked at. */
export const maxTokenLength = 65_536;

/** All that options say of tokens, ready for use. */
interface Verification {
  readonly check: SignatureCheck;
  readonly isForUs: (claims: Claims) => boolean;
  readonly userClaim: string;
}

/** Verifies tokens and decodes their claims. */
export class TokenVerifier {
  readonly #now: () => number;
  readonly #connection: Verification;
  readonly #subscription: Verification;

  /** @throws ConfigError that names each option that is wrong */
  constructor(settings: VerifierSettings, options: VerifierOptions = {}) {
    const now = options.now ?? Date.now;
    const jwks = { ...jwksTiming, ...options.jwks };
    const problems: string[] = [];
    const prepare = (token: TokenOptions, path: string): Verification => {
      const check = signatureCheck(token, path, problems, { now, jwks });
      return {
        check: settings.insecure_skip_token_signature_verify ? noSignatureCheck : check,
        isForUs: addressCheck(token, path, problems),
        userClaim: token.user_id_claim,
      };
    };
    this.#now = now;
    this.#connection = prepare(settings.token, "client.token");
    this.#subscription = settings.subscription_token.enabled
      ? prepare(settings.subscription_token, "client.subscription_token")
      : this.#connection;
    if (problems.length > 0) throw new ConfigError(problems);
  }

  /** What a connection token says; never rejects. */
  verifyConnection(token: string): Promise<TokenOutcome<ConnectionClaims>> {
    return this.#verify(token, this.#connection, (claims, userClaim) => {
      // Else whoever may join one channel could connect with what he was given for that.
      if (claims.channel !== undefined) throw new ClaimError("the token is for a subscription");
      return claims.connection(userClaim);
    });
  }

  /** What a subscription token says; never rejects. */
  verifySubscription(token: string): Promise<TokenOutcome<SubscriptionClaims>> {
    return this.#verify(token, this.#subscription, (claims, userClaim) =>
      claims.subscription(userClaim),
    );
  }

  async #verify<T>(
    token: string,
    { check, isForUs, userClaim }: Verification,
    decode: (claims: Claims, userClaim: string) => T,
  ): Promise<TokenOutcome<T>> {
    if (token.length > maxTokenLength) return invalid("the token is too long");
    // The signature goes first: nothing of what anybody could have written is looked at.
    const signed = await check(token);
    if (!signed.ok) return signed;
    try {
      const claims = new Claims(signed.payload);
      const decoded = decode(claims, userClaim);
      if (!isForUs(claims))
        return invalid("the token is of another issuer or for another audience");
      const now = this.#now() / 1_000;
      const { expiresAt, notBefore } = claims;
      if (expiresAt !== undefined && now >= expiresAt) return expired("the token is expired");
      if (notBefore !== undefined && now < notBefore) return expired("the token is not valid yet");
      return { ok: true, claims: decoded };
    } catch (error) {
      // Claims that are nested too deep to be written again make a RangeError.
      return invalid(error instanceof ClaimError ? error.message : "the claims are malformed");
    }
  }
}

function invalid(message: string): TokenOutcome<never> {
  return { ok: false, reason: "invalid", message };
}

function expired(message: string): TokenOutcome<never> {
  return { ok: false, reason: "expired", message };
}

/** Whether a token is from whom and for whom the options want it. */
function addressCheck(
  { audience, issuer, ...options }: TokenOptions,
  path: string,
  problems: string[],
): (claims: Claims) => boolean {
  const compile = (name: "audience_regex" | "issuer_regex"): RegExp | undefined => {
    if (options[name] === "") return undefined;
    try {
      return new RegExp(options[name], "u");
    } catch {
      problems.push(`${path}.${name}: is no regular expression as JavaScript has them`);
      return undefined;
    }
  };
  const audiencePattern = compile("audience_regex");
  const issuerPattern = compile("issuer_regex");
  return (claims) => {
    // They are read only where they are asked for: what is not, may be anything.
    if (audience !== "" && !claims.audiences.includes(audience)) return false;
    if (audiencePattern && !claims.audiences.some((one) => audiencePattern.test(one))) return false;
    if (issuer !== "" && claims.issuer !== issuer) return false;
    if (issuerPattern === undefined) return true;
    return claims.issuer !== undefined && issuerPattern.test(claims.issuer);
  };
}
