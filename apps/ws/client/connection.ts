import { BusError } from "../../lib/bus.ts";
import { within } from "../../lib/within.ts";
import type { ChannelSubscription } from "../broker.ts";
import type { ChannelMessage } from "../channel-message.ts";
import type { Timed } from "../deadlines.ts";
import type { Pinged } from "../heartbeat.ts";
import type { HubSubscription, Subscriber } from "../hub.ts";
import type { Sender } from "../outbox.ts";
import type { JoinLeaveEvent } from "../presence/join-leave.ts";
import { disconnects, errors } from "../protocol/codes.ts";
import type {
  Effect,
  HistoryOutcome,
  Input,
  SubscribeEffect,
  SubscribeOutcome,
} from "../protocol/effects.ts";
import type { ClientInfo, Encoded } from "../protocol/messages.ts";
import type { Session } from "../protocol/session.ts";
import type { Closing, Link, OpenLink } from "../transport/link.ts";
import type { Wire } from "../transport/wire.ts";
import { AnswerTurns } from "./answer-turns.ts";
import { eventEncoding, publicationEncoding, publicationOf, publisherText } from "./encodings.ts";
import type { Gate } from "./endpoint.ts";
import { type HistoryRequest, selectHistory } from "./select-history.ts";

type PublicationShare = HubSubscription<ChannelMessage, ChannelSubscription>;
type EventShare = HubSubscription<JoinLeaveEvent>;

/** What a client has of a channel. */
interface Subscription {
  readonly publications: PublicationShare;
  readonly events: EventShare | undefined;
  /** Present to others, or announced to them, as this; undefined: neither. */
  readonly info: ClientInfo;
  readonly presence: boolean;
  /** Whether others were told that it has come, and are to be told that it goes. */
  announced: boolean;
}

/** Beyond this, frames of one turn do not wait for its end, and large answers wait for the peer to read. */
const roomBytes = 65_536;

export interface ConnectionOptions {
  readonly wire: Wire;
  readonly openLink: OpenLink;
  readonly session: Session;
  readonly gate: Gate;
  /** Whether it is asked for signs of life by frames of the websocket. */
  readonly framePings: boolean;
  /** When it is asked to connect again, ms of `performance.now()`; undefined: never. */
  readonly endAt: number | undefined;
}

/**
 * One client of the protocol: carries the session's effects out on its link, the hub and the broker,
 * and tells the session what came of them.
 */
export class Connection implements Subscriber, Sender, Timed, Pinged {
  readonly session: Session;
  readonly #gate: Gate;
  readonly #wire: Wire;
  readonly #link: Link;
  readonly #endAt: number | undefined;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Tasks of subscriptions that are under way, by channel. */
  #subscribing: Map<string, number> | undefined;
  readonly #openedAt = performance.now();
  /** Frames of this turn. */
  readonly #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Made when the first large answer is asked for. */
  #turns: AnswerTurns | undefined;
  /** Whether the peer has answered the last ping of websocket frames. */
  #answered = true;
  /** What recovered publications add to the connect reply. */
  #recoveredSize = 0;
  /** What was published on server-side subscriptions before the connect reply. */
  #held: Uint8Array[] | undefined = [];
  #heldBytes = 0;
  #ended = false;

  constructor({ wire, openLink, session, gate, endAt, framePings }: ConnectionOptions) {
    this.session = session;
    this.#gate = gate;
    this.#wire = wire;
    this.#endAt = endAt;
    this.#link = openLink({
      onMessage: (bytes, isBinary) => {
        if (isBinary === wire.isBinary) this.take(bytes);
        else this.#input({ kind: "malformed", reason: "text and binary frames are mixed up" });
      },
      ...(framePings && {
        onPong: () => {
          this.#answered = true;
        },
      }),
      onDrain: () => {
        this.#turns?.check();
      },
      onClose: (closing) => {
        this.#end(closing);
      },
    });
    gate.deadlines.watch(this);
  }

  get client(): string {
    return this.session.client;
  }

  get deadline(): number | undefined {
    if (this.#isOver) return undefined;
    const { deadline } = this.session;
    if (deadline === undefined || this.#endAt === undefined) return deadline ?? this.#endAt;
    return Math.min(deadline, this.#endAt);
  }

  onDeadline(now: number): void {
    if (this.#endAt !== undefined && now >= this.#endAt) this.close(disconnects.forceReconnect);
    else this.#input({ kind: "tick" });
  }

  write(bytes: Uint8Array): void {
    if (this.#held === undefined) {
      this.#enqueue(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > this.#gate.limits.maxBacklogBytes) this.close(disconnects.slow);
  }

  /** Asks by a frame of the websocket, for clients that know no pings of the protocol. */
  ping(): void {
    if (!this.#answered) {
      this.close(disconnects.noPong);
      return;
    }
    this.#answered = false;
    this.#link.ping?.();
  }

  lost(channel: string): void {
    this.#input({ kind: "insufficient", channel });
  }

  flush(): void {
    const pending = this.#pending;
    const [first] = pending;
    if (first === undefined) return;
    const bytes = pending.length === 1 ? first : Buffer.concat(pending);
    pending.length = 0;
    this.#pendingBytes = 0;
    this.#link.write(bytes);
    this.#turns?.check();
  }

  /** Sends what is pending, says goodbye, and cuts the socket when the peer does not answer in time. */
  close(closing: Closing, graceMs?: number): void {
    this.flush();
    this.#link.close(closing, graceMs);
    // A peer may take its time to answer; others are to see at once that it has gone.
    this.#release();
  }

  /** Commands and pongs, as they came in one message. */
  take(bytes: Uint8Array): void {
    for (const input of this.#wire.codec.decode(bytes)) {
      if (this.#link.closing !== undefined) return;
      if (input.kind === "command") this.#gate.metrics.command(input.command.method);
      this.#input(input);
    }
  }

  /** True once nothing more is to be said to the peer. */
  get #isOver(): boolean {
    return this.#ended || this.#link.closing !== undefined;
  }

  #input(input: Input): void {
    if (this.#isOver) return;
    const effects = this.session.receive(input, performance.now());
    for (const effect of effects) this.#carryOut(effect);
    if (this.#held !== undefined && this.session.connected) {
      const held = this.#held;
      this.#held = undefined;
      for (const bytes of held) this.#enqueue(bytes);
    }
    this.#gate.deadlines.watch(this);
  }

  #enqueue(bytes: Uint8Array): void {
    if (this.#pending.push(bytes) === 1) this.#gate.outbox.add(this);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > roomBytes) this.flush();
  }

  get #answerTurns(): AnswerTurns {
    this.#turns ??= new AnswerTurns(
      () => this.#pendingBytes + this.#link.backlogBytes <= roomBytes,
    );
    return this.#turns;
  }

  /** Waits for the turn to make a large answer, which must be ended. */
  async #turn(deadline: number): Promise<void> {
    if (await this.#answerTurns.take(deadline - performance.now())) return;
    throw new BusError("unavailable", "the peer did not read the answers before this one in time");
  }

  #send(message: Encoded): void {
    this.#enqueue(this.#wire.frame(message));
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "reply":
        if ("error" in effect.reply) this.#gate.metrics.error(effect.reply.error.code);
        this.#send(this.#wire.codec.reply(effect.reply));
        return;
      case "push":
        this.#send(this.#wire.codec.push(effect.push));
        return;
      case "ping":
        this.#send(this.#wire.codec.ping);
        return;
      case "close":
        this.close(effect);
        return;
      case "connected": {
        const refused = this.#gate.registry.add(this, effect.user);
        if (refused === undefined) this.#gate.connected(this);
        else this.close(refused);
        return;
      }
      case "verify-connection":
        this.#run(async () => {
          const outcome = await this.#gate.tokens.verifyConnection(effect.token);
          this.#input({ kind: "connection-token", task: effect.task, outcome });
        });
        return;
      case "verify-subscription":
        this.#run(async () => {
          const outcome = await this.#gate.tokens.verifySubscription(effect.token);
          this.#input({ kind: "subscription-token", task: effect.task, outcome });
        });
        return;
      case "subscribe":
        this.#run(() => this.#subscribe(effect));
        return;
      case "unsubscribe":
        this.#unsubscribe(effect.channel);
        return;
      case "publish":
        this.#run(() => this.#publish(effect));
        return;
      case "presence":
        this.#run(() => this.#presence(effect));
        return;
      case "presence-stats":
        this.#run(async () => {
          const stats = await this.#gate.presence.stats(effect.channel);
          this.#noteIncomplete(stats);
          this.#input({ kind: "presence-stats", task: effect.task, outcome: stats });
        });
        return;
      case "history":
        this.#run(() => this.#history(effect));
        return;
    }
  }

  /** Whatever goes wrong with what one client asked for ends that client alone. */
  #run(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      this.#gate.complain(error, "a command failed");
      this.close(disconnects.serverError);
    });
  }

  async #subscribe(effect: SubscribeEffect): Promise<void> {
    const { channel, task, info } = effect;
    const { shared, events, limits } = this.#gate;
    this.#subscribing ??= new Map();
    this.#subscribing.set(channel, task);
    const startedAt = performance.now();
    let publications: PublicationShare | undefined;
    let eventShare: EventShare | undefined;
    let outcome: SubscribeOutcome;
    let hasTurn = false;
    try {
      publications = shared.hub.subscribe(channel);
      eventShare = effect.joinLeave ? events.subscribe(channel) : undefined;
      const { log } = publications.source;
      const deadline = startedAt + limits.subscribeMs;
      const recovers = log !== undefined && effect.recover !== undefined;
      await until(recovers ? log.fresh() : publications.confirmed, deadline);
      await until(eventShare?.confirmed, deadline);
      if (recovers) {
        await this.#turn(deadline);
        hasTurn = true;
      }
      for (;;) {
        const found = this.#positioned(effect, publications);
        if (found !== undefined) {
          outcome = found;
          break;
        }
        // Positions are right for one turn only, and the log may have lost its stream meanwhile.
        await until(log?.following === true ? log.load() : log?.ready(), deadline);
      }
    } catch (error) {
      publications?.unsubscribe();
      eventShare?.unsubscribe();
      if (hasTurn) this.#answerTurns.done();
      this.#gate.complain(error, "a subscription failed");
      if (!this.#isUnderWay(channel, task)) return;
      this.#subscribed(channel);
      this.#input({ kind: "subscribed", task, outcome: { ok: false, error: errors.internal } });
      return;
    }
    // Nothing is awaited from here on: what comes after the position goes to this subscriber.
    if (this.#isOver || !this.#isUnderWay(channel, task)) {
      publications.unsubscribe();
      eventShare?.unsubscribe();
      if (hasTurn) this.#answerTurns.done();
      return;
    }
    this.#subscribed(channel);
    this.#gate.metrics.subscribeSeconds.observe((performance.now() - startedAt) / 1_000);
    publications.attach(this, publicationEncoding(this.#wire));
    eventShare?.attach(this, eventEncoding(this.#wire));
    const { presence, announce } = effect;
    this.#subscriptions.set(channel, {
      publications,
      events: eventShare,
      info,
      presence,
      announced: false,
    });
    if (presence) this.#gate.present.add(channel, info);
    this.#input({ kind: "subscribed", task, outcome });
    if (hasTurn) this.#answerTurns.done();
    // It may have gone again by now.
    const subscription = this.#subscriptions.get(channel);
    if (!announce || subscription?.info !== info) return;
    subscription.announced = true;
    this.#gate.joinLeave.publish(channel, "join", info);
  }

  /** The answer to a subscription as of now; undefined: the log has to read first. */
  #positioned(effect: SubscribeEffect, share: PublicationShare): SubscribeOutcome | undefined {
    const { log } = share.source;
    if (log === undefined || !effect.positioned) return { ok: true };
    if (!log.following) return undefined;
    const nowMs = Date.now();
    const cache = effect.recover !== undefined && this.#gate.isCache(effect.channel);
    const max = this.#gate.recoverMax;
    const snapshot = cache
      ? log.latest(nowMs, effect.recover)
      : log.snapshot(effect.recover, { max, nowMs });
    if (snapshot === undefined) return undefined;
    const { position, recovery } = snapshot;
    if (recovery === undefined) return { ok: true, position };
    const missed = this.#within(recovery.messages, this.#recoveredSize);
    const recovered = recovery.recovered && missed.length === recovery.messages.length;
    const publications = recovered ? missed : [];
    // Those of the connect reply leave together, the others one by one.
    if (!this.session.connected) this.#recoveredSize += sizeOf(publications);
    this.#gate.metrics.recovery(recovered);
    return { ok: true, position, recovery: { recovered, publications } };
  }

  /** As many publications, from the first on, as one answer may have. */
  #within(messages: readonly ChannelMessage[], size: number): Encoded[] {
    const publications: Encoded[] = [];
    let sum = size;
    for (const message of messages) {
      const publication = publicationOf(this.#wire.codec, message);
      sum += publication.length;
      if (sum > this.#gate.limits.maxAnswerSize) break;
      publications.push(publication);
    }
    return publications;
  }

  #isUnderWay(channel: string, task: number): boolean {
    return this.#subscribing?.get(channel) === task;
  }

  /** No subscription of the channel is under way any more; most of the time there is none at all. */
  #subscribed(channel: string): void {
    this.#subscribing?.delete(channel);
    if (this.#subscribing?.size === 0) this.#subscribing = undefined;
  }

  #unsubscribe(channel: string): void {
    this.#subscribed(channel);
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    this.#subscriptions.delete(channel);
    // Frames of this turn are of the time before.
    this.flush();
    subscription.publications.unsubscribe();
    subscription.events?.unsubscribe();
    const { presence, announced, info } = subscription;
    if (presence) this.#gate.present.remove(channel, info);
    if (announced) this.#gate.joinLeave.publish(channel, "leave", info);
  }

  async #publish({
    task,
    channel,
    data,
    info,
  }: Extract<Effect, { kind: "publish" }>): Promise<void> {
    try {
      await this.#gate.shared.broker.publishFor(channel, data, {
        info: publisherText(info),
        withinMs: this.#gate.limits.publishMs,
      });
    } catch (error) {
      this.#gate.complain(error, "a publication failed");
      const tooLarge = error instanceof BusError && error.code === "too_large";
      const answer = tooLarge ? errors.badRequest : errors.internal;
      this.#input({ kind: "published", task, error: answer });
      return;
    }
    this.#gate.metrics.published();
    this.#input({ kind: "published", task });
  }

  async #presence({ task, channel }: Extract<Effect, { kind: "presence" }>): Promise<void> {
    const presence = await this.#gate.presence.ask(channel);
    this.#noteIncomplete(presence);
    await this.#turn(performance.now() + this.#gate.limits.subscribeMs);
    this.#input({ kind: "presence", task, outcome: presence });
    this.#answerTurns.done();
  }

  async #history(effect: Extract<Effect, { kind: "history" }>): Promise<void> {
    const { task, channel } = effect;
    let share: PublicationShare | undefined;
    let hasTurn = false;
    let outcome: HistoryOutcome;
    try {
      share = this.#gate.shared.hub.subscribe(channel);
      const deadline = performance.now() + this.#gate.limits.subscribeMs;
      await until(share.source.log?.fresh(), deadline);
      await this.#turn(deadline);
      hasTurn = true;
      outcome = await this.#historyOf(share, effect, deadline);
    } catch (error) {
      this.#gate.complain(error, "a history could not be read");
      outcome = { ok: false, error: errors.internal };
    } finally {
      share?.unsubscribe();
    }
    this.#input({ kind: "history", task, outcome });
    if (hasTurn) this.#answerTurns.done();
  }

  async #historyOf(
    { source: { log } }: PublicationShare,
    request: HistoryRequest,
    deadline: number,
  ): Promise<HistoryOutcome> {
    if (log === undefined) throw new BusError("unavailable", "the channel has no history");
    for (;;) {
      // The position alone needs no publications.
      const messages = request.limit === 0 ? [] : log.visible(Date.now());
      if (log.following && messages !== undefined) {
        const { position } = log;
        const selected = selectHistory(messages, position.epoch, request);
        return selected === undefined
          ? { ok: false, error: errors.unrecoverablePosition }
          : { ok: true, position, publications: this.#within(selected, 0) };
      }
      await until(log.following ? log.load() : log.ready(), deadline);
    }
  }

  #noteIncomplete({ complete }: { readonly complete: boolean }): void {
    if (!complete) this.#gate.metrics.incompletePresence.inc();
  }

  /** Nothing more goes to the peer: others are told that the client has gone. Idempotent. */
  #release(): void {
    this.#turns?.end();
    this.#held = undefined;
    this.#gate.deadlines.forget(this);
    this.#subscribing = undefined;
    for (const channel of [...this.#subscriptions.keys()]) this.#unsubscribe(channel);
  }

  #end(closing: Closing | undefined): void {
    this.#ended = true;
    this.#release();
    this.#gate.registry.remove(this, this.session.user);
    this.#gate.closed(this, closing, performance.now() - this.#openedAt);
  }
}

/** Waits for what NATS is asked for, if there is anything to wait for. */
async function until(promise: Promise<void> | undefined, deadline: number): Promise<void> {
  if (promise === undefined) return;
  const late = (): Error => new BusError("unavailable", "NATS did not answer in time");
  await within(promise, deadline - performance.now(), late);
}

function sizeOf(publications: readonly Encoded[]): number {
  return publications.reduce((sum, { length }) => sum + length, 0);
}
