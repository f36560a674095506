import { randomUUID } from "node:crypto";
import { type Bus, BusError, type BusHeaders } from "../../lib/bus.ts";
import { topicSubject } from "../../lib/topic-subject.ts";
import { within } from "../../lib/within.ts";
import type { Broker } from "../broker.ts";
import type { ChannelRules } from "../channel/rules.ts";
import { Counting } from "../history/counted.ts";
import { type History, type LogSubscription, passing } from "../history/history.ts";
import { type JetStream, JetStreamError } from "../history/jetstream.ts";
import type { ChannelPosition } from "../history/snapshot.ts";
import { type HistoryNamespace, streamName } from "../history/streams.ts";
import { Turns } from "../history/turns.ts";
import { errors } from "../protocol/codes.ts";
import { publicationHeaders } from "../publication-headers.ts";
import { type ApiError, badRequest, internal, type Outcome } from "./errors.ts";
import { keyId, Once } from "./once.ts";
import type { PublicationRequest } from "./requests.ts";
import { Versions } from "./versions.ts";

export interface PublisherOptions {
  readonly bus: Bus;
  readonly jetStream: JetStream;
  readonly history: History;
  readonly broker: Broker;
  readonly rules: ChannelRules;
  readonly replicas: number;
  /** How long NATS may take. */
  readonly publishMs: number;
}

/** Channels that are published to often need not be counted anew each time. */
const heldMs = 10_000;
const maxHeld = 1_000;
/** Of the channels with history of a broadcast, each of which has its own time. */
const countedAtATime = 256;

/** What a publication is beside its channel, made once for all channels of a broadcast. */
interface Prepared extends PublicationRequest {
  readonly headers: BusHeaders | undefined;
}

interface HeldLog {
  readonly share: LogSubscription;
  usedAt: number;
}

/** Where a publication is in its channel; undefined where there are no positions. */
export type Published = Outcome<ChannelPosition | null>;

/** Publishes for the server API. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #once: Once;
  readonly #versions: Versions;
  /** Logs that stay open, the longest unused first. */
  readonly #held = new Map<string, HeldLog>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: PublisherOptions) {
    this.#options = options;
    const { jetStream, replicas } = options;
    this.#once = new Once({ jetStream, replicas });
    this.#versions = new Versions(jetStream);
    this.#timer = setInterval(() => {
      this.#letGo(performance.now() - heldMs);
    }, heldMs / 2);
  }

  async publish(channel: string, request: PublicationRequest): Promise<Published> {
    return this.#publish(channel, this.#prepare(request));
  }

  /** One answer for each channel, in their order. What goes to channels without history goes in one write. */
  async broadcast(
    channels: readonly string[],
    request: PublicationRequest,
  ): Promise<readonly Published[]> {
    const prepared = this.#prepare(request);
    const turns = new Turns(countedAtATime);
    return Promise.all(
      channels.map((channel) => {
        const publish = (): Promise<Published> => this.#publish(channel, prepared);
        const isKept =
          !request.skipHistory && this.#options.history.namespaceOf(channel) !== undefined;
        return isKept ? turns.run(publish) : publish();
      }),
    );
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#letGo(Infinity);
  }

  #prepare(request: PublicationRequest): Prepared {
    const { tags, delta } = request;
    return { ...request, headers: publicationHeaders({ tags, delta }) };
  }

  async #publish(channel: string, request: Prepared): Promise<Published> {
    const { rules, history } = this.#options;
    const problem = rules.problem(channel);
    if (problem !== undefined) return { error: badRequest(problem) };
    if (rules.options(channel) === undefined) return { error: errors.unknownChannel };
    const namespace = request.skipHistory ? undefined : history.namespaceOf(channel);
    if (namespace === undefined && request.version > 0n) {
      const { code, message } = errors.notAvailable;
      return { error: { code, message: `${message}: versions are of channels with a history` } };
    }
    try {
      if (namespace === undefined) {
        await this.#pass(channel, request);
        return { result: null };
      }
      return { result: (await this.#store(channel, namespace, request)) ?? null };
    } catch (error) {
      return { error: errorOf(error) };
    }
  }

  /** To who is there now, and to nobody later. */
  async #pass(channel: string, request: Prepared): Promise<void> {
    const { bus, broker, history } = this.#options;
    const { data, tags, delta, headers, idempotencyKey } = request;
    const withinMs = this.#options.publishMs;
    const isKept = history.namespaceOf(channel) !== undefined;
    const subject = `${isKept ? passing : ""}${topicSubject(channel)}`;
    if (idempotencyKey !== "") {
      const id = keyId(channel, idempotencyKey);
      await this.#once.send(subject, data, { id, headers, withinMs });
    } else if (isKept) {
      bus.send(subject, data, headers && { headers });
      await within(bus.flush(), withinMs, notConfirmed);
    } else {
      await broker.publishFor(channel, data, { tags, delta, withinMs });
    }
  }

  async #store(
    channel: string,
    namespace: HistoryNamespace,
    request: Prepared,
  ): Promise<ChannelPosition | undefined> {
    const { history, jetStream } = this.#options;
    const { data, headers, idempotencyKey, version, versionEpoch } = request;
    const deadline = performance.now() + this.#options.publishMs;
    this.#hold(channel, namespace);
    const counting = new Counting(history, channel);
    try {
      // Before anything is stored: whoever is told an error for this can try again.
      await counting.ready(deadline);
      const store = async (id: string): Promise<ChannelPosition | undefined> => {
        if (version > 0n) {
          const stored = await this.#versions.store(
            { stream: streamName(namespace), subject: topicSubject(channel) },
            { version, epoch: versionEpoch },
            data,
            { id, headers, deadline },
          );
          // Of an older version than there is, nothing is stored.
          if (stored === undefined) return counting.log.position;
          return counting.positionOf(stored, deadline);
        }
        const seq = await history.publish(channel, data, {
          ...{ id, headers },
          withinMs: left(deadline),
        });
        return counting.positionOf(seq, deadline);
      };
      if (idempotencyKey === "") return await store(randomUUID());
      const id = keyId(channel, idempotencyKey);
      const find = async (): Promise<ChannelPosition | undefined> => {
        const subject = topicSubject(channel);
        const last = await jetStream.last(streamName(namespace), subject);
        const stored = await jetStream.read(streamName(namespace), subject, 1);
        const found = stored.findLast((each) => each.header("Nats-Msg-Id") === id);
        if (found !== undefined) return counting.positionOf(found.seq, deadline);
        if ((last?.seq ?? 0) <= (stored.at(-1)?.seq ?? 0)) return undefined;
        throw new BusError("unavailable", "a replica of the history lags behind");
      };
      return await this.#once.store(id, find, () => store(id));
    } finally {
      counting.end();
    }
  }

  #hold(channel: string, namespace: HistoryNamespace): void {
    const held = this.#held.get(channel);
    this.#held.delete(channel);
    const share = held?.share ?? this.#options.history.subscribe(channel, namespace, ignoring);
    this.#held.set(channel, { share, usedAt: performance.now() });
    if (this.#held.size <= maxHeld) return;
    const [oldest] = this.#held;
    if (oldest !== undefined) this.#release(...oldest);
  }

  /** Of what was last used before that. */
  #letGo(before: number): void {
    for (const [channel, held] of this.#held) {
      if (held.usedAt > before) return;
      this.#release(channel, held);
    }
  }

  #release(channel: string, { share }: HeldLog): void {
    this.#held.delete(channel);
    share.unsubscribe();
  }
}

const ignoring = { onMessage: () => undefined, onLost: () => undefined };

function left(deadline: number): number {
  return Math.max(1, Math.ceil(deadline - performance.now()));
}

function notConfirmed(): Error {
  return new BusError("unavailable", "NATS did not confirm the publication in time");
}

/** @throws what is no error of NATS: a bug */
export function errorOf(error: unknown): ApiError {
  if (error instanceof BusError && error.code === "too_large") return badRequest(error.message);
  if (error instanceof BusError || error instanceof JetStreamError) return internal(error.message);
  throw error;
}
