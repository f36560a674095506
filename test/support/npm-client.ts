import type {
  Centrifuge,
  ClientInfo,
  HistoryOptions,
  HistoryResult,
  PresenceResult,
  PresenceStatsResult,
  PublicationContext,
  SubscribedContext,
  Subscription,
  SubscriptionOptions,
} from "centrifuge";
import { type ClientKind, clientKinds, decodeData, encodeData } from "./client-kind.ts";
import { eventually } from "./eventually.ts";
import { centrifuge, type ClientOptions } from "./gateway-process.ts";

/**
 * The npm client, with everything that it told its user. Payloads go in and come out as JSON has them,
 * of whatever kind the client is.
 */
export class NpmClient {
  readonly client: Centrifuge;
  readonly kind: ClientKind;
  /** In order, each with its code where it has one: `connecting 0`, `connected`, `disconnected 3500`. */
  readonly events: string[] = [];
  /** What came on subscriptions of the server, by channel. */
  readonly publications: PublicationContext[] = [];
  /** The id that the gateway gave it. */
  id = "";

  constructor(port: number, options: Partial<ClientOptions> = {}) {
    this.kind = options.kind ?? clientKinds.jsonWebsocket;
    this.client = centrifuge(port, options);
    this.client.on("connecting", ({ code }) => this.events.push(`connecting ${code}`));
    this.client.on("connected", ({ client }) => {
      this.events.push("connected");
      this.id = client;
    });
    this.client.on("disconnected", ({ code }) => this.events.push(`disconnected ${code}`));
    this.client.on("error", ({ type, error }) => this.events.push(`error ${type} ${error.code}`));
    this.client.on("subscribed", ({ channel, wasRecovering, recovered }) => {
      this.events.push(`subscribed ${channel}${recoveryText({ wasRecovering, recovered })}`);
    });
    this.client.on("subscribing", ({ channel }) => this.events.push(`subscribing ${channel}`));
    this.client.on("unsubscribed", ({ channel }) => this.events.push(`unsubscribed ${channel}`));
    this.client.on("join", ({ channel, info }) => this.events.push(`join ${channel} ${info.user}`));
    this.client.on("leave", ({ channel, info }) => {
      this.events.push(`leave ${channel} ${info.user}`);
    });
    this.client.on("publication", (context) => {
      const publication = decoded(context);
      this.publications.push(publication);
      this.events.push(`publication ${publication.channel} ${textOf(publication)}`);
    });
  }

  /** Connects and waits for it. */
  static async connect(port: number, options: Partial<ClientOptions> = {}): Promise<NpmClient> {
    const client = new NpmClient(port, options);
    client.client.connect();
    await client.happens("connected");
    return client;
  }

  /** What happened to the connection itself, of which channels are no part. */
  get connection(): readonly string[] {
    return this.events.filter((event) => /^(connect|disconnect|error)/.test(event));
  }

  async publish(channel: string, value: unknown): Promise<void> {
    await this.client.publish(channel, encodeData(this.kind, value));
  }

  async history(channel: string, options: HistoryOptions = {}): Promise<HistoryResult> {
    const { publications, ...position } = await this.client.history(channel, options);
    return { publications: publications.map(decoded), ...position };
  }

  async presence(channel: string): Promise<PresenceResult> {
    const { clients } = await this.client.presence(channel);
    const entries = Object.entries(clients);
    return { clients: Object.fromEntries(entries.map(([id, info]) => [id, decodedInfo(info)])) };
  }

  async presenceStats(channel: string): Promise<PresenceStatsResult> {
    return this.client.presenceStats(channel);
  }

  /** Calls a method of the server; what it answered. */
  async rpc(method: string, value: unknown): Promise<unknown> {
    const answer = await this.client.rpc(method, encodeData(this.kind, value));
    return decodeData(answer.data);
  }

  /** Waits until an event has happened so many times. */
  async happens(event: string, times = 1): Promise<void> {
    await happens(this.events, event, times);
  }

  /** Subscribes and waits for it. */
  async subscribe(channel: string, options: SubscriptionOptions = {}): Promise<NpmSubscription> {
    const subscription = this.subscription(channel, options);
    await eventually(`subscribed to ${channel}`, () => subscription.contexts.length > 0, {
      everyMs: 2,
    });
    return subscription;
  }

  /** Begins to subscribe. */
  subscription(channel: string, options: SubscriptionOptions = {}): NpmSubscription {
    const subscription = new NpmSubscription(
      this.client.newSubscription(channel, {
        minResubscribeDelay: 50,
        maxResubscribeDelay: 500,
        ...options,
      }),
    );
    subscription.subscription.subscribe();
    return subscription;
  }

  close(): void {
    this.client.disconnect();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A subscription of the npm client, with everything that it told its user. */
export class NpmSubscription {
  readonly subscription: Subscription;
  /** In order: `subscribing 0`, `subscribed`, `publication 1 "text"`, `join user`, `unsubscribed 103`. */
  readonly events: string[] = [];
  readonly publications: PublicationContext[] = [];
  /** Their payloads as they came: in protobuf, bytes. */
  readonly payloads: unknown[] = [];
  /** Each time that it was subscribed. */
  readonly contexts: SubscribedContext[] = [];

  constructor(subscription: Subscription) {
    this.subscription = subscription;
    subscription.on("subscribing", ({ code }) => this.events.push(`subscribing ${code}`));
    subscription.on("subscribed", (context) => {
      this.contexts.push(context);
      this.events.push(`subscribed${recoveryText(context)}`);
    });
    subscription.on("unsubscribed", ({ code }) => this.events.push(`unsubscribed ${code}`));
    subscription.on("error", ({ type, error }) => this.events.push(`error ${type} ${error.code}`));
    subscription.on("join", ({ info }) => this.events.push(`join ${info.user}`));
    subscription.on("leave", ({ info }) => this.events.push(`leave ${info.user}`));
    subscription.on("publication", (context) => {
      const publication = decoded(context);
      this.publications.push(publication);
      this.payloads.push(context.data);
      this.events.push(`publication ${textOf(publication)}`);
    });
  }

  get channel(): string {
    return this.subscription.channel;
  }

  async happens(event: string, times = 1): Promise<void> {
    await happens(this.events, event, times);
  }

  /** Waits for so many publications; their data. */
  async received(count: number): Promise<unknown[]> {
    await eventually(
      `${count} publications arrive on ${this.channel}`,
      () => this.publications.length >= count,
      { everyMs: 2 },
    );
    return this.publications.map(({ data }): unknown => data);
  }

  /** Where it was when it was last subscribed. */
  get position(): { readonly offset: number; readonly epoch: string } {
    const position = this.contexts.at(-1)?.streamPosition;
    if (position === undefined) throw new Error(`${this.channel} has no position`);
    return position;
  }
}

function decoded({ data, info, ...rest }: PublicationContext): PublicationContext {
  const decodedData = decodeData(data);
  return { ...rest, data: decodedData, ...(info === undefined ? {} : { info: decodedInfo(info) }) };
}

/** In protobuf, what is not there is a payload without bytes. */
function decodedInfo({ client, user, connInfo, chanInfo }: ClientInfo): ClientInfo {
  const isThere = (info: unknown): boolean =>
    info !== undefined && !(info instanceof Uint8Array && info.length === 0);
  return {
    client,
    user,
    ...(isThere(connInfo) ? { connInfo: decodeData(connInfo) } : {}),
    ...(isThere(chanInfo) ? { chanInfo: decodeData(chanInfo) } : {}),
  };
}

function recoveryText(context: { wasRecovering: boolean; recovered: boolean }): string {
  if (!context.wasRecovering) return "";
  return context.recovered ? ", recovered" : ", not recovered";
}

function textOf({ offset, data }: { offset?: number; data: unknown }): string {
  return `${offset === undefined ? "" : `${offset} `}${JSON.stringify(data)}`;
}

async function happens(events: readonly string[], event: string, times: number): Promise<void> {
  await eventually(
    `"${event}" happens${times > 1 ? ` ${times} times` : ""}`,
    () => {
      if (events.filter((each) => each === event).length >= times) return true;
      throw new Error(`so far: ${events.join("; ")}`);
    },
    { everyMs: 2 },
  );
}
