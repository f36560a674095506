import { type Bus, BusError } from "../../lib/bus.ts";
import { type HistoryLimits, storedPerChannel } from "./continuation.ts";
import { type JetStream, jetStreamCodes, JetStreamError, type StreamConfig } from "./jetstream.ts";

/** The channels of a namespace, and how much of each is kept. */
export interface HistoryNamespace extends HistoryLimits {
  /** Empty for the channels without a namespace. */
  readonly name: string;
}

export interface StreamsOptions {
  readonly bus: Bus;
  readonly jetStream: JetStream;
  readonly namespaces: readonly HistoryNamespace[];
  /** The prefix of private channels, whose namespace stands behind it. */
  readonly privatePrefix: string;
  /** How long the position of a channel is remembered that nobody uses. */
  readonly metaTtlMs: number;
  /** How many servers of a cluster keep each message. */
  readonly replicas: number;
}

/** Before the subject of a message that a stream hands on. */
export const republished = "r.";
/** Before a channel's subject, the subject of its anchors. */
export const anchors = "a.";
export const anchorsStream = "anchors";

/** More than these would be of channels that somebody makes up; without its anchor, an epoch ends. */
const maxAnchors = 1_000_000;
const retryMs = 200;
/** A stream that seems to be gone is looked for so often. */
const checkMs = 1_000;

export function streamName({ name }: HistoryNamespace): string {
  return name === "" ? "history" : `history-${name}`;
}

/**
 * The streams of all histories: one per namespace with history, so that limits may be changed while its
 * messages stay, and one for all anchors. They are made, or given their limits, on each connection.
 */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #onReady: () => void;
  readonly #onError: (error: unknown) => void;
  readonly #stopWatching: () => void;
  #ready = Promise.withResolvers<undefined>();
  #isReady = false;
  #obstacle: string | undefined = "the streams are not set up yet";
  #working = false;
  #stopped = false;
  #madeAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param onReady called each time they have been made: messages may have been missed before that */
  constructor(options: StreamsOptions, onReady: () => void, onError: (error: unknown) => void) {
    this.#options = options;
    this.#onReady = onReady;
    this.#onError = onError;
    const { bus } = options;
    this.#stopWatching = bus.onChange((connected) => {
      if (connected) this.#make();
      else this.#disconnected();
    });
    if (bus.connected) this.#make();
  }

  /** Why they cannot be used; undefined when they can. */
  get obstacle(): string | undefined {
    return this.#obstacle;
  }

  /** Resolves when they are there, on the present connection or the next one. */
  get ready(): Promise<undefined> {
    return this.#ready.promise;
  }

  /** To be called with what a question to one of them ended with: it may be gone. */
  failed(error: unknown): void {
    const gone =
      (error instanceof JetStreamError && error.code === jetStreamCodes.streamNotFound) ||
      (error instanceof BusError && error.code === "no_responders");
    if (!gone) return;
    const waitMs = this.#madeAt + checkMs - performance.now();
    if (waitMs <= 0) this.#make();
    else this.#makeIn(waitMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#stopWatching();
    clearTimeout(this.#timer);
  }

  /** Who waits from now on waits for the next connection. */
  #disconnected(): void {
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#ready = Promise.withResolvers();
  }

  #makeIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#make();
    }, ms);
  }

  #make(): void {
    if (this.#working || this.#stopped || !this.#options.bus.connected) return;
    this.#working = true;
    clearTimeout(this.#timer);
    void this.#makeAll()
      .then(
        () => {
          this.#madeAt = performance.now();
          this.#obstacle = undefined;
          this.#isReady = true;
          this.#ready.resolve(undefined);
          this.#onReady();
        },
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          this.#obstacle = `JetStream cannot be used: ${reason}`;
          this.#onError(error);
          this.#makeIn(retryMs);
        },
      )
      .finally(() => {
        this.#working = false;
      });
  }

  async #makeAll(): Promise<void> {
    const { namespaces, jetStream, privatePrefix, metaTtlMs, replicas } = this.#options;
    const common: Pick<StreamConfig, "replicas" | "republish"> = {
      replicas,
      republish: { src: ">", dest: `${republished}>` },
    };
    for (const namespace of namespaces) {
      const { name, size, ttlMs } = namespace;
      await jetStream.ensureStream({
        ...common,
        name: streamName(namespace),
        subjects: name === "" ? ["t.>"] : [`n.${name}.>`, `n.${privatePrefix}${name}.>`],
        maxPerSubject: storedPerChannel(size),
        maxAgeMs: ttlMs,
      });
    }
    await jetStream.ensureStream({
      ...common,
      name: anchorsStream,
      subjects: [`${anchors}>`],
      maxPerSubject: 1,
      maxMessages: maxAnchors,
      maxAgeMs: metaTtlMs,
    });
  }
}
