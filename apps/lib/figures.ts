import type { Bus } from "./bus.ts";
import type { Log } from "./log.ts";

/**
 * How often a process writes down its figures. Often enough for an alert; a line of a kilobyte each minute
 * is 43 MB of logs a month for each instance.
 */
const minuteMs = 60_000;

export interface FiguresOptions {
  readonly log: Log;
  /** Ends the reports, with a last one that has what the minute before it would have had. */
  readonly signal: AbortSignal;
  readonly everyMs?: number;
}

/**
 * Writes the same constant text with other figures each minute. Nothing scrapes the instances of App
 * Engine: metrics are made of these lines (components/lib/log-metrics.ts).
 *
 * @param read numbers, never a name or a payload; counts are those since the last call
 */
export function reportFigures(
  text: string,
  read: () => Readonly<Record<string, number>>,
  { log, signal, everyMs = minuteMs }: FiguresOptions,
): void {
  if (signal.aborted) return;
  const write = (): void => {
    log.info(read(), text);
  };
  // It must not keep a process alive that has nothing else to do.
  const timer = setInterval(write, everyMs).unref();
  signal.addEventListener(
    "abort",
    () => {
      clearInterval(timer);
      write();
    },
    { once: true },
  );
}

/** How long NATS was away. */
export class NatsAway {
  readonly #now: () => number;
  #since: number | undefined;
  #totalMs = 0;

  constructor(
    bus: Pick<Bus, "connected" | "onChange">,
    now: () => number = () => performance.now(),
  ) {
    this.#now = now;
    if (!bus.connected) this.#since = now();
    bus.onChange((connected) => {
      if (connected) this.#add(undefined);
      else this.#since ??= now();
    });
  }

  /** Milliseconds without a connection since this was last asked. */
  takeMs(): number {
    this.#add(this.#since === undefined ? undefined : this.#now());
    const ms = Math.round(this.#totalMs);
    this.#totalMs = 0;
    return ms;
  }

  #add(since: number | undefined): void {
    if (this.#since !== undefined) this.#totalMs += this.#now() - this.#since;
    this.#since = since;
  }
}
