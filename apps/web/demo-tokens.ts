import { randomBytes } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";

export interface DemoToken {
  readonly token: string;
  /** `visitor-` and 8 hex digits. */
  readonly user: string;
  readonly expiresAt: Date;
}

export interface DemoTokensOptions {
  /** The gateway's key; read when it is first needed, after a failure, and when it is 10 minutes old. */
  readonly readKey: () => Promise<Uint8Array>;
  /** `aud` and `iss`, where the gateway asks for them. */
  readonly audience?: string | undefined;
  readonly issuer?: string | undefined;
  readonly now?: () => number;
}

const lifetimeS = 10 * 60;
/** A page that slept for a night goes on under the same name. */
const renewableForS = 24 * 60 * 60;
/** Where the gateway got another key, tokens are signed with that one soon, without a deployment. */
const keyGoodForMs = 10 * 60 * 1_000;
/** Tells these tokens from all others that are signed with the same key: only these are renewed. */
const kind = "demo";

/**
 * Gives whoever asks a token for the websocket gateway, with a name that nobody chooses. Names of people
 * are safe from it: a token says `visitor-…`, and is renewed only for who has it.
 */
export class DemoTokens {
  readonly #options: DemoTokensOptions;
  #key: Promise<Uint8Array> | undefined;
  #keyReadAt = 0;

  constructor(options: DemoTokensOptions) {
    this.#options = options;
  }

  /**
   * @param previous a token of this issuer, whose name is kept; with any other one the name is new
   * @throws what `readKey` throws
   */
  async issue(previous?: string): Promise<DemoToken> {
    const key = await this.#readKey();
    const { audience, issuer, now = Date.now } = this.#options;
    const user =
      (previous === undefined ? undefined : await this.#userOf(previous, key)) ??
      `visitor-${randomBytes(4).toString("hex")}`;
    const issuedAt = Math.floor(now() / 1_000);
    const expires = issuedAt + lifetimeS;
    let claims = new SignJWT({ kind })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setSubject(user)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expires);
    if (audience !== undefined) claims = claims.setAudience(audience);
    if (issuer !== undefined) claims = claims.setIssuer(issuer);
    return { token: await claims.sign(key), user, expiresAt: new Date(expires * 1_000) };
  }

  async #userOf(token: string, key: Uint8Array): Promise<string | undefined> {
    const { audience, issuer, now = Date.now } = this.#options;
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ["HS256"],
        clockTolerance: renewableForS,
        currentDate: new Date(now()),
        ...(audience === undefined ? {} : { audience }),
        ...(issuer === undefined ? {} : { issuer }),
      });
      const user = payload.sub ?? "";
      return payload["kind"] === kind && /^visitor-[0-9a-f]{8}$/.test(user) ? user : undefined;
    } catch {
      return undefined;
    }
  }

  #readKey(): Promise<Uint8Array> {
    const { readKey, now = Date.now } = this.#options;
    if (this.#key !== undefined && now() - this.#keyReadAt < keyGoodForMs) return this.#key;
    this.#keyReadAt = now();
    this.#key = readKey().catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return this.#key;
  }
}
