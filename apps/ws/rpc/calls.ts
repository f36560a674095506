import { type Bus, BusError, type BusMessage } from "../../lib/bus.ts";
import { rpcHeaders, rpcSubject } from "../../lib/rpc.ts";
import type { GatewayConfig } from "../config/options.ts";
import { errors, type ProtocolError } from "../protocol/codes.ts";
import type { RpcOutcome } from "../protocol/effects.ts";
import type { Payload } from "../protocol/messages.ts";
import { findMethod } from "./methods.ts";

export interface CallLimits {
  /** Of payloads and answers of all calls under way. */
  readonly maxCallBytes: number;
}

export interface CallRequest {
  readonly method: string;
  readonly data: Payload;
  /** Who calls, as JSON. */
  readonly caller: string;
  readonly withinMs: number;
}

/** What came of a call; its answer counts among what is kept until it is let go. */
export interface Call {
  readonly outcome: RpcOutcome;
  readonly letGo: () => void;
}

/** The protocol's own errors, which clients know. */
const known: ReadonlyMap<number, ProtocolError> = new Map(
  Object.values(errors).map((error) => [error.code, error]),
);

/** Calls of methods that services answer, by requests on NATS. */
export class Calls {
  readonly #bus: Pick<Bus, "request">;
  readonly #rpc: GatewayConfig["rpc"];
  readonly #limits: CallLimits;
  readonly #complain: (error: unknown, what: string) => void;
  #count = 0;
  #bytes = 0;

  /** @param complain is told what operators should know */
  constructor(options: {
    readonly bus: Pick<Bus, "request">;
    readonly rpc: GatewayConfig["rpc"];
    readonly limits: CallLimits;
    readonly complain: (error: unknown, what: string) => void;
  }) {
    this.#bus = options.bus;
    this.#rpc = options.rpc;
    this.#limits = options.limits;
    this.#complain = options.complain;
  }

  /** Calls that are not answered yet, or whose answers are still kept. */
  get count(): number {
    return this.#count;
  }

  /** A call of no client: whoever makes it may call every method that is enabled. */
  async callAsService(method: string, data: Payload): Promise<RpcOutcome> {
    const options = findMethod(this.#rpc, method);
    if ("code" in options) return { ok: false, error: options };
    const caller = '{"user":"","client":""}';
    const call = await this.call({ method, data, caller, withinMs: options.timeout });
    call.letGo();
    return call.outcome;
  }

  /** Never rejects. */
  async call({ method, data, caller, withinMs }: CallRequest): Promise<Call> {
    if (
      this.#count >= this.#rpc.total_call_limit ||
      this.#bytes + data.length > this.#limits.maxCallBytes
    ) {
      return { outcome: { ok: false, error: errors.tooManyRequests }, letGo: () => undefined };
    }
    this.#count += 1;
    let kept = data.length;
    this.#bytes += kept;
    const headers = { [rpcHeaders.caller]: caller };
    let outcome: RpcOutcome;
    try {
      const message = await this.#bus.request(rpcSubject(method), data, { withinMs, headers });
      outcome = this.#outcomeOf(message);
    } catch (error) {
      outcome = { ok: false, error: this.#errorOf(error) };
    }
    this.#bytes -= kept;
    kept = outcome.ok ? outcome.data.length : 0;
    this.#bytes += kept;
    if (this.#bytes > this.#limits.maxCallBytes) {
      // It was carried out, and yet there is no room for what came of it.
      outcome = { ok: false, error: errors.internal };
    }
    let isKept = true;
    return {
      outcome,
      letGo: () => {
        if (!isKept) return;
        isKept = false;
        this.#count -= 1;
        this.#bytes -= kept;
      },
    };
  }

  #errorOf(error: unknown): ProtocolError {
    if (error instanceof BusError) {
      if (error.code === "no_responders") return errors.methodNotFound;
      // The client's data, or what its token says of it.
      if (error.code === "too_large") return errors.badRequest;
    }
    this.#complain(error, "a call was not answered");
    return errors.internal;
  }

  #outcomeOf(message: BusMessage): RpcOutcome {
    const code = message.header(rpcHeaders.errorCode);
    const text = message.header(rpcHeaders.errorMessage);
    if (code === undefined && text === undefined) return { ok: true, data: message.data };
    const number = /^\d{1,4}$/.test(code ?? "") ? Number(code) : 0;
    const error = known.get(number);
    const words = (text || error?.message || "").slice(0, 1_000);
    if (error !== undefined) return { ok: false, error: { ...error, message: words } };
    if (number >= 400 && number <= 1_999) {
      return { ok: false, error: { code: number, message: words } };
    }
    const reason = `the answer has an error with the code ${JSON.stringify((code ?? "").slice(0, 20))}`;
    this.#complain(new BusError("unavailable", reason), "a call was answered with a wrong code");
    return { ok: false, error: errors.internal };
  }
}
