import type { Express } from "express";
import { Counter, type Registry as MetricsRegistry } from "prom-client";
import type { Outcome } from "./errors.ts";
import { Executor, type ExecutorOptions } from "./executor.ts";
import { addApiRoutes, type ApiHttpOptions } from "./http.ts";
import { Publisher, type PublisherOptions } from "./publisher.ts";
import type { Batch, Call } from "./requests.ts";

export type ApiOptions = Omit<ApiHttpOptions, "execute"> &
  Omit<ExecutorOptions, "publisher" | "limits"> &
  PublisherOptions & {
    readonly executorLimits: ExecutorOptions["limits"];
    readonly metrics: MetricsRegistry;
  };

/** The server API of one gateway. */
export class Api {
  readonly #options: ApiOptions;
  readonly #publisher: Publisher;
  readonly #executor: Executor;
  readonly #calls: Counter<"method" | "code">;

  constructor(options: ApiOptions) {
    this.#options = options;
    this.#publisher = new Publisher(options);
    this.#executor = new Executor({
      ...options,
      publisher: this.#publisher,
      limits: options.executorLimits,
    });
    this.#calls = new Counter({
      name: "gateway_api_calls_total",
      help: "Calls of the server API that were decoded; code 0: without an error",
      labelNames: ["method", "code"],
      registers: [options.metrics],
    });
  }

  addRoutes(app: Express): void {
    addApiRoutes(app, { ...this.#options, execute: (call) => this.#execute(call) });
  }

  /** Lets go of the channels that it has open. */
  stop(): void {
    this.#publisher.stop();
  }

  async #execute(call: Call | Batch): Promise<Outcome<string>> {
    const outcome = await this.#executor.execute(call);
    const code = outcome.result === undefined ? outcome.error.code : 0;
    this.#calls.inc({ method: call.method, code });
    return outcome;
  }
}
