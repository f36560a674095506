/** The call `console:services`: which processes of which services are there, asked of all of them at once. */
import { randomUUID } from "node:crypto";
import * as z from "zod";
import { type Bus, BusError } from "../lib/bus.ts";
import { infoSubject, infoType } from "../lib/discovery.ts";
import type { Log } from "../lib/log.ts";
import { RpcError, type RpcMethod, type RpcService, serveRpc } from "../lib/rpc.ts";
import type { GatewayConfig } from "./config/options.ts";
import { parseJson } from "./json.ts";
import { findMethod } from "./rpc/methods.ts";

export const servicesMethod = "console:services";

/** Answers the call where the configuration lets clients make it; undefined where it does not. */
export function serveServices(
  options: ServicesOptions & {
    readonly bus: Bus;
    readonly rpc: GatewayConfig["rpc"];
    readonly log: Log;
    /** Once it aborts, no more calls are taken. */
    readonly signal: AbortSignal;
  },
): RpcService | undefined {
  const { bus, rpc, log, signal } = options;
  if ("code" in findMethod(rpc, servicesMethod)) return undefined;
  const { method } = new Services(options);
  return serveRpc({ bus, log, signal, service: "ws", methods: { [servicesMethod]: method } });
}

/** One process of a service. */
export interface ServiceProcess {
  readonly service: string;
  readonly version?: string | undefined;
  readonly instance: string;
  readonly index?: number | undefined;
  readonly startedAt: string;
  /** Whether it does now what it is there for. */
  readonly serving: boolean;
}

export interface ServicesOptions {
  readonly bus: Pick<Bus, "subscribe" | "send" | "flush">;
  /** Answers arrive below it. */
  readonly inboxPrefix: string;
  readonly limits?: Partial<ServicesLimits>;
}

export interface ServicesLimits {
  /** After such a silence nobody else is waited for. */
  readonly silenceMs: number;
  /** Nobody is waited for longer. */
  readonly totalMs: number;
  /** Of answers; further ones are not heard. */
  readonly maxAnswers: number;
  readonly maxAnswerBytes: number;
}

const defaultLimits: ServicesLimits = {
  silenceMs: 200,
  totalMs: 1_000,
  maxAnswers: 1_000,
  maxAnswerBytes: 16 * 1_024,
};

const short = z.string().max(256);
const info = z
  .object({
    type: z.literal(infoType),
    name: short,
    id: short,
    metadata: z.object({
      version: short.optional(),
      instance: short.optional(),
      index: z
        .string()
        .regex(/^\d{1,6}$/)
        .transform(Number)
        .optional(),
      started_at: z.iso.datetime(),
      serving: z.enum(["true", "false"]),
    }),
  })
  .transform(
    ({
      name,
      id,
      metadata: { version, instance = id, index, started_at, serving },
    }): ServiceProcess => ({
      ...{ service: name, version, instance, index },
      ...{ startedAt: started_at, serving: serving === "true" },
    }),
  );

/** Asks who is there. Those who ask at the same time share one question. */
export class Services {
  readonly #options: ServicesOptions;
  readonly #limits: ServicesLimits;
  #asking: Promise<readonly ServiceProcess[]> | undefined;

  constructor(options: ServicesOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  readonly method: RpcMethod = async () => {
    try {
      const services = await this.list();
      return Buffer.from(JSON.stringify({ at: new Date().toISOString(), services }));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      throw new RpcError(503, "NATS does not answer", { cause: error });
    }
  };

  /**
   * Those who answer, by their names, versions and indexes.
   *
   * @throws BusError
   */
  list(): Promise<readonly ServiceProcess[]> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<readonly ServiceProcess[]> {
    const { bus, inboxPrefix } = this.#options;
    const { silenceMs, totalMs, maxAnswers, maxAnswerBytes } = this.#limits;
    const found = new Map<string, ServiceProcess>();
    const done = Promise.withResolvers<undefined>();
    const finish = (): void => {
      done.resolve(undefined);
    };
    let answers = 0;
    let silence: NodeJS.Timeout | undefined;
    const reply = `${inboxPrefix}.services.${randomUUID()}`;
    const subscription = bus.subscribe(reply, (data, { status }) => {
      // The server says that nobody is there; but we are, and hear it ourselves.
      if (status !== undefined) return;
      answers += 1;
      if (answers >= maxAnswers) finish();
      clearTimeout(silence);
      silence = setTimeout(finish, silenceMs);
      if (data.length > maxAnswerBytes) return;
      const parsed = info.safeParse(parseJson(data));
      if (parsed.success) found.set(`${parsed.data.service} ${parsed.data.instance}`, parsed.data);
    });
    const total = setTimeout(finish, totalMs);
    try {
      await subscription.confirmed;
      bus.send(infoSubject, new Uint8Array(), { reply });
      await done.promise;
    } finally {
      clearTimeout(total);
      clearTimeout(silence);
      subscription.unsubscribe();
    }
    return [...found.values()].sort(
      (a, b) =>
        compare(a.service, b.service) ||
        compare(a.version ?? "", b.version ?? "") ||
        (a.index ?? 0) - (b.index ?? 0) ||
        compare(a.instance, b.instance),
    );
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
