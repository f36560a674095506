import { TokenVerifier } from "../../../../apps/ws/auth/tokens.ts";
import type { VerifierOptions } from "../../../../apps/ws/auth/tokens.ts";
import { defaultConfig } from "../../../../apps/ws/config/options.ts";
import type { TokenOptions } from "../../../../apps/ws/config/options.ts";

/** When the tests take place, seconds since the epoch. */
export const now = 1_800_000_000;

export interface Given {
  readonly token?: Partial<TokenOptions>;
  /** Absent: subscription tokens are verified as connection tokens are. */
  readonly subscription?: Partial<TokenOptions>;
  readonly skip?: boolean;
}

/** A verifier with nothing configured but what is given, at a time that stands still. */
export function verifier(given: Given, options: VerifierOptions = {}): TokenVerifier {
  const { token, subscription_token } = defaultConfig.client;
  return new TokenVerifier(
    {
      insecure_skip_token_signature_verify: given.skip ?? false,
      token: { ...token, ...given.token },
      subscription_token: {
        ...subscription_token,
        ...given.subscription,
        enabled: given.subscription !== undefined,
      },
    },
    { now: () => now * 1_000, ...options },
  );
}
