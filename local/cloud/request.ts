/** What a request asks for, and whether that can be told without doubt. */
import type { IncomingMessage } from "node:http";
import type { Refusal } from "./refusal.ts";

/** Paths by which the platform itself talks to an instance. */
const platformPaths = new Set(["/_ah/start", "/_ah/stop", "/_ah/warmup", "/_ah/background"]);

export function isWebsocket(request: IncomingMessage): boolean {
  return request.method === "GET" && request.headers.upgrade?.toLowerCase() === "websocket";
}

/** Host, path and target of a request; a refusal when they, or where its body ends, are doubtful. */
export function parse(
  request: IncomingMessage,
): { host: string; target: string; path: string } | Refusal {
  const bad = (message: string): Refusal => ({ status: 400, code: "bad_request", message });
  const encoding = request.headers["transfer-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "chunked") {
    return { status: 501, code: "bad_encoding", message: "Transfer-Encoding: chunked only" };
  }
  if (isWebsocket(request) && bodyFraming(request)[1] !== undefined) {
    return bad("an upgrade has no body");
  }
  const hosts = request.rawHeaders.filter((text, i) => i % 2 === 0 && /^host$/i.test(text));
  if (hosts.length > 1) return bad("more than one Host");
  let host = request.headers.host ?? "";
  let target = request.url ?? "";
  if (!target.startsWith("/")) {
    // The absolute form, which a server must take and which overrides Host (RFC 9112 §3.2.2).
    const form = /^https?:\/\/([^/?#@]+)([/?].*)?$/i.exec(target);
    if (form?.[1] === undefined) return bad("the request's target is no path");
    host = form[1];
    target = form[2] ?? "/";
    if (target.startsWith("?")) target = `/${target}`;
  }
  if (!/^[\w.:[\]-]*$/.test(host)) return bad("the Host is no host");
  const path = target.split("?")[0] ?? target;
  if (platformPaths.has(plainPath(path))) {
    return { status: 403, code: "forbidden", message: "only the platform itself may ask this" };
  }
  return { host, target, path };
}

/** As a lenient framework in an app would understand the path. */
function plainPath(path: string): string {
  let plain = path;
  try {
    plain = decodeURIComponent(path);
  } catch {
    // Not decodable: then no app takes it for a platform path either.
  }
  return plain.toLowerCase().replace(/\/+/g, "/").replace(/\/$/, "");
}

/** How the request's body is framed, from what the parser made of it. */
export function bodyFraming(request: IncomingMessage): string[] {
  if (request.headers["transfer-encoding"] !== undefined) return ["Transfer-Encoding", "chunked"];
  const length = request.headers["content-length"];
  return length === undefined ? [] : ["Content-Length", length];
}
