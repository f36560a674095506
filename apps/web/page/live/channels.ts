import { type ReadonlySignal, signal } from "@preact/signals";
import {
  type Centrifuge,
  type ClientInfo,
  type HistoryResult,
  type PresenceResult,
  type PublicationContext,
  State,
  type StreamPosition,
  type SubscribedContext,
  type Subscription,
  SubscriptionState,
} from "centrifuge";
import { callError, errorSentence, notConnected } from "./codes.ts";
import type { Happening } from "./events.ts";

/** What somebody wants to hear of a channel. What it throws ends neither the connection nor another listener. */
export interface ChannelListener {
  /** @param recovered whether it was published while this client was away, and comes late */
  publication?(publication: PublicationContext, recovered: boolean): void;
  join?(info: ClientInfo): void;
  leave?(info: ClientInfo): void;
  /** Each time that the channel is subscribed to; at once for who comes when it is. What was missed follows. */
  subscribed?(context: SubscribedContext): void;
}

export type ChannelState = "unsubscribed" | "subscribing" | "subscribed";

const states: Readonly<Record<SubscriptionState, ChannelState>> = {
  [SubscriptionState.Unsubscribed]: "unsubscribed",
  [SubscriptionState.Subscribing]: "subscribing",
  [SubscriptionState.Subscribed]: "subscribed",
};

/** A channel as one of those sees it who listen to it. Its promises are rejected with CallError. */
export interface Channel {
  readonly name: string;
  readonly state: ReadonlySignal<ChannelState>;
  /** Why it is not subscribed to, where that is not the connection's fault. */
  readonly problem: ReadonlySignal<string | undefined>;
  publish(data: unknown): Promise<void>;
  /** The newest publications, newest first. */
  history(limit: number): Promise<HistoryResult>;
  presence(): Promise<PresenceResult>;
  /** Subscribes again after the gateway has refused or ended it. */
  retry(): void;
  /** Nothing is heard any more; with the last listener the subscription ends. */
  end(): void;
}

/** The SDK tells the reason of the page itself by this code. */
const unsubscribeCalled = 0;

/** The channels that are listened to, each with one subscription of the SDK, whichever client there is. */
export class Channels {
  readonly #shared = new Map<string, SharedChannel>();
  readonly #note: (happening: Happening) => void;
  readonly #report: (error: unknown) => void;
  readonly #names = signal<readonly string[]>([]);
  #client: Centrifuge | undefined;

  /**
   * @param note hears what happens to channels
   * @param report is given what listeners throw
   */
  constructor(note: (happening: Happening) => void, report: (error: unknown) => void) {
    this.#note = note;
    this.#report = report;
  }

  /** Which channels are listened to. */
  get names(): ReadonlySignal<readonly string[]> {
    return this.#names;
  }

  /** Moves all channels to another client, each from its position on; undefined: to none. */
  attach(client: Centrifuge | undefined): void {
    this.#client = client;
    for (const shared of this.#shared.values()) shared.attach(client);
  }

  listen(name: string, listener: ChannelListener): Channel {
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      shared = new SharedChannel(name, this.#note, this.#report);
      this.#shared.set(name, shared);
      this.#names.value = [...this.#shared.keys()];
      shared.attach(this.#client);
    }
    return this.#handle(shared, listener);
  }

  #handle(shared: SharedChannel, listener: ChannelListener): Channel {
    const end = shared.add(listener);
    return {
      name: shared.name,
      state: shared.state,
      problem: shared.problem,
      publish: async (data) => {
        await shared.ask((subscription) => subscription.publish(data));
      },
      history: (limit) =>
        shared.ask((subscription) => subscription.history({ limit, reverse: true })),
      presence: () => shared.ask((subscription) => subscription.presence()),
      retry: () => {
        shared.retry();
      },
      end: () => {
        if (!end()) return;
        shared.attach(undefined);
        this.#shared.delete(shared.name);
        this.#names.value = [...this.#shared.keys()];
      },
    };
  }
}

class SharedChannel {
  readonly name: string;
  readonly state = signal<ChannelState>("unsubscribed");
  readonly problem = signal<string | undefined>(undefined);
  readonly #listeners = new Set<ChannelListener>();
  readonly #note: (happening: Happening) => void;
  readonly #report: (error: unknown) => void;
  #client: Centrifuge | undefined;
  #subscription: Subscription | undefined;
  #context: SubscribedContext | undefined;
  /** Of the last publication that was delivered. */
  #position: { offset: number; readonly epoch: string } | undefined;
  /** So many came late since the subscription began anew; undefined: what comes now is new. */
  #late: number | undefined;

  constructor(
    name: string,
    note: (happening: Happening) => void,
    report: (error: unknown) => void,
  ) {
    this.name = name;
    this.#note = note;
    this.#report = report;
  }

  /** @returns ends it, and says whether that was the last listener */
  add(listener: ChannelListener): () => boolean {
    this.#listeners.add(listener);
    queueMicrotask(() => {
      const context = this.#context;
      if (context === undefined || !this.#listeners.has(listener)) return;
      if (this.state.peek() === "subscribed") this.#tell(() => listener.subscribed?.(context));
    });
    return () => this.#listeners.delete(listener) && this.#listeners.size === 0;
  }

  /** Subscribes with this client, from where the last one was. */
  attach(client: Centrifuge | undefined): void {
    const [before, old] = [this.#client, this.#subscription];
    this.#client = client;
    this.#subscription = undefined;
    this.#context = undefined;
    this.#late = undefined;
    if (old !== undefined) before?.removeSubscription(old);
    this.state.value = "unsubscribed";
    this.problem.value = undefined;
    if (client === undefined) return;
    const since: StreamPosition | undefined = this.#position && { ...this.#position };
    const subscription = client.newSubscription(this.name, {
      ...{ recoverable: true, joinLeave: true },
      ...(since === undefined ? {} : { since }),
    });
    this.#subscription = subscription;
    this.#follow(subscription);
    subscription.subscribe();
  }

  /** Asks something with the subscription, at once or as soon as it is there. */
  async ask<T>(question: (subscription: Subscription) => Promise<T>): Promise<T> {
    if (this.#subscription === undefined || this.#client?.state === State.Disconnected) {
      throw notConnected();
    }
    try {
      return await question(this.#subscription);
    } catch (error) {
      throw callError(error);
    }
  }

  retry(): void {
    this.problem.value = undefined;
    this.#subscription?.subscribe();
  }

  #follow(subscription: Subscription): void {
    // Of a subscription that has been replaced nothing is wanted any more.
    const current = (): boolean => this.#subscription === subscription;
    subscription.on("state", ({ newState }) => {
      if (current()) this.state.value = states[newState];
    });
    subscription.on("subscribed", (context) => {
      if (current()) this.#subscribed(context);
    });
    subscription.on("unsubscribed", ({ code, reason }) => {
      if (!current() || code === unsubscribeCalled) return;
      this.problem.value = `${errorSentence(code, reason)} (${code})`;
      this.#note({ kind: "unsubscribed", channel: this.name, code, reason });
    });
    subscription.on("error", ({ error: { code, message } }) => {
      if (!current()) return;
      this.problem.value = `${errorSentence(code, message)} (${code}); trying again`;
    });
    subscription.on("publication", (publication) => {
      if (current()) this.#published(publication);
    });
    subscription.on("join", ({ info }) => {
      if (!current()) return;
      for (const listener of this.#listeners) this.#tell(() => listener.join?.(info));
    });
    subscription.on("leave", ({ info }) => {
      if (!current()) return;
      for (const listener of this.#listeners) this.#tell(() => listener.leave?.(info));
    });
  }

  #subscribed(context: SubscribedContext): void {
    const { streamPosition: position, wasRecovering, recovered } = context;
    this.problem.value = undefined;
    // Who comes later has missed nothing.
    this.#context = {
      ...context,
      ...{ wasRecovering: false, recovered: false, hasRecoveredPublications: false },
    };
    this.#position = position && { offset: position.offset, epoch: position.epoch };
    if (!wasRecovering) {
      this.#note({ kind: "subscribed", channel: this.name, offset: position?.offset });
    } else if (recovered) {
      this.#expectLate();
    } else {
      this.#note({ kind: "gap", channel: this.name });
    }
    for (const listener of this.#listeners) this.#tell(() => listener.subscribed?.(context));
  }

  /** The client delivers what was missed in this very turn, after it has said that it is subscribed. */
  #expectLate(): void {
    const subscription = this.#subscription;
    this.#late = 0;
    queueMicrotask(() => {
      if (this.#subscription !== subscription) return;
      const messages = this.#late ?? 0;
      this.#late = undefined;
      this.#note({ kind: "recovered", channel: this.name, messages });
    });
  }

  #published(publication: PublicationContext): void {
    const late = this.#late !== undefined;
    if (this.#late !== undefined) this.#late += 1;
    for (const listener of this.#listeners) {
      try {
        listener.publication?.(publication, late);
      } catch (error) {
        this.#report(error);
      }
    }
    if (this.#position !== undefined && publication.offset !== undefined) {
      this.#position.offset = publication.offset;
    }
  }

  /** The client ends the connection for what is thrown in its events; a bug in a view must not do that. */
  #tell(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#report(error);
    }
  }
}
