import { type ReadonlySignal, signal } from "@preact/signals";
import type { Channel, ChannelState } from "../live/channels.ts";
import { CallError, clientCodes } from "../live/codes.ts";
import type { Connection } from "../live/connection.ts";
import { messageOf } from "../ui/format.ts";
import { checkDraft, type DraftFormat } from "./draft.ts";
import { Feed, type Publication } from "./feed.ts";
import { Presence } from "./presence.ts";
import { Rate } from "./rate.ts";

/** How a publication went that was made here. */
export type Publishing =
  | { readonly kind: "none" }
  | { readonly kind: "unfit"; readonly problem: string }
  | { readonly kind: "sending" }
  | { readonly kind: "done"; readonly at: number; readonly tookMs: number }
  /** `uncertain`: the gateway may have taken it nonetheless. */
  | { readonly kind: "failed"; readonly problem: string; readonly uncertain: boolean };

/** What the gateway keeps of a channel, as of one question. */
export type History =
  | { readonly kind: "none" }
  | { readonly kind: "loading" }
  | {
      readonly kind: "loaded";
      readonly at: number;
      /** Newest first. */
      readonly publications: readonly Publication[];
      /** The position of the channel: of its newest publication. */
      readonly offset: number;
      readonly epoch: string;
    }
  | { readonly kind: "failed"; readonly problem: string };

/** How many publications a question for history asks for. */
export const historyLimits = [10, 50, 100] as const;
export type HistoryLimit = (typeof historyLimits)[number];

export interface TopicOptions {
  readonly connection: Pick<Connection, "listen">;
  /** Is told that there is something to draw; calls `draw` in its own time. */
  readonly changed: () => void;
  readonly now: () => number;
}

/** A channel that the page is subscribed to, with everything that is shown of it. */
export class Topic {
  readonly name: string;
  readonly feed = new Feed();
  readonly rate: Rate;
  readonly presence = new Presence();
  /** What a person is writing; kept while another view is shown. */
  readonly draft = signal("");
  readonly format = signal<DraftFormat>("text");
  readonly historyLimit = signal<HistoryLimit>(10);
  readonly #publishing = signal<Publishing>({ kind: "none" });
  readonly #history = signal<History>({ kind: "none" });
  readonly #channel: Channel;
  readonly #now: () => number;
  #subscribedOnce = false;
  #ended = false;

  constructor(name: string, { connection, changed, now }: TopicOptions) {
    this.name = name;
    this.#now = now;
    this.rate = new Rate(now());
    this.#channel = connection.listen(name, {
      publication: (publication, late) => {
        const at = now();
        this.feed.add(publication, late, at);
        this.rate.count(at);
        changed();
      },
      subscribed: (context) => {
        this.feed.subscribed(context, !this.#subscribedOnce, now());
        this.#subscribedOnce = true;
        changed();
        // Joins and leaves are not part of what is recovered.
        void this.askPresence();
      },
      join: (info) => {
        this.presence.join(info, now());
        changed();
      },
      leave: (info) => {
        this.presence.leave(info, now());
        changed();
      },
    });
  }

  get state(): ReadonlySignal<ChannelState> {
    return this.#channel.state;
  }

  /** Why it is not subscribed to, where that is not the connection's fault. */
  get problem(): ReadonlySignal<string | undefined> {
    return this.#channel.problem;
  }

  get publishing(): ReadonlySignal<Publishing> {
    return this.#publishing;
  }

  get history(): ReadonlySignal<History> {
    return this.#history;
  }

  draw(): void {
    this.feed.draw();
    this.presence.draw();
  }

  retry(): void {
    this.#channel.retry();
  }

  pause(): void {
    this.feed.pause(this.#now());
  }

  showOlder(): void {
    this.feed.showOlder(this.#now());
  }

  /** Writing goes on: what was said of the last publication is old. */
  write(text: string): void {
    this.draft.value = text;
    if (this.#publishing.peek().kind !== "sending") this.#publishing.value = { kind: "none" };
  }

  /** Publishes the draft; it is gone when the gateway has it. */
  async publish(): Promise<void> {
    if (this.#publishing.peek().kind === "sending") return;
    const text = this.draft.peek();
    const checked = checkDraft(text, this.format.peek());
    if (checked.problem !== undefined) {
      this.#publishing.value = { kind: "unfit", problem: checked.problem };
      return;
    }
    this.#publishing.value = { kind: "sending" };
    const began = performance.now();
    try {
      await this.#channel.publish(checked.data);
      const tookMs = performance.now() - began;
      this.#publishing.value = { kind: "done", at: this.#now(), tookMs };
      // Unless it was written on meanwhile.
      if (this.draft.peek() === text) this.draft.value = "";
    } catch (error) {
      this.#publishing.value = {
        ...{ kind: "failed", problem: messageOf(error) },
        uncertain:
          error instanceof CallError &&
          (error.code === clientCodes.timeout || error.code === clientCodes.connectionClosed),
      };
    }
  }

  async askPresence(): Promise<void> {
    const { answered, refused } = this.presence.ask();
    try {
      const { clients } = await this.#channel.presence();
      if (!this.#ended) answered(clients, this.#now());
    } catch (error) {
      refused(messageOf(error));
    }
  }

  async loadHistory(): Promise<void> {
    if (this.#history.peek().kind === "loading") return;
    this.#history.value = { kind: "loading" };
    try {
      const { publications, offset, epoch } = await this.#channel.history(this.historyLimit.peek());
      this.#history.value = {
        ...{ kind: "loaded", at: this.#now() },
        ...{ publications: publications, offset, epoch },
      };
    } catch (error) {
      this.#history.value = { kind: "failed", problem: messageOf(error) };
    }
  }

  /** Nothing is heard of the channel any more. */
  end(): void {
    this.#ended = true;
    this.#channel.end();
  }
}
