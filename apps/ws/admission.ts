import type { Bus } from "../lib/bus.ts";
import { connectionObstacle } from "../lib/bus.ts";
import { stopping } from "../lib/health.ts";
import { RateLimit } from "./rate-limit.ts";

/** A connection that is not granted, as HTTP has it. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AdmissionOptions {
  readonly bus: Bus;
  /** Once it aborts, nobody is taken any more. */
  readonly signal: AbortSignal;
  /** Of connections that are open or about to. */
  readonly maxConnections: number;
  /** 0: any number. */
  readonly maxPerSecond: number;
  /** How many are open. */
  readonly open: () => number;
}

/** Whether the gateway takes one more connection, whatever it comes by. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #rate: RateLimit;
  #opening = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#rate = new RateLimit(options.maxPerSecond, performance.now());
  }

  /** Why there cannot be one more now; if there is no reason, it is counted as one that has come. */
  refusal(): Refusal | undefined {
    const reason = this.#obstacle(0);
    if (reason !== undefined) return unavailable(reason);
    if (this.#rate.take(performance.now())) return undefined;
    return unavailable("too many connections are opened at a time");
  }

  /**
   * Has a connection count while it is made ready.
   *
   * @param work may ask why it cannot be opened after all
   */
  async opening<T>(work: (late: () => Refusal | undefined) => Promise<T>): Promise<T> {
    this.#opening += 1;
    try {
      return await work(() => {
        const reason = this.#obstacle(1);
        return reason === undefined ? undefined : unavailable(reason);
      });
    } finally {
      this.#opening -= 1;
    }
  }

  /** @param own how many of those that are being opened are the caller's own */
  #obstacle(own: number): string | undefined {
    const { signal, bus, maxConnections, open } = this.#options;
    const reason = signal.aborted ? stopping : connectionObstacle(bus);
    if (reason !== undefined) return reason;
    if (open() + this.#opening - own < maxConnections) return undefined;
    return `this instance holds its ${maxConnections} connections already`;
  }
}

export function unavailable(message: string): Refusal {
  return { status: 503, code: "unavailable", message, headers: { "retry-after": "1" } };
}
