/** What users do to the system while its versions are replaced; it writes down what they see. */
import { randomUUID } from "node:crypto";
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { type Centrifuge, State, SubscriptionState } from "centrifuge";
import { WebSocket } from "ws";
import { eventually } from "../../support/eventually.ts";
import { centrifuge } from "../../support/gateway-process.ts";
import type { Get, Post } from "../m-consistency/history.ts";
import { rest, until } from "../m-consistency/world.ts";
import type { Closing, Follower, Published } from "./seen.ts";

interface Answer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly body: string;
}

export interface LoadOptions {
  readonly port: number;
  /** Where M is served. */
  readonly m: boolean;
  /** The versions of m whose instances are asked directly, the newest last. */
  readonly versionsOfM: () => readonly string[];
}

/** Half of the subscribers follow what `add` publishes, the others these. */
const chats = ["chat:0", "chat:1", "chat:2", "chat:3", "chat:4"];
const subscriberCount = 200;
const rawCount = 30;
/** The websockets that it keeps open. */
export const websockets = { protocol: subscriberCount, raw: rawCount } as const;

export class Load {
  readonly followers: (Follower & { readonly seen: Follower["seen"][number][] })[] = [];
  readonly published: Published[] = [];
  readonly closings: Closing[] = [];
  readonly posts: Post[] = [];
  readonly gets: Get[] = [];
  /** Requests of users that were not answered as they should be. */
  readonly failures: string[] = [];
  requests = 0;
  /** Of what `add` answered last. */
  release = "";
  readonly #options: LoadOptions;
  readonly #over = new AbortController();
  readonly #clients: Centrifuge[] = [];
  readonly #raw = new Set<WebSocket>();
  readonly #turns: Promise<void>[] = [];

  private constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Begins, and waits until every subscriber is subscribed. */
  static async start(options: LoadOptions): Promise<Load> {
    const load = new Load(options);
    for (let index = 0; index < subscriberCount; index++) {
      load.#follow(
        index % 2 === 0 ? "add" : (chats[((index - 1) / 2) % chats.length] ?? ""),
        index,
      );
    }
    for (let index = 0; index < rawCount; index++) load.#listen();
    await load.settled();
    load.#run();
    return load;
  }

  /** Waits until every subscriber is subscribed and every raw websocket open. */
  async settled(): Promise<void> {
    await eventually(
      "everybody is connected",
      () =>
        this.#clients.every(
          (client) =>
            client.state === State.Connected &&
            Object.values(client.subscriptions()).every(
              ({ state }) => state === SubscriptionState.Subscribed,
            ),
        ) &&
        this.#raw.size === rawCount &&
        [...this.#raw].every(({ readyState }) => readyState === WebSocket.OPEN),
      { withinMs: 60_000 },
    );
  }

  /** Ends all requests, and waits until subscribers have what was published. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#turns);
    await this.settled();
    // What does not come is found by who looks at all of it.
    await eventually("the last publications arrive everywhere", () => {
      return ["add", ...chats].every((channel) => {
        const last = this.published.findLast((one) => one.channel === channel && one.acknowledged);
        return this.followers
          .filter((each) => each.channel === channel)
          .every(({ seen }) =>
            seen.some((event) => event.kind === "publication" && event.id === last?.id),
          );
      });
    }).catch(() => undefined);
  }

  close(): void {
    this.#over.abort();
    for (const client of this.#clients) client.disconnect();
    for (const socket of this.#raw) {
      socket.removeAllListeners("close");
      socket.terminate();
    }
  }

  #follow(channel: string, index: number): void {
    const follower = { name: `subscriber ${index} of ${channel}`, channel, seen: [] };
    const { seen } = follower as (typeof this.followers)[number];
    this.followers.push(follower);
    const client = centrifuge(this.#options.port, { timeout: 10_000, maxReconnectDelay: 1_000 });
    client.on("connecting", ({ code }) => {
      // 0: it was this side that began.
      if (code !== 0) this.closings.push({ at: performance.now(), endpoint: "protocol", code });
    });
    client.on("disconnected", ({ code, reason }) => {
      if (code !== 0) this.failures.push(`${follower.name} was sent away: ${code} ${reason}`);
    });
    const subscription = client.newSubscription(channel, { maxResubscribeDelay: 1_000 });
    subscription.on("subscribed", ({ wasRecovering, recovered, streamPosition }) => {
      const { offset = 0, epoch = "" } = streamPosition ?? {};
      const again = wasRecovering ? recovered : seen.length > 0 ? false : undefined;
      seen.push({ kind: "subscribed", recovered: again, offset, epoch });
    });
    subscription.on("publication", ({ offset = 0, data }) => {
      seen.push({ kind: "publication", offset, id: idOf(data) });
    });
    subscription.subscribe();
    client.connect();
    this.#clients.push(client);
  }

  #listen(): void {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#options.port}/ws/add`);
    this.#raw.add(socket);
    let opened = false;
    socket.on("open", () => (opened = true));
    socket.on("error", (error) => {
      if (!this.#over.signal.aborted) this.failures.push(`a raw websocket: ${error.message}`);
    });
    socket.on("close", (code) => {
      this.#raw.delete(socket);
      if (opened) this.closings.push({ at: performance.now(), endpoint: "raw", code });
      setTimeout(() => {
        this.#listen();
      }, 100 * Math.random()).unref();
    });
  }

  #run(): void {
    const { signal } = this.#over;
    const repeat = (everyMs: number, turn: () => Promise<unknown>): void => {
      this.#turns.push(
        until(signal, async () => {
          await turn();
          await rest(everyMs, signal);
        }),
      );
    };
    for (let index = 0; index < 3; index++) repeat(100, () => this.#add());
    for (let index = 0; index < 2; index++) repeat(100, () => this.#chat(index));
    repeat(100, () => this.#ask("GET", "/"));
    if (!this.#options.m) return;
    for (let index = 0; index < 2; index++) repeat(100, () => this.#post());
    for (let index = 0; index < 3; index++) repeat(40, () => this.#get());
    for (let index = 0; index < 3; index++) repeat(40, () => this.#getFromInstance(index, -1));
    repeat(40, () => this.#getFromInstance(0, -2));
  }

  async #add(): Promise<void> {
    const id = randomUUID();
    const at = this.published.push({ channel: "add", id, acknowledged: false }) - 1;
    const answer = await this.#ask("POST", "/api/add/concat", { a: id, b: "" });
    if (answer?.status !== 200) return;
    this.published[at] = { channel: "add", id, acknowledged: true };
    this.release = (JSON.parse(answer.body) as { res: string }).res.slice(id.length);
  }

  async #chat(publisher: number): Promise<void> {
    const id = randomUUID();
    const channel = chats[this.published.length % chats.length] ?? "";
    const at = this.published.push({ channel, id, acknowledged: false }) - 1;
    // Its connection may be moved meanwhile: then nobody knows, and subscribers will tell.
    await this.#clients[publisher]?.publish(channel, id).then(
      () => (this.published[at] = { channel, id, acknowledged: true }),
      () => undefined,
    );
  }

  async #post(): Promise<void> {
    const operation = randomUUID();
    const patch = { operation, [`key-${this.posts.length % 5}`]: operation };
    const invoked = performance.now();
    const answer = await this.#ask("POST", "/m?wait=20", patch);
    const returned = performance.now();
    const body = (answer === undefined ? {} : JSON.parse(answer.body)) as {
      rev?: number;
      error?: { code: string };
    };
    this.posts.push({
      ...{ kind: "post", invoked, returned, operation, status: answer?.status },
      ...{ rev: body.rev, code: body.error?.code },
      patch: new Map(Object.entries(patch).map(([key, value]) => [key, JSON.stringify(value)])),
    });
    // What was confirmed must be everywhere at once.
    if (answer?.status !== 200) return;
    await Promise.all([this.#get(), ...[0, 1, 2].map((index) => this.#getFromInstance(index, -1))]);
  }

  async #get(): Promise<void> {
    const invoked = performance.now();
    const answer = await this.#ask("GET", "/m");
    // Which instance it was is not said.
    if (answer?.status === 200) this.#saw(`read ${this.gets.length}`, invoked, answer);
  }

  /** Reads from one instance, which may be gone or about to go: it then says so or is not there. */
  async #getFromInstance(index: number, ofVersion: number): Promise<void> {
    const version = this.#options.versionsOfM().at(ofVersion);
    if (version === undefined) return;
    const host = `${index}-dot-${version}-dot-m-dot-appengine.localhost:${this.#options.port}`;
    const invoked = performance.now();
    const answer = await this.#send("GET", "/m", undefined, host).catch(() => undefined);
    if (answer?.status === 200) this.#saw(`instance ${index} of ${version}`, invoked, answer);
  }

  #saw(replica: string, invoked: number, { etag, body }: Answer): void {
    this.gets.push({
      ...{ kind: "get", invoked, returned: performance.now(), replica, minRev: 0 },
      ...{ rev: Number(/^"(\d+)"$/.exec(etag ?? "")?.[1]), body: JSON.parse(body) as unknown },
    });
  }

  /** A request that must be answered well; undefined when it was not, which is written down. */
  async #ask(method: string, path: string, body?: object): Promise<Answer | undefined> {
    this.requests += 1;
    try {
      const answer = await this.#send(method, path, body);
      if (answer.status === 200) return answer;
      this.failures.push(`${method} ${path}: ${answer.status} ${answer.body}`);
      return answer;
    } catch (error) {
      this.failures.push(`${method} ${path}: ${String(error)}`);
      return undefined;
    }
  }

  #send(method: string, path: string, body?: object, host?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          // A connection for each: an idle one may be closed just when it is used again.
          ...{ host: "127.0.0.1", port: this.#options.port, method, path, agent: false },
          headers: {
            ...(host === undefined ? {} : { host }),
            ...(body === undefined ? {} : { "content-type": "application/json" }),
          },
        },
        (response) => {
          text(response).then((content) => {
            const { statusCode = 0, headers } = response;
            resolve({ status: statusCode, etag: headers.etag, body: content });
          }, reject);
        },
      );
      request.once("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** What `add` published ends in its release. */
function idOf(data: unknown): string {
  return String(data).slice(0, randomUUID().length);
}
