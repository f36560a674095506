import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Express, Request, Response } from "express";
import { HttpError, onlyMethods } from "../../lib/http.ts";
import { type ApiError, apiErrors, type Outcome, statusOf } from "./errors.ts";
import { isFromBrowser, isKey, keyOf } from "./key.ts";
import { type Batch, type Call, decodeCall, isMethod } from "./requests.ts";

export interface ApiHttpLimits {
  /** One request. */
  readonly maxBodyBytes: number;
  /** All requests that are under way, by their bodies. */
  readonly maxTotalBodyBytes: number;
  readonly maxRequests: number;
}

export const defaultApiHttpLimits: ApiHttpLimits = {
  maxBodyBytes: 4_194_304,
  maxTotalBodyBytes: 67_108_864,
  maxRequests: 1_024,
};

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
  readonly limits?: Partial<ApiHttpLimits>;
}

/**
 * The server API's paths: `POST <prefix>/<method>`. Who asks is known before anything is read of what
 * it sends, and nothing is done of what is not right as a whole.
 */
export function addApiRoutes(app: Express, options: ApiHttpOptions): void {
  const limits = { ...defaultApiHttpLimits, ...options.limits };
  let requests = 0;
  let bytes = 0;
  const handle = async (request: Request, response: Response): Promise<void> => {
    authorize(request, options);
    const method = String(request.params["method"]);
    if (!isMethod(method) && method !== "batch") {
      answer(response, 404, { error: { ...apiErrors.notFound, message: "method not found" } });
      return;
    }
    const obstacle = options.obstacle();
    if (obstacle !== undefined) throw unavailable(obstacle);
    if (requests >= limits.maxRequests) throw unavailable("too many requests are under way");
    const size = announced(request, limits.maxBodyBytes);
    if (bytes + size > limits.maxTotalBodyBytes) {
      throw unavailable("too much is under way");
    }
    requests += 1;
    bytes += size;
    try {
      const decoded = decodeCall(method, await bodyOf(request, size));
      if (!("call" in decoded)) {
        const { error, isJson } = decoded;
        answer(response, isJson ? statusFor(request, options, error) : 400, { error });
        return;
      }
      const outcome = await options.execute(decoded.call);
      const { result } = outcome;
      if (result === undefined) {
        answer(response, statusFor(request, options, outcome.error), { error: outcome.error });
        return;
      }
      response.type("application/json").send(`{"result":${result}}`);
    } finally {
      requests -= 1;
      bytes -= size;
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

/** How much the request's body may be: what it announces, or else all that one may have. */
function announced(request: Request, maxBytes: number): number {
  if ((request.headers["content-encoding"] ?? "identity") !== "identity") {
    throw new HttpError(415, "unsupported_media_type", "the body must not be compressed");
  }
  const length = request.headers["content-length"];
  if (length === undefined)
    return request.headers["transfer-encoding"] === undefined ? 0 : maxBytes;
  if (Number(length) > maxBytes) throw tooLarge(maxBytes);
  return Number(length);
}

async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
  });
  try {
    await once(request, "end");
  } catch {
    throw new HttpError(400, "incomplete_body", "the body ended before its announced length");
  }
  if (size > maxBytes) throw tooLarge(maxBytes);
  return Buffer.concat(chunks);
}

function statusFor(request: Request, { errorMode }: ApiHttpOptions, error: ApiError): number {
  const asked = request.headers["x-centrifugo-error-mode"] === "transport";
  return errorMode === "transport" || asked ? statusOf(error) : 200;
}

function answer(response: Response, status: number, { error }: { readonly error: ApiError }): void {
  response.status(status).json({ error: { code: error.code, message: error.message } });
}

function unavailable(reason: string): HttpError {
  return new HttpError(503, "unavailable", reason, { headers: { "retry-after": "1" } });
}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, "too_large", `the body is larger than ${limit} bytes`, {
    // What else of it comes is not read.
    headers: { connection: "close" },
  });
}
