/** The fast path: replicas tell each other over NATS. What is lost here, the others make good. */
import { type Bus, BusError } from "../lib/bus.ts";
import type { Log } from "../lib/log.ts";
import type { Change } from "./memory.ts";
import { encodePatch, parsePatch } from "./patch.ts";
import type { WriteOutcome, WriteRequest } from "./plan.ts";

/** Outside the prefix of topics: no websocket client can name these. components/lib/nats-config.ts allows them. */
export const subjects = {
  changes: "m.changes",
  acknowledgement: (to: string): string => `m.ack.${to}`,
  write: (to: string): string => `m.write.${to}`,
  written: (to: string): string => `m.wrote.${to}`,
} as const;

/** Larger messages, in bytes, are sent without the changes: NATS takes a megabyte. */
const largestMessage = 512 * 1024;

/** Somebody says that a revision exists, with or without how to get there, and wants to know who has it. */
export interface News {
  readonly from: string;
  /** The replicas that want the acknowledgements. */
  readonly to: readonly string[];
  readonly rev: number;
  readonly changes: readonly Change[];
}

export function encodeNews({ from, to, rev, changes }: News): string {
  return JSON.stringify({
    ...{ from, to, rev },
    changes: changes.map((change) => [change.rev, encodePatch(change.patch)]),
  });
}

/** @throws Error when the text is none of {@link encodeNews} */
export function parseNews(text: string): News {
  const { from, to, rev, changes } = JSON.parse(text) as Record<string, unknown>;
  if (typeof from !== "string" || !isRev(rev) || !isTexts(to) || !Array.isArray(changes)) {
    throw new Error("not the news of a revision");
  }
  return {
    ...{ from, to, rev },
    changes: (changes as unknown[]).map((change) => {
      const [of, patch] = Array.isArray(change) ? (change as unknown[]) : [];
      if (!isRev(of) || typeof patch !== "string") throw new Error("not a change");
      return { rev: of, patch: parsePatch(patch) };
    }),
  };
}

/** What one replica asks another to commit. */
export interface ForwardedWrite {
  readonly from: string;
  readonly request: WriteRequest;
}

export function encodeWrite({ from, request }: ForwardedWrite): string {
  return JSON.stringify({ from, ...request, patch: encodePatch(request.patch) });
}

/** @throws Error when the text is none of {@link encodeWrite} */
export function parseWrite(text: string): ForwardedWrite {
  const { from, id, patch, ifRev, idempotency } = JSON.parse(text) as Record<string, unknown>;
  const { key, digest } = (idempotency ?? {}) as Record<string, unknown>;
  if (
    ![from, id, patch, key, digest].every((value) => typeof value === "string") ||
    (ifRev !== undefined && !Number.isSafeInteger(ifRev))
  ) {
    throw new Error("not a request to write");
  }
  return {
    from: String(from),
    request: {
      id: String(id),
      patch: parsePatch(String(patch)),
      ifRev: ifRev as number | undefined,
      idempotency: { key: String(key), digest: String(digest) },
    },
  };
}

/** What became of a forwarded write: its outcome, or for sure nothing, or nobody knows. */
export interface ForwardedOutcome {
  readonly id: string;
  readonly fate: WriteOutcome | { readonly kind: "nothing" } | { readonly kind: "unknown" };
}

/** @throws Error when the text is no answer to a request to write */
export function parseOutcome(text: string): ForwardedOutcome {
  const { id, fate } = JSON.parse(text) as Record<string, unknown>;
  if (typeof id !== "string") throw new Error("not an answer to a request to write");
  const { kind, rev } = (fate ?? {}) as Record<string, unknown>;
  switch (kind) {
    case "reused key":
    case "nothing":
    case "unknown":
      return { id, fate: { kind } };
    case "committed":
    case "replayed":
    case "mismatch":
      if (Number.isSafeInteger(rev)) return { id, fate: { kind, rev: rev as number } };
  }
  throw new Error("not an outcome");
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
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
  readonly onWrite: (write: ForwardedWrite) => void;
  readonly onWritten: (written: ForwardedOutcome) => void;
}

export class Channel {
  readonly #options: ChannelOptions;

  /** Subscribes for as long as the bus is open. */
  constructor(options: ChannelOptions) {
    this.#options = options;
    const { replica } = options;
    this.#listen(subjects.changes, (text) => {
      const news = parseNews(text);
      // NATS brings a sender's own messages back to it.
      if (news.from !== replica) options.onNews(news);
    });
    this.#listen(subjects.acknowledgement(replica), (text) => {
      const { replica: other, rev } = JSON.parse(text) as Record<string, unknown>;
      if (typeof other !== "string" || !isRev(rev)) throw new Error("not an acknowledgement");
      options.onAcknowledged(other, rev);
    });
    this.#listen(subjects.write(replica), (text) => {
      options.onWrite(parseWrite(text));
    });
    this.#listen(subjects.written(replica), (text) => {
      options.onWritten(parseOutcome(text));
    });
  }

  /** True while messages have a chance to arrive. */
  get open(): boolean {
    return this.#options.bus.connected;
  }

  /** Tells every replica of changes, and asks for acknowledgements to these replicas. */
  tell(changes: readonly Change[], to: readonly string[]): void {
    const { replica: from } = this.#options;
    const rev = changes.at(-1)?.rev;
    if (rev === undefined) return;
    const text = encodeNews({ from, to, rev, changes });
    const fits = Buffer.byteLength(text) <= largestMessage;
    this.#send(subjects.changes, fits ? text : encodeNews({ from, to, rev, changes: [] }));
  }

  /** Asks every replica whether it has a revision. */
  ask(rev: number): void {
    const { replica: from } = this.#options;
    this.#send(subjects.changes, encodeNews({ from, to: [from], rev, changes: [] }));
  }

  /** Tells a writer what this replica has applied. */
  acknowledge(to: string, rev: number): void {
    const { replica } = this.#options;
    if (to !== replica) this.#send(subjects.acknowledgement(to), JSON.stringify({ replica, rev }));
  }

  /** Asks a replica to commit; false when that cannot be sent. */
  forward(to: string, request: WriteRequest): boolean {
    const text = encodeWrite({ from: this.#options.replica, request });
    return Buffer.byteLength(text) <= largestMessage && this.#send(subjects.write(to), text);
  }

  /** Answers a request to commit. */
  answer(to: string, written: ForwardedOutcome): void {
    this.#send(subjects.written(to), JSON.stringify(written));
  }

  #listen(subject: string, take: (text: string) => void): void {
    this.#options.bus.subscribe(subject, (data) => {
      try {
        take(Buffer.from(data).toString());
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log.warn({ subject, reason }, "a message on NATS cannot be read");
      }
    });
  }

  #send(subject: string, text: string): boolean {
    try {
      this.#options.bus.send(subject, Buffer.from(text));
      return true;
    } catch (error) {
      // Without NATS, Pub/Sub brings the news and the leases the acknowledgements.
      if (!(error instanceof BusError)) throw error;
      return false;
    }
  }
}
