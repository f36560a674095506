import { type ReadonlySignal, signal } from "@preact/signals";
import type { Channel } from "../live/channels.ts";
import type { Connection } from "../live/connection.ts";
import type { Fetch } from "../live/tokens.ts";
import { messageOf } from "../ui/format.ts";
import { type Operation, type Operands, type Read, readOperands } from "./operands.ts";

/** How the service is asked: by a request of its own, or by a call over the connection. */
export type Way = "http" | "rpc";

/** What became of the question. */
export type Answer =
  | { readonly kind: "awaited" }
  | { readonly kind: "given"; readonly result: string; readonly ms: number }
  | { readonly kind: "refused"; readonly message: string; readonly ms: number };

/** What became of the publication of the result. */
export type Arrival =
  | { readonly kind: "awaited" }
  | {
      readonly kind: "arrived";
      readonly ms: number;
      /** Whether the connection was away meanwhile, and brought it when it was back. */
      readonly recovered: boolean;
    }
  /** The service says that it is published, and it has not come. */
  | { readonly kind: "missing"; readonly ms: number }
  /** It could not come: the page was not subscribed when it was asked. */
  | { readonly kind: "unheard" }
  /** There is nothing that could come. */
  | { readonly kind: "none" };

export interface Attempt {
  /** Counts from 1 on. */
  readonly number: number;
  readonly operation: Operation;
  readonly way: Way;
  readonly operands: Operands;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly answer: Answer;
  readonly arrival: Arrival;
}

export interface CalculatorOptions {
  /** Of the page: the service is behind the same one. */
  readonly origin: string;
  readonly connection: Pick<Connection, "call" | "listen" | "state">;
  readonly fetch: Fetch;
  readonly now?: () => number;
  /** How long a result may take to arrive after the answer. */
  readonly arrivalMs?: number;
}

/** Where `add` publishes every result. */
export const resultChannel = "add";
const keptAttempts = 10;
const answerMs = 10_000;
/** Of the publications that came last one may be the result whose answer is still to come. */
const keptPublications = 200;

interface Publication {
  readonly text: string;
  readonly at: number;
  readonly recovered: boolean;
}

/** Asks the service `add`, and follows each result until it arrives on the channel. */
export class Calculator {
  readonly channel: Channel;
  readonly #options: CalculatorOptions;
  readonly #now: () => number;
  readonly #arrivalMs: number;
  readonly #attempts = signal<readonly Attempt[]>([]);
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** When each attempt that still waits was begun, and what it waits for once that is known. */
  readonly #waiting = new Map<number, { readonly began: number; result?: string }>();
  /** Those that no attempt has taken for its own. */
  #publications: Publication[] = [];
  #count = 0;

  constructor(options: CalculatorOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#arrivalMs = options.arrivalMs ?? 5_000;
    this.channel = options.connection.listen(resultChannel, {
      publication: ({ data }, recovered) => {
        // Others publish here, too, much perhaps: only while a result is awaited it is looked at.
        if (this.#waiting.size === 0) return;
        this.#published({ text: JSON.stringify(data), at: performance.now(), recovered });
      },
    });
  }

  /** The last ones, newest first. */
  get attempts(): ReadonlySignal<readonly Attempt[]> {
    return this.#attempts;
  }

  /** Reads two operands, and asks for their result if they can be. */
  compute(operation: Operation, a: string, b: string, way: Way): Read {
    const read = readOperands(operation, a, b);
    if (read.ok) void this.#follow(operation, read.operands, way);
    return read;
  }

  /** Hears nothing more. */
  end(): void {
    this.channel.end();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#waiting.clear();
  }

  async #follow(operation: Operation, operands: Operands, way: Way): Promise<void> {
    const number = ++this.#count;
    const heard = this.channel.state.peek() === "subscribed";
    const attempt: Attempt = {
      ...{ number, operation, operands, way, at: this.#now() },
      answer: { kind: "awaited" },
      arrival: { kind: heard ? "awaited" : "unheard" },
    };
    this.#attempts.value = [attempt, ...this.#attempts.peek()].slice(0, keptAttempts);
    const began = performance.now();
    if (heard) this.#waiting.set(number, { began });
    try {
      const result = await this.#ask(operation, operands, way);
      this.#change(number, {
        answer: { kind: "given", result: String(result), ms: performance.now() - began },
      });
      if (heard) this.#answered(number, result);
    } catch (error) {
      const message = messageOf(error);
      this.#waiting.delete(number);
      this.#change(number, {
        answer: { kind: "refused", message, ms: performance.now() - began },
        arrival: { kind: "none" },
      });
    }
    if (this.#waiting.size === 0) this.#publications = [];
  }

  /** The result is known: it has arrived, or it will. */
  #answered(number: number, result: number | string): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    waiting.result = asArrived(result);
    const found = this.#publications.find(
      ({ text, at }) => text === waiting.result && at >= waiting.began,
    );
    if (found !== undefined) {
      this.#arrived(number, found);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#waiting.delete(number)) return;
      this.#change(number, {
        arrival: { kind: "missing", ms: performance.now() - waiting.began },
      });
    }, this.#arrivalMs);
    this.#timers.add(timer);
  }

  #published(publication: Publication): void {
    // Results carry no number: the oldest attempt that waits for this one has it.
    for (const [number, { result }] of this.#waiting) {
      if (result !== publication.text) continue;
      this.#arrived(number, publication);
      return;
    }
    this.#publications.push(publication);
    if (this.#publications.length > keptPublications) this.#publications.shift();
  }

  #arrived(number: number, publication: Publication): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    this.#publications = this.#publications.filter((other) => other !== publication);
    const { at, recovered } = publication;
    this.#change(number, { arrival: { kind: "arrived", ms: at - waiting.began, recovered } });
  }

  #change(number: number, change: Partial<Pick<Attempt, "answer" | "arrival">>): void {
    this.#attempts.value = this.#attempts
      .peek()
      .map((attempt) => (attempt.number === number ? { ...attempt, ...change } : attempt));
  }

  async #ask(operation: Operation, operands: Operands, way: Way): Promise<number | string> {
    if (way === "http") return this.#request(operation, operands);
    return resultOf(await this.#options.connection.call(operation, operands));
  }

  async #request(operation: Operation, operands: Operands): Promise<number | string> {
    const { fetch, origin } = this.#options;
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(`${origin}/api/add/${operation}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(operands),
        signal: AbortSignal.timeout(answerMs),
      });
      answer = await response.json().catch(() => undefined);
    } catch (cause) {
      throw new Error("no answer: the service cannot be reached", { cause });
    }
    if (response.ok) return resultOf(answer);
    throw new Error(`${refusalOf(answer)} (${response.status})`);
  }
}

/** What a publication of this result is for a client that speaks JSON: text that is JSON arrives as that. */
function asArrived(result: number | string): string {
  if (typeof result === "number") return JSON.stringify(result);
  try {
    return JSON.stringify(JSON.parse(result));
  } catch {
    return JSON.stringify(result);
  }
}

function resultOf(answer: unknown): number | string {
  if (typeof answer === "object" && answer !== null && "res" in answer) {
    if (typeof answer.res === "number" || typeof answer.res === "string") return answer.res;
  }
  throw new Error("the answer is not understood");
}

function refusalOf(answer: unknown): string {
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return "refused";
  const { error } = answer;
  if (typeof error !== "object" || error === null || !("message" in error)) return "refused";
  return String(error.message);
}
