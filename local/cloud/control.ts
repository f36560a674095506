/**
 * The local cloud's own API, below `/_local/` at the front door: what runs, and a hard end for a process,
 * so that one can watch how the system recovers. Nothing of it exists on App Engine.
 *
 * Pages of other sites must not reach it: a browser that has one open can send requests to this machine,
 * too, also by a name of its own that leads here.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { KillTarget, Picture } from "./picture.ts";
import { errorBody, type Refusal } from "./refusal.ts";
import { hostName } from "./routing.ts";

export const controlPrefix = "/_local/";

export interface ControlOptions {
  readonly picture: () => Picture;
  /** Kills a process; undefined when there is none of that name, false when it does not run just now. */
  readonly kill: (target: KillTarget) => number | false | undefined;
}

/** Answers a request whose path begins with the prefix. */
export type Control = (
  request: IncomingMessage,
  response: ServerResponse,
  asked: { readonly host: string; readonly path: string },
) => Promise<void>;

const bodyBytes = 4_096;
const name = z.string().min(1).max(100);
const killTarget = z.union([
  z.strictObject({ service: name, version: name, index: z.int().min(0) }),
  z.strictObject({ nats: name }),
]);
const targetRule = "a service with version and index, or nats, as /_local/system has it in `kill`";

export function createControl({ picture, kill }: ControlOptions): Control {
  async function answer(
    request: IncomingMessage,
    { host, path }: { readonly host: string; readonly path: string },
  ): Promise<object> {
    refuseOthers(request, host);
    switch (path) {
      case "/_local/system":
        allow(request, "GET", "HEAD");
        return { at: new Date().toISOString(), ...picture() };
      case "/_local/kill": {
        allow(request, "POST");
        const target = await readTarget(request);
        const killed = kill(target);
        if (killed === undefined) throw refusal(404, "no_such_process", "there is no such process");
        if (killed === false) {
          throw refusal(409, "not_running", "it does not run just now; it is being started");
        }
        return { killed: { pid: killed } };
      }
      default:
        throw refusal(404, "not_found", "there is nothing at this path");
    }
  }

  return async (request, response, asked) => {
    let status = 200;
    let body: string;
    try {
      body = `${JSON.stringify(await answer(request, asked))}\n`;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      ({ status } = error.refusal);
      body = errorBody(error.refusal);
      if (error.allowed !== undefined) response.setHeader("Allow", error.allowed);
    }
    // What was not read of a body must not be taken for another request.
    if (!request.complete) response.setHeader("Connection", "close");
    response.writeHead(status, {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
      "Cross-Origin-Resource-Policy": "same-origin",
      "X-Content-Type-Options": "nosniff",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
}

class ControlError extends Error {
  readonly refusal: Refusal;
  readonly allowed: string | undefined;

  constructor(refusal: Refusal, allowed?: string) {
    super(refusal.message);
    this.refusal = refusal;
    this.allowed = allowed;
  }
}

function refusal(status: number, code: string, message: string): ControlError {
  return new ControlError({ status, code, message });
}

function allow(request: IncomingMessage, ...methods: readonly string[]): void {
  if (methods.includes(request.method ?? "")) return;
  const allowed = methods.join(", ");
  const message = `${request.method ?? ""} is not one of ${allowed}`;
  throw new ControlError({ status: 405, code: "method_not_allowed", message }, allowed);
}

/** Lets through this machine's own names, and pages and programs that were reached by the same. */
function refuseOthers(request: IncomingMessage, host: string): void {
  const named = hostName(host);
  const own = ["localhost", "127.0.0.1", "[::1]"].includes(named) || named.endsWith(".localhost");
  if (!own) throw refusal(403, "other_host", "only by a name of this machine, such as localhost");
  const { origin } = request.headers;
  const site = request.headers["sec-fetch-site"];
  const fromElsewhere =
    (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) ||
    // "none" is a person who typed the address.
    (site !== undefined && site !== "same-origin" && site !== "none");
  if (fromElsewhere) throw refusal(403, "other_site", "only for pages of this very origin");
}

async function readTarget(request: IncomingMessage): Promise<KillTarget> {
  // A form can be sent from anywhere without a question; this type cannot.
  const type = (request.headers["content-type"] ?? "").split(";", 1).join("").trim().toLowerCase();
  if (type !== "application/json") {
    throw refusal(415, "unsupported_media_type", "the body must be application/json");
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyBytes) {
      throw refusal(413, "too_large", `the body is larger than ${bodyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw refusal(400, "invalid_json", "the body is not JSON");
  }
  const result = killTarget.safeParse(body);
  if (result.success) return result.data;
  throw refusal(400, "invalid_argument", `the body is not ${targetRule}`);
}
