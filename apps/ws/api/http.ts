import type { Express, Request, Response } from "express";
import { HttpError, onlyMethods } from "../../lib/http.ts";
import { errors } from "../protocol/codes.ts";
import { Bodies } from "../transport/http-body.ts";
import { type ApiError, errorText, type Outcome, statusOf } from "./errors.ts";
import { isFromBrowser, isKey, keyOf } from "./key.ts";
import { type Batch, type Call, decodeCall, isMethod } from "./requests.ts";

export interface ApiHttpLimits {
  /** One request. */
  readonly maxApiBodyBytes: number;
  /** All requests that are under way, by their bodies. */
  readonly maxTotalApiBodyBytes: number;
  readonly maxApiRequests: number;
  /** How long a body may take to come. */
  readonly bodyMs: number;
}

export interface ApiHttpOptions {
  readonly prefix: string;
  /** The key; empty: nobody gets in; undefined: it is not read yet. */
  readonly key: () => string | undefined;
  /** Nobody needs a key. */
  readonly insecure: boolean;
  /** `transport`: errors have an HTTP status of their own. */
  readonly errorMode: "" | "transport";
  /** Why nothing can be done now; undefined when it can. */
  readonly obstacle: () => string | undefined;
  /** Does what is asked for; the result is JSON text. */
  readonly execute: (call: Call | Batch) => Promise<Outcome<string>>;
  readonly httpLimits: ApiHttpLimits;
}

/**
 * The server API's paths: `POST <prefix>/<method>`. Who asks is known before anything is read of what
 * it sends, and nothing is done of what is not right as a whole.
 */
export function addApiRoutes(app: Express, options: ApiHttpOptions): void {
  const { maxApiBodyBytes, maxTotalApiBodyBytes, maxApiRequests, bodyMs } = options.httpLimits;
  const bodies = new Bodies({ maxTotalBytes: maxTotalApiBodyBytes, withinMs: bodyMs });
  let requests = 0;
  const handle = async (request: Request, response: Response): Promise<void> => {
    authorize(request, options);
    const method = String(request.params["method"]);
    if (!isMethod(method) && method !== "batch") {
      answer(response, 404, errorText(errors.methodNotFound));
      return;
    }
    const obstacle = options.obstacle();
    if (obstacle !== undefined) throw unavailable(obstacle);
    if (requests >= maxApiRequests) throw unavailable("too many requests are under way");
    requests += 1;
    try {
      await bodies.with(request, maxApiBodyBytes, async (body) => {
        const decoded = decodeCall(method, body);
        if (!("call" in decoded)) {
          const { error, isJson } = decoded;
          answer(response, isJson ? statusFor(request, options, error) : 400, errorText(error));
          return;
        }
        const outcome = await options.execute(decoded.call);
        if (outcome.result === undefined) {
          const { error } = outcome;
          answer(response, statusFor(request, options, error), errorText(error));
        } else answer(response, 200, `{"result":${outcome.result}}`);
      });
    } finally {
      requests -= 1;
    }
  };
  app.route(`${options.prefix}/:method`).post(handle).all(onlyMethods("POST"));
}

/** @throws HttpError for who may not call the API */
function authorize(request: Request, { key, insecure }: ApiHttpOptions): void {
  if (isFromBrowser(request.headers)) {
    throw new HttpError(403, "forbidden", "the server API is not for pages");
  }
  if (insecure) return;
  const wanted = key();
  if (wanted === undefined) throw unavailable("the key of the server API is not read yet");
  const query = new URLSearchParams(request.originalUrl.split("?", 2)[1] ?? "");
  const given = keyOf(request.headers, query);
  if (given === undefined || !isKey(given, wanted)) {
    throw new HttpError(401, "unauthorized", "the API key is missing or wrong", {
      headers: { "www-authenticate": "apikey" },
    });
  }
}

function statusFor(request: Request, { errorMode }: ApiHttpOptions, error: ApiError): number {
  const asked = request.headers["x-centrifugo-error-mode"] === "transport";
  return errorMode === "transport" || asked ? statusOf(error) : 200;
}

function answer(response: Response, status: number, json: string): void {
  response.status(status).type("application/json").send(json);
}

function unavailable(reason: string): HttpError {
  return new HttpError(503, "unavailable", reason, { headers: { "retry-after": "1" } });
}
