import { HttpError } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { within } from "../lib/within.ts";
import type { ForwardedOutcome } from "./channel.ts";
import type { WriteOutcome, WriteRequest } from "./plan.ts";
import { unknownOutcome, type Writer, type Written } from "./writer.ts";

/** How long another replica may take; a request that waited as long there is not begun any more. */
export const forwardMs = 1_000;

export interface ForwarderOptions {
  /** This replica. */
  readonly replica: string;
  /** The members, as far as this replica knows. */
  readonly members: () => readonly string[];
  /** The revision that this replica has. */
  readonly rev: () => number;
  /** Hands a request to another replica; false when it cannot be sent. */
  readonly send: (to: string, request: WriteRequest) => boolean;
  readonly writer: Pick<Writer, "write">;
  readonly log: Log;
  /** How long another replica may take; then this one commits itself. */
  readonly answerMs?: number;
  /** How long one that did not answer is left alone. */
  readonly suspectMs?: number;
}

type Fate = ForwardedOutcome["fate"];

/**
 * Has one replica commit what is posted to all of them, because transactions on one revision get in
 * each other's way, and those that share one do not. Nothing rests on it: every replica may commit at
 * any time. Which one is the primary follows from who the members are; replicas that see it differently
 * for a while are only slower.
 *
 * A forwarded request has an idempotency key, its own where the caller gave none: when no answer comes
 * and this replica commits itself, the request takes effect once, whatever the primary has done or
 * will do. A refusal leaves no key: so what is answered with one was either not handed over, or can
 * only be refused there too, or is said to be of unknown outcome.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  /** Requests that another replica was handed, by id. */
  readonly #waiting = new Map<string, (fate: Fate) => void>();
  /** Replicas that did not answer, and until when they are left alone. */
  readonly #suspects = new Map<string, number>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the request's fate is known.
   *
   * @throws HttpError 503, see Writer
   */
  async write(request: WriteRequest): Promise<Written> {
    const { replica, writer } = this.#options;
    const primary = this.#primary();
    // A revision that is still to come could be there when the primary looks, and not when this
    // replica does; one that has been cannot come back.
    const maybeLater = request.ifRev !== undefined && request.ifRev > this.#options.rev();
    if (primary === undefined || primary === replica || maybeLater) {
      return writer.write(request, replica);
    }
    const began = performance.now();
    const keyed: WriteRequest = {
      ...request,
      idempotency: request.idempotency ?? { key: request.id, digest: "" },
    };
    const fate = await this.#ask(primary, keyed);
    const outcome =
      fate.kind === "nothing" || fate.kind === "unknown"
        ? await this.#writeHere(keyed, fate.kind === "unknown")
        : fate;
    return {
      outcome: request.idempotency === undefined ? asFirst(outcome) : outcome,
      commitMs: performance.now() - began,
    };
  }

  /** Another replica has answered. */
  answered({ id, fate }: ForwardedOutcome): void {
    this.#waiting.get(id)?.(fate);
  }

  async #writeHere(request: WriteRequest, inDoubt: boolean): Promise<WriteOutcome> {
    try {
      return (await this.#options.writer.write(request, this.#options.replica)).outcome;
    } catch (error) {
      // Nothing was committed here; the primary may have done it, or still do.
      throw inDoubt && error instanceof HttpError ? unknownOutcome(error) : error;
    }
  }

  /** The smallest of the members that answer: everybody who knows the same members says the same. */
  #primary(): string | undefined {
    const now = performance.now();
    for (const [suspect, until] of this.#suspects) {
      if (until < now) this.#suspects.delete(suspect);
    }
    let smallest: string | undefined;
    for (const member of this.#options.members()) {
      if (this.#suspects.has(member)) continue;
      if (smallest === undefined || member < smallest) smallest = member;
    }
    return smallest;
  }

  async #ask(primary: string, request: WriteRequest): Promise<Fate> {
    const { send, log, answerMs = forwardMs, suspectMs = 4_000 } = this.#options;
    const answer = Promise.withResolvers<Fate>();
    this.#waiting.set(request.id, answer.resolve);
    try {
      if (!send(primary, request)) return { kind: "nothing" };
      return await within(answer.promise, answerMs, () => new Error("no answer"));
    } catch {
      this.#suspects.set(primary, performance.now() + suspectMs);
      log.warn({ primary }, "the primary did not answer; this replica commits itself");
      return { kind: "unknown" };
    } finally {
      this.#waiting.delete(request.id);
    }
  }
}

/** That the primary had committed it before it was committed here is nothing to the caller. */
function asFirst(outcome: WriteOutcome): WriteOutcome {
  return outcome.kind === "replayed" ? { kind: "committed", rev: outcome.rev } : outcome;
}
