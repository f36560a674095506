import { type Bus, BusError, type BusSubscription } from "../../lib/bus.ts";
import type { EmulationRequest } from "./request.ts";
import type { Sessions } from "./sessions.ts";

/** Gateways name themselves so. Whatever else a client says is none, and no subject of NATS. */
const nodePattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** As `newSession` makes it; it goes into a header. */
const sessionPattern = /^[\w-]{1,64}$/;
const sessionHeader = "Gateway-Session";
const nothing = new Uint8Array(0);

/** What became of it: `unknown_node`, there is no such gateway, or not any more. */
export type Outcome = "taken" | "unknown_node" | "too_large" | "unavailable";

/**
 * Brings what a client sent to the gateway that holds its stream: requests may arrive anywhere, so that
 * nobody needs a load balancer that remembers clients.
 *
 * One gateway's requests for another one keep their order on the way.
 */
export class Forwarding {
  /** This gateway's id. */
  readonly node: string;
  readonly #bus: Bus;
  readonly #sessions: Sessions;
  readonly #withinMs: number;
  readonly #subscription: BusSubscription;

  constructor(options: {
    readonly bus: Bus;
    readonly node: string;
    readonly sessions: Sessions;
    readonly withinMs: number;
  }) {
    this.#bus = options.bus;
    this.node = options.node;
    this.#sessions = options.sessions;
    this.#withinMs = options.withinMs;
    this.#subscription = this.#bus.subscribe(subjectOf(this.node), (data, message) => {
      const session = message.header(sessionHeader);
      if (session === undefined) return;
      // The bytes are a piece of a larger read buffer, which a command that waits would keep.
      this.#sessions.take(session, Buffer.from(data));
      if (message.reply !== undefined) this.#answer(message.reply);
    });
  }

  /**
   * Resolves when the holder of the session has it. A session that has ended is no failure: its client
   * learns of the end, and why, from the stream, which it would give up if this failed.
   */
  async deliver({ node, session, data }: EmulationRequest): Promise<Outcome> {
    if (node === this.node) {
      this.#sessions.take(session, data);
      return "taken";
    }
    if (!nodePattern.test(node)) return "unknown_node";
    if (!sessionPattern.test(session)) return "taken";
    try {
      await this.#bus.request(subjectOf(node), data, {
        withinMs: this.#withinMs,
        headers: { [sessionHeader]: session },
      });
      return "taken";
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (error.code === "no_responders") return "unknown_node";
      return error.code === "too_large" ? "too_large" : "unavailable";
    }
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }

  #answer(reply: string): void {
    try {
      this.#bus.send(reply, nothing);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }
}

function subjectOf(node: string): string {
  return `g.emulate.${node}`;
}
