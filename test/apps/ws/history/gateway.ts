import { createLog } from "../../../../apps/lib/log.ts";
import { NatsBus } from "../../../../apps/lib/nats-bus.ts";
import type { ChannelMessage } from "../../../../apps/ws/channel-message.ts";
import {
  History,
  type HistoryNamespace,
  type HistoryOptions,
  type LogSubscription,
} from "../../../../apps/ws/history/history.ts";
import { JetStream } from "../../../../apps/ws/history/jetstream.ts";
import type { ChannelPosition } from "../../../../apps/ws/history/snapshot.ts";
import { eventually } from "../../../support/eventually.ts";

const inboxPrefix = "_INBOX_ws";

/** A nats-server, or a gate in front of it. */
export type Where = { readonly url: string } | { readonly host: string };

/** The part of a gateway that keeps histories, with a connection to NATS of its own. */
export class HistoryGateway implements AsyncDisposable {
  readonly bus: NatsBus;
  readonly jetStream: JetStream;
  readonly history: History;
  readonly lines: string[] = [];

  constructor(
    server: Where,
    options: Partial<HistoryOptions> & { readonly namespaces?: readonly HistoryNamespace[] } = {},
  ) {
    const log = createLog(
      { service: "test", version: undefined, instance: undefined },
      { sink: { write: (line) => this.lines.push(line) }, readable: false },
    );
    this.bus = new NatsBus({
      name: "gateway",
      servers: ["url" in server ? server.url : `nats://${server.host}`],
      log,
      inboxPrefix,
      limits: { retryMaxMs: 100, pingIntervalMs: 500, pongTimeoutMs: 500 },
    });
    this.jetStream = options.jetStream ?? new JetStream(this.bus, inboxPrefix);
    this.history = new History({
      bus: this.bus,
      jetStream: this.jetStream,
      log,
      namespaces: [{ name: "", size: 100, ttlMs: 600_000 }],
      privatePrefix: "$",
      metaTtlMs: 3_600_000,
      checkMs: 5_000,
      replicas: 1,
      ...options,
    });
  }

  /** Follows a channel, as the hub does, and waits until it does. */
  async follow(channel: string): Promise<Follower> {
    const follower = new Follower(this.history, channel);
    await follower.log.ready();
    return follower;
  }

  async publish(channel: string, text: string, id = text): Promise<void> {
    await this.history.publish(channel, Buffer.from(text), { id, withinMs: 10_000 });
  }

  /** Complaints about histories in its log. */
  get complaints(): readonly string[] {
    return this.lines.filter((line) => line.includes("history"));
  }

  async stop(): Promise<void> {
    await this.history.stop();
    this.jetStream.close();
    await this.bus.close();
  }

  /** Ends like a process that dies. */
  async crash(): Promise<void> {
    await this.bus.close({ withinMs: 0 });
    await this.history.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** What a gateway hands out of one channel. */
export class Follower {
  /** In order: the offset and the payload. */
  readonly messages: (readonly [number | undefined, string])[] = [];
  losses = 0;
  readonly #share: LogSubscription;

  constructor(history: History, channel: string) {
    const namespace = history.namespaceOf(channel);
    if (namespace === undefined) throw new Error(`${channel} has no history`);
    this.#share = history.subscribe(channel, namespace, {
      onMessage: (message) => this.messages.push(textOf(message)),
      onLost: () => {
        this.losses += 1;
      },
    });
  }

  get log(): LogSubscription["log"] {
    return this.#share.log;
  }

  get position(): ChannelPosition {
    return this.log.position;
  }

  get texts(): readonly string[] {
    return this.messages.map(([, text]) => text);
  }

  get offsets(): readonly (number | undefined)[] {
    return this.messages.map(([offset]) => offset);
  }

  async received(count: number): Promise<void> {
    await eventually(`${count} publications came`, () => this.messages.length >= count);
  }

  /** What a client gets that comes back with a position: texts, or undefined when not recovered. */
  async recover(position: ChannelPosition): Promise<readonly string[] | undefined> {
    await this.log.fresh();
    for (;;) {
      const snapshot = this.log.snapshot(position, { max: 100_000, nowMs: Date.now() });
      if (snapshot !== undefined) {
        const { recovered = false, messages = [] } = snapshot.recovery ?? {};
        return recovered ? messages.map((message) => textOf(message)[1]) : undefined;
      }
      await (this.log.following ? this.log.load() : this.log.ready());
    }
  }

  /** What a client is shown of the history. */
  async shown(): Promise<readonly (readonly [number | undefined, string])[]> {
    await this.log.fresh();
    for (;;) {
      const shown = this.log.visible(Date.now());
      if (shown !== undefined) return shown.map(textOf);
      await (this.log.following ? this.log.load() : this.log.ready());
    }
  }

  end(): void {
    this.#share.unsubscribe();
  }
}

function textOf({ offset, data }: ChannelMessage): readonly [number | undefined, string] {
  return [offset, Buffer.from(data).toString()];
}
