import type { IncomingMessage } from "node:http";
import { HttpError } from "../../lib/http.ts";

export interface BodyLimits {
  /** Of all bodies that are being read or worked on. */
  readonly maxTotalBytes: number;
  /** How long a body may take to come. */
  readonly withinMs: number;
}

/** Memory that a request takes beside its body, roughly. */
export const bytesPerRequest = 1_024;

/** Reads small bodies of any type as they are, and bounds what all of them together take. */
export class Bodies {
  readonly #limits: BodyLimits;
  #totalBytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** What is kept of all bodies, and for them, at the moment. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /**
   * Reads a body and hands it over; it counts until the work is done.
   *
   * @throws HttpError when it is too large, too slow, compressed or incomplete, or too much is under way
   */
  async with<T>(
    request: IncomingMessage,
    maxBytes: number,
    work: (body: Buffer) => T | Promise<T>,
  ): Promise<T> {
    const encoding = request.headers["content-encoding"] ?? "identity";
    if (encoding !== "identity") {
      throw new HttpError(415, "unsupported_media_type", "the body must not be compressed");
    }
    const chunks: Buffer[] = [];
    let reserved = 0;
    const reserve = (bytes: number): void => {
      if (reserved + bytes > bytesPerRequest + maxBytes) throw tooLarge(maxBytes);
      if (this.#totalBytes + bytes > this.#limits.maxTotalBytes) throw crowded();
      reserved += bytes;
      this.#totalBytes += bytes;
    };
    try {
      await this.#read(request, (chunk) => {
        if (reserved === 0) reserve(bytesPerRequest);
        reserve(chunk.length);
        chunks.push(chunk);
      });
      const [first] = chunks;
      return await work(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks));
    } finally {
      this.#totalBytes -= reserved;
    }
  }

  /** Reads to the end, also what is not wanted: who is cut off while sending does not see the answer. */
  async #read(request: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
    const done = Promise.withResolvers<undefined>();
    let refusal: unknown;
    const onData = (chunk: Buffer): void => {
      if (refusal !== undefined) return;
      try {
        take(chunk);
      } catch (error) {
        refusal = error;
      }
    };
    const onEnd = (): void => {
      if (refusal === undefined) done.resolve(undefined);
      else done.reject(refusal);
    };
    const onClose = (): void => {
      done.reject(new HttpError(400, "incomplete_body", "the body ended before its length"));
    };
    const timer = setTimeout(() => {
      const headers = { connection: "close" };
      done.reject(new HttpError(408, "too_slow", "the body did not come in time", { headers }));
    }, this.#limits.withinMs);
    request.on("data", onData).once("end", onEnd).once("close", onClose);
    if (request.destroyed) onClose();
    try {
      await done.promise;
    } finally {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose);
    }
  }
}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, "too_large", `the body is larger than ${limit} bytes`);
}

function crowded(): HttpError {
  const headers = { "retry-after": "1" };
  return new HttpError(503, "unavailable", "too many requests are under way", { headers });
}
