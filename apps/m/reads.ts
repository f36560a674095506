/**
 * `GET /m` and `GET /m/<key>`: plain handlers beside Express, because these answers are what the
 * service is for, and everything around them would cost more than they do.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { errorBody, HttpError } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { matchesNone, readMinRev, tagOf } from "./conditions.ts";
import { patchLimits } from "./patch.ts";
import type { Replica } from "./replica.ts";

export interface ReadsOptions {
  readonly replica: Pick<Replica, "follower" | "membership">;
  readonly log: Log;
  /** How long a read waits for the revision that it asks for. */
  readonly waitMs?: number;
  /** How many reads may wait for a revision. */
  readonly waiting?: number;
}

export type Reads = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Answers reads of M; false for requests that are none. */
export function createReads({
  replica,
  log,
  waitMs = 2_000,
  waiting = 1_000,
}: ReadsOptions): Reads {
  const { follower, membership } = replica;
  let waitingNow = 0;

  function refuse(response: ServerResponse, error: unknown): void {
    if (error instanceof HttpError) {
      write(response, error);
      return;
    }
    log.error({ err: error }, "bug: a read failed");
    if (response.headersSent) response.destroy();
    else write(response, new HttpError(500, "internal", "this service failed; its log says why"));
  }

  function answer(request: IncomingMessage, response: ServerResponse, key: string | null): void {
    // Asked after any wait: what counts is whether it may serve when it answers.
    const obstacle = membership.obstacle();
    if (obstacle !== undefined) {
      throw new HttpError(503, "not_serving", obstacle, { headers: { "retry-after": "1" } });
    }
    const { memory } = follower;
    const etag = tagOf(memory.rev);
    const value = key === null ? memory.bytes() : memory.value(key);
    if (value === undefined) {
      throw new HttpError(404, "no_such_key", `there is no such key at revision ${memory.rev}`, {
        headers: { etag },
      });
    }
    if (!matchesNone(request.headers["if-none-match"], etag)) {
      response.writeHead(304, { etag, "cache-control": "no-cache" }).end();
      return;
    }
    response.writeHead(200, {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(value),
      etag,
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
    });
    response.end(request.method === "HEAD" ? undefined : value);
  }

  async function answerFrom(
    minRev: number,
    request: IncomingMessage,
    response: ServerResponse,
    key: string | null,
  ): Promise<void> {
    if (waitingNow >= waiting) throw tooOld(minRev, follower.rev, "too many reads wait already");
    waitingNow += 1;
    try {
      await follower.seek(minRev, AbortSignal.timeout(waitMs));
    } catch {
      throw tooOld(minRev, follower.rev, `it did not come within ${waitMs / 1000} s`);
    } finally {
      waitingNow -= 1;
    }
    answer(request, response, key);
  }

  return (request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") return false;
    const url = request.url ?? "";
    if (url !== "/m" && !url.startsWith("/m/") && !url.startsWith("/m?")) return false;
    try {
      const key = keyOf(url);
      if (key === undefined) return false;
      const minRev = readMinRev(header(request, "if-min-rev"));
      if (minRev <= follower.rev) {
        answer(request, response, key);
      } else {
        answerFrom(minRev, request, response, key).catch((error: unknown) => {
          refuse(response, error);
        });
      }
    } catch (error) {
      refuse(response, error);
    }
    return true;
  };
}

/** The key that a URL names, null for all of M, undefined for other paths. */
function keyOf(url: string): string | null | undefined {
  const path = url.split("?", 1)[0] ?? "";
  if (path === "/m") return null;
  const rest = path.slice("/m/".length);
  // What else lies below /m; a key with a slash in it is written with %2F.
  if (rest === "replicas" || rest.includes("/")) return undefined;
  let key: string;
  try {
    key = decodeURIComponent(rest);
  } catch {
    throw new HttpError(400, "invalid_path", "the path has a wrong percent escape");
  }
  if (key.length > patchLimits.keyLength) {
    throw new HttpError(404, "no_such_key", `no key is longer than ${patchLimits.keyLength}`);
  }
  return key;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

function tooOld(wanted: number, rev: number, why: string): HttpError {
  return new HttpError(
    503,
    "too_old",
    `this replica is at revision ${rev}, and ${wanted} was asked for: ${why}`,
    { headers: { "retry-after": "1" } },
  );
}

function write(response: ServerResponse, { status, code, message, headers }: HttpError): void {
  const body = JSON.stringify(errorBody(code, message));
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(body);
}
