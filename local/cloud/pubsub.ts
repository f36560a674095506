/**
 * Topics and subscriptions, on Pub/Sub's emulator. What is declared is kept here too: the emulator
 * forgets everything when it dies, and is told again before it counts as serving.
 */
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import type { Emulator } from "./emulator.ts";
import type { Log } from "./logs.ts";
import { loopback } from "./ports.ts";
import type { PushForwarder, PushTarget } from "./push-forwarder.ts";

/** Settings as Pub/Sub's API spells them. */
type Settings = Readonly<Record<string, unknown>>;

export interface Topic {
  /** `projects/<p>/topics/<t>` */
  readonly name: string;
  readonly settings: Settings;
}

export interface Subscription {
  /** `projects/<p>/subscriptions/<s>` */
  readonly name: string;
  /** Undefined for a subscription that services pull from. */
  readonly push:
    | {
        readonly target: PushTarget;
        /** Of `pushConfig`, what says how a message is wrapped. */
        readonly settings: Settings;
      }
    | undefined;
  /** What the emulator can change of a subscription. */
  readonly changeable: Settings;
  /** What only a creation sets, the topic among it. */
  readonly fixed: Settings;
}

export interface PubSubOptions {
  /** Must call `declareAgain` at each of its starts. */
  readonly emulator: () => Emulator;
  readonly forwarder: PushForwarder;
  readonly note: Log;
}

interface Declared {
  readonly subscription: Subscription;
  /** The subscription as the emulator is told of it. */
  readonly body: Settings;
}

/** How often a question is put to an emulator that dies over it. */
const attempts = 5;
const answerWithinMs = 10_000;

const alreadyExists = 409;
const notFound = 404;

export class PubSub {
  readonly #options: PubSubOptions;
  readonly #topics = new Map<string, Topic>();
  readonly #subscriptions = new Map<string, Declared>();

  constructor(options: PubSubOptions) {
    this.#options = options;
  }

  /** True while a topic is declared. */
  get used(): boolean {
    return this.#topics.size > 0;
  }

  /** By topic: the endpoints of its subscriptions, by their names; undefined: pulled from. */
  get endpoints(): ReadonlyMap<string, ReadonlyMap<string, string | undefined>> {
    const all = new Map(
      [...this.#topics.keys()].map((name) => [name, new Map<string, string | undefined>()]),
    );
    for (const { subscription } of this.#subscriptions.values()) {
      const { name, push, fixed } = subscription;
      all.get(String(fixed["topic"]))?.set(name, push?.target.endpoint);
    }
    return all;
  }

  async putTopic(topic: Topic): Promise<void> {
    const before = this.#topics.get(topic.name);
    this.#topics.set(topic.name, topic);
    try {
      // None of what may change about a topic means anything to the emulator.
      await this.#ask("PUT", topic.name, topic.settings, [alreadyExists]);
    } catch (error) {
      restore(this.#topics, topic.name, before);
      throw error;
    }
  }

  /** Its subscriptions stay and get nothing any more, as in the cloud. */
  async deleteTopic(name: string): Promise<void> {
    this.#topics.delete(name);
    await this.#ask("DELETE", name, undefined, [notFound]);
  }

  /** Makes a subscription, or changes one; what it has not delivered yet stays. */
  async putSubscription(subscription: Subscription): Promise<void> {
    const { name, changeable, fixed } = subscription;
    const before = this.#subscriptions.get(name);
    const pushConfig = await this.#pushConfig(subscription);
    const body = { ...fixed, ...changeable, pushConfig };
    this.#subscriptions.set(name, { subscription, body });
    try {
      const status = await this.#ask("PUT", name, body, [alreadyExists]);
      if (status !== alreadyExists) return;
      await this.#ask("PATCH", name, {
        subscription: { name, ...changeable, pushConfig },
        updateMask: "ackDeadlineSeconds,retryPolicy,deadLetterPolicy,pushConfig",
      });
    } catch (error) {
      restore(this.#subscriptions, name, before);
      if (before === undefined) this.#options.forwarder.remove(name);
      else await this.#pushConfig(before.subscription);
      throw error;
    }
  }

  async deleteSubscription(name: string): Promise<void> {
    this.#subscriptions.delete(name);
    await this.#ask("DELETE", name, undefined, [notFound]);
    this.#options.forwarder.remove(name);
  }

  /** Tells an emulator that has just started what is declared; a refusal is noted and the rest goes on. */
  async declareAgain(port: number, signal: AbortSignal): Promise<void> {
    const all: [name: string, body: Settings][] = [
      ...[...this.#topics].map(([name, { settings }]): [string, Settings] => [name, settings]),
      ...[...this.#subscriptions].map(([name, { body }]): [string, Settings] => [name, body]),
    ];
    for (const [name, body] of all) {
      const { status, problem } = await ask(port, "PUT", name, body, signal);
      if (problem === undefined || status === alreadyExists) continue;
      this.#options.note(`${name} is not there any more after the emulator's start: ${problem}`);
    }
  }

  async #pushConfig({ name, push }: Subscription): Promise<Settings> {
    const { forwarder } = this.#options;
    if (push === undefined) {
      forwarder.remove(name);
      return {};
    }
    return { ...push.settings, pushEndpoint: await forwarder.put(name, push.target) };
  }

  /**
   * The status of the emulator's answer, once it serves.
   * @throws Error with its reason when it refuses, unless by one of the statuses given
   */
  async #ask(
    method: string,
    name: string,
    body: Settings | undefined,
    fine: readonly number[] = [],
  ): Promise<number> {
    const emulator = this.#options.emulator();
    for (let attempt = 1; ; attempt++) {
      await emulator.serving();
      try {
        const signal = AbortSignal.timeout(answerWithinMs);
        const { status, problem } = await ask(await emulator.port(), method, name, body, signal);
        if (problem === undefined || fine.includes(status)) return status;
        throw new Error(`${name}: ${problem}`);
      } catch (error) {
        // It died: fetch has no other error for that.
        if (!(error instanceof TypeError) || attempt === attempts) throw error;
      }
      await wait(50);
    }
  }
}

function restore<T>(known: Map<string, T>, name: string, before: T | undefined): void {
  if (before === undefined) known.delete(name);
  else known.set(name, before);
}

/** One request to the emulator; `problem` is the reason of a refusal. */
async function ask(
  port: number,
  method: string,
  name: string,
  body: Settings | undefined,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly problem?: string }> {
  const path = name.split("/").map(encodeURIComponent).join("/");
  const response = await fetch(`http://${loopback}:${port}/v1/${path}`, {
    method,
    signal,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  const { status, ok } = response;
  const text = await response.text();
  if (ok) return { status };
  return { status, problem: `${status} ${reasonIn(text)}` };
}

const refusal = z.object({ error: z.object({ message: z.string() }) });

function reasonIn(text: string): string {
  try {
    return refusal.parse(JSON.parse(text)).error.message;
  } catch {
    return text.slice(0, 200);
  }
}
