/**
 * OpenID Connect tokens as Google signs them for service accounts, and the keys to check them with.
 * The key pair is made when it is first needed and lives in memory alone.
 */
import {
  createHash,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  sign as signCallback,
} from "node:crypto";
import { promisify } from "node:util";
import { end, json, type OwnServer, serve } from "./own-server.ts";
import { loopback } from "./ports.ts";

const makeKeyPair = promisify(generateKeyPair);
const sign = promisify(signCallback);

/** Where Google has its keys too, on another host. */
const keysPath = "/oauth2/v3/certs";
const lifeS = 3_600;

interface Key {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export class IdTokens {
  readonly #now: () => number;
  #key: Promise<Key> | undefined;
  #server: Promise<OwnServer> | undefined;

  constructor({ now = Date.now }: { readonly now?: () => number } = {}) {
    this.#now = now;
  }

  /** A token that says to the audience that its bearer acts as the account. */
  async sign(account: string, audience: string): Promise<string> {
    const { id, privateKey } = await this.#keyPair();
    const issued = Math.floor(this.#now() / 1000);
    const subject = uniqueId(account);
    const text = [
      { alg: "RS256", kid: id, typ: "JWT" },
      {
        aud: audience,
        azp: subject,
        email: account,
        email_verified: true,
        exp: issued + lifeS,
        iat: issued,
        iss: "https://accounts.google.com",
        sub: subject,
      },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const signature = await sign("RSA-SHA256", Buffer.from(text), privateKey);
    return `${text}.${signature.toString("base64url")}`;
  }

  /** Where the JWK set is: `GOOGLE_JWKS_URL`. */
  async keysUrl(): Promise<string> {
    this.#server ??= serve((request, response) => {
      if (request.method !== "GET" || request.url !== keysPath) {
        response.writeHead(404).end();
        return;
      }
      this.#keyPair().then(
        ({ id, publicKey }) => {
          const key = { ...publicKey.export({ format: "jwk" }), kid: id, alg: "RS256", use: "sig" };
          response.setHeader("Cache-Control", `public, max-age=${lifeS}`);
          json(response, 200, { keys: [key] });
        },
        () => response.writeHead(500).end(),
      );
    });
    return `http://${loopback}:${(await this.#server).port}${keysPath}`;
  }

  async stop(): Promise<void> {
    const server = await this.#server;
    this.#server = undefined;
    if (server !== undefined) await end(server);
  }

  #keyPair(): Promise<Key> {
    this.#key ??= makeKeyPair("rsa", { modulusLength: 2048 }).then((pair) => ({
      id: randomBytes(20).toString("hex"),
      ...pair,
    }));
    return this.#key;
  }
}

/** A service account's number, which the cloud gives it; here it follows from the name. */
function uniqueId(account: string): string {
  const hash = createHash("sha256").update(account).digest("hex");
  return String(10n ** 20n + (BigInt(`0x${hash}`) % 10n ** 20n));
}
