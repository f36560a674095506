/**
 * The part of the App Engine Admin API that `npm run deploy` and `npm run prune` use, on the loopback
 * interface, and the metadata server that gives them a token. Strict: what it does not know it refuses and
 * remembers, so that a test can say that there was nothing of the kind.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ApiVersion {
  id: string;
  servingStatus?: string;
  createTime?: string;
  env?: string;
  /** Default 0. */
  instances?: number;
}

export interface ApiService {
  allocations: Record<string, number>;
  versions: ApiVersion[];
}

/** What becomes of a request instead of an answer. */
export type Trouble =
  | number
  | "torn"
  | "torn body"
  | "html"
  | "endless"
  | "redirect"
  | { readonly status: number; readonly message: string };

export class AppEngineApi implements AsyncDisposable {
  /** Changed by tests as they like; the order is that of the lists. */
  readonly services: Map<string, ApiService>;
  /** `METHOD path?query` of every call of the API, in order. */
  readonly calls: string[] = [];
  /** What it was asked and does not know, or was asked without the right token. */
  readonly refused: string[] = [];
  /** What befalls the next calls, one each; `undefined` lets one pass. */
  readonly troubles: (Trouble | undefined)[] = [];
  /** Why a version cannot be deleted: `service/version` → the error that its operation ends with. */
  readonly undeletable = new Map<string, string>();
  /** How often an operation is asked about before it is done. */
  operationPolls = 0;
  pageSize = 100;
  /** False: the project has no application. */
  exists = true;
  readonly token = "ya29.token-of-the-test";
  tokensGiven = 0;
  readonly #server: Server;
  readonly #operations = new Map<string, { polls: number; finish: () => string | undefined }>();

  private constructor(project: string, services: Readonly<Record<string, ApiService>>) {
    this.services = new Map(Object.entries(services));
    this.#server = createServer((request, response) => {
      request.resume();
      if (request.url?.startsWith("/computeMetadata/")) this.#metadata(request, response);
      else this.#api(project, request, response);
    });
  }

  static async create(
    project: string,
    services: Readonly<Record<string, ApiService>>,
  ): Promise<AppEngineApi> {
    const api = new AppEngineApi(project, services);
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://${this.#host}`;
  }

  get #host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What a script needs to find this instead of Google. */
  get env(): Record<string, string> {
    return {
      APP_ENGINE_URL: this.url,
      GCE_METADATA_HOST: this.#host,
      METADATA_SERVER_DETECTION: "assume-present",
    };
  }

  service(id: string): ApiService {
    const found = this.services.get(id);
    if (found === undefined) throw new Error(`there is no service ${id}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #metadata(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? "", this.url);
    response.setHeader("metadata-flavor", "Google");
    if (request.headers["metadata-flavor"] !== "Google") {
      this.#refuse(request, response, 403);
    } else if (pathname === "/computeMetadata/v1/instance/service-accounts/default/token") {
      this.tokensGiven += 1;
      json(response, 200, { access_token: this.token, expires_in: 3600, token_type: "Bearer" });
    } else if (pathname === "/computeMetadata/v1/universe/universe-domain") {
      response.end("googleapis.com");
    } else {
      this.#refuse(request, response, 404);
    }
  }

  #api(project: string, request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", this.url);
    this.calls.push(`${request.method ?? ""} ${request.url ?? ""}`);
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      this.#refuse(request, response, 401);
      return;
    }
    if (this.#troubled(request, response)) return;
    const parts = url.pathname.split("/").slice(1);
    if (parts[0] !== "v1" || parts[1] !== "apps" || parts[2] !== project) {
      this.#refuse(request, response, 403);
      return;
    }
    if (!this.exists) {
      json(response, 404, {
        error: { code: 404, message: `Could not find Application '${project}'.` },
      });
      return;
    }
    this.#route(request, response, url, parts.slice(3));
  }

  #route(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    [kind, id = "", versions, version = "", instances]: string[],
  ): void {
    const allowed = new Set(["pageToken", "pageSize"]);
    const isList = request.method === "GET";
    const found = this.services.get(id);
    const one = found?.versions.find((each) => each.id === version);
    if (kind === "operations" && isList && versions === undefined) {
      json(response, 200, this.#operation(id));
    } else if (kind !== "services") {
      this.#refuse(request, response, 501);
    } else if (id === "" && isList && onlyHas(url, allowed)) {
      const all = [...this.services].map(([name, { allocations }]) => ({
        name: `apps/x/services/${name}`,
        id: name,
        split: { shardBy: "COOKIE", allocations },
      }));
      this.#page(response, url, "services", all);
    } else if (found === undefined) {
      json(response, 404, { error: { code: 404, message: `no service ${id}` } });
    } else if (versions === "versions" && version === "" && isList) {
      if (url.searchParams.get("view") !== "BASIC" || !onlyHas(url, allowed.add("view"))) {
        this.#refuse(request, response, 501);
        return;
      }
      const all = found.versions.map(({ instances: _, ...each }) => ({
        servingStatus: "SERVING",
        createTime: "2026-01-01T00:00:00Z",
        env: "standard",
        ...each,
      }));
      this.#page(response, url, "versions", all);
    } else if (one === undefined) {
      json(response, 404, { error: { code: 404, message: `no version ${version}` } });
    } else if (instances === "instances" && isList && onlyHas(url, allowed)) {
      const all = Array.from({ length: one.instances ?? 0 }, (_, index) => ({ id: String(index) }));
      this.#page(response, url, "instances", all);
    } else if (request.method === "DELETE" && instances === undefined && onlyHas(url, new Set())) {
      this.#delete(response, id, found, version);
    } else {
      this.#refuse(request, response, 501);
    }
  }

  #delete(response: ServerResponse, id: string, service: ApiService, version: string): void {
    if ((service.allocations[version] ?? 0) > 0) {
      const message = "Cannot delete a version with a non-zero traffic allocation";
      json(response, 400, { error: { code: 400, message } });
      return;
    }
    const name = `op-${this.#operations.size}`;
    this.#operations.set(name, {
      polls: this.operationPolls,
      finish: () => {
        const reason = this.undeletable.get(`${id}/${version}`);
        if (reason === undefined) {
          service.versions = service.versions.filter((each) => each.id !== version);
        }
        return reason;
      },
    });
    json(response, 200, this.#operation(name));
  }

  #operation(id: string): object {
    const found = this.#operations.get(id);
    if (found === undefined) throw new Error(`there is no operation ${id}`);
    const name = `apps/x/operations/${id}`;
    // Its own answer, and each poll, is one time less to ask.
    if (found.polls-- > 0) return { name };
    const reason = found.finish();
    return {
      name,
      done: true,
      ...(reason === undefined ? { response: {} } : { error: { message: reason } }),
    };
  }

  #page(response: ServerResponse, url: URL, key: string, all: readonly object[]): void {
    const from = Number(url.searchParams.get("pageToken") ?? 0);
    const next = from + this.pageSize;
    json(response, 200, {
      // An empty list is left out, as the API does.
      ...(all.length === 0 ? {} : { [key]: all.slice(from, next) }),
      ...(next < all.length ? { nextPageToken: String(next) } : {}),
    });
  }

  #troubled(request: IncomingMessage, response: ServerResponse): boolean {
    const trouble = this.troubles.shift();
    if (trouble === undefined) return false;
    if (trouble === "torn") {
      request.socket.destroy();
    } else if (trouble === "torn body") {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write('{"services":');
      setImmediate(() => request.socket.destroy());
    } else if (trouble === "endless") {
      response.writeHead(200, { "content-type": "application/json" });
      const chunk = Buffer.alloc(1024 * 1024, " ");
      const more = (): void => {
        if (!response.destroyed) response.write(chunk, more);
      };
      more();
    } else if (trouble === "redirect") {
      response.writeHead(302, { location: request.url ?? "" }).end();
    } else if (typeof trouble === "object") {
      const { status, message } = trouble;
      json(response, status, { error: { code: status, message } });
    } else if (trouble === "html") {
      response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad Gateway</h1>");
    } else {
      json(response, trouble, { error: { code: trouble, message: `trouble ${trouble}` } });
    }
    return true;
  }

  #refuse(request: IncomingMessage, response: ServerResponse, status: number): void {
    this.refused.push(`${status} ${request.method ?? ""} ${request.url ?? ""}`);
    json(response, status, { error: { code: status, message: "this double does not know that" } });
  }
}

function onlyHas(url: URL, allowed: ReadonlySet<string>): boolean {
  return [...url.searchParams.keys()].every((key) => allowed.has(key));
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
