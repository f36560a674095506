import { createServer, type RequestListener, type Server } from "node:http";

/**
 * Longer than the load balancer in front keeps an idle connection, so that it is never this side that
 * closes one just as a request arrives on it; and an instance that was frozen does not find the
 * connections of its callers over-age when it wakes.
 */
const keepAliveMs = 620_000;

/** The HTTP server of a service; it does not listen yet. */
export function createHttpServer(handler: RequestListener): Server {
  return createServer(
    {
      keepAliveTimeout: keepAliveMs,
      // Another upgrade, such as curl's to HTTP/2, is a plain request to us.
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === "websocket",
    },
    handler,
  );
}
