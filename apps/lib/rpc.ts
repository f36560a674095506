import { type Bus, BusError, type BusMessage } from "./bus.ts";
import type { Log } from "./log.ts";
import { within } from "./within.ts";

/**
 * Calls of clients on NATS, as the websocket gateway makes them: method `sum` is a request on `rpc.sum`,
 * `shop:order` one on `rpc.shop.order`. Who calls is in a header, and errors are answered in those of
 * NATS's own services, so that whatever answers such requests can answer calls.
 */
export const rpcHeaders = {
  /** JSON: `{"user", "client", "info"?, "meta"?}`. */
  caller: "Centrifuge-Caller",
  errorCode: "Nats-Service-Error-Code",
  errorMessage: "Nats-Service-Error",
} as const;

/** The subject of a method whose name is one token, or a namespace, a colon and one token. */
export function rpcSubject(method: string): string {
  return `rpc.${method.replace(":", ".")}`;
}

/** Who calls. Only gateways may publish calls, so it can be believed. */
export interface RpcCaller {
  /** Empty: an anonymous client. */
  readonly user: string;
  /** Names the connection; empty: it is no client that calls, but a service. */
  readonly client: string;
  /** What the token says of the client to everybody. */
  readonly info: unknown;
  /** What the token says of the client to servers. */
  readonly meta: unknown;
}

/** What a caller is answered in place of a result. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  /** 400 to 1999; those below are the protocol's own. */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** @throws RpcError for the caller; anything else is a bug, which is answered with 100 and logged */
export type RpcMethod = (data: Uint8Array, caller: RpcCaller) => Promise<Uint8Array>;

export interface RpcOptions {
  readonly bus: Pick<Bus, "subscribe" | "send">;
  readonly log: Log;
  /** The service: of all its instances, one gets each call. */
  readonly service: string;
  readonly methods: Readonly<Record<string, RpcMethod>>;
  /** Once it aborts, no more calls are taken. */
  readonly signal: AbortSignal;
  /** Calls under way; more are refused. */
  readonly maxUnderWay?: number;
}

export interface RpcService {
  /** Resolves when all calls are answered that came before the signal aborted, or after the time. */
  whenDone(withinMs: number): Promise<void>;
}

/** Answers calls until the signal aborts. */
export function serveRpc(options: RpcOptions): RpcService {
  const { bus, log, service, methods, signal, maxUnderWay = 256 } = options;
  const underWay = new Set<Promise<void>>();

  const subscriptions = Object.entries(methods).map(([name, method]) => {
    const take = (data: Uint8Array, message: BusMessage): void => {
      // Where nobody waits for an answer, nobody calls.
      if (message.reply === undefined) return;
      if (underWay.size >= maxUnderWay) {
        answerError(options, message.reply, new RpcError(111, "too many requests"));
        return;
      }
      const work = perform(options, method, message.reply, data, message).finally(() => {
        underWay.delete(work);
      });
      underWay.add(work);
    };
    return bus.subscribe(rpcSubject(name), take, { group: service });
  });

  const done = Promise.withResolvers<undefined>();
  const stop = async (): Promise<void> => {
    await Promise.all(subscriptions.map((subscription) => subscription.drain()));
    await Promise.all(underWay);
    done.resolve(undefined);
  };
  if (signal.aborted) void stop();
  else signal.addEventListener("abort", () => void stop(), { once: true });

  return {
    whenDone: async (withinMs) => {
      const late = (): Error => new Error("too late");
      await within(done.promise, withinMs, late).catch(() => {
        log.warn({ calls: underWay.size }, "calls are still under way");
      });
    },
  };
}

async function perform(
  options: RpcOptions,
  method: RpcMethod,
  reply: string,
  data: Uint8Array,
  message: BusMessage,
): Promise<void> {
  const { bus, log } = options;
  let result: Uint8Array;
  try {
    result = await method(data, decodeCaller(message.header(rpcHeaders.caller)));
  } catch (error) {
    if (!(error instanceof RpcError)) {
      log.error({ err: error, subject: message.subject }, "bug: a call failed");
    }
    answerError(options, reply, error instanceof RpcError ? error : internal());
    return;
  }
  try {
    bus.send(reply, result);
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    log.warn({ reason: error.message, subject: message.subject }, "an answer cannot be sent");
    if (error.code === "too_large") answerError(options, reply, internal());
  }
}

function answerError({ bus, log }: RpcOptions, reply: string, error: RpcError): void {
  const headers = {
    [rpcHeaders.errorCode]: String(error.code),
    // A header is one line, and some words are enough for a person.
    [rpcHeaders.errorMessage]: error.message.replaceAll(/\s+/g, " ").slice(0, 1_000),
  };
  try {
    bus.send(reply, new Uint8Array(), { headers });
  } catch (cause) {
    if (!(cause instanceof BusError)) throw cause;
    log.warn({ reason: cause.message }, "an answer cannot be sent");
  }
}

function internal(): RpcError {
  return new RpcError(100, "internal server error");
}

/** Who calls, by the header. Whoever may publish calls without one is no client's gateway. */
function decodeCaller(header: string | undefined): RpcCaller {
  if (header === undefined) return { user: "", client: "", info: undefined, meta: undefined };
  try {
    const caller: unknown = JSON.parse(header);
    if (typeof caller === "object" && caller !== null) {
      const { user, client, info, meta } = caller as Readonly<Record<string, unknown>>;
      if (typeof user === "string" && typeof client === "string") {
        return { user, client, info, meta };
      }
    }
  } catch {
    // As any other header that says not who calls.
  }
  throw new RpcError(107, "bad request");
}
