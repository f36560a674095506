import type { Log } from "../../lib/log.ts";
import { pause, within } from "../../lib/within.ts";
import type {
  ConnectionClaims,
  SubscriptionClaims,
  TokenOutcome,
  TokenVerifier,
} from "./tokens.ts";

/** Verifies tokens, or says why it cannot do so yet. */
export interface Tokens {
  readonly obstacle: string | undefined;
  verifyConnection(token: string): Promise<TokenOutcome<ConnectionClaims>>;
  verifySubscription(token: string): Promise<TokenOutcome<SubscriptionClaims>>;
}

/** How long a client waits for keys that are being read. */
const waitMs = 3_000;
const retryMs = { min: 200, max: 5_000 } as const;

/** A verifier whose keys are read when the process has started, as often as it takes. */
export class DeferredTokens implements Tokens {
  readonly #verifier: Promise<TokenVerifier>;
  #obstacle: string | undefined = "the keys for tokens are not read yet";

  /** @param read reads the keys; it is called again after it has failed */
  constructor(
    read: (signal: AbortSignal) => Promise<TokenVerifier>,
    log: Log,
    signal: AbortSignal,
  ) {
    this.#verifier = this.#read(read, log, signal);
    // Who asks for it gets the reason.
    this.#verifier.catch(() => undefined);
  }

  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  async verifyConnection(token: string): Promise<TokenOutcome<ConnectionClaims>> {
    const verifier = await this.#soon();
    return verifier?.verifyConnection(token) ?? unavailable;
  }

  async verifySubscription(token: string): Promise<TokenOutcome<SubscriptionClaims>> {
    const verifier = await this.#soon();
    return verifier?.verifySubscription(token) ?? unavailable;
  }

  async #soon(): Promise<TokenVerifier | undefined> {
    try {
      return await within(this.#verifier, waitMs, () => new Error("the keys are not read yet"));
    } catch {
      return undefined;
    }
  }

  async #read(
    read: (signal: AbortSignal) => Promise<TokenVerifier>,
    log: Log,
    signal: AbortSignal,
  ): Promise<TokenVerifier> {
    let wait: number = retryMs.min;
    for (;;) {
      signal.throwIfAborted();
      try {
        const verifier = await read(signal);
        this.#obstacle = undefined;
        return verifier;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#obstacle = `the keys for tokens cannot be read: ${reason}`;
        log.error({ reason }, "the keys for tokens cannot be read");
      }
      await pause(wait, signal);
      wait = Math.min(wait * 2, retryMs.max);
    }
  }
}

const unavailable = {
  ok: false,
  reason: "unavailable",
  message: "the keys for tokens are not read yet",
} as const;
