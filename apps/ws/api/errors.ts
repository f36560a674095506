/** What a method of the server API answers when it has no result. */
export interface ApiError {
  readonly code: number;
  readonly message: string;
}

/** The codes are those of the protocol; of the messages, only these are the same everywhere. */
export const apiErrors = {
  internal: { code: 100, message: "internal server error" },
  unknownChannel: { code: 102, message: "unknown channel" },
  notFound: { code: 104, message: "not found" },
  limitExceeded: { code: 106, message: "limit exceeded" },
  badRequest: { code: 107, message: "bad request" },
  notAvailable: { code: 108, message: "not available" },
  tooManyRequests: { code: 111, message: "too many requests" },
  unrecoverablePosition: { code: 112, message: "unrecoverable position" },
} as const satisfies Record<string, ApiError>;

/** Bad input, and what about it is bad. */
export function badRequest(problem: string): ApiError {
  return { code: apiErrors.badRequest.code, message: `bad request: ${problem}` };
}

/** It may or may not have been done; the caller may try again. */
export function internal(problem: string): ApiError {
  return { code: apiErrors.internal.code, message: `internal server error: ${problem}` };
}

export type Outcome<T> =
  { readonly result: T } | { readonly error: ApiError; readonly result?: undefined };

/** The HTTP status of an error in the mode `transport`; in the other it is 200. */
export function statusOf({ code }: ApiError): number {
  switch (code) {
    case apiErrors.unknownChannel.code:
    case apiErrors.notFound.code:
      return 404;
    case apiErrors.limitExceeded.code:
    case apiErrors.badRequest.code:
    case apiErrors.notAvailable.code:
      return 400;
    case apiErrors.tooManyRequests.code:
      return 429;
    case apiErrors.unrecoverablePosition.code:
      return 416;
    default:
      return 500;
  }
}
