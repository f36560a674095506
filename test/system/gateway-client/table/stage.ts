/** What the rows of the table are made of. */
import type { HistoryOptions, SubscriptionOptions } from "centrifuge";
import { GatewayClient } from "../../../../apps/lib/gateway-client.ts";
import type { ClientKind } from "../../../support/client-kind.ts";
import { type GatewayPair, token } from "../../../support/gateway-pair.ts";
import type { ClientOptions } from "../../../support/gateway-process.ts";
import { NpmClient, type NpmSubscription } from "../../../support/npm-client.ts";
import { apiKey } from "../config.ts";
import { GatewayDoor } from "../gateway-door.ts";

/** By what it promises: a behaviour that clients of every kind see alike. */
export type Rows = Readonly<Record<string, (stage: Stage) => Promise<void>>>;

export const indexes = [0, 1] as const;

/** Two gateways that many rows share, and what this one opens. */
export class Stage implements AsyncDisposable {
  readonly pair: GatewayPair;
  readonly kind: ClientKind;
  readonly #stack = new AsyncDisposableStack();

  constructor(pair: GatewayPair, kind: ClientKind) {
    this.pair = pair;
    this.kind = kind;
  }

  /** A client that does not connect yet; what follows its stream, if it has one, goes to the other gateway. */
  client(index: 0 | 1, options: Partial<ClientOptions> = {}): NpmClient {
    const emulationPort = this.pair.port(index === 0 ? 1 : 0);
    const client = new NpmClient(this.pair.port(index), {
      ...{ kind: this.kind, emulationPort },
      ...options,
    });
    return this.#stack.use(client);
  }

  /** A client that is connected, with a token of ann's unless the options have another. */
  async connect(index: 0 | 1, options: Partial<ClientOptions> = {}): Promise<NpmClient> {
    const client = this.client(index, { token: await token({ sub: "ann" }), ...options });
    client.client.connect();
    await client.happens("connected");
    return client;
  }

  /** A client on each gateway. */
  async both(): Promise<[here: NpmClient, there: NpmClient]> {
    return Promise.all([this.connect(0), this.connect(1)]);
  }

  async door(): Promise<GatewayDoor> {
    return this.#stack.use(await GatewayDoor.open(this.pair));
  }

  /** A client that comes through a door, with all that it sends. */
  async connectThrough(
    door: GatewayDoor,
    options: Partial<ClientOptions> = {},
  ): Promise<NpmClient> {
    const { kind } = this;
    const client = this.#stack.use(
      new NpmClient(door.port, { kind, token: await token({ sub: "ann" }), ...options }),
    );
    client.client.connect();
    await client.happens("connected");
    return client;
  }

  /** A new client that asks for everything since a position. */
  async late(
    channel: string,
    since: SubscriptionOptions["since"],
    index: 0 | 1 = 1,
  ): Promise<NpmSubscription> {
    const client = await this.connect(index);
    return client.subscribe(channel, { since: since ?? null });
  }

  channel(namespace = ""): string {
    return this.pair.channel(namespace);
  }

  /** The server API of the gateway on which most clients are not. */
  get api(): GatewayClient {
    const url = `http://127.0.0.1:${this.pair.port(1)}/api`;
    return new GatewayClient({ url, key: () => apiKey });
  }

  /** Ends with the row. */
  defer(subscription: { unsubscribe(): void }): void {
    this.#stack.defer(() => {
      subscription.unsubscribe();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** One after the other, so that their offsets are in this order. */
export async function publishAll(
  client: NpmClient,
  channel: string,
  ...values: readonly unknown[]
): Promise<void> {
  for (const value of values) await client.publish(channel, value);
}

/** The payloads of a history. */
export async function read(
  client: NpmClient,
  channel: string,
  options: HistoryOptions,
): Promise<unknown[]> {
  const { publications } = await client.history(channel, options);
  return publications.map(({ data }): unknown => data);
}
