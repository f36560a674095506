import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Transport, Wire } from "./transport/wire.ts";

/** What is read at intervals, as totals since the start. */
export interface Totals {
  readonly opened: number;
  readonly published: number;
  readonly slowCloses: number;
  readonly recoveries: number;
  readonly failedRecoveries: number;
}

/** By what a client came: a raw websocket, or one of the wires of the protocol. */
type Way = "raw" | Wire;
type WayLabels = "transport" | "encoding";

/** What the gateway counts, in names of its own (`gateway_…`). */
export class Metrics {
  readonly #connects: Counter<WayLabels>;
  readonly #disconnects: Counter<WayLabels | "code">;
  readonly #refusals: Counter<"transport" | "status">;
  readonly #published: Counter;
  readonly #slowCloses: Counter<WayLabels>;
  readonly incompletePresence: Counter;
  readonly #commands: Counter<"method">;
  readonly #errors: Counter<"code">;
  readonly #recoveries: Counter<"recovered">;
  readonly subscribeSeconds: Histogram;
  readonly callSeconds: Histogram;
  /** The same beside the counters, which can only be read asynchronously. */
  readonly #totals = {
    opened: 0,
    published: 0,
    slowCloses: 0,
    recoveries: 0,
    failedRecoveries: 0,
  };

  /**
   * @param live what is read when somebody asks: each becomes a gauge
   */
  constructor(
    registry: Registry,
    live: Readonly<Record<string, readonly [help: string, () => number]>>,
  ) {
    const registers = [registry];
    this.#connects = new Counter({
      name: "gateway_connects_total",
      help: "Connections that were opened",
      labelNames: ["transport", "encoding"],
      registers,
    });
    this.#disconnects = new Counter({
      name: "gateway_disconnects_total",
      help: "Connections that have ended; code is that of the gateway's close, or 0 when the peer ended it",
      labelNames: ["transport", "encoding", "code"],
      registers,
    });
    this.#refusals = new Counter({
      name: "gateway_refusals_total",
      help: "Connections that were not opened, and requests to /emulation that failed",
      labelNames: ["transport", "status"],
      registers,
    });
    this.#published = new Counter({
      name: "gateway_publications_total",
      help: "Publications that clients made and NATS took",
      registers,
    });
    this.#slowCloses = new Counter({
      name: "gateway_slow_closes_total",
      help: "Connections that were closed because too much was waiting for them",
      labelNames: ["transport", "encoding"],
      registers,
    });
    this.incompletePresence = new Counter({
      name: "gateway_incomplete_presence_total",
      help: "Questions for presence that some gateway did not answer in time",
      registers,
    });
    this.#commands = new Counter({
      name: "gateway_commands_total",
      help: "Commands of clients",
      labelNames: ["method"],
      registers,
    });
    this.#errors = new Counter({
      name: "gateway_command_errors_total",
      help: "Commands that were answered with an error",
      labelNames: ["code"],
      registers,
    });
    this.#recoveries = new Counter({
      name: "gateway_recoveries_total",
      help: "Subscriptions that asked to recover",
      labelNames: ["recovered"],
      registers,
    });
    this.subscribeSeconds = new Histogram({
      name: "gateway_subscribe_seconds",
      help: "From a subscribe command to its answer",
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 5],
      registers,
    });
    this.callSeconds = new Histogram({
      name: "gateway_call_seconds",
      help: "From a call of a service to its answer, or to its end without one",
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 5],
      registers,
    });
    for (const [name, [help, value]] of Object.entries(live)) {
      new Gauge({
        name: `gateway_${name}`,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    }
  }

  get totals(): Totals {
    return { ...this.#totals };
  }

  opened(way: Way): void {
    this.#totals.opened += 1;
    this.#connects.inc(labelsOf(way));
  }

  /** @param code of the gateway's close; 0: the peer ended it */
  closed(way: Way, code: number): void {
    this.#disconnects.inc({ ...labelsOf(way), code });
  }

  /** @param transport what the refused request was for */
  refused(transport: "raw" | Transport | "emulation", status: number): void {
    this.#refusals.inc({ transport, status });
  }

  published(): void {
    this.#totals.published += 1;
    this.#published.inc();
  }

  closedAsSlow(way: Way): void {
    this.#totals.slowCloses += 1;
    this.#slowCloses.inc(labelsOf(way));
  }

  command(method: string): void {
    this.#commands.inc({ method });
  }

  error(code: number): void {
    this.#errors.inc({ code });
  }

  recovery(recovered: boolean): void {
    this.#totals.recoveries += 1;
    if (!recovered) this.#totals.failedRecoveries += 1;
    this.#recoveries.inc({ recovered: String(recovered) });
  }
}

function labelsOf(way: Way): Partial<Record<WayLabels, string>> {
  return way === "raw"
    ? { transport: way }
    : { transport: way.transport, encoding: way.codec.name };
}
