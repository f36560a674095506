import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { errorBody } from "../../lib/http.ts";
import type { Refusal } from "../admission.ts";
import { topicProblem } from "../topic.ts";

/** What an upgrade asks for. */
export type Wanted =
  | { readonly endpoint: "raw"; readonly topic: string; readonly query: URLSearchParams }
  | { readonly endpoint: "protocol"; readonly query: URLSearchParams };

/**
 * Decides by the request alone whether it asks for a websocket, and for which.
 *
 * @param protocolPath where the Centrifuge protocol is spoken
 */
export function readUpgrade(
  request: Pick<IncomingMessage, "method" | "url" | "headers">,
  protocolPath = "/connection/websocket",
): Wanted | Refusal {
  const [path = "", ...more] = (request.url ?? "").split("?");
  const query = new URLSearchParams(more.join("?"));
  const encoded = /^\/ws\/([^/]*)$/.exec(path)?.[1];
  if (encoded === undefined && path !== protocolPath) {
    return {
      status: 404,
      code: "not_found",
      message: `websockets are at ${protocolPath} and at /ws/<topic>`,
    };
  }
  if (request.method !== "GET") {
    return {
      status: 405,
      code: "method_not_allowed",
      message: "a websocket begins with GET",
      headers: { allow: "GET" },
    };
  }
  let wanted: Wanted = { endpoint: "protocol", query };
  if (encoded !== undefined) {
    const topic = decode(encoded);
    const problem =
      topic === undefined ? "the topic has a wrong percent escape" : topicProblem(topic);
    if (topic === undefined || problem !== undefined) {
      return { status: 400, code: "invalid_topic", message: problem ?? "" };
    }
    wanted = { endpoint: "raw", topic, query };
  }
  const { "sec-websocket-key": key, "sec-websocket-version": version } = request.headers;
  if (version !== "13") {
    return {
      status: 426,
      code: "unsupported_version",
      message: "Sec-WebSocket-Version must be 13",
      headers: { "sec-websocket-version": "13", upgrade: "websocket" },
    };
  }
  if (key === undefined || !/^[+/0-9A-Za-z]{22}==$/.test(key)) {
    return {
      status: 400,
      code: "invalid_handshake",
      message: "Sec-WebSocket-Key must be 16 bytes in base64",
    };
  }
  return wanted;
}

/** Answers an upgrade with a plain response and ends the connection. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const body = JSON.stringify(errorBody(refusal.code, refusal.message));
  const headers = {
    connection: "close",
    "content-type": "application/json; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...refusal.headers,
  };
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ""}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
