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

/** A body, whole or not. */
interface Reading {
  readonly chunks: Buffer[];
  /** What is kept of it, and for it. */
  bytes: number;
  /** Why it is not wanted; what still comes of it is dropped. */
  refusal: HttpError | undefined;
  readonly whole: PromiseWithResolvers<undefined>;
}

/**
 * Reads small bodies of any type as they are, and bounds what all of them together take. Where there is no
 * room, those that are not whole give way, the oldest first: who sends a body and then no end keeps nobody
 * else from being heard.
 */
export class Bodies {
  readonly #limits: BodyLimits;
  /** Those that are not whole, in the order in which they began. */
  readonly #unfinished = new Set<Reading>();
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
    const reading: Reading = {
      chunks: [],
      bytes: 0,
      refusal: undefined,
      whole: Promise.withResolvers(),
    };
    this.#unfinished.add(reading);
    try {
      await this.#read(request, reading, maxBytes);
      this.#unfinished.delete(reading);
      const { chunks } = reading;
      const [first] = chunks;
      return await work(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks));
    } finally {
      this.#unfinished.delete(reading);
      this.#drop(reading);
    }
  }

  /** Reads to the end, also what is too large: who is cut off while sending does not see the answer. */
  async #read(request: IncomingMessage, reading: Reading, maxBytes: number): Promise<void> {
    const { whole } = reading;
    const onData = (chunk: Buffer): void => {
      if (reading.refusal === undefined) this.#take(reading, chunk, maxBytes);
    };
    const onEnd = (): void => {
      if (reading.refusal === undefined) whole.resolve(undefined);
      else whole.reject(reading.refusal);
    };
    const onClose = (): void => {
      whole.reject(new HttpError(400, "incomplete_body", "the body ended before its length"));
    };
    const timer = setTimeout(() => {
      const headers = { connection: "close" };
      whole.reject(new HttpError(408, "too_slow", "the body did not come in time", { headers }));
    }, this.#limits.withinMs);
    request.on("data", onData).once("end", onEnd).once("close", onClose);
    if (request.destroyed) onClose();
    try {
      await whole.promise;
    } finally {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose);
    }
  }

  #take(reading: Reading, chunk: Buffer, maxBytes: number): void {
    const bytes = chunk.length + (reading.bytes === 0 ? bytesPerRequest : 0);
    if (reading.bytes + bytes > bytesPerRequest + maxBytes) {
      reading.refusal = tooLarge(maxBytes);
      this.#drop(reading);
    } else if (this.#makeRoom(bytes, reading)) {
      reading.bytes += bytes;
      this.#totalBytes += bytes;
      reading.chunks.push(chunk);
    } else {
      reading.refusal = crowded();
      this.#drop(reading);
    }
  }

  /** Whether there is room now. */
  #makeRoom(bytes: number, reading: Reading): boolean {
    const { maxTotalBytes } = this.#limits;
    for (const other of this.#unfinished) {
      if (this.#totalBytes + bytes <= maxTotalBytes) return true;
      if (other === reading || other.bytes === 0) continue;
      this.#drop(other);
      other.refusal = crowded({ connection: "close" });
      // Nobody waits for the rest of it.
      other.whole.reject(other.refusal);
    }
    return this.#totalBytes + bytes <= maxTotalBytes;
  }

  #drop(reading: Reading): void {
    this.#totalBytes -= reading.bytes;
    reading.bytes = 0;
    reading.chunks.length = 0;
  }
}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, "too_large", `the body is larger than ${limit} bytes`);
}

function crowded(headers: Readonly<Record<string, string>> = {}): HttpError {
  return new HttpError(503, "unavailable", "too many requests are under way", {
    headers: { "retry-after": "1", ...headers },
  });
}
