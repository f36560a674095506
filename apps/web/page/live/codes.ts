/**
 * What codes of the gateway and of its client mean, in words for the person in front of the page.
 * docs/realtime.md has all of them.
 */

import { capitalized } from "../ui/format.ts";

/** Why a call, a publication or a question was not answered with success. */
export class CallError extends Error {
  /** Of the protocol from 100 on, of a service from 400 on; below 100 the client's own. */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CallError";
    this.code = code;
  }
}

/** The client's own codes, which say that nothing was asked, or that nobody knows whether it was done. */
export const clientCodes = { timeout: 1, disconnected: 3, connectionClosed: 11 } as const;

const errorSentences: Readonly<Record<number, string>> = {
  [clientCodes.timeout]: "there was no answer in time",
  [clientCodes.disconnected]: "the page is not connected",
  7: "the page is not subscribed to the channel",
  10: "the connection broke before it could be sent",
  [clientCodes.connectionClosed]: "the connection broke before the answer came",
  100: "the gateway could not do it just now; trying again may help",
  102: "the gateway knows no such namespace",
  103: "the gateway does not allow it; another token may",
  104: "no service answers to this method",
  105: "the gateway has subscribed this client already",
  106: "this client has as many channels as it may have",
  107: "the gateway takes it for no valid request",
  108: "the gateway does not offer this here",
  109: "the token has ended",
  110: "what the token grants is over",
  111: "too much at once; trying again later helps",
  112: "the history begins anew: the position is of another epoch",
};

const endSentences: Readonly<Record<number, string>> = {
  1: "The token has ended, or there is none to be had.",
  2: "What came was not the protocol.",
  3: "A message was larger than the gateway takes.",
  102: "The token names a channel in a namespace that the gateway does not know.",
  103: "The gateway does not allow this connection.",
  109: "The token has ended.",
  110: "What the token grants is over.",
  3500: "The gateway does not accept the token: its signature, its issuer or its audience is not what it wants.",
  3501: "The gateway wants a token.",
  3502: "The gateway waited in vain for the page.",
  3503: "A service has ended this connection.",
  3504: "This user has as many connections as the gateway allows.",
  3505: "The token names more channels than one client may have.",
  3507: "The token names no user, and the gateway wants one.",
  3508: "The gateway takes no messages of this kind.",
};

/** What an error of a call means; the gateway's own words where there are no better ones. */
export function errorSentence(code: number, message: string): string {
  return errorSentences[code] ?? (message === "" ? `error ${code}` : message);
}

/** Why the connection is over for good. */
export function endSentence(code: number, reason: string): string {
  const said = reason === "" ? "The connection has ended." : `${capitalized(reason)}.`;
  return `${endSentences[code] ?? said} (${code}: ${reason})`;
}

/** Whatever a promise of the client was rejected with, as an error that says what it means. */
export function callError(cause: unknown): CallError {
  if (cause instanceof CallError) return cause;
  const { code, message } = partsOf(cause);
  return new CallError(code, errorSentence(code, message), { cause });
}

/** What is asked for without a connection. */
export function notConnected(): CallError {
  const { disconnected } = clientCodes;
  return new CallError(disconnected, errorSentence(disconnected, ""));
}

function partsOf(error: unknown): { code: number; message: string } {
  if (typeof error !== "object" || error === null) return { code: 0, message: String(error) };
  const code = "code" in error && typeof error.code === "number" ? error.code : 0;
  const message = "message" in error && typeof error.message === "string" ? error.message : "";
  return { code, message };
}
