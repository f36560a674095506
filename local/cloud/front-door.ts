/**
 * The one port through which everything comes in, as through Google's front end: it finds the
 * instance, sets the headers that only the platform may set, and streams both ways.
 *
 * Every request travels on its own connection to the instance. What a client sends behind one
 * request can so never be taken for another one, and a restarted instance leaves no stale
 * connection; on loopback a connection costs less than what could go wrong.
 */
import {
  createServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, type Socket } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import { type Control, controlPrefix } from "./control.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import { listenOn } from "./listen-on.ts";
import { loopback } from "./ports.ts";
import { broken, errorBody, rawHead, rawResponse, type Refusal } from "./refusal.ts";
import { bodyFraming, isWebsocket, parse } from "./request.ts";

/** Where a request goes, or why nowhere. */
export type Destination =
  | { readonly problem: string }
  | {
      readonly service: string;
      readonly kind: "standard" | "flexible";
      /** Ports of live instances in the order in which they are to be tried. */
      readonly ports: readonly number[];
      /** Says that the request is under way; its answer says that it is over. */
      readonly enter: () => () => void;
    };

export interface FrontDoorOptions {
  /** @param path without query */
  readonly find: (host: string, path: string) => Destination;
  /** Answers what is asked below its prefix, before anything is routed. */
  readonly control?: Control;
  readonly limits?: Partial<FrontDoorLimits>;
}

export interface FrontDoorLimits {
  /** App Engine ends a websocket after an hour. */
  readonly websocketMs: number;
  /** How long an instance may take to accept a connection. */
  readonly connectMs: number;
}

const defaultLimits: FrontDoorLimits = { websocketMs: 3_600_000, connectMs: 5_000 };

interface Link {
  readonly socket: Socket;
  /** Where the request goes, in origin form. */
  readonly target: string;
  readonly headers: string[];
  readonly leave: () => void;
}

export class FrontDoor {
  readonly #find: FrontDoorOptions["find"];
  readonly #control: Control | undefined;
  readonly #limits: FrontDoorLimits;
  readonly #server: Server;
  readonly #tunnels = new Set<Duplex>();
  #port = 0;

  constructor(options: FrontDoorOptions) {
    this.#find = options.find;
    this.#control = options.control;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#server = createServer({ shouldUpgradeCallback: isWebsocket });
    this.#server.on("request", (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      void this.#tunnel(request, socket, head);
    });
  }

  get port(): number {
    return this.#port;
  }

  /** @throws Error that names the port when another process has it */
  async listen(port: number): Promise<void> {
    this.#port = await listenOn(this.#server, port);
  }

  /** Takes no new connection; what is under way goes on. */
  close(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** Ends everything that is still under way. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    for (const socket of this.#tunnels) socket.destroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = parse(request);
    if (this.#control !== undefined && isControl(asked)) {
      this.#control(request, response, asked).catch(() => {
        // The client broke off its own request.
        response.destroy();
      });
      return;
    }
    const link = await this.#link(request);
    if ("code" in link) {
      // The body was not read: the connection cannot carry another request.
      response.setHeader("Connection", "close");
      response.writeHead(link.status, { "Content-Type": "application/json" });
      response.end(errorBody(link));
      return;
    }
    response.once("close", link.leave);
    if (response.destroyed) {
      link.socket.destroy();
      link.leave();
      return;
    }
    const framing = bodyFraming(request);
    const outgoing = send(link, request.method ?? "GET", [
      ...link.headers,
      ...framing,
      ...["Connection", "close"],
    ]);
    let answered = false;
    outgoing.once("response", (incoming) => {
      answered = true;
      forward(incoming, response, () => {
        outgoing.destroy();
      });
    });
    outgoing.once("error", (error) => {
      if (answered) return;
      if (response.headersSent) response.destroy();
      else reject(response, error);
    });
    // The client went away, or has everything: the instance need not go on.
    response.once("close", () => {
      outgoing.destroy();
      if (!request.complete) request.destroy();
    });
    outgoing.flushHeaders();
    request.pipe(outgoing);
  }

  async #tunnel(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on("error", () => client.destroy());
    this.#tunnels.add(client);
    client.once("close", () => this.#tunnels.delete(client));
    if (this.#control !== undefined && isControl(parse(request))) {
      const message = "there is no websocket at this path";
      refuse(client, { status: 404, code: "not_found", message });
      return;
    }
    const link = await this.#link(request);
    if ("code" in link) {
      refuse(client, link);
      return;
    }
    client.once("close", link.leave);
    if (client.destroyed) {
      link.socket.destroy();
      link.leave();
      return;
    }
    const { socket: instance } = link;
    const outgoing = send(link, "GET", [
      ...link.headers,
      ...["Connection", "Upgrade"],
      ...["Upgrade", "websocket"],
    ]);
    client.once("close", () => instance.destroy());
    outgoing.once("error", (error) => {
      refuse(client, broken(error));
    });
    outgoing.once("response", (incoming) => {
      // No websocket: the answer goes back, and the connection with it, for what a client sent
      // behind its request must not reach the instance as a request of its own.
      const { statusCode = 502, statusMessage, rawHeaders } = incoming;
      client.write(rawHead(statusCode, responseHeaders(rawHeaders), statusMessage));
      client.resume();
      pipeline(incoming, client, () => client.destroy());
    });
    outgoing.once("upgrade", (incoming, _socket, first) => {
      outgoing.removeAllListeners("error");
      instance.on("error", () => client.destroy());
      instance.once("close", () => client.destroy());
      const timer = setTimeout(() => client.destroy(), this.#limits.websocketMs);
      client.once("close", () => {
        clearTimeout(timer);
      });
      const headers = responseHeaders(incoming.rawHeaders);
      client.write(rawHead(101, [...headers, "Connection", "Upgrade", "Upgrade", "websocket"]));
      if (first.length > 0) client.write(first);
      if (head.length > 0) instance.write(head);
      client.pipe(instance);
      instance.pipe(client);
    });
    outgoing.end();
  }

  /** Finds an instance that takes the request and connects to it. */
  async #link(request: IncomingMessage): Promise<Link | Refusal> {
    const parsed = parse(request);
    if ("code" in parsed) return parsed;
    const { host, target, path } = parsed;
    const destination = this.#find(host, path);
    if ("problem" in destination) {
      return { status: 502, code: "no_instance", message: destination.problem };
    }
    if (isWebsocket(request) && destination.kind === "standard") {
      return {
        status: 501,
        code: "no_websockets",
        message: `service ${destination.service} runs on App Engine standard, which has no websockets`,
      };
    }
    const leave = destination.enter();
    for (const port of destination.ports) {
      const socket = await connected(port, this.#limits.connectMs);
      if (socket === undefined) continue;
      const clientAddress = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
      const headers = requestHeaders(request.rawHeaders, {
        clientAddress,
        host,
        defaultHostname: `appengine.localhost:${this.#port}`,
      });
      return { socket, target, headers, leave };
    }
    leave();
    const message = `service ${destination.service}: no instance accepts connections`;
    return { status: 502, code: "no_instance", message };
  }
}

/** Whether the front door answers a request itself. */
function isControl<T extends { readonly path: string }>(asked: T | Refusal): asked is T {
  return "path" in asked && asked.path.startsWith(controlPrefix);
}

function send(link: Link, method: string, headers: readonly string[]): ClientRequest {
  return httpRequest({
    createConnection: () => link.socket,
    method,
    path: link.target,
    headers,
    // Headers were limited on their way in.
    maxHeaderSize: 65_536,
  });
}

function forward(incoming: IncomingMessage, response: ServerResponse, done: () => void): void {
  response.sendDate = false;
  try {
    response.writeHead(
      incoming.statusCode ?? 502,
      incoming.statusMessage ?? "",
      responseHeaders(incoming.rawHeaders),
    );
  } catch (error) {
    reject(response, error);
    done();
    return;
  }
  // An event stream sends its headers long before its first event.
  response.flushHeaders();
  // When the instance breaks off, so must the response: its client would take it for complete.
  pipeline(incoming, response, done);
}

function reject(response: ServerResponse, error: unknown): void {
  const refusal = broken(error);
  response.setHeader("Connection", "close");
  response.writeHead(refusal.status, { "Content-Type": "application/json" });
  response.end(errorBody(refusal));
}

function connected(port: number, withinMs: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: loopback, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(undefined);
    }, withinMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

/**
 * Answers an upgrade that gets nowhere and lets go of the connection. What the client sent behind its
 * request is read and dropped: unread, it would keep the socket open for ever.
 */
function refuse(client: Duplex, refusal: Refusal): void {
  client.resume();
  client.end(
    rawResponse(refusal.status, ["Content-Type", "application/json"], errorBody(refusal)),
    () => client.destroy(),
  );
}
