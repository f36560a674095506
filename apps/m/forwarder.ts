import type { Log } from "../lib/log.ts";
import { within } from "../lib/within.ts";
import type { WriteOutcome, WriteRequest } from "./plan.ts";
import type { Writer, Written } from "./writer.ts";

export interface ForwarderOptions {
  /** This replica. */
  readonly replica: string;
  /** The members, as far as this replica knows. */
  readonly members: () => readonly string[];
  /** Hands a request to another replica; false when it cannot be sent. */
  readonly send: (to: string, request: WriteRequest) => boolean;
  readonly writer: Pick<Writer, "write">;
  readonly log: Log;
  /** How long another replica may take; then this one commits itself. */
  readonly answerMs?: number;
  /** How long one that did not answer is left alone. */
  readonly suspectMs?: number;
}

/** So long the key of a forwarded request is kept: far longer than it can be under way twice. */
const keyMs = 600_000;

/**
 * Has one replica commit what is posted to all of them, because transactions on one revision get in
 * each other's way, and those that share one do not. Nothing rests on it: every replica may commit at
 * any time. Which one is the primary follows from who the members are; replicas that see it differently
 * for a while are only slower.
 *
 * A forwarded request has an idempotency key, its own where the caller gave none: when no answer comes
 * and this replica commits itself, the request takes effect once, whatever the primary has done or
 * will do.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  /** Requests that another replica was handed, by id. */
  readonly #waiting = new Map<string, (outcome: WriteOutcome | undefined) => void>();
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
    if (primary === undefined || primary === replica) return writer.write(request, replica);
    const began = performance.now();
    const keyed: WriteRequest = {
      ...request,
      idempotency: request.idempotency ?? { key: request.id, digest: "", keepMs: keyMs },
    };
    const forwarded = await this.#ask(primary, keyed);
    const outcome = forwarded ?? (await writer.write(keyed, replica)).outcome;
    return {
      outcome: request.idempotency === undefined ? asFirst(outcome) : outcome,
      commitMs: performance.now() - began,
    };
  }

  /** Another replica has answered; without an outcome it could not commit. */
  answered(id: string, outcome: WriteOutcome | undefined): void {
    this.#waiting.get(id)?.(outcome);
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

  /** Undefined when this replica has to commit itself. */
  async #ask(primary: string, request: WriteRequest): Promise<WriteOutcome | undefined> {
    const { send, log, answerMs = 1_000, suspectMs = 4_000 } = this.#options;
    const answer = Promise.withResolvers<WriteOutcome | undefined>();
    this.#waiting.set(request.id, answer.resolve);
    try {
      if (!send(primary, request)) return undefined;
      return await within(answer.promise, answerMs, () => new Error("no answer"));
    } catch {
      this.#suspects.set(primary, performance.now() + suspectMs);
      log.warn({ primary }, "the primary did not answer; this replica commits itself");
      return undefined;
    } finally {
      this.#waiting.delete(request.id);
    }
  }
}

/** That the primary had committed it before it was committed here is nothing to the caller. */
function asFirst(outcome: WriteOutcome): WriteOutcome {
  return outcome.kind === "replayed" ? { kind: "committed", rev: outcome.rev } : outcome;
}
