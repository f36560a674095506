import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Environment,
  EnvironmentError,
  type EnvironmentReader,
  readEnvironment,
  readServiceSettings,
  type ServiceSettings,
} from "./environment.ts";
import { createLog, type Log } from "./log.ts";
import { createHttpServer } from "./server.ts";

/** What a service's wiring is given. */
export interface ServiceContext<T> {
  readonly settings: ServiceSettings & T;
  readonly log: Log;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
}

/** What a service's wiring answers. */
export interface Service {
  readonly handler: RequestListener;
  /** Adds what is not a plain request, such as upgrades. */
  readonly attach?: (server: Server) => void;
  /** Ends what the service owns, besides the HTTP server; called once requests are no longer taken. */
  readonly stop?: () => Promise<void>;
  /** How long `stop` may take; absent: what App Engine standard leaves. */
  readonly stopWithinMs?: number;
}

/** Requests that are under way when the service stops may take so long. */
const finishMs = 1_000;
/** App Engine standard kills an instance 2 s after SIGTERM; what still runs now is not waited for. */
export const exitMs = 1_800;
/** A reconnect storm overflows Node's default of 511, and each overflow costs a client a second. */
const listenBacklog = 4_096;

/**
 * Runs a service: decodes the environment, builds it, listens, and stops it on SIGTERM or SIGINT with
 * exit code 0. Exit code 1 and one line that says everything that is wrong when it cannot start.
 *
 * @param options.read the service's own settings
 */
export function runService<T>(options: {
  readonly name: string;
  readonly read: (reader: EnvironmentReader) => T;
  /** What it throws ends the start. */
  readonly build: (context: ServiceContext<T>) => Service;
}): void {
  const readable = process.stdout.isTTY;
  const sink = process.stdout;
  let settings: ServiceSettings & T;
  try {
    settings = read(options, process.env);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    const log = createLog(
      { service: options.name, version: undefined, instance: undefined },
      { sink, readable },
    );
    log.fatal({ problems: error.problems }, error.message);
    process.exitCode = 1;
    return;
  }

  const log = createLog(settings, { sink, readable });
  const stopping = new AbortController();
  let service: Service;
  try {
    service = options.build({ settings, log, signal: stopping.signal });
  } catch (error) {
    log.fatal({ err: error }, "cannot start");
    process.exitCode = 1;
    return;
  }
  const server = createHttpServer(service.handler);
  service.attach?.(server);

  server.on("error", (error) => {
    log.fatal({ err: error }, "cannot listen");
    process.exit(1);
  });
  server.listen({ port: settings.port, host: settings.host, backlog: listenBacklog }, () => {
    const { port } = server.address() as AddressInfo;
    const startMs = Math.round(performance.now());
    log.info({ host: settings.host, port, process: process.pid, startMs }, "listening");
  });

  const stop = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted) return;
    log.info({ signal }, "stopping");
    stopping.abort();
    setTimeout(() => {
      log.warn({}, "stopped before everything had ended");
      process.exit(0);
    }, service.stopWithinMs ?? exitMs).unref();
    void stopService(server, service).then(
      () => {
        log.info({}, "stopped");
      },
      (error: unknown) => {
        log.error({ err: error }, "stopping failed");
      },
    );
  };
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "bug: uncaught error");
    process.exit(1);
  });
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function read<T>(
  options: { readonly name: string; readonly read: (reader: EnvironmentReader) => T },
  env: Environment,
): ServiceSettings & T {
  return readEnvironment(env, (reader) => ({
    ...readServiceSettings(reader, options.name),
    ...options.read(reader),
  }));
}

async function stopService(server: Server, service: Service): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  // A connection becomes idle when its last answer is out, and nothing else would close it then.
  const idle = setInterval(() => {
    server.closeIdleConnections();
  }, 20);
  const cut = (): NodeJS.Timeout =>
    setTimeout(() => {
      server.closeAllConnections();
    }, finishMs);
  let cutting: NodeJS.Timeout;
  if (service.attach === undefined) {
    cutting = cut();
    await closed;
    await service.stop?.();
  } else {
    // Connections that were upgraded, and answers without an end, belong to the service, which ends them.
    await service.stop?.();
    cutting = cut();
    await closed;
  }
  clearInterval(idle);
  clearTimeout(cutting);
}
