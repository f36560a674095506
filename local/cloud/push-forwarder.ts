/**
 * What Pub/Sub's own front does for a push, and its emulator does not: it reaches the declared
 * endpoint, through the front door and by its rules, with a token of the subscription's account, and
 * cuts a request at the acknowledgement deadline.
 */
import { randomBytes } from "node:crypto";
import {
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from "node:http";
import { endToEndHeaders } from "./headers.ts";
import type { Log } from "./logs.ts";
import { end, type OwnServer, serve } from "./own-server.ts";
import { loopback } from "./ports.ts";
import { bodyFraming } from "./request.ts";

export interface PushTarget {
  /** As declared: an https address on the front door's own host. */
  readonly endpoint: string;
  /** Whose token a push carries; undefined when none was asked for. */
  readonly account: string | undefined;
  /** @default the endpoint, as Pub/Sub's */
  readonly audience: string | undefined;
  /** How long the endpoint may take. */
  readonly deadlineMs: number;
}

export interface PushForwarderOptions {
  readonly frontDoorPort: () => number;
  readonly sign: (account: string, audience: string) => Promise<string>;
  readonly note: Log;
}

interface Route {
  readonly path: string;
  readonly subscription: string;
  readonly host: string;
  /** Path and query of the endpoint. */
  readonly target: string;
  readonly push: PushTarget;
}

export class PushForwarder {
  readonly #options: PushForwarderOptions;
  /** By the path at which the emulator pushes; nobody can guess it, so nobody else can push. */
  readonly #routes = new Map<string, Route>();
  #server: Promise<OwnServer> | undefined;

  constructor(options: PushForwarderOptions) {
    this.#options = options;
  }

  /**
   * Forwards a subscription's pushes from now on; the address stays when the target changes.
   * @returns where the emulator is to push
   * @throws Error that says which endpoints are possible
   */
  async put(subscription: string, push: PushTarget): Promise<string> {
    const { host, target } = this.#place(push.endpoint);
    this.#server ??= this.#listen();
    const { port } = await this.#server;
    const path = this.#pathOf(subscription) ?? `/${randomBytes(24).toString("base64url")}`;
    this.#routes.set(path, { path, subscription, host, target, push });
    return `http://${loopback}:${port}${path}`;
  }

  remove(subscription: string): void {
    const path = this.#pathOf(subscription);
    if (path !== undefined) this.#routes.delete(path);
  }

  /** Takes no new push; those under way go on. */
  async close(): Promise<void> {
    const running = await this.#server;
    running?.server.close();
    running?.server.closeIdleConnections();
  }

  /** Breaks off what is still under way. */
  async stop(): Promise<void> {
    const running = await this.#server;
    this.#server = undefined;
    if (running !== undefined) await end(running);
  }

  #pathOf(subscription: string): string | undefined {
    return [...this.#routes.values()].find((route) => route.subscription === subscription)?.path;
  }

  #place(endpoint: string): { host: string; target: string } {
    const own = this.#options.frontDoorPort();
    const url = URL.parse(endpoint);
    const name = url?.hostname ?? "";
    if (
      url?.protocol !== "https:" ||
      Number(url.port || "443") !== own ||
      (name !== "localhost" && !name.endsWith(".localhost"))
    ) {
      throw new Error(
        `pushConfig.pushEndpoint ${endpoint} is not on the local cloud's front door, https://….appengine.localhost:${own}/…; ` +
          "it pushes nowhere else",
      );
    }
    return { host: `${name}:${own}`, target: url.pathname + url.search };
  }

  async #listen(): Promise<OwnServer> {
    const running = await serve((request, response) => {
      void this.#answer(request, response);
    });
    // A connection that ends just as the emulator uses it again would be a failed push.
    running.server.keepAliveTimeout = 0;
    return running;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = this.#routes.get(request.url ?? "");
    if (route === undefined || request.method !== "POST") {
      request.resume();
      response.writeHead(404).end();
      return;
    }
    const status = await this.#forward(request, response, route);
    request.resume();
    // Pub/Sub takes 202 for an acknowledgement and its emulator does not.
    response.writeHead(status === 202 ? 204 : status).end();
  }

  /** The endpoint's status; what stands for one when there is none. */
  async #forward(
    request: IncomingMessage,
    response: ServerResponse,
    { subscription, host, target, push }: Route,
  ): Promise<number> {
    const { sign, note, frontDoorPort } = this.#options;
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
    }, push.deadlineMs);
    // The emulator is gone: nobody waits for the answer.
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort();
    });
    try {
      const token =
        push.account === undefined
          ? []
          : ["Authorization", `Bearer ${await sign(push.account, push.audience ?? push.endpoint)}`];
      const outgoing = httpRequest({
        ...{ host: loopback, port: frontDoorPort(), method: "POST", path: target },
        headers: [
          ...["Host", host],
          ...endToEndHeaders(request.rawHeaders, ["host", "authorization", "content-length"]),
          ...token,
          ...bodyFraming(request),
          ...["Connection", "close"],
        ],
        agent: false,
        signal: AbortSignal.any([late.signal, gone.signal]),
      });
      request.pipe(outgoing);
      return await statusOf(outgoing);
    } catch {
      if (!late.signal.aborted) return 502;
      note(`${subscription}: a push was cut after ${push.deadlineMs / 1000} s without an answer`);
      return 504;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Resolves when the whole answer is there: half of one acknowledges nothing. */
function statusOf(outgoing: ClientRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    // A second one may come while it is being cut.
    outgoing.on("error", reject);
    outgoing.once("response", (incoming) => {
      incoming.resume();
      incoming.once("error", reject);
      incoming.once("end", () => {
        resolve(incoming.statusCode ?? 502);
      });
    });
  });
}
