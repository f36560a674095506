import { type ReadonlySignal, signal } from "@preact/signals";
import type { Connection } from "../live/connection.ts";
import { Pace } from "./pace.ts";
import { Summary } from "./summary.ts";
import { Topic } from "./topic.ts";

/** So many topics at once: each has a feed. Gateways allow a client 128 channels by default. */
export const maxTopics = 12;
/** Gateways take no longer name by default. */
const maxNameLength = 255;

/** More often nobody can follow what changes. */
const drawEveryMs = 100;

export interface TopicsOptions {
  readonly connection: Pick<Connection, "listen">;
  /** Channels that are worth a look. */
  readonly suggestions: readonly string[];
  /** `requestAnimationFrame`, or what does the same. */
  readonly frame: (callback: () => void) => unknown;
  readonly now?: () => number;
  /** Between two looks at rates and summary. */
  readonly tickMs?: number;
}

/** The channels that the page is subscribed to. */
export class Topics {
  readonly #options: TopicsOptions;
  readonly #now: () => number;
  readonly #list = signal<readonly Topic[]>([]);
  readonly #summary = new Summary();
  readonly #pace: Pace;
  readonly #changed = new Set<Topic>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: TopicsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#pace = new Pace({
      draw: () => {
        for (const topic of this.#changed) topic.draw();
        this.#changed.clear();
      },
      everyMs: drawEveryMs,
      frame: options.frame,
      now: this.#now,
    });
  }

  /** The newest first. */
  get list(): ReadonlySignal<readonly Topic[]> {
    return this.#list;
  }

  /** What is new, for those who do not see it, in words and not too often. */
  get summary(): ReadonlySignal<string> {
    return this.#summary.text;
  }

  get suggestions(): readonly string[] {
    return this.#options.suggestions;
  }

  /** @returns why there is no such topic now; undefined: there is one */
  subscribe(name: string): string | undefined {
    const problem = this.#problemOf(name);
    if (problem !== undefined) return problem;
    const topic = new Topic(name, {
      connection: this.#options.connection,
      changed: () => {
        this.#changed.add(topic);
        this.#pace.ask();
      },
      now: this.#now,
    });
    this.#list.value = [topic, ...this.#list.peek()];
    this.#timer ??= setInterval(() => {
      this.#tick();
    }, this.#options.tickMs ?? 1_000);
    return undefined;
  }

  unsubscribe(topic: Topic): void {
    topic.end();
    this.#changed.delete(topic);
    this.#summary.forget(topic.name);
    this.#list.value = this.#list.peek().filter((each) => each !== topic);
    if (this.#list.peek().length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The end: nothing is heard and nothing runs any more. */
  end(): void {
    for (const topic of this.#list.peek()) this.unsubscribe(topic);
  }

  #problemOf(name: string): string | undefined {
    if (name === "") return "A channel has a name, for example chat:lobby.";
    if (/[\s\p{Cc}]/u.test(name)) return "A channel's name has no spaces.";
    if (name.length > maxNameLength) {
      return `A channel's name has at most ${maxNameLength} characters; this one has ${name.length}.`;
    }
    if (this.#list.peek().some((topic) => topic.name === name)) {
      return `You are subscribed to ${name} already.`;
    }
    if (this.#list.peek().length < maxTopics) return undefined;
    return `The page shows ${maxTopics} topics at most. Unsubscribe from one first.`;
  }

  #tick(): void {
    const now = this.#now();
    const spoken = new Map<string, number>();
    for (const { name, feed, rate } of this.#list.peek()) {
      rate.tick(now);
      if (feed.pausedSince.peek() === undefined) spoken.set(name, feed.received);
    }
    this.#summary.tick(now, spoken);
  }
}
