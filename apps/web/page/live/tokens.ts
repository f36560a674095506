import { UnauthorizedError } from "centrifuge";

/** Who the page is to the gateway. */
export type Identity =
  /** Whoever the environment's own issuer says: a visitor, kept over renewals. */
  | { readonly kind: "demo" }
  /** Whoever a token says that the person has from elsewhere. Nobody renews it. */
  | { readonly kind: "pasted"; readonly token: string }
  | { readonly kind: "anonymous" };

/** What can be read in a token without its key. */
export interface TokenFacts {
  readonly user: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  /** Why the gateway cannot accept it, whatever its signature is. */
  readonly problem: string | undefined;
}

/** Longer ones the gateway refuses; so it need not be asked. */
const maxTokenLength = 65_536;

/** Reads a token as far as anybody can. Whether it is genuine only the gateway knows. */
export function readToken(token: string, now: number): TokenFacts {
  const unreadable = (problem: string): TokenFacts => ({ user: "", expiresAt: undefined, problem });
  if (token === "") return unreadable("There is no token.");
  if (token.length > maxTokenLength) return unreadable("This is longer than a token may be.");
  const parts = token.split(".");
  const [header, claims] = parts.slice(0, 2).map(decodePart);
  if (parts.length !== 3 || header === undefined || claims === undefined) {
    return unreadable(
      "This is not a JSON Web Token: three parts with dots between them, the first two JSON in base64url.",
    );
  }
  const { sub, exp, nbf } = claims;
  const expiresAt = typeof exp === "number" ? instant(exp) : undefined;
  const facts = { user: typeof sub === "string" ? sub : "", expiresAt };
  const problem = ((): string | undefined => {
    if (header["alg"] === "none") return "This token is not signed.";
    if (expiresAt !== undefined && expiresAt <= now) {
      return `This token ended at ${new Date(expiresAt).toISOString()}.`;
    }
    const begins = typeof nbf === "number" ? instant(nbf) : 0;
    if (begins > now) return `This token begins at ${new Date(begins).toISOString()}.`;
    return "channel" in claims
      ? "This token is for one subscription, not for a connection."
      : undefined;
  })();
  return { ...facts, problem };
}

/** Milliseconds of seconds since 1970; a Date has no more to either side than this. */
function instant(seconds: number): number {
  return Math.min(Math.max(seconds * 1_000, -8.64e15), 8.64e15);
}

function decodePart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const bytes = Uint8Array.from(
      atob(part.replaceAll("-", "+").replaceAll("_", "/")),
      (character) => character.charCodeAt(0),
    );
    return asObject(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}

/** What the page needs of `fetch`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A token that is about to end is not worth a connection: the gateway would ask for another one at once. */
const nearlyOverMs = 5_000;
const answerMs = 10_000;

/** The environment's own issuer, `POST /console/token`. */
export class DemoIssuer {
  readonly #url: string;
  readonly #fetch: Fetch;
  readonly #now: () => number;
  #token: string | undefined;
  #expiresAt = Number.POSITIVE_INFINITY;
  #user: string | undefined;

  /** @param origin of the page, e.g. `http://localhost:8080` */
  constructor(origin: string, fetch: Fetch, now: () => number) {
    this.#url = `${origin}/console/token`;
    this.#fetch = fetch;
    this.#now = now;
  }

  /** The user of the last token. */
  get user(): string | undefined {
    return this.#user;
  }

  /** Whether a connection that is made now should have another token than the last one. */
  get nearlyOver(): boolean {
    return this.#now() > this.#expiresAt - nearlyOverMs;
  }

  /**
   * A token, of the same user as the last one.
   *
   * @throws UnauthorizedError where there will be none, however often one asks
   * @throws Error where the next try may succeed
   */
  readonly getToken = async (): Promise<string> => {
    let given = await this.#ask(this.#token);
    // A token that is too old to be renewed, or of another key: then as another visitor.
    if (given.status >= 400 && given.status < 500 && this.#token !== undefined) {
      this.#token = undefined;
      given = await this.#ask(undefined);
    }
    if (given.status === 404) {
      throw new UnauthorizedError("This environment gives no tokens to visitors.");
    }
    if (!given.ok) throw new Error(`The issuer of tokens answered with ${given.status}.`);
    const answer = asObject(await given.json());
    const { token, user, expiresAt } = answer ?? {};
    if (typeof token !== "string" || typeof user !== "string" || typeof expiresAt !== "string") {
      throw new Error("The issuer's answer is not understood.");
    }
    this.#token = token;
    this.#user = user;
    const ends = Date.parse(expiresAt);
    this.#expiresAt = Number.isNaN(ends) ? Number.POSITIVE_INFINITY : ends;
    return token;
  };

  async #ask(token: string | undefined): Promise<Response> {
    const ask = this.#fetch;
    try {
      return await ask(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(token === undefined ? {} : { token }),
        signal: AbortSignal.timeout(answerMs),
      });
    } catch (cause) {
      throw new Error("The issuer of tokens cannot be reached.", { cause });
    }
  }
}
