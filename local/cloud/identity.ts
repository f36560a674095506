/**
 * Who a process is and which secrets it may read: the metadata server's token endpoint, one per
 * service account, and the one call of Secret Manager that the apps make.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { lastSegment } from "../wire/values.ts";
import { end, json, type OwnServer, serve } from "./own-server.ts";
import { loopback } from "./ports.ts";

export interface IdentityOptions {
  /** What a secret's latest version holds; undefined when it has no version. */
  readonly secret: (secretId: string) => Promise<string | undefined>;
  readonly tokenLifeMs?: number;
  readonly now?: () => number;
}

const accessorRole = "roles/secretmanager.secretAccessor";

interface Token {
  readonly value: string;
  readonly account: string;
  readonly expires: number;
}

export class Identity {
  readonly #options: Required<IdentityOptions>;
  /** `projects/<p>/secrets/<id>` of every secret that is declared. */
  readonly #secrets = new Set<string>();
  /** key of the declaration → who may read what. */
  readonly #grants = new Map<string, { secretId: string; role: string; member: string }>();
  readonly #tokens = new Map<string, Token>();
  readonly #newest = new Map<string, Token>();
  readonly #metadata = new Map<string, Promise<OwnServer>>();
  #api: Promise<OwnServer> | undefined;

  constructor(options: IdentityOptions) {
    this.#options = { tokenLifeMs: 3_600_000, now: Date.now, ...options };
  }

  declareSecret(name: string): void {
    this.#secrets.add(name);
  }

  forgetSecret(name: string): void {
    this.#secrets.delete(name);
  }

  /** @param secret id or full name */
  grant(key: string, secret: string, role: string, member: string): void {
    this.#grants.set(key, { secretId: lastSegment(secret), role, member });
  }

  revoke(key: string): void {
    this.#grants.delete(key);
  }

  /** `127.0.0.1:<port>` of the metadata server that speaks for an account: `GCE_METADATA_HOST`. */
  async metadataHost(account: string, project: string): Promise<string> {
    let entry = this.#metadata.get(account);
    if (entry === undefined) {
      entry = serve((request, response) => {
        this.#answerMetadata(request, response, account, project);
      });
      this.#metadata.set(account, entry);
    }
    return `${loopback}:${(await entry).port}`;
  }

  /** `http://127.0.0.1:<port>`: `SECRET_MANAGER_ENDPOINT`. */
  async secretEndpoint(): Promise<string> {
    this.#api ??= serve((request, response) => {
      this.#answerSecret(request, response).catch((error: unknown) => {
        refuse(response, 500, "INTERNAL", error instanceof Error ? error.message : String(error));
      });
    });
    return `http://${loopback}:${(await this.#api).port}`;
  }

  async stop(): Promise<void> {
    const all = [...this.#metadata.values(), ...(this.#api ? [this.#api] : [])];
    this.#metadata.clear();
    this.#api = undefined;
    for (const server of await Promise.all(all)) await end(server);
  }

  #answerMetadata(
    request: IncomingMessage,
    response: ServerResponse,
    account: string,
    project: string,
  ): void {
    // The real server asks for it too: a page in a browser cannot send it to another origin.
    if (request.headers["metadata-flavor"] !== "Google") {
      response.writeHead(403, { "Content-Type": "text/plain" });
      response.end("Missing Metadata-Flavor:Google header.\n");
      return;
    }
    response.setHeader("Metadata-Flavor", "Google");
    const path = (request.url ?? "").split("?")[0] ?? "";
    const own = "/computeMetadata/v1/instance/service-accounts/";
    const field = [`${own}default/`, `${own}${account}/`]
      .filter((prefix) => path.startsWith(prefix))
      .map((prefix) => path.slice(prefix.length))[0];
    if (request.method !== "GET") {
      response.writeHead(405).end();
    } else if (field === "token") {
      const token = this.#tokenOf(account);
      json(response, 200, {
        access_token: token.value,
        expires_in: Math.floor((token.expires - this.#options.now()) / 1000),
        token_type: "Bearer",
      });
    } else if (field === "email") {
      response.end(account);
    } else if (path === "/computeMetadata/v1/project/project-id") {
      response.end(project);
    } else {
      response.writeHead(404, { "Content-Type": "text/plain" });
      response.end("The local cloud does not have this metadata.\n");
    }
  }

  /** As Google's: the same token is given out until it is near its end. */
  #tokenOf(account: string): Token {
    const now = this.#options.now();
    const newest = this.#newest.get(account);
    if (newest !== undefined && newest.expires - now > this.#options.tokenLifeMs / 10) {
      return newest;
    }
    for (const [value, token] of this.#tokens) if (token.expires <= now) this.#tokens.delete(value);
    const token: Token = {
      value: `local.${randomBytes(32).toString("base64url")}`,
      account,
      expires: now + this.#options.tokenLifeMs,
    };
    this.#tokens.set(token.value, token);
    this.#newest.set(account, token);
    return token;
  }

  async #answerSecret(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const found = /^\/v1\/(projects\/[^/]+\/secrets\/([^/]+))\/versions\/latest:access$/.exec(
      (request.url ?? "").split("?")[0] ?? "",
    );
    if (request.method !== "GET" || found?.[1] === undefined || found[2] === undefined) {
      refuse(response, 404, "NOT_FOUND", "The local cloud serves only …/versions/latest:access.");
      return;
    }
    const [, name, id] = found;
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const token = bearer === undefined ? undefined : this.#tokens.get(bearer);
    if (token === undefined || token.expires <= this.#options.now()) {
      refuse(
        response,
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token.",
      );
      return;
    }
    const member = `serviceAccount:${token.account}`;
    const granted = [...this.#grants.values()].some(
      (grant) => grant.secretId === id && grant.role === accessorRole && grant.member === member,
    );
    if (!granted) {
      refuse(
        response,
        403,
        "PERMISSION_DENIED",
        `Permission 'secretmanager.versions.access' denied for resource '${name}/versions/latest' (or it may not exist); the account is ${token.account}.`,
      );
      return;
    }
    const value = this.#secrets.has(name) ? await this.#options.secret(id) : undefined;
    if (value === undefined) {
      refuse(response, 404, "NOT_FOUND", `Secret [${name}] not found or has no versions.`);
      return;
    }
    json(response, 200, {
      name: `${name}/versions/1`,
      payload: { data: Buffer.from(value).toString("base64") },
    });
  }
}

/** Google's error form (`google.rpc.Status` over REST). */
function refuse(response: ServerResponse, code: number, status: string, message: string): void {
  json(response, code, { error: { code, message, status } });
}
