import type { IncomingHttpHeaders } from "node:http";
import type { Express, Request, RequestHandler, Response } from "express";
import { HttpError, onlyMethods } from "../../lib/http.ts";
import type { Refusal } from "../admission.ts";
import type { BacklogBudget } from "../backlog-budget.ts";
import type { GatewayConfig } from "../config/options.ts";
import { newSession, type SessionHolder, type Sessions } from "../emulation/sessions.ts";
import { disconnects } from "../protocol/codes.ts";
import type { Bodies } from "./http-body.ts";
import { crossOrigin } from "./http-cors.ts";
import { httpLink } from "./http-link.ts";
import type { OpenLink } from "./link.ts";
import type { PeerLimits } from "./peer.ts";
import { httpStreamJson, httpStreamProtobuf, sseJson, type Wire } from "./wire.ts";

/** Proxies are to pass on every piece as it comes, and to keep and change none. */
const streamHeaders = {
  "cache-control": "private, no-cache, no-store, no-transform, must-revalidate, max-age=0",
  "x-accel-buffering": "no",
};

export interface HttpStreamsOptions {
  readonly config: Pick<GatewayConfig, "client" | "http_stream" | "sse">;
  /** This gateway's id. */
  readonly node: string;
  readonly sessions: Sessions;
  readonly bodies: Bodies;
  readonly budget: BacklogBudget;
  readonly limits: PeerLimits;
  /** Why no more clients are taken; if there is no reason, one more is counted. */
  readonly unavailable: () => Refusal | undefined;
  readonly open: (client: {
    readonly wire: Wire;
    readonly openLink: OpenLink;
    readonly headers: IncomingHttpHeaders;
    readonly emulation: { readonly session: string; readonly node: string };
  }) => SessionHolder;
}

/**
 * The transports for networks that let no websocket through: one request, whose answer never ends and
 * brings what goes to the client. What comes from it after the connect command goes to `/emulation`.
 */
export function addHttpStreams(app: Express, options: HttpStreamsOptions): void {
  const { client, http_stream, sse } = options.config;
  if (http_stream.enabled) {
    app
      .route(http_stream.handler_prefix)
      .all(crossOrigin(["POST"], client.allowed_origins))
      .post(httpStream(options))
      .all(onlyMethods("POST", "OPTIONS"));
  }
  if (sse.enabled) {
    app
      .route(sse.handler_prefix)
      .all(crossOrigin(["GET"], client.allowed_origins))
      .head(onlyMethods("GET", "OPTIONS"))
      .get(serverSentEvents(options))
      .all(onlyMethods("GET", "OPTIONS"));
  }
}

/** Whether a body is of protobuf; whatever else is said to be in it, or nothing, is JSON. */
export function isProtobuf(request: Request): boolean {
  return typeof request.is("application/octet-stream") === "string";
}

function httpStream(options: HttpStreamsOptions): RequestHandler {
  const { max_request_body_size: maxBytes } = options.config.http_stream;
  return async (request, response) => {
    const wire = isProtobuf(request) ? httpStreamProtobuf : httpStreamJson;
    const type = wire === httpStreamJson ? "application/json" : "application/octet-stream";
    const connect = await options.bodies.with(request, maxBytes, (body) => body);
    open(request, response, { wire, type, preamble: "", connect, options });
  };
}

function serverSentEvents(options: HttpStreamsOptions): RequestHandler {
  const { max_request_body_size: maxBytes } = options.config.sse;
  return (request, response) => {
    const { cf_connect: text } = request.query;
    // One line is one command, and the first of a session can do no more than to connect: a link that somebody
    // follows, in a browser that does not say so, has no other effect.
    if (typeof text !== "string" || /[\r\n]/.test(text.trim())) {
      throw new HttpError(400, "no_connect", "the query must have cf_connect: one connect command");
    }
    const connect = Buffer.from(text);
    if (connect.length > maxBytes) {
      throw new HttpError(414, "too_large", `cf_connect is larger than ${maxBytes} bytes`);
    }
    const type = "text/event-stream; charset=utf-8";
    // An empty line, which is no event: some proxies send a head only with what follows.
    open(request, response, { wire: sseJson, type, preamble: "\r\n", connect, options });
  };
}

function open(
  { headers }: Request,
  response: Response,
  {
    wire,
    type,
    preamble,
    connect,
    options,
  }: {
    readonly wire: Wire;
    readonly type: string;
    readonly preamble: string;
    readonly connect: Uint8Array;
    readonly options: HttpStreamsOptions;
  },
): void {
  // The client may have gone while its body was read.
  if (response.destroyed) return;
  if (response.socket === null) {
    throw new HttpError(400, "pipelined", "the answer to the request before this one is not out");
  }
  const refusal = options.unavailable();
  if (refusal !== undefined) {
    const { status, code, message } = refusal;
    throw new HttpError(status, code, message, { headers: refusal.headers ?? {} });
  }
  const { node, sessions, budget, limits } = options;
  const session = newSession();
  const holder = options.open({
    wire,
    headers,
    emulation: { session, node },
    openLink: httpLink({
      response,
      headers: { ...streamHeaders, "content-type": type },
      preamble,
      farewell: ({ code, reason }) => wire.frame(wire.codec.push({ disconnect: { code, reason } })),
      budget,
      limits,
      closings: disconnects,
    }),
  });
  response.once("close", sessions.add(session, holder));
  holder.take(connect);
}
