import type { ChannelOverride } from "../channel/rules.ts";
import type { ClientOptions } from "../config/options.ts";

/**
 * What became of a token. `expired`: all else about it is right. `unavailable`: the keys could not be
 * fetched, so that nothing is known (error 100, temporary). The message is for logs and never holds
 * a token.
 */
export type TokenOutcome<T> =
  | { readonly ok: true; readonly claims: T }
  | {
      readonly ok: false;
      readonly reason: "expired" | "invalid" | "unavailable";
      readonly message: string;
    };

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
  readonly channels: readonly string[];
  readonly subs: Readonly<Record<string, SubscriptionGrant>>;
  /** For the server only. */
  readonly meta: unknown;
}

export interface SubscriptionClaims extends SubscriptionGrant {
  readonly channel: string;
  readonly user: string;
  /** The client id that the token is for; undefined: any. */
  readonly client: string | undefined;
  /** Seconds since the epoch; undefined: never. */
  readonly expireAt: number | undefined;
}

/** What the verifier needs of `client` in the configuration; secrets are resolved. */
export type VerifierSettings = Pick<
  ClientOptions,
  "insecure_skip_token_signature_verify" | "token" | "subscription_token"
>;

export interface VerifierOptions {
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Verifies tokens and decodes their claims. */
export class TokenVerifier {
  readonly #settings: VerifierSettings;
  readonly #now: () => number;

  constructor(settings: VerifierSettings, options: VerifierOptions = {}) {
    this.#settings = settings;
    this.#now = options.now ?? Date.now;
  }

  verifyConnection(token: string): Promise<TokenOutcome<ConnectionClaims>> {
    throw new Error(`not built: ${token.length} ${this.#now()}`);
  }

  verifySubscription(token: string): Promise<TokenOutcome<SubscriptionClaims>> {
    throw new Error(`not built: ${token.length} ${this.#settings.token.audience}`);
  }
}
