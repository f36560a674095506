import express, { type Express, type NextFunction, type Request, type Response } from "express";
import type { Log } from "./log.ts";

/** An answer that is not a success: one code for programs, one sentence for people. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    options: ErrorOptions & { headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message, options);
    this.status = status;
    this.code = code;
    this.headers = options.headers ?? {};
  }
}

/** The body of every answer that is not a success. */
export function errorBody(
  code: string,
  message: string,
): { error: { code: string; message: string } } {
  return { error: { code, message } };
}

/** An Express application with this project's manners and no route yet. */
export function createHttpApp(): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  // One path, one spelling: what is not written exactly so is 404.
  app.enable("strict routing");
  app.enable("case sensitive routing");
  // Nothing here reads nested query parameters.
  app.set("query parser", "simple");
  app.use((_request, response, next) => {
    response.set({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
    next();
  });
  return app;
}

/** Adds what must come after all routes: 404 for every other path and JSON for every error. */
export function finishHttpApp(
  app: Express,
  { log, project }: { log: Log; project: string | undefined },
): void {
  app.use(() => {
    throw new HttpError(404, "not_found", "there is nothing at this path");
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    const answer = toHttpError(error);
    const fields = requestFields(request, project);
    if (!(error instanceof HttpError) && answer.status >= 500) {
      log.error({ err: error, ...fields }, "bug: a request handler failed");
    } else if (answer.status >= 500) {
      log.warn({ reason: answer.message, ...fields }, "request refused");
    }
    if (response.headersSent) {
      // What was broken off must not look complete.
      response.destroy();
      return;
    }
    response.status(answer.status).set(answer.headers).json(errorBody(answer.code, answer.message));
  });
}

/** A route's last handler: the path exists, this method does not. */
export function onlyMethods(...allowed: readonly string[]): (request: Request) => never {
  const allow = allowed.join(", ");
  return (request) => {
    throw new HttpError(405, "method_not_allowed", `${request.method} is not one of ${allow}`, {
      headers: { allow },
    });
  };
}

/**
 * Reads a body of JSON in UTF-8, at most so large; refuses any other type or charset with 415. An empty
 * body is none.
 */
export function jsonBody(limitBytes: number): express.RequestHandler[] {
  const empty = new WeakSet<object>();
  const message = `the body is larger than ${limitBytes} bytes`;
  // The parser would read to the end what it refuses, however long that is.
  const headers = { connection: "close" };
  return [
    (request, _response, next) => {
      // false: another type; null: no body, which the handler's decoder refuses.
      if (request.is("application/json") === false) {
        throw new HttpError(
          415,
          "unsupported_media_type",
          "the body must have the content type application/json",
        );
      }
      // The parser would take any name that begins with utf-, and some of them mean other bytes.
      const charsets = (request.get("content-type") ?? "").matchAll(
        /;\s*charset\s*=\s*"?([^\s";]*)/gi,
      );
      if ([...charsets].some(([, charset]) => charset?.toLowerCase() !== "utf-8")) {
        throw notPlainUtf8();
      }
      if (Number(request.get("content-length") ?? 0) > limitBytes) {
        throw new HttpError(413, "too_large", message, { headers });
      }
      next();
    },
    (request, response, next) => {
      let received = 0;
      request.on("data", (chunk: Buffer) => {
        received += chunk.length;
        if (received <= limitBytes || response.headersSent) return;
        response.status(413).set(headers).json(errorBody("too_large", message));
      });
      next();
    },
    express.json({
      ...{ limit: limitBytes, inflate: false, strict: false },
      verify: (request, _response, bytes) => {
        if (bytes.length === 0) empty.add(request);
      },
    }),
    (request, _response, next) => {
      // The parser makes an empty object of it, which nobody has sent.
      if (empty.has(request)) request.body = undefined;
      next();
    },
  ];
}

function notPlainUtf8(): HttpError {
  return new HttpError(
    415,
    "unsupported_media_type",
    "the body must be plain JSON in UTF-8, not compressed",
  );
}

/** Fields of a log record that tie it to its request in Cloud Logging. */
function requestFields(request: Request, project: string | undefined): Record<string, unknown> {
  const trace = /^([0-9a-f]{32})(\/|$)/.exec(request.get("x-cloud-trace-context") ?? "")?.[1];
  return {
    method: request.method,
    path: request.path,
    ...(trace === undefined || project === undefined
      ? {}
      : { "logging.googleapis.com/trace": `projects/${project}/traces/${trace}` }),
  };
}

/** What body-parser and Express throw, in this project's words; anything else is our bug. */
function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const { type, message, limit } = (
    typeof error === "object" && error !== null ? error : {}
  ) as Record<string, unknown>;
  switch (type) {
    case "entity.parse.failed":
      return new HttpError(400, "invalid_json", `the body is not JSON: ${String(message)}`);
    case "entity.too.large":
      return new HttpError(413, "too_large", `the body is larger than ${String(limit)} bytes`);
    case "encoding.unsupported":
    case "charset.unsupported":
      return notPlainUtf8();
    case "request.aborted":
    case "request.size.invalid":
      return new HttpError(400, "incomplete_body", "the body ended before its announced length");
    default:
      break;
  }
  if (error instanceof URIError) {
    return new HttpError(400, "invalid_path", "the path has a wrong percent escape");
  }
  return new HttpError(500, "internal", "this service failed; its log says why", { cause: error });
}
