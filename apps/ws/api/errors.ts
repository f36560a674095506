import { errors } from "../protocol/codes.ts";

/** What a method of the server API answers when it has no result; the codes are those of the protocol. */
export interface ApiError {
  readonly code: number;
  readonly message: string;
}

/** Bad input, and what about it is bad. */
export function badRequest(problem: string): ApiError {
  return { code: errors.badRequest.code, message: `bad request: ${problem}` };
}

/** It may or may not have been done; the caller may try again. */
export function internal(problem: string): ApiError {
  return { code: errors.internal.code, message: `internal server error: ${problem}` };
}

export type Outcome<T> =
  { readonly result: T } | { readonly error: ApiError; readonly result?: undefined };

/** An error as answers have it. */
export function errorText({ code, message }: ApiError): string {
  return JSON.stringify({ error: { code, message } });
}

/** The HTTP status of an error in the mode `transport`; in the other it is 200. */
export function statusOf({ code }: ApiError): number {
  return statuses.get(code) ?? 500;
}

const statuses: ReadonlyMap<number, number> = new Map([
  [errors.unknownChannel.code, 404],
  [errors.methodNotFound.code, 404],
  [errors.limitExceeded.code, 400],
  [errors.badRequest.code, 400],
  [errors.notAvailable.code, 400],
  [errors.tooManyRequests.code, 429],
  [errors.unrecoverablePosition.code, 416],
]);
