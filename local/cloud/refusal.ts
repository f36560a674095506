/** What the front door itself answers, and the form of an answer on a bare connection. */
import { STATUS_CODES } from "node:http";

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** The instance ended the connection before its answer was complete. */
export function broken(error: unknown): Refusal {
  const text = error instanceof Error ? error.message : String(error);
  return { status: 502, code: "bad_gateway", message: `the instance broke off: ${text}` };
}

export function errorBody({ code, message }: Refusal): string {
  return `${JSON.stringify({ error: { code, message } })}\n`;
}

/** @param phrase the reason as the instance gave it, else the usual one */
export function rawHead(
  status: number,
  headers: readonly string[],
  phrase = STATUS_CODES[status] ?? "",
): string {
  const lines = [`HTTP/1.1 ${status} ${phrase}`];
  for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  if (status !== 101) lines.push("Connection: close");
  return `${lines.join("\r\n")}\r\n\r\n`;
}

export function rawResponse(status: number, headers: readonly string[], body: string): string {
  return rawHead(status, [...headers, "Content-Length", String(Buffer.byteLength(body))]) + body;
}
