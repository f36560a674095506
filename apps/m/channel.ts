/** The fast path: replicas tell each other over NATS. What is lost here, the others make good. */
import { type Bus, BusError } from "../lib/bus.ts";
import type { Log } from "../lib/log.ts";
import type { Change } from "./memory.ts";
import { encodePatch, parsePatch } from "./patch.ts";

/** Outside the prefix of topics: no websocket client can name these. components/lib/nats-config.ts allows them. */
export const changesSubject = "m.changes";
export const acknowledgementSubject = (writer: string): string => `m.ack.${writer}`;

/** Larger messages, in bytes, are sent without the changes: NATS takes a megabyte. */
const largestMessage = 512 * 1024;

/** Somebody says that a revision exists, with or without how to get there, and wants to know who has it. */
export interface News {
  /** The replica that wants the acknowledgements. */
  readonly writer: string;
  readonly rev: number;
  readonly changes: readonly Change[];
}

export function encodeNews({ writer, rev, changes }: News): string {
  return JSON.stringify({
    writer,
    rev,
    changes: changes.map((change) => [change.rev, encodePatch(change.patch)]),
  });
}

/** @throws Error when the text is none of {@link encodeNews} */
export function parseNews(text: string): News {
  const { writer, rev, changes } = JSON.parse(text) as Record<string, unknown>;
  if (typeof writer !== "string" || !isRev(rev) || !Array.isArray(changes)) {
    throw new Error("not the news of a revision");
  }
  return {
    writer,
    rev,
    changes: (changes as unknown[]).map((change) => {
      const [of, patch] = Array.isArray(change) ? (change as unknown[]) : [];
      if (!isRev(of) || typeof patch !== "string") throw new Error("not a change");
      return { rev: of, patch: parsePatch(patch) };
    }),
  };
}

function isRev(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

export interface ChannelOptions {
  readonly bus: Pick<Bus, "connected" | "send" | "subscribe">;
  /** This replica. */
  readonly replica: string;
  readonly log: Log;
  readonly onNews: (news: News) => void;
  readonly onAcknowledged: (replica: string, rev: number) => void;
}

export class Channel {
  readonly #options: ChannelOptions;

  /** Subscribes for as long as the bus is open. */
  constructor(options: ChannelOptions) {
    this.#options = options;
    const { bus, replica } = options;
    bus.subscribe(changesSubject, (data) => {
      this.#decode(data, (text) => {
        const news = parseNews(text);
        // NATS brings a sender's own messages back to it.
        if (news.writer !== replica) options.onNews(news);
      });
    });
    bus.subscribe(acknowledgementSubject(replica), (data) => {
      this.#decode(data, (text) => {
        const { replica: other, rev } = JSON.parse(text) as Record<string, unknown>;
        if (typeof other !== "string" || !isRev(rev)) throw new Error("not an acknowledgement");
        options.onAcknowledged(other, rev);
      });
    });
  }

  /** True while messages have a chance to arrive. */
  get open(): boolean {
    return this.#options.bus.connected;
  }

  /** Tells every replica of changes, and asks for acknowledgements. */
  tell(changes: readonly Change[]): void {
    const { replica: writer } = this.#options;
    const rev = changes.at(-1)?.rev;
    if (rev === undefined) return;
    const text = encodeNews({ writer, rev, changes });
    if (Buffer.byteLength(text) > largestMessage) this.ask(rev);
    else this.#send(changesSubject, text);
  }

  /** Asks every replica whether it has a revision. */
  ask(rev: number): void {
    this.#send(changesSubject, encodeNews({ writer: this.#options.replica, rev, changes: [] }));
  }

  /** Tells a writer what this replica has applied. */
  acknowledge(writer: string, rev: number): void {
    this.#send(
      acknowledgementSubject(writer),
      JSON.stringify({ replica: this.#options.replica, rev }),
    );
  }

  #send(subject: string, text: string): void {
    try {
      this.#options.bus.send(subject, Buffer.from(text));
    } catch (error) {
      // Without NATS, Pub/Sub brings the news and the leases the acknowledgements.
      if (!(error instanceof BusError)) throw error;
    }
  }

  #decode(data: Uint8Array, read: (text: string) => void): void {
    try {
      read(Buffer.from(data).toString());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.warn({ reason }, "a message on NATS cannot be read");
    }
  }
}
