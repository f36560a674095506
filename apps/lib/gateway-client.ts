/** The gateway's server API, for this project's services. What the methods mean: docs/server-api.md. */
import { randomUUID } from "node:crypto";

/** The gateway did not do what was asked of it, or nobody knows whether it has. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  /** One of the API's; 100 also where there was no answer: then it may have been done. */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Whether the same call may succeed a little later. */
  get temporary(): boolean {
    return this.code === 100 || this.code === 111;
  }
}

export interface GatewayClientOptions {
  /** Of the API, such as `https://ws-dot-my-project.appspot.com/api`. */
  readonly url: string;
  /** Gives the key; called before each call, so that it may keep it, or read it anew. */
  readonly key: () => string | Promise<string>;
  /** How long one attempt may take. */
  readonly timeoutMs?: number;
  /**
   * How often a call is made that has a temporary failure. From 2 on, publications get an idempotency key if
   * they have none, so that there is one of them however often it is tried.
   */
  readonly attempts?: number;
}

export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

export interface PublishOptions {
  readonly tags?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
  readonly skipHistory?: boolean;
  readonly delta?: boolean;
  readonly version?: number | bigint;
  readonly versionEpoch?: string;
}

/** Whose connections are meant; what is absent is any, but one of the three is needed. */
export interface Target {
  readonly user?: string;
  readonly client?: string;
  readonly session?: string;
}

export interface SubscribeOptions {
  /** Seconds since 1970. */
  readonly expireAt?: number;
  readonly info?: unknown;
  readonly data?: unknown;
  readonly recoverSince?: Position;
  readonly override?: {
    readonly presence?: boolean;
    readonly join_leave?: boolean;
    readonly force_recovery?: boolean;
    readonly force_positioning?: boolean;
    readonly force_push_join_leave?: boolean;
  };
}

export interface ClientInfo {
  readonly user: string;
  readonly client: string;
  readonly conn_info?: unknown;
  readonly chan_info?: unknown;
}

export interface Publication {
  readonly data: unknown;
  readonly info?: ClientInfo;
  readonly offset?: number;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface GatewayNode {
  readonly uid: string;
  readonly name: string;
  readonly version: string;
  readonly num_clients: number;
  readonly num_users: number;
  readonly num_channels: number;
  readonly num_subs: number;
  readonly uptime: number;
}

/** What a publication was answered with; in channels without history there is no position. */
export type Published = Partial<Position>;

/** One answer of a broadcast. */
export type BroadcastResponse =
  | { readonly result: Published; readonly error?: undefined }
  | { readonly error: { readonly code: number; readonly message: string } };

const retryMs = 100;

/** Calls the server API of the gateways. Any of them does, for the clients of all. */
export class GatewayClient {
  readonly #url: string;
  readonly #key: () => string | Promise<string>;
  readonly #timeoutMs: number;
  readonly #attempts: number;

  constructor({ url, key, timeoutMs = 10_000, attempts = 1 }: GatewayClientOptions) {
    this.#url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#timeoutMs = timeoutMs;
    this.#attempts = attempts;
  }

  /**
   * @param data bytes, which are published as they are, or a value, which is published as JSON
   * @throws GatewayError
   */
  async publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    return this.#call("publish", { channel, ...this.#publication(data, options) });
  }

  /** Publishes on many channels; one answer for each, in their order. */
  async broadcast(
    channels: readonly string[],
    data: unknown,
    options: PublishOptions = {},
  ): Promise<readonly BroadcastResponse[]> {
    const request = { channels, ...this.#publication(data, options) };
    return (await this.#call<{ responses: BroadcastResponse[] }>("broadcast", request)).responses;
  }

  /** Subscribes connections to a channel; resolves when they are subscribed, on all gateways. */
  async subscribe(who: Target, channel: string, options: SubscribeOptions = {}): Promise<void> {
    const { expireAt, info, data, recoverSince, override } = options;
    await this.#call("subscribe", {
      ...{ ...who, channel, info, data },
      ...{ expire_at: expireAt, recover_since: recoverSince },
      override:
        override &&
        Object.fromEntries(Object.entries(override).map(([name, value]) => [name, { value }])),
    });
  }

  /** @param channel absent: all */
  async unsubscribe(who: Target, channel?: string): Promise<void> {
    await this.#call("unsubscribe", { ...who, channel });
  }

  /** @param options.keep clients that stay */
  async disconnect(
    who: Target,
    options: {
      readonly code?: number;
      readonly reason?: string;
      readonly keep?: readonly string[];
    } = {},
  ): Promise<void> {
    const { code, reason, keep } = options;
    const disconnect = code === undefined ? undefined : { code, reason };
    await this.#call("disconnect", { ...who, disconnect, whitelist: keep });
  }

  /** Changes until when connections last, or ends them as expired. */
  async refresh(
    who: Target,
    options: { readonly expireAt?: number; readonly expired?: boolean; readonly info?: unknown },
  ): Promise<void> {
    const { expireAt, expired, info } = options;
    await this.#call("refresh", { ...who, expire_at: expireAt, expired, info });
  }

  /** Who is in a channel, by client id. */
  async presence(channel: string): Promise<Readonly<Record<string, ClientInfo>>> {
    const request = { channel };
    type Result = { readonly presence: Readonly<Record<string, ClientInfo>> };
    return (await this.#call<Result>("presence", request)).presence;
  }

  async presenceStats(
    channel: string,
  ): Promise<{ readonly num_clients: number; readonly num_users: number }> {
    return this.#call("presence_stats", { channel });
  }

  async history(
    channel: string,
    options: {
      readonly limit?: number;
      readonly since?: Position;
      readonly reverse?: boolean;
    } = {},
  ): Promise<Position & { readonly publications: readonly Publication[] }> {
    return this.#call("history", { channel, ...options });
  }

  async removeHistory(channel: string): Promise<void> {
    await this.#call("history_remove", { channel });
  }

  /** How many are subscribed, by channel; `*` in the pattern stands for any characters, `?` for one. */
  async channels(pattern = ""): Promise<ReadonlyMap<string, number>> {
    type Result = { readonly channels: Readonly<Record<string, { readonly num_clients: number }>> };
    const { channels } = await this.#call<Result>("channels", { pattern });
    return new Map(Object.entries(channels).map(([name, each]) => [name, each.num_clients]));
  }

  async nodes(): Promise<readonly GatewayNode[]> {
    return (await this.#call<{ nodes: GatewayNode[] }>("info", {})).nodes;
  }

  /** Calls a method that a service answers. */
  async rpc(method: string, params?: unknown): Promise<unknown> {
    return (await this.#call<{ data?: unknown }>("rpc", { method, params })).data;
  }

  #publication(data: unknown, options: PublishOptions): object {
    const { tags, idempotencyKey, skipHistory, delta, version, versionEpoch } = options;
    const key = idempotencyKey ?? (this.#attempts > 1 ? randomUUID() : undefined);
    return {
      ...(data instanceof Uint8Array
        ? { b64data: Buffer.from(data).toString("base64") }
        : { data }),
      ...{ tags, idempotency_key: key, skip_history: skipHistory, delta },
      // Larger than a number of JSON can be, it goes as text.
      version: version === undefined ? undefined : String(version),
      version_epoch: versionEpoch,
    };
  }

  async #call<T>(method: string, request: object): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt<T>(method, request);
      } catch (error) {
        const again = error instanceof GatewayError && error.temporary && attempt < this.#attempts;
        if (!again) throw error;
        await new Promise((resolve) => {
          setTimeout(resolve, retryMs * 2 ** attempt * (0.5 + Math.random() / 2));
        });
      }
    }
  }

  async #attempt<T>(method: string, request: object): Promise<T> {
    let status: number;
    let answer: unknown;
    try {
      const key = await this.#key();
      const response = await fetch(`${this.#url}/${method}`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-api-key": key },
        body: JSON.stringify(request),
        redirect: "error",
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      status = response.status;
      answer = await response.json();
    } catch (cause) {
      const reason = cause instanceof Error ? `: ${cause.message}` : "";
      throw new GatewayError(100, `the gateway did not answer${reason}`, { cause });
    }
    const { result, error } = (typeof answer === "object" ? (answer ?? {}) : {}) as {
      result?: T;
      error?: { code?: unknown; message?: unknown };
    };
    if (result !== undefined) return result;
    const { code, message } = error ?? {};
    const reason = typeof message === "string" ? message : "no reason was given";
    if (typeof code === "number") throw new GatewayError(code, reason);
    // What was refused before anybody looked at the call: a wrong key is not temporary, a full gateway is.
    throw new GatewayError(status >= 500 ? 100 : status, `${status}: ${reason}`);
  }
}
