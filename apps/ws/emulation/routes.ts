import type { Express, NextFunction, Request, Response } from "express";
import { errorBody, HttpError, onlyMethods } from "../../lib/http.ts";
import type { GatewayConfig } from "../config/options.ts";
import { decodeEmulationRequest } from "../protocol/protobuf/decode.ts";
import { crossOrigin } from "../transport/http-cors.ts";
import { addHttpStreams, type HttpStreamsOptions } from "../transport/http-streams.ts";
import { emulationHandler } from "./endpoint.ts";
import type { Forwarding } from "./forwarding.ts";

export interface StreamRoutesOptions extends Omit<HttpStreamsOptions, "node" | "config"> {
  readonly config: GatewayConfig;
  readonly forwarding: Forwarding;
  /** Told of each request that is refused. */
  readonly onRefusal: (transport: "http_stream" | "sse" | "emulation", status: number) => void;
}

/** The transports without websockets, and where what their clients send goes. */
export function addStreamRoutes(app: Express, options: StreamRoutesOptions): void {
  const { forwarding, bodies, onRefusal } = options;
  const { client, emulation, http_stream, sse } = options.config;
  addHttpStreams(app, { ...options, node: forwarding.node });
  app
    .route(emulation.handler_prefix)
    .all(crossOrigin(["POST"], client.allowed_origins))
    .post(
      emulationHandler({
        bodies,
        maxBodyBytes: emulation.max_request_body_size,
        forwarding,
        decodeProtobuf: decodeEmulationRequest,
      }),
    )
    .all(onlyMethods("POST", "OPTIONS"));
  // They are counted, and too many requests are no news that should fill a log.
  const paths = [
    ["http_stream", http_stream.handler_prefix],
    ["sse", sse.handler_prefix],
    ["emulation", emulation.handler_prefix],
  ] as const;
  for (const [transport, path] of paths) {
    app.use(path, (error: unknown, _request: Request, response: Response, next: NextFunction) => {
      if (!(error instanceof HttpError) || response.headersSent) {
        next(error);
        return;
      }
      const { status, code, message, headers } = error;
      onRefusal(transport, status);
      response.status(status).set(headers).json(errorBody(code, message));
    });
  }
}
