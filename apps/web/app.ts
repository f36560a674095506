import type { Express } from "express";
import { addHealthRoutes } from "../lib/health.ts";
import { createHttpApp, finishHttpApp, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import type { SiteFile } from "./site.ts";

/**
 * Everything comes from this origin, nothing is inline, and nobody frames the page. `'self'` in
 * connect-src covers ws: and wss: of the same host.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

const securityHeaders = {
  "content-security-policy": contentSecurityPolicy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
};

export interface WebOptions {
  readonly site: readonly SiteFile[];
  readonly log: Log;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
  readonly project?: string | undefined;
}

/**
 * The default service. Every path that is not a file of the site is 404: App Engine sends here what
 * names no live instance, and a push that is answered with success here would be lost.
 */
export function createWebApp({ site, log, signal, project }: WebOptions): Express {
  const app = createHttpApp();
  addHealthRoutes(app, signal);

  app.use((_request, response, next) => {
    response.set(securityHeaders);
    next();
  });
  for (const { path, type, etag, body } of site) {
    app
      .route(path)
      .get((_request, response) => {
        // Asked for again each time, answered with 304 while it is the same: a deployment shows at once.
        response.set({ "content-type": type, etag, "cache-control": "no-cache" }).send(body);
      })
      .all(onlyMethods("GET", "HEAD"));
  }
  finishHttpApp(app, { log, project });
  return app;
}
