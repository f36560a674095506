import type { Express, NextFunction, Request, Response } from "express";
import { z } from "zod";
import { addHealthRoutes } from "../lib/health.ts";
import { createHttpApp, finishHttpApp, HttpError, jsonBody, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { SecretError } from "../lib/secret.ts";
import { bareConsole, type ConsoleFacts } from "./console.ts";
import type { DemoTokens } from "./demo-tokens.ts";
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
  // The page makes no policy, so nobody needs to be able to.
  "trusted-types 'none'",
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
  /** What `GET /console.json` answers, but for what follows from the other options. */
  readonly console?: ConsoleFacts;
  /** Undefined: nobody gets a token here. */
  readonly demoTokens?: Pick<DemoTokens, "issue"> | undefined;
  readonly log: Log;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
  readonly project?: string | undefined;
}

/**
 * The default service. Every path that is not a file of the site is 404: App Engine sends here what
 * names no live instance, and a push that is answered with success here would be lost.
 */
export function createWebApp(options: WebOptions): Express {
  const { site, demoTokens, log, signal, project } = options;
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

  const facts = { ...(options.console ?? bareConsole), demoTokens: demoTokens !== undefined };
  app
    .route("/console.json")
    .get((_request, response) => {
      response.json(facts);
    })
    .all(onlyMethods("GET", "HEAD"));
  if (demoTokens !== undefined) addTokenRoute(app, demoTokens, log);
  finishHttpApp(app, { log, project });
  return app;
}

const tokenRequest = z.strictObject({ token: z.string().max(2_048).optional() });
const tokenBodyBytes = 4_096;

/** `POST /console/token`: a demo token, or the given one renewed, for pages of this origin. */
function addTokenRoute(app: Express, demoTokens: Pick<DemoTokens, "issue">, log: Log): void {
  app
    .route("/console/token")
    .post(
      (request: Request, _response: Response, next: NextFunction) => {
        if (isOfAnotherSite(request)) {
          throw new HttpError(403, "other_site", "only pages of this origin get tokens here");
        }
        next();
      },
      jsonBody(tokenBodyBytes),
      async (request: Request, response: Response) => {
        const { data } = tokenRequest.safeParse(request.body);
        if (data === undefined) {
          throw new HttpError(
            400,
            "invalid_argument",
            'the body is {} or {"token": a token that was given here}',
          );
        }
        response.json(await issue(demoTokens, log, data.token));
      },
    )
    .all(onlyMethods("POST"));
}

/** Whether the browser says that the request is another site's. A program says nothing, and may. */
function isOfAnotherSite(request: Request): boolean {
  const site = request.get("sec-fetch-site");
  if (site !== undefined && site !== "same-origin") return true;
  // Browsers say no more than this where the page is not from https or this machine.
  const origin = request.get("origin");
  return origin !== undefined && URL.parse(origin)?.host !== request.get("host")?.toLowerCase();
}

async function issue(
  demoTokens: Pick<DemoTokens, "issue">,
  log: Log,
  previous?: string,
): Promise<unknown> {
  try {
    return await demoTokens.issue(previous);
  } catch (cause) {
    if (!(cause instanceof SecretError)) throw cause;
    // The visitor need not know which secret it is, and the operator must.
    log.warn({ reason: cause.message }, "no token for a visitor");
    throw new HttpError(503, "unavailable", "the key for tokens cannot be read", {
      cause,
      headers: { "retry-after": "5" },
    });
  }
}
