import type { ChannelSubscription } from "../broker.ts";
import type { ChannelMessage } from "../channel-message.ts";
import type { HubSubscription } from "../hub.ts";
import type { JoinLeaveEvent } from "../presence/join-leave.ts";
import { errors, type ProtocolError } from "../protocol/codes.ts";
import type { SubscribeEffect, SubscribeOutcome } from "../protocol/effects.ts";
import type { ClientInfo, Encoded } from "../protocol/messages.ts";
import {
  eventEncoding,
  publicationEncoding,
  publicationOf,
  publicationsWithin,
} from "./encodings.ts";
import { FilterBudget } from "./filter-budget.ts";
import { type Host, until } from "./host.ts";

type PublicationShare = HubSubscription<ChannelMessage, ChannelSubscription>;
type EventShare = HubSubscription<JoinLeaveEvent>;

/** What a client has of a channel. */
interface Subscription {
  readonly publications: PublicationShare;
  readonly events: EventShare | undefined;
  /** Present to others, or announced to them, as this. */
  readonly info: ClientInfo;
  readonly presence: boolean;
  readonly filterCost: number;
  /** Whether others were told that it has come, and are to be told that it goes. */
  announced: boolean;
}

/** What comes of subscribing. */
interface Answer {
  readonly outcome: SubscribeOutcome;
  /** The last publication that is in it. */
  readonly has?: ChannelMessage | undefined;
}

/** The channels that one client is subscribed to, or about to be. */
export class Subscriptions {
  readonly #host: Host;
  readonly #channels = new Map<string, Subscription>();
  /** Tasks that are under way, by channel; most of the time there is none at all. */
  #tasks: Map<string, number> | undefined;
  /** Made for those with filters. */
  #filters: FilterBudget | undefined;
  /** What recovered publications add to the connect reply. */
  #recoveredSize = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  async subscribe(effect: SubscribeEffect): Promise<void> {
    const { channel, task, recover, filter } = effect;
    const { gate } = this.#host;
    this.#tasks ??= new Map();
    this.#tasks.set(channel, task);
    if (filter !== undefined) {
      this.#filters ??= new FilterBudget(gate.limits.maxFilterCost, gate.filters);
      if (!this.#filters.take(filter.cost)) {
        // The session is still at what has led here.
        await Promise.resolve();
        this.#refuse(effect, errors.limitExceeded);
        return;
      }
    }
    const startedAt = performance.now();
    const deadline = startedAt + gate.limits.subscribeMs;
    let publications: PublicationShare | undefined;
    let events: EventShare | undefined;
    let done = (): void => undefined;
    let answer: Answer | undefined;
    const giveUp = (): void => {
      publications?.unsubscribe();
      events?.unsubscribe();
      this.#filters?.give(filter?.cost ?? 0);
      done();
    };
    try {
      publications = gate.shared.hub.subscribe(channel);
      events = effect.joinLeave ? gate.events.subscribe(channel) : undefined;
      const { log } = publications.source;
      const recovers = log !== undefined && recover !== undefined;
      await until(recovers ? log.fresh() : publications.confirmed, deadline);
      await until(events?.confirmed, deadline);
      if (recovers) done = await this.#host.turn(deadline);
      answer = this.#positioned(effect, publications);
      while (answer === undefined) {
        // Positions are right for one turn only, and the log may have lost its stream meanwhile.
        await until(log?.following === true ? log.load() : log?.ready(), deadline);
        answer = this.#positioned(effect, publications);
      }
    } catch (error) {
      giveUp();
      gate.complain(error, "a subscription failed");
      this.#refuse(effect, errors.internal);
      return;
    }
    // Nothing is awaited from here on: what comes after the position goes to this subscriber.
    if (this.#host.isOver || !this.#endTask(channel, task)) {
      giveUp();
      return;
    }
    gate.metrics.subscribeSeconds.observe((performance.now() - startedAt) / 1_000);
    this.#attach(effect, publications, events, answer.has);
    this.#host.input({ kind: "subscribed", task, outcome: answer.outcome });
    done();
    this.#announce(effect);
  }

  /** Ends a subscription, or lets one that is under way come to nothing. */
  unsubscribe(channel: string): void {
    this.#forgetTask(channel);
    const subscription = this.#channels.get(channel);
    if (subscription === undefined) return;
    this.#channels.delete(channel);
    // Frames of this turn are of the time before.
    this.#host.flush();
    subscription.publications.unsubscribe();
    subscription.events?.unsubscribe();
    this.#filters?.give(subscription.filterCost);
    const { gate } = this.#host;
    const { presence, announced, info } = subscription;
    if (presence) gate.present.remove(channel, info);
    if (announced) gate.joinLeave.publish(channel, "leave", info);
  }

  end(): void {
    this.#tasks = undefined;
    for (const channel of [...this.#channels.keys()]) this.unsubscribe(channel);
  }

  /** The answer to a subscription as of now; undefined: the log has to read first. */
  #positioned(effect: SubscribeEffect, { source: { log } }: PublicationShare): Answer | undefined {
    const { channel, positioned, recover, filter } = effect;
    if (log === undefined || !positioned) return { outcome: { ok: true } };
    if (!log.following) return undefined;
    const { gate } = this.#host;
    const nowMs = Date.now();
    const snapshot =
      recover !== undefined && gate.isCache(channel)
        ? log.latest(nowMs, recover)
        : log.snapshot(recover, { max: gate.recoverMax, nowMs });
    if (snapshot === undefined) return undefined;
    const { position, recovery } = snapshot;
    if (recovery === undefined) return { outcome: { ok: true, position } };
    const messages =
      filter === undefined
        ? recovery.messages
        : recovery.messages.filter(({ tags }) => filter.accepts(tags));
    const missed = recovery.recovered ? this.#recovered(effect, messages) : undefined;
    const recovered = missed !== undefined;
    gate.metrics.recovery(recovered);
    return {
      outcome: { ok: true, position, recovery: { recovered, publications: missed ?? [] } },
      has: recovered ? messages.at(-1) : undefined,
    };
  }

  /** What the client has missed, encoded; undefined: it is too much for one answer. */
  #recovered(
    { channel, delta }: SubscribeEffect,
    messages: readonly ChannelMessage[],
  ): readonly Encoded[] | undefined {
    const { gate, wire, session } = this.#host;
    const { codec } = wire;
    const room = gate.limits.maxAnswerSize - this.#recoveredSize;
    const encode =
      delta === true
        ? gate.deltas.encoderFor(codec, channel)
        : (message: ChannelMessage) => publicationOf(codec, message);
    const publications = publicationsWithin(messages, room, encode);
    if (publications.length < messages.length) return undefined;
    // Those of the connect reply leave together, the others one by one.
    if (!session.connected) {
      this.#recoveredSize += publications.reduce((sum, { length }) => sum + length, 0);
    }
    return publications;
  }

  #attach(
    { channel, info, presence, delta, filter }: SubscribeEffect,
    publications: PublicationShare,
    events: EventShare | undefined,
    has: ChannelMessage | undefined,
  ): void {
    const { gate, wire } = this.#host;
    const encoding = delta === true ? gate.deltas.encoding(wire) : publicationEncoding(wire);
    publications.attach(this.#host, encoding, {
      has,
      filter: filter && { key: filter.key, accepts: ({ tags }) => filter.accepts(tags) },
    });
    events?.attach(this.#host, eventEncoding(wire));
    const filterCost = filter?.cost ?? 0;
    const subscription = { publications, events, info, presence, filterCost, announced: false };
    this.#channels.set(channel, subscription);
    if (presence) gate.present.add(channel, info);
  }

  #announce({ channel, info, announce }: SubscribeEffect): void {
    const subscription = this.#channels.get(channel);
    // It may have gone again by now.
    if (!announce || subscription?.info !== info) return;
    subscription.announced = true;
    this.#host.gate.joinLeave.publish(channel, "join", info);
  }

  #refuse({ channel, task }: SubscribeEffect, error: ProtocolError): void {
    if (!this.#endTask(channel, task)) return;
    this.#host.input({ kind: "subscribed", task, outcome: { ok: false, error } });
  }

  /** False when it was not waited for any more. */
  #endTask(channel: string, task: number): boolean {
    if (this.#tasks?.get(channel) !== task) return false;
    this.#forgetTask(channel);
    return true;
  }

  #forgetTask(channel: string): void {
    this.#tasks?.delete(channel);
    if (this.#tasks?.size === 0) this.#tasks = undefined;
  }
}
