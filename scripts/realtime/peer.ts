import {
  Centrifuge,
  type JoinContext,
  type LeaveContext,
  type Options,
  type PublicationContext,
  type SubscribedContext,
  type Subscription,
  type SubscriptionOptions,
} from "centrifuge";
import { until } from "./until.ts";

/** The websocket as Node has it; it is remembered, so that it can be cut under the client. */
function cuttable(onOpened: (websocket: WebSocket) => void): typeof WebSocket {
  return class extends WebSocket {
    constructor(...parameters: ConstructorParameters<typeof WebSocket>) {
      super(...parameters);
      onOpened(this);
    }
  };
}

/** A client with what it was told. */
export class Peer {
  readonly client: Centrifuge;
  /** The id of its present connection. */
  id = "";
  /** With which codes it ended. */
  readonly disconnects: number[] = [];
  #websocket: WebSocket | undefined;

  constructor(url: string, options: Partial<Options> = {}) {
    this.client = new Centrifuge(url, {
      websocket: cuttable((websocket) => (this.#websocket = websocket)),
      ...options,
    });
    this.client.on("connected", ({ client }) => {
      this.id = client;
    });
    this.client.on("disconnected", ({ code }) => {
      this.disconnects.push(code);
    });
  }

  async connect(): Promise<void> {
    this.client.connect();
    await this.client.ready(10_000);
  }

  async subscribe(channel: string, options: Partial<SubscriptionOptions> = {}): Promise<Listener> {
    const listener = new Listener(this.client.newSubscription(channel, options));
    listener.subscription.subscribe();
    await listener.settled();
    return listener;
  }

  /** Ends the connection as a network does that breaks: nobody has asked for it. */
  cut(): void {
    this.#websocket?.close();
  }
}

/** A subscription with what it was told. */
export class Listener {
  readonly subscription: Subscription;
  readonly publications: PublicationContext[] = [];
  readonly subscribed: SubscribedContext[] = [];
  readonly joins: JoinContext[] = [];
  readonly leaves: LeaveContext[] = [];
  /** With which codes it ended. */
  readonly unsubscribes: number[] = [];

  constructor(subscription: Subscription) {
    this.subscription = subscription;
    subscription.on("publication", (context) => this.publications.push(context));
    subscription.on("subscribed", (context) => this.subscribed.push(context));
    subscription.on("join", (context) => this.joins.push(context));
    subscription.on("leave", (context) => this.leaves.push(context));
    subscription.on("unsubscribed", ({ code }) => this.unsubscribes.push(code));
  }

  /** Waits until it is subscribed, or knows that it is not to be. */
  async settled(): Promise<void> {
    await until(
      `an answer to the subscription of ${this.subscription.channel}`,
      () => this.subscribed.length + this.unsubscribes.length > 0,
    );
  }
}
